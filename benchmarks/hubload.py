"""What the hub's API is measured with: a registry of made-up models, requests that all differ, two load generators."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path


def fill(database: Path, count: int) -> None:
    """A registry of `count` made-up models with the shape of the real hub's."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from zoohub.registry import ModelRecord, Registry

    rng = random.Random(1)
    tasks = [
        "text-generation",
        "text-classification",
        "image-classification",
        "fill-mask",
        "translation",
        None,
    ]
    licenses = ["apache-2.0", "mit", "llama3.2", "cc-by-nc-4.0", "unknown", "unknown", "unknown"]
    libraries = ["transformers", "diffusers", "sentence-transformers", "timm", None]
    languages = [("en",), ("zh",), ("en", "fr"), (), ()]

    def records() -> Iterator[ModelRecord]:
        for number in range(count):
            yield ModelRecord(
                id=f"user{number % 50_000}/{rng.choice(['bert', 'llama', 'qwen', 'vit'])}-{number}",
                author=f"user{number % 50_000}", task=rng.choice(tasks), license=rng.choice(licenses),
                library=rng.choice(libraries), languages=rng.choice(languages),
                downloads=int(rng.paretovariate(0.7)), likes=int(rng.paretovariate(1.2)) - 1,
                updated=datetime.fromtimestamp(rng.uniform(1.65e9, 1.79e9), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            )  # fmt: skip

    with Registry.open(f"sqlite:///{database}", catalog=False) as registry:
        registry.add(records())


PAGES = [
    "/search",
    "/search?q=qwen",
    "/search?task=text-generation",
    "/search?q=bert&license=mit",
    "/search?language=zh",
]
FILTERS = {
    "task": ["text-generation", "text-classification", "image-classification", "fill-mask", "translation"],
    "license": [f"license:{name}" for name in ("apache-2.0", "mit", "llama3.2", "cc-by-nc-4.0")],
    "library": ["transformers", "diffusers", "sentence-transformers", "timm"],
    "language": ["en", "zh", "fr"],
    "word": ["bert", "llama", "qwen", "vit"],
    "sort": ["downloads", "likes", "lastModified", "trendingScore"],
}


def questions(count: int, models: int) -> list[str]:
    """Different requests for lists of models, as clients send them: filters, words, authors, orders, sizes.

    Any run of them has the same mixture: half of them filter by one to three facets.
    """
    rng = random.Random(7)

    def pick(name: str) -> str:
        return rng.choice(FILTERS[name])

    def filters() -> str:
        kinds = rng.sample(["task", "license", "library", "language"], rng.randint(1, 3))
        return "&".join(f"filter={pick(kind)}" for kind in kinds)

    shapes = (
        filters,
        lambda: f"{filters()}&sort={pick('sort')}",
        lambda: f"{filters()}&author=user{rng.randrange(min(models, 50_000))}",
        lambda: f"{filters()}&search={pick('word')}",
        lambda: f"author=user{rng.randrange(min(models, 50_000))}",
        lambda: f"search={pick('word')}+{rng.randrange(models)}",
        lambda: f"search={pick('word')}-{rng.randrange(models)}&sort={pick('sort')}",
        lambda: f"search={rng.randrange(models)}",
    )
    made = (
        f"/api/models?limit={rng.randrange(10, 51)}&{shapes[turn % len(shapes)]()}"
        for turn in itertools.count()
    )
    found: dict[str, None] = {}
    while len(found) < count:
        found[next(made)] = None
    return list(found)


def load(url: str, paths: list[str], clients: int, seconds: float, rate: float | None) -> dict[str, float]:
    """Requests from `clients` connections: with `rate` an open loop, else a closed one.

    In the open loop so many requests a second are due in all, whatever the server does, and the time of each counts
    from the moment when it was due. In the closed loop each connection asks as soon as it has its answer, so that
    the mean time is the number of connections divided by the throughput.
    """
    args = [url, str(clients), str(seconds), str(rate or 0)]
    text = json.dumps(paths)
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *args], input=text, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def wrk(url: str, paths: list[str], clients: int, seconds: float, folder: Path) -> dict[str, float]:
    """The closed loop with wrk, a load generator in C."""
    script = folder / "wrk.lua"
    body = ",\n".join(json.dumps(path) for path in paths)
    script.write_text(
        f"local paths = {{\n{body}\n}}\nlocal n = 0\n"
        "request = function() n = n + 1; return wrk.format('GET', paths[n % #paths + 1]) end\n"
        "done = function(summary, latency, requests)\n"
        "  local e = summary.errors\n"
        "  io.write(string.format('FIGURES %f %f %f %f %d\\n', summary.requests / summary.duration * 1e6,\n"
        "    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3,\n"
        "    e.connect + e.read + e.write + e.status + e.timeout))\nend\n"
    )
    done = subprocess.run(
        ["wrk", "-t1", f"-c{clients}", f"-d{int(seconds)}s", "-s", str(script), url],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    values = next(line for line in done.stdout.splitlines() if line.startswith("FIGURES")).split()[1:]
    names = ("requests/s", "p50 ms", "p95 ms", "p99 ms", "errors")
    return dict(zip(names, map(float, values), strict=True))


LOAD = """
import asyncio, json, sys, time
from urllib.parse import urlsplit
url, paths = sys.argv[1], json.load(sys.stdin)
clients, seconds, rate = int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
parts = urlsplit(url)
times, bad = [], 0
async def visit(number):
    global bad
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    pause = clients / rate if rate else 0
    await asyncio.sleep(pause * number / clients)
    end, at, turn = time.perf_counter() + seconds, time.perf_counter(), number
    while time.perf_counter() < end:
        began = at if pause else time.perf_counter()
        writer.write(f"GET {paths[turn % len(paths)]} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n".encode())
        head = await reader.readuntil(b"\\r\\n\\r\\n")
        fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\\r\\n")[1:] if b": " in line)
        await reader.readexactly(int(fields[b"content-length"]))
        times.append(time.perf_counter() - began)
        bad += not head.startswith(b"HTTP/1.1 200")
        turn += clients
        at += pause
        if pause:
            await asyncio.sleep(max(0, at - time.perf_counter()))
    writer.close()
async def main():
    await asyncio.gather(*(visit(number) for number in range(clients)))
    times.sort()
    pick = lambda share: round(1000 * times[min(int(len(times) * share), len(times) - 1)], 2)
    shares = {"p50 ms": pick(0.5), "p95 ms": pick(0.95), "p99 ms": pick(0.99)}
    print(json.dumps({"requests/s": round(len(times) / seconds), **shares, "errors": bad}))
try:
    import uvloop
    uvloop.run(main())
except ImportError:
    asyncio.run(main())
"""
