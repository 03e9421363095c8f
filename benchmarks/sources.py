"""Catalog and sync: how fast the catalog loads, a hub is synced, and what a second sync costs.

    python benchmarks/sources.py [--data FOLDER] [--models 10000]

The hub is a local server that speaks the Hub's API. FOLDER (or ZOO_BENCH_DATA) holds two states of real hub
records, `hub_records_2026-08-19.tar.xz` and `-22`; without it that part is left out. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("ZOO_BENCH_DATA"))
    parser.add_argument("--models", type=int, default=10_000, help="of the local hub")
    options = parser.parse_args()
    figures = {"catalog": catalog(), "hub": hub(options.models)}
    if options.data:
        figures["update"] = update(Path(options.data))
    print(json.dumps(figures, indent=1))


def catalog() -> dict[str, Any]:
    """Reading the data files, and the first opening of a registry with them."""
    from zoohub.registry import Registry
    from zoohub.registry.sources import catalog as module
    from zoohub.registry.sources import records

    def read() -> float:
        module._merged.cache_clear()
        start = time.perf_counter()
        list(records(module.CatalogSource()))
        return time.perf_counter() - start

    def opened() -> float:
        module._merged.cache_clear()
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            Registry.open(f"sqlite:///{folder}/registry.db").close()
            return time.perf_counter() - start

    count = sum(1 for _ in records(module.CatalogSource()))
    reading, opening = (statistics.median(step() for _ in range(5)) for step in (read, opened))
    return {"models": count, "read_s": round(reading, 2), "first_open_s": round(opening, 2)}


def hub(count: int) -> dict[str, Any]:
    """A first sync over HTTP, a second after 100 changes, and one after none."""
    from tests.sources.hubserver import HubServer
    from zoohub.registry import Registry
    from zoohub.registry.sources.hub import HubSource
    from zoohub.registry.sync import sync

    with HubServer() as server, tempfile.TemporaryDirectory() as folder:
        os.environ["ZOO_HOME"] = folder
        server.fill(count, cardData={"license": "mit", "language": ["en"]}, tags=["a", "b", "license:mit"])
        with Registry.open(f"sqlite:///{folder}/registry.db", catalog=False) as registry:
            source = HubSource(server.url)
            first, report = timed(lambda: sync(source, registry=registry))
            assert report.new == count
            for number in range(100):
                server.add(f"new/model-{number}")
            second, report = timed(lambda: sync(source, registry=registry))
            assert report.new == 100
            asked = len(server.requests)
            third, report = timed(lambda: sync(source, registry=registry))
            assert report.new == report.changed == 0
    return {
        "models": count,
        "first_s": round(first, 2),
        "models_per_s": round(count / first),
        "after_100_changes_s": round(second, 2),
        "after_none_s": round(third, 2),
        "requests_after_none": len(server.requests) - asked,
    }


def update(folder: Path) -> dict[str, Any]:
    """Two real states of the hub, three days apart."""
    from zoohub.registry import Registry
    from zoohub.registry.sync import sync

    with tempfile.TemporaryDirectory() as home:
        os.environ["ZOO_HOME"] = home
        with Registry.open(f"sqlite:///{home}/registry.db", catalog=False) as registry:
            for day in (19, 22):
                path = folder / f"hub_records_2026-08-{day}.tar.xz"
                seconds, report = timed(lambda path=path: sync("file", path, registry=registry))
            licenses = len(registry.changes(field="license"))
    counts = {key: getattr(report, key) for key in ("new", "changed", "unchanged", "refusals")}
    return {**counts, "license_changes_in_history": licenses, "seconds": round(seconds, 1)}


def timed(call: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    main()
