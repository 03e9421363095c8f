"""A local hub for each test, and a registry without the bundled catalog."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sources.hubserver import HubServer
from zoohub.registry import Registry
from zoohub.registry.sources import transport


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer(page=50) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", server.url)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield server


@pytest.fixture
def registry(zoo_home: object) -> Iterator[Registry]:
    with Registry.open(catalog=False) as opened:
        yield opened


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat failed requests at once: the waiting has a test of its own."""
    monkeypatch.setattr(transport, "pause", lambda _attempt: 0.0)
