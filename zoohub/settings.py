"""Every path and environment variable, in one place; read at call time, so a change counts at once."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """The folder of all user state: `ZOO_HOME`, else the platform's own place for data."""
    named = os.environ.get("ZOO_HOME")
    if named:
        return Path(named).expanduser().resolve()
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "zoohub"


def database_url() -> str:
    """The registry's address: `ZOO_DATABASE_URL`, else a SQLite file in `home()`."""
    return os.environ.get("ZOO_DATABASE_URL") or f"sqlite:///{home() / 'registry.db'}"


def store() -> Path:
    """Where pulled weights lie; laid out as the Hugging Face cache, which transformers reads offline."""
    named = os.environ.get("ZOO_STORE")
    return Path(named).expanduser().resolve() if named else home() / "store"


def hub_endpoint() -> str:
    """The Hugging Face hub or a mirror of it: `HF_ENDPOINT`."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def hugging_face_cache() -> Path:
    """The Hugging Face clients' own downloads: `HF_HUB_CACHE`, else in `HF_HOME`, else their default."""
    named = os.environ.get("HF_HUB_CACHE")
    if named:
        return Path(named).expanduser()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return Path(os.environ.get("HF_HOME") or cache / "huggingface").expanduser() / "hub"


def mirrors() -> list[str]:
    """Copies of the Hugging Face hub, tried in order when it does not answer: `ZOO_MIRRORS` (a,b,c)."""
    return [name.strip().rstrip("/") for name in os.environ.get("ZOO_MIRRORS", "").split(",") if name.strip()]


def source_order() -> list[str]:
    """The sources that a pull asks first when a model lies in several: `ZOO_SOURCES` (a,b,c)."""
    return [name.strip() for name in os.environ.get("ZOO_SOURCES", "").split(",") if name.strip()]


def modelscope_endpoint() -> str:
    """The ModelScope hub: `MODELSCOPE_ENDPOINT` (a host name or an address)."""
    named = os.environ.get("MODELSCOPE_ENDPOINT") or "https://www.modelscope.cn"
    return (named if "://" in named else f"https://{named}").rstrip("/")


def offline() -> bool:
    """No network may be used: `ZOO_OFFLINE` or the Hugging Face client's own `HF_HUB_OFFLINE`."""
    values = (os.environ.get("ZOO_OFFLINE", ""), os.environ.get("HF_HUB_OFFLINE", ""))
    return any(value.strip().lower() in {"1", "true", "yes", "on"} for value in values)


def policy_file() -> str:
    """The policy in force: `ZOO_POLICY` (a built-in name or a file), else `$ZOO_HOME/policy.yaml`."""
    named = os.environ.get("ZOO_POLICY")
    if named:
        return named
    own = home() / "policy.yaml"
    return str(own) if own.is_file() else ""
