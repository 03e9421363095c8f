"""The registry at scale: load, search, counts, updates; beside peers on the same rows. Prints JSON lines.

    python benchmarks/registry.py --models 3000000 --data hub_records_2026-08-22.tar.xz
    python benchmarks/registry.py --models 1000000 --data ... --url postgresql+psycopg://...
    python benchmarks/registry.py --update OLDER.tar.xz --data NEWER.tar.xz

Every kind of query is asked at least 200 times, each time another one. Peers: sqlite3 with a plain table and FTS5
ordered by bm25 (the usual design), tantivy, MLflow's registry (at most 100,000 rows); a peer that is not installed
is named and left out.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import hub_records
from registry_queries import QUERIES, queries, report, timed

from zoohub.registry import ModelRecord, Query, Registry


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("ZOO_BENCH_DATA"), help="archive of hub records"
    )
    parser.add_argument("--models", type=int, default=100_000)
    parser.add_argument("--url", help="where to build the registry (default: a temporary SQLite file)")
    parser.add_argument(
        "--keep", action="store_true", help="use the registry at --url as it is, do not build it"
    )
    parser.add_argument("--update", type=Path, help="archive of an earlier day: apply it, then --data")
    parser.add_argument("--peers", nargs="*", default=[], choices=["fts5", "tantivy", "mlflow"])
    options = parser.parse_args()
    if not options.data:
        parser.error("name the archive: --data FILE or ZOO_BENCH_DATA")
    with tempfile.TemporaryDirectory(prefix="zoo-bench-") as folder:
        if options.update:
            real_update(Path(folder), options.update, Path(options.data))
            return
        real = hub_records.records(Path(options.data))
        url = options.url or f"sqlite:///{folder}/registry.db"
        os.environ["ZOO_DATABASE_URL"] = url
        with Registry.open(url, catalog=False) as registry:
            if not options.keep:
                load(registry, real, options.models)
            if url.startswith("sqlite"):
                report("file", bytes=registry.info()["size"])
            searches(registry, real)
            updates(registry, real, options.models)
        if url.startswith("sqlite"):
            processes(url, folder)
    for peer in options.peers:
        import registry_peers

        with tempfile.TemporaryDirectory(prefix="zoo-bench-") as folder:
            getattr(registry_peers, peer)(Path(folder), real, options.models)


def load(registry: Registry, real: list[ModelRecord], count: int) -> None:
    """Bulk load including the index. Making the rows is measured apart and taken off."""
    making = min(made_in(real, count) for _ in range(3))
    started = time.perf_counter()
    counts = registry.add(hub_records.resampled(real, count))
    took = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    report("bulk load", models=counts.new, seconds=round(took, 1), making_rows_s=round(making, 1),
           per_second=round(count / (took - making)), peak_mb=peak)  # fmt: skip


def made_in(real: list[ModelRecord], count: int) -> float:
    """Seconds that making so many rows takes, by a part of them; the least of several is the most careful figure."""
    part = min(count, 100_000)
    started = time.perf_counter()
    for _ in hub_records.resampled(real, part):
        pass
    return (time.perf_counter() - started) / part * count


def searches(registry: Registry, real: list[ModelRecord]) -> None:
    """Every kind of search, in this process, once the file is in the page cache."""
    kinds = queries(real)
    for asked in kinds.values():
        for query in asked[:20]:
            list(registry.search(query))
    for kind, asked in kinds.items():
        timed(kind, [lambda query=query: list(registry.search(query)) for query in asked])
    rnd = random.Random(2)
    facets = ("license", "task", "library", "language", "modality")
    for kind in ("facet", "text by popularity"):
        timed(
            f"count by, {kind}",
            [lambda query=query: registry.count_by(rnd.choice(facets), query) for query in kinds[kind]],
        )
    timed("count by, no filter", [lambda: registry.count_by(rnd.choice(facets)) for _ in range(QUERIES)])
    ids = [record.id for record in registry.search(Query(limit=2000))]
    timed("get", [lambda: [registry.get(rnd.choice(ids))] for _ in range(QUERIES)])
    near_by_name = ("qwen3-8", "whisper-larg", "lama-3", "gema", "stable-difusion")
    timed("near names", [lambda: registry._near(rnd.choice(near_by_name)) for _ in range(20)])


def updates(registry: Registry, real: list[ModelRecord], count: int) -> None:
    """A thousand changes: half new models, half with other downloads, tags and license."""
    rnd = random.Random(3)
    stored = list(registry.search(Query(sort="updated", limit=500)))
    changed = [replace(record, downloads=int((record.downloads or 1) * rnd.lognormvariate(0.2, 0.5)), license_raw="mit")
               for record in stored]  # fmt: skip
    new = list(hub_records.resampled(real, 500, seed=9))
    new = [replace(record, id=f"{record.id}-new", name=f"{record.name}-new") for record in new]
    started = time.perf_counter()
    counts = registry.add([*changed, *new])
    report("1,000 changes", models=count, new=counts.new, changed=counts.changed,
           seconds=round(time.perf_counter() - started, 2))  # fmt: skip


def processes(url: str, folder: str) -> None:
    """`zoo search` as a whole process, on this registry and on an empty one; its memory."""
    empty = f"sqlite:///{folder}/empty.db"
    Registry.open(empty, catalog=False).close()
    command = [
        sys.executable,
        "-m",
        "zoohub.cli",
        "search",
        "llama",
        "--task",
        "text-generation",
        "--limit",
        "20",
    ]
    times: dict[str, list[float]] = {empty: [], url: []}
    for _ in range(21):
        for address in times:
            started = time.perf_counter()
            subprocess.run(
                command, env={**os.environ, "ZOO_DATABASE_URL": address}, capture_output=True, check=True
            )
            times[address].append((time.perf_counter() - started) * 1000)
    full, blank = statistics.median(times[url]), statistics.median(times[empty])
    script = (
        "import sys; from zoohub.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script, *command[3:]], env={**os.environ, "ZOO_DATABASE_URL": url},
                          capture_output=True, check=True, text=True)  # fmt: skip
    report("zoo search, whole process", ms=round(full, 1), on_empty_ms=round(blank, 1), ratio=round(full / blank, 2),
           memory_mb=int(done.stderr.split()[-1]) // 1024)  # fmt: skip


def real_update(folder: Path, older: Path, newer: Path) -> None:
    """Apply one day, then another, and compare with what the data themselves say."""
    first, second = hub_records.records(older), hub_records.records(newer)
    before = {record.id.lower(): record for record in first}
    after = {record.id.lower(): record for record in second}
    new = sum(key not in before for key in after)
    changed = sum(key in before and before[key] != record for key, record in after.items())
    licenses = sum(
        key in before and before[key].license_raw != record.license_raw for key, record in after.items()
    )
    with Registry.open(f"sqlite:///{folder}/update.db", catalog=False) as registry:
        registry.add(first)
        started = time.perf_counter()
        counts = registry.add(second)
        took = time.perf_counter() - started
        found = len(registry.changes(field="license"))
    report("real update", new=[counts.new, new], changed=[counts.changed, changed], license_events=[found, licenses],
           seconds=round(took, 2), each="[the registry says, the data say]")  # fmt: skip


if __name__ == "__main__":
    main()
