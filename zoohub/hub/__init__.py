"""SHARE IT: the HTTP server that the Hugging Face clients talk to, and its web pages."""

from zoohub.hub.config import Config

__all__ = ["Config"]
