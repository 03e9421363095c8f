"""Pulling compared with the Hugging Face client on one local server: time, a kill half-way, one flipped bit.

    python benchmarks/weights.py [--megabytes 400] [--rounds 5]

The server runs in a process of its own and speaks the part of the Hub's API that both need. Both clients
run as new processes, in turns, with empty caches; medians are printed. The server offers plain HTTP, as
mirrors and private hubs do, and no Xet.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

SERVER = """
import sys, json; sys.path.insert(0, sys.argv[1])
from tests.weights.conftest import tensor_file
from tests.weights.tinyhub import TinyHub
from threading import Event
size = int(sys.argv[2])
files = {"config.json": b'{"model_type": "bert"}', "README.md": b"# A model"}
files |= {f"model-{n:05}-of-00004.safetensors": tensor_file(size // 4, n) for n in range(1, 5)}
with TinyHub({"me/model": files}) as hub:
    print(hub.url, flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        if not order.get("keep"):
            hub.faults.clear()
        for name, fault in order.get("faults", []):
            hub.faults[name].append(tuple(fault))
        if order.get("reset"):
            hub.served.clear()
        print(sum(hub.served.values()), flush=True)
"""
THEIRS = """
from huggingface_hub import snapshot_download
import sys
snapshot_download("me/model", cache_dir=sys.argv[1])
"""
OURS = """
from zoohub.registry import ModelRecord
from zoohub.weights import pull
pull(ModelRecord(id="me/model"), progress=False)
"""
LAST = "model-00004-of-00004.safetensors"


class Server:
    def __init__(self, size: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(ROOT), str(size)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        self.url = self.process.stdout.readline().strip()

    def tell(self, **order: Any) -> int:
        """Set faults or reset the count; returns the bytes served so far."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


def start(who: str, url: str, place: Path) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ, "HF_ENDPOINT": url, "ZOO_HOME": str(place), "HF_HOME": str(place / "hf"),
        "PYTHONPATH": str(ROOT),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_XET": "1",
    }  # fmt: skip
    code = [THEIRS, str(place / "cache")] if who == "huggingface_hub" else [OURS]
    return subprocess.Popen([sys.executable, "-c", *code], env=environment, stderr=subprocess.DEVNULL)


def timed(who: str, url: str, place: Path) -> tuple[float, float, int]:
    """Wall and processor seconds of one run, and its exit code."""
    begin = time.perf_counter()
    child = start(who, url, place)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return time.perf_counter() - begin, used.ru_utime + used.ru_stime, child.returncode


def killed_half_way(who: str, server: Server, place: Path, size: int) -> tuple[float, float]:
    """(share of the model that the next run fetched, MB of partial files that stay behind)."""
    server.tell(
        reset=True, faults=[(f"model-{n:05}-of-00004.safetensors", ("slow", 0.002)) for n in range(1, 5)]
    )
    child = start(who, server.url, place)
    while server.tell(keep=True) < size // 2:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    time.sleep(0.3)
    server.tell(reset=True)
    *_, code = timed(who, server.url, place)
    assert code == 0
    fetched = server.tell()
    orphans = sum(path.stat().st_size for path in place.rglob("*.incomplete"))
    return fetched / size, orphans / 1e6


def medians(runs: list[tuple[float, float]]) -> str:
    wall, cpu = (statistics.median(values) for values in zip(*runs, strict=True))
    return f"{wall:.2f} s, {cpu:.2f} s of processor"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    size = given.megabytes * 1_000_000
    server = Server(size)
    names = ("huggingface_hub", "zoohub")
    first: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    again: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory(prefix="zoo-bench-") as scratch:
        for turn in range(given.rounds):
            for name in names:
                place = Path(scratch) / f"{name}-{turn}"
                first[name].append(timed(name, server.url, place)[:2])
                again[name].append(timed(name, server.url, place)[:2])
                subprocess.run(["rm", "-rf", str(place)], check=True)
        print(f"{given.megabytes} MB in 4 files, medians of {given.rounds}; only zoohub hashes what arrives")
        for name in names:
            print(f"  {name:16} first pull {medians(first[name])}; nothing new {medians(again[name])}")
        for name in names:
            share, orphans = killed_half_way(name, server, Path(scratch) / f"{name}-killed", size)
            print(f"  {name:16} killed half-way: then fetched {share:.0%}, left {orphans:.0f} MB of parts")
        for name in names:
            server.tell(faults=[(LAST, ("flip", size // 8))])
            *_, code = timed(name, server.url, Path(scratch) / f"{name}-flipped")
            print(f"  {name:16} one flipped bit: {'noticed' if code else 'accepted'}")
    server.process.kill()


if __name__ == "__main__":
    main()
