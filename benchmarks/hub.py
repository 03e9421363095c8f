"""The hub measured: downloads against nginx, uploads against the disk, the API and pages at scale.

python benchmarks/hub.py [download|upload|memory|dedup|api ...] [--folder DIR] [--size MB] [--models N]

Everything runs on loopback. `download` needs nginx, `api` needs wrk (both are Debian packages). Figures are medians of `--repeat` runs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hubload import PAGES, fill, load, questions, wrk

ROOT = Path(__file__).resolve().parents[1]
TOKEN = "zoo_benchmark_" + "t" * 30
MB = 1 << 20
SHA = "a" * 40


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port: int) -> None:
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server did not start")


@contextmanager
def hub(folder: Path, **settings: str) -> Iterator[tuple[str, int]]:
    """A hub as a process; yields its address and process id."""
    port = free_port()
    env = {**os.environ, "ZOO_HOME": str(folder), "ZOO_HUB_ADMIN_TOKEN": TOKEN, "PYTHONPATH": str(ROOT),
           "ZOO_HUB_CATALOG": "false", "ZOO_HUB_RATE": "0"}  # fmt: skip
    env |= {f"ZOO_HUB_{key.upper()}": value for key, value in settings.items()}
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", "zoohub.cli", "serve", "--port", str(port)],
            env=env,
            stdout=log,
            stderr=log,
        )
        try:
            wait_for(port)
            yield f"http://127.0.0.1:{port}", running.pid
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(30)


@contextmanager
def nginx(root: Path) -> Iterator[str]:
    """nginx over a folder that is laid out as a hub answers; yields its address."""
    port = free_port()
    work = root.parent / "nginx"
    work.mkdir(exist_ok=True)
    user = "user root;" if os.geteuid() == 0 else ""
    places = " ".join(f"{kind}_temp_path {work}/{kind};" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
    (work / "conf").write_text(
        f"{user} worker_processes 1; pid {work}/pid; error_log {work}/log; events {{}}\n"
        f"http {{ sendfile on; access_log off; client_body_temp_path {work}/body; {places}\n"
        f"server {{ listen 127.0.0.1:{port}; root {root}; default_type application/json;\n"
        f"location ~ ^/(?<repo>[^/]+/[^/]+)/resolve/[^/]+/(?<file>.*)$ {{\n"
        f"  add_header X-Repo-Commit {SHA}; try_files /$repo/$file =404; }}\n"
        f"location ~ ^/api/models/(?<repo>[^/]+/[^/]+)/(?<kind>revision|tree)/ {{\n"
        f"  try_files /$repo.$kind =404; }} }} }}\n"
    )
    running = subprocess.Popen(["nginx", "-c", str(work / "conf"), "-g", "daemon off;"])
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        running.wait(10)


def lay_out(root: Path, repo: str, files: Path) -> None:
    """Files and the two answers that `snapshot_download` asks for, as nginx serves them."""
    target = root / repo
    shutil.copytree(files, target)
    names = sorted(path.name for path in files.iterdir())
    for number, name in enumerate(names):
        # nginx makes ETags of time and size; of files with one ETag the client would fetch only the first.
        os.utime(target / name, (1_000_000_000 + number,) * 2)
    info = {"id": repo, "sha": SHA, "siblings": [{"rfilename": name} for name in names]}
    tree = [
        {"type": "file", "path": name, "oid": "0" * 40, "size": (files / name).stat().st_size}
        for name in names
    ]
    (root / f"{repo}.revision").write_text(json.dumps(info))
    (root / f"{repo}.tree").write_text(json.dumps(tree))


def client(url: str, cache: Path, code: str, *args: str, **extra: str) -> float:
    """Run client code in a process of its own; returns the seconds that the code says it took."""
    env = {**os.environ, "HF_ENDPOINT": url, "HF_TOKEN": TOKEN, "HF_HOME": str(cache / "hf"),
           "HF_XET_CACHE": str(cache / "xet"), "HF_HUB_DISABLE_PROGRESS_BARS": "1",
           "HF_HUB_DISABLE_UPDATE_CHECK": "1", **extra}  # fmt: skip
    shutil.rmtree(cache, ignore_errors=True)
    done = subprocess.run(
        [sys.executable, "-c", code, *args], env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return float(done.stdout.split()[-1])


UPLOAD = """
import sys, time
from huggingface_hub import HfApi
api = HfApi()
api.create_repo(sys.argv[1], exist_ok=True)
began = time.perf_counter()
api.upload_folder(repo_id=sys.argv[1], folder_path=sys.argv[2])
print(time.perf_counter() - began)
"""
SNAPSHOT = """
import sys, time
from huggingface_hub import snapshot_download
began = time.perf_counter()
snapshot_download(sys.argv[1])
print(time.perf_counter() - began)
"""


def write_random(path: Path, size: int, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    with path.open("wb") as out:
        for _ in range(size // MB):
            out.write(rng.randbytes(MB))


def rounds(count: int, *measures) -> list[list[float]]:
    """Run each measure in turn, `count` times, so that noise falls on all alike."""
    times: list[list[float]] = [[] for _ in measures]
    for _ in range(count):
        for number, measure in enumerate(measures):
            times[number].append(measure())
    return times


def curl(url: str) -> float:
    began = time.perf_counter()
    subprocess.run(["curl", "-sf", "-o", "/dev/null", url], check=True)
    return time.perf_counter() - began


def download(folder: Path, size: int, repeat: int) -> dict[str, float]:
    """One large and 1,000 small files by `snapshot_download`, from the hub and from nginx."""
    big, small = folder / "big", folder / "small"
    write_random(big / "w.bin", size * MB)
    small.mkdir()
    for number in range(1000):
        (small / f"{number:04}.txt").write_text(f"{number} " * 500)
    root = folder / "nginx-root"
    for name in ("big", "small"):
        lay_out(root, f"admin/{name}", folder / name)
    figures: dict[str, float] = {}
    with hub(folder / "home") as (url, _), nginx(root) as plain:
        for name in ("big", "small"):
            client(url, folder / "c", UPLOAD, f"admin/{name}", str(folder / name))
        for name in ("big", "small"):
            ours, theirs = rounds(
                repeat,
                lambda name=name: client(url, folder / "c", SNAPSHOT, f"admin/{name}"),
                lambda name=name: client(plain, folder / "c", SNAPSHOT, f"admin/{name}"),
            )
            figures[f"{name}: hub seconds"] = statistics.median(ours)
            figures[f"{name}: nginx seconds"] = statistics.median(theirs)
            figures[f"{name}: hub / nginx throughput"] = statistics.median(theirs) / statistics.median(ours)
        path = "admin/big/resolve/main/w.bin"
        ours, theirs = rounds(repeat, lambda: curl(f"{url}/{path}"), lambda: curl(f"{plain}/{path}"))
        figures["big by curl: hub MB/s"] = size / statistics.median(ours)
        figures["big by curl: nginx MB/s"] = size / statistics.median(theirs)
    return figures


def upload(folder: Path, size: int, repeat: int) -> dict[str, float]:
    """One large file by Xet and by LFS, against writing and hashing it on the disk."""
    source = folder / "up" / "w.bin"
    write_random(source, size * MB)

    def disk() -> float:
        began, digest = time.perf_counter(), hashlib.sha256()
        with source.open("rb") as file, (folder / "copy").open("wb") as out:
            while chunk := file.read(4 * MB):
                digest.update(chunk)
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        return time.perf_counter() - began

    def push(**extra: str) -> float:
        shutil.rmtree(folder / "home", ignore_errors=True)
        with hub(folder / "home") as (url, _):
            return client(url, folder / "c", UPLOAD, "admin/up", str(source.parent), **extra)

    xet, lfs, plain = rounds(repeat, push, lambda: push(HF_HUB_DISABLE_XET="1"), disk)
    base = statistics.median(plain)
    return {
        "disk MB/s": size / base, "xet MB/s": size / statistics.median(xet),
        "lfs MB/s": size / statistics.median(lfs),
        "xet / disk": base / statistics.median(xet), "lfs / disk": base / statistics.median(lfs),
    }  # fmt: skip


def resident(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def memory(folder: Path, size: int, repeat: int) -> dict[str, float]:
    """Resident memory of the server while it receives and serves `repeat` files of `size` MB."""
    source = folder / "up" / "w.bin"
    peak = 0.0
    done = threading.Event()
    with hub(folder / "home") as (url, pid):

        def watch() -> None:
            nonlocal peak
            while not done.is_set():
                peak = max(peak, resident(pid))
                time.sleep(0.05)

        watcher = threading.Thread(target=watch)
        watcher.start()
        first = resident(pid)
        for number in range(repeat):
            write_random(source, size * MB, number)
            client(
                url,
                folder / "c",
                UPLOAD,
                f"admin/m{number}",
                str(source.parent),
                HF_HUB_DISABLE_XET=str(number % 2),
            )
            curl(f"{url}/admin/m{number}/resolve/main/w.bin")
        done.set()
        watcher.join()
    return {"MB sent each way": size * repeat, "at start MB": first, "peak MB": peak}


def dedup(folder: Path, size: int, repeat: int) -> dict[str, float]:
    """What a second fine-tune adds to the store that changes 1 % of the bytes, in one place and in 20."""
    del repeat
    source = folder / "up" / "w.bin"
    write_random(source, size * MB)

    def stored() -> int:
        return sum(
            path.stat().st_size for path in (folder / "home" / "hub" / "objects").rglob("*") if path.is_file()
        )

    figures: dict[str, float] = {}
    with hub(folder / "home") as (url, _):
        client(url, folder / "c", UPLOAD, "admin/base", str(source.parent))
        body = bytearray(source.read_bytes())
        for label, places in (("one place", 1), ("20 places", 20)):
            changed, length = bytearray(body), len(body) // 100 // places
            for number in range(places):
                at = number * (len(body) // places)
                changed[at : at + length] = random.Random(f"change {number}").randbytes(length)
            source.write_bytes(changed)
            before = stored()
            env_cache = folder / "c"
            keep = folder / "kept"
            shutil.copytree(env_cache / "xet", keep, dirs_exist_ok=True)
            # The client knows what it sent before, as on the machine where the base was made.
            code = "import os, shutil\nshutil.copytree(os.environ['KEPT'], os.environ['HF_XET_CACHE'])\n"
            client(url, env_cache, code + UPLOAD, f"admin/tune{places}", str(source.parent), KEPT=str(keep))
            figures[f"1 % in {label}: added to the store, %"] = 100 * (stored() - before) / len(body)
    return figures


def processor_times(pid: int) -> tuple[float, float]:
    """Seconds of processor time of a process, and of its children that run, so far."""

    def one(number: int) -> float:
        fields = Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return one(pid), sum(one(int(child)) for child in children)


def api(folder: Path, models: int, seconds: float) -> dict[str, float]:
    """`GET /api/models` with filters, and the search page, over `models` rows.

    The hub mirrors, so that it lists all rows. Nearly every request differs from all others; the last line but one
    repeats eight of them, which are answered from memory.
    """
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "registry.db").exists():
        fill(home / "registry.db", models)
    figures: dict[str, float] = {}
    asked = questions(20_000, models)
    with hub(home, upstream="http://127.0.0.1:9", upstream_private_addresses="true") as (url, pid):
        load(url, asked[-400:] + PAGES, 4, 3, None)
        runs = {
            "api, open loop, 50 connections, 500 a second": lambda: load(
                url, asked[:9000], 50, seconds, 500.0
            ),
            "api, closed loop, 50 connections": lambda: wrk(url, asked[9000:], 50, seconds, folder),
            "api, closed loop, 50 connections, eight questions": lambda: wrk(
                url, asked[:8], 50, seconds, folder
            ),
            "search page, 4 clients, 20 a second": lambda: load(url, PAGES, 4, seconds, 20.0),
        }
        for label, run in runs.items():
            before = processor_times(pid)
            found = run()
            spent = [now - then for now, then in zip(processor_times(pid), before, strict=True)]
            for name, each in zip(("server", "search"), spent, strict=True):
                found[f"processor ms a request, {name}"] = 1000 * each / (found["requests/s"] * seconds)
            for key, value in found.items():
                figures[f"{label}: {key}"] = value
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", default=["download", "upload", "memory", "dedup", "api"])
    parser.add_argument("--folder", type=Path, help="where to work; kept. Default: a temporary folder")
    parser.add_argument("--size", type=int, default=1024, help="MB of the large file")
    parser.add_argument("--models", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    args = parser.parse_args()
    for what in args.what:
        with tempfile.TemporaryDirectory(prefix="zoo-bench-") as temporary:
            folder = (args.folder / what) if args.folder else Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            if what == "api":
                figures = api(folder, args.models, args.seconds)
            else:
                figures = {"download": download, "upload": upload, "memory": memory, "dedup": dedup}[what](
                    folder, args.size, args.repeat
                )
        for key, value in figures.items():
            print(f"{what}  {key}: {value:.4g}", flush=True)


if __name__ == "__main__":
    main()
