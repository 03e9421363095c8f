"""The HTTP API, one file per concern: what the Hugging Face client calls, and the hub's own JSON API."""
