"""A real hub on a real port, and the unmodified client to talk to it."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

import uvicorn
from huggingface_hub import HfApi

from zoohub.hub.app import create_app
from zoohub.hub.config import Config
from zoohub.hub.protocol import HubProtocol
from zoohub.hub.service import Hub

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Answer:
    """An HTTP answer, whole."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """A running hub."""

    hub: Hub
    port: int
    folder: Path
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def user(self, name: str, role: str = "write", **facts: Any) -> HfApi:
        """A client of a user, who is made on first use."""
        return HfApi(endpoint=self.url, token=self.token(name, role, **facts))

    def token(self, name: str, role: str = "write", **facts: Any) -> str:
        key = f"{name}/{role}"
        if key not in self.tokens:
            row = self.hub.accounts.find(name)
            user_id = row.id if row else self.hub.accounts.create_user(name, "password", **facts)
            self.tokens[key] = self.hub.accounts.create_token(user_id, "test", role)
        return self.tokens[key]

    def ask(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, **headers: str
    ) -> Answer:
        """One HTTP request, sent as it is written; a dict as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            sent = {key.replace("_", "-"): value for key, value in headers.items()}
            if token:
                sent["Authorization"] = f"Bearer {token}"
            if isinstance(body, dict | list):
                body = json.dumps(body)
                sent.setdefault("Content-Type", "application/json")
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            # A header that is sent twice keeps its last value.
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def client_env(self, name: str, folder: Path, **extra: str) -> dict[str, str]:
        """The environment of an unmodified client, with caches of its own."""
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        return kept | {
            "HF_ENDPOINT": self.url, "HF_TOKEN": self.token(name), "HF_HOME": str(folder / "hf"),
            "HF_XET_CACHE": str(folder / "xet"), "HF_HUB_DISABLE_UPDATE_CHECK": "1", "PYTHONPATH": str(ROOT),
            "HF_HUB_DISABLE_PROGRESS_BARS": "1", "OMP_NUM_THREADS": "1", "COLUMNS": "400", **extra,
        }  # fmt: skip


def run_client(env: dict[str, str], code: str, *args: str, timeout: float = 120) -> str:
    """Run Python code in a process of its own, as a user would."""
    done = subprocess.run(
        [sys.executable, "-c", code, *args],
        env=env,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


class _Uvicorn(uvicorn.Server):
    def install_signal_handlers(self) -> None:
        """Signals belong to the test runner."""


Starter = Callable[..., Server]


def start_server(folder: Path, **settings: Any) -> tuple[Server, Callable[[], None]]:
    """A hub in a thread of this process; returns it and what stops it."""
    settings.setdefault("database", f"sqlite:///{folder / 'registry.db'}")
    settings.setdefault("catalog", False)
    folder.mkdir(parents=True, exist_ok=True)
    config = Config.load(data=str(folder / "hub"), port=0, disk_reserve=0, **settings)
    hub = Hub(config)
    app = create_app(config, hub)
    running = _Uvicorn(uvicorn.Config(app, port=0, log_config=None, access_log=False, http=HubProtocol))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not running.started:
        assert thread.is_alive(), "the server did not start"
        assert time.monotonic() < deadline, "the server did not start in time"
        time.sleep(0.01)
    port = running.servers[0].sockets[0].getsockname()[1]

    def stop() -> None:
        running.should_exit = True
        thread.join(timeout=30)
        assert not thread.is_alive()
        hub.close()

    return Server(hub, port, folder), stop
