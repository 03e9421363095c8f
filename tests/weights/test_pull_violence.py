"""Pulls that are killed, race one another or meet a full disk."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.weights.pulling import MODEL, WEIGHTS, fetch, leftovers
from tests.weights.tinyhub import COMMIT, TinyHub
from zoohub.errors import WeightsError
from zoohub.weights import local, store

CHILD = "from zoohub.cli.main import main; main(['pull', 'me/model', '--quiet'])"


def start() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        preexec_fn=heed_interrupts,
    )  # fmt: skip


def heed_interrupts() -> None:
    """Tests that run in the background of a shell inherit that Ctrl-C is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for_bytes(hub: TinyHub, least: int) -> None:
    deadline = time.monotonic() + 60
    while hub.served[WEIGHTS] < least:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("violence", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_pull_leaves_no_half_and_the_next_one_goes_on(
    hub: TinyHub, violence: signal.Signals
) -> None:
    hub.faults[WEIGHTS] = [("slow", 0.05)]
    child = start()
    wait_for_bytes(hub, 1_500_000)
    child.send_signal(violence)
    _, told = child.communicate(timeout=30)
    assert child.returncode == (130 if violence == signal.SIGINT else -signal.SIGKILL)
    if violence == signal.SIGINT:
        assert "Traceback" not in told
        assert "Stopped" in told
    assert local("me/model") is None
    [part] = store().root.rglob("*.incomplete")
    assert part.stat().st_size >= 1_000_000

    kept = part.stat().st_size
    again = start()
    again.communicate(timeout=60)
    assert again.returncode == 0
    assert hub.downloads(WEIGHTS) == [None, f"bytes={kept}-"]
    folder = local("me/model")
    assert folder
    assert (folder / WEIGHTS).read_bytes() == hub.models["me/model"][WEIGHTS]
    assert leftovers() == []


def test_two_pulls_at_once_fetch_each_file_once(hub: TinyHub) -> None:
    hub.faults[WEIGHTS] = [("slow", 0.01)]
    children = [start() for _ in range(3)]
    for child in children:
        out, told = child.communicate(timeout=60)
        assert child.returncode == 0, told
        assert out.strip().endswith(COMMIT)
    assert hub.served[WEIGHTS] == len(hub.models["me/model"][WEIGHTS])
    assert leftovers() == []


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A file system of 2 MB, where this user may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs rights")
    monkeypatch.setenv("ZOO_STORE", str(place / "store"))
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_disk_that_is_too_small_is_said_before_anything_is_fetched(hub: TinyHub, small_disk: Path) -> None:
    with pytest.raises(WeightsError, match=r"needs 3,\d\d\d,\d\d\d bytes"):
        fetch()
    assert hub.served[WEIGHTS] == 0


def test_a_disk_that_fills_up_on_the_way_leaves_nothing_half_written(
    hub: TinyHub, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(small_disk)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=10**9))
    with pytest.raises(WeightsError, match="No space left"):
        fetch()
    assert leftovers() == []
    assert local(MODEL) is None


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
from zoohub.cli.main import main
main(['pull', 'me/model', '--quiet'])
"""


@pytest.mark.skipif(os.name != "posix", reason="limits of a process")
def test_a_file_that_may_not_grow_is_said_by_the_command_without_a_traceback(hub: TinyHub) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "ZOO_STORE" in done.stderr
    assert "Traceback" not in done.stderr
    assert leftovers() == []


def test_threads_of_one_process_may_pull_at_once(hub: TinyHub) -> None:
    hub.faults[WEIGHTS] = [("slow", 0.01)]
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(fetch())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(set(found)) == 1
    assert len(found) == 3
    assert hub.served[WEIGHTS] == len(hub.models["me/model"][WEIGHTS])
