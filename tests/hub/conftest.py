"""A running hub for each test, or for all tests of a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hubserving import Server, Starter, start_server


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    """Starts hubs with settings of the test's own."""
    stops: list[Callable[[], None]] = []

    def starter(**settings: Any) -> Server:
        server, stop = start_server(tmp_path / f"server{len(stops)}", **settings)
        stops.append(stop)
        return server

    yield starter
    for stop in reversed(stops):
        stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A hub with default settings that the tests of one file share; each uses users of its own."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("hub")
        patch.setenv("ZOO_HOME", str(folder / "home"))
        started, stop = start_server(folder)
        yield started
        stop()
