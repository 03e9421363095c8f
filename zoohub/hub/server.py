"""Running the hub: the first administrator, uvicorn, several workers, a graceful end."""

from __future__ import annotations

import ctypes
import os
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from zoohub.errors import UsageError
from zoohub.hub.config import Config
from zoohub.hub.middleware import configure_logs
from zoohub.hub.service import Hub
from zoohub.registry.database import is_sqlite

if TYPE_CHECKING:
    from fastapi import FastAPI

CONFIG_VARIABLE = "ZOO_HUB_WORKER_CONFIG"
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # of glibc's malloc.h


def serve(config: Config, say: Callable[[str], None]) -> None:
    """Serve until stopped; requests that run are finished first.

    Raises:
        UsageError: several workers on SQLite, where writers of other processes would wait too long.
    """
    import uvicorn

    from zoohub.hub.protocol import HubProtocol

    if config.workers > 1 and is_sqlite(config.database_url):
        raise UsageError(
            "Several workers need PostgreSQL.",
            "Name one: ZOO_HUB_DATABASE=postgresql+psycopg://... or --workers 1",
        )
    hub = Hub(config)
    try:
        first_admin(hub, say)
    finally:
        hub.close()
    if config.workers > 1:
        # Workers are processes that build the application anew, so they get the configuration as text.
        os.environ[CONFIG_VARIABLE] = _dump(config)
    say(f"The hub serves at {config.public_url or f'http://{config.host}:{config.port}'}")
    uvicorn.run(
        "zoohub.hub.server:worker_app" if config.workers > 1 else _app(config),
        factory=config.workers > 1,
        host=config.host, port=config.port, workers=config.workers if config.workers > 1 else None,
        access_log=False, log_level="warning", timeout_graceful_shutdown=30, timeout_keep_alive=65,
        forwarded_allow_ips=config.trusted_proxies, server_header=False, root_path=config.root_path,
        http=HubProtocol, backlog=2048,
    )  # fmt: skip


def worker_app() -> FastAPI:
    """The application of one of several workers."""
    import json

    text = os.environ.get(CONFIG_VARIABLE)
    if text is None:
        raise UsageError("A worker is started by `zoo serve`.")
    return _app(Config.load(**json.loads(text)))


def _app(config: Config) -> FastAPI:
    from zoohub.hub.app import create_app

    configure_logs(config.log_format)
    return_memory()
    return create_app(config)


def return_memory() -> None:
    """Let the C library give the memory of large buffers back, instead of keeping it in one heap for each thread.

    glibc raises the size from which it does so with each large buffer that is freed; told a size, it stays there.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return  # another C library
    mallopt(M_MMAP_THRESHOLD, 1 << 20)
    mallopt(M_ARENA_MAX, 2)


def _dump(config: Config) -> str:
    import json
    from dataclasses import asdict

    return json.dumps(asdict(config))


def first_admin(hub: Hub, say: Callable[[str], None]) -> None:
    """Create the administrator of a hub that has no user yet, and tell password and token this once.

    `ZOO_HUB_ADMIN_PASSWORD` and `ZOO_HUB_ADMIN_TOKEN` name them instead, for machines that set up machines.
    """
    if hub.accounts.count():
        return
    name = hub.config.admin_name
    password = os.environ.get("ZOO_HUB_ADMIN_PASSWORD") or secrets.token_urlsafe(12)
    given = os.environ.get("ZOO_HUB_ADMIN_TOKEN")
    if given is not None and len(given) < 20:
        raise UsageError("ZOO_HUB_ADMIN_TOKEN is too short: use 20 random characters or more.")
    user = hub.accounts.create_user(name, password, admin=True)
    token = hub.accounts.create_token(user, "first", "write", value=given)
    if not os.environ.get("ZOO_HUB_ADMIN_PASSWORD"):
        say(f"First administrator: {name}, password {password}")
    if given is None:
        say(f"Token: {token}   (shown this once; make more on the page Tokens, or with `zoo hub token`)")
