"""kill -9 at random points of uploads and commits: what was acknowledged stays, nothing is half there."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hubserving import ROOT
from huggingface_hub import CommitOperationAdd, HfApi

from zoohub.hub.config import Config
from zoohub.hub.maintenance import check
from zoohub.hub.service import Hub

TOKEN = "zoo_" + "k" * 40


class Process:
    """`zoo serve` as a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.running: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        env = {
            **os.environ, "ZOO_HOME": str(self.folder), "ZOO_HUB_ADMIN_TOKEN": TOKEN, "PYTHONPATH": str(ROOT),
            "ZOO_HUB_CATALOG": "false",
        }  # fmt: skip
        command = [sys.executable, "-m", "zoohub.cli", "serve", "--port", str(self.port)]
        with (self.folder / "log").open("ab") as out:
            self.running = subprocess.Popen(command, env=env, stdout=out, stderr=out)
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                assert self.running.poll() is None, (self.folder / "log").read_text()
                time.sleep(0.05)

    def stop(self, number: int) -> int:
        assert self.running is not None
        self.running.send_signal(number)
        return self.running.wait(timeout=40)


PUSHER = """
import random, sys
from huggingface_hub import CommitOperationAdd, HfApi
api, turn = HfApi(), sys.argv[1]
rng = random.Random(turn)
for number in range(1000):
    text = CommitOperationAdd(f"t/{turn}-{number}.txt", f"{turn} {number}".encode() * 1000)
    # The same commit has a large file, sent apart, so that a kill falls between the two as well.
    large = CommitOperationAdd(f"w/{turn}-{number}.bin", rng.randbytes(300_000))
    print(f"try {turn}-{number} -", flush=True)
    oid = api.create_commit("admin/m", [text, large], commit_message=f"{turn}-{number}").oid
    print(f"done {turn}-{number} {oid}", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["xet", "lfs"])
def test_killed_at_random_points(tmp_path: Path, transport: str) -> None:
    process = Process(tmp_path)
    rng = random.Random(transport)
    acknowledged: dict[str, str] = {}
    tried: set[str] = set()
    for turn in range(4):
        process.start()
        HfApi(endpoint=process.url, token=TOKEN).create_repo("admin/m", exist_ok=True)
        env = {
            **os.environ, "HF_ENDPOINT": process.url, "HF_TOKEN": TOKEN, "HF_HOME": str(tmp_path / "hf"),
            "HF_XET_CACHE": str(tmp_path / "xet"), "HF_HUB_DISABLE_XET": str(int(transport == "lfs")),
        }  # fmt: skip
        command = [sys.executable, "-c", PUSHER, str(turn)]
        pusher = subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        with pusher:
            assert pusher.stdout is not None
            first = pusher.stdout.readline()  # the client is up
            time.sleep(rng.uniform(0.3, 1.5))
            process.stop(signal.SIGKILL)
            pusher.kill()
            for line in [first, *pusher.stdout]:
                word, title, oid = line.split()
                tried.add(title)
                if word == "done":
                    acknowledged[title] = oid
    config = Config.load(
        data=str(tmp_path / "hub"), database=f"sqlite:///{tmp_path / 'registry.db'}", catalog=False
    )
    hub = Hub(config)
    assert check(hub).faults == []
    with hub.db.read() as connection:
        repo = hub.repos.find(connection, "model", "admin/m")
        assert repo is not None
        history = list(hub.repos.history(connection, hub.repos.resolve(connection, repo, "main")))
        from zoohub.hub.trees import Trees

        files = {path for path, _ in Trees(hub.db, connection).files(history[0].tree)}
    hub.close()
    commits = {commit.title: commit.oid for commit in history}
    assert len(acknowledged) > 5
    for title, oid in acknowledged.items():
        assert commits[title] == oid
    for title in set(commits) - {"initial commit"}:
        assert {f"t/{title}.txt", f"w/{title}.bin"} <= files  # a commit is whole, acknowledged or not
    assert set(commits) - {"initial commit"} <= tried


def test_a_gentle_stop_finishes_what_runs(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.start()
    api = HfApi(endpoint=process.url, token=TOKEN)
    api.create_repo("admin/m")
    body = random.Random(1).randbytes(6_000_000)
    done: list[str] = []

    def push() -> None:
        add = [CommitOperationAdd("w.bin", body)]
        done.append(api.create_commit("admin/m", add, commit_message="x").oid)

    thread = threading.Thread(target=push)
    connection = socket.create_connection(("127.0.0.1", process.port))
    connection.sendall(
        b"POST /api/repos/create HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + TOKEN.encode()
    )
    body_ = b'{"name": "late", "type": "model"}'
    connection.sendall(b"\r\nContent-Length: %d\r\n\r\n" % len(body_))  # begun, and its body not yet sent
    thread.start()
    thread.join()
    assert len(done) == 1
    process.running.send_signal(signal.SIGTERM)  # type: ignore[union-attr]
    time.sleep(0.3)
    connection.sendall(body_)
    assert connection.recv(100).startswith(b"HTTP/1.1 200")
    connection.close()
    assert process.running.wait(timeout=40) in (0, -signal.SIGTERM)  # type: ignore[union-attr]
