"""Audit of a whole registry, audit of one model, scan of code.

    python benchmarks/audit.py --models 1000000 --code PATH/TO/site-packages

The registry is made here: models whose licenses and relations are as frequent as among real hub records,
half without a
license, 55 % made from another model. Prints seconds and the peak of memory of the audit alone.
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
from collections.abc import Iterator
from pathlib import Path

from zoohub.audit import Auditor, audit_registry, load_policy, scan_code
from zoohub.registry import BaseModel, ModelRecord, Registry

LICENSES = ("unknown", "apache-2.0", "mit", "llama3.1", "llama3.2", "gemma", "cc-by-nc-4.0", "openrail++",
    "cc-by-4.0",
            "creativeml-openrail-m", "gpl-3.0", "cc-by-nc-sa-4.0", "qwen-research",
                "bsd-3-clause")  # fmt: skip
WEIGHTS = (500, 240, 90, 25, 20, 20, 25, 15, 15, 20, 8, 10, 5, 7)
RELATIONS = ("finetune", "adapter", "quantized", "merge", None)


def records(count: int) -> Iterator[ModelRecord]:
    chance = random.Random(0)
    for number in range(count):
        declared = chance.choices(LICENSES, WEIGHTS)[0]
        bases = ()
        if number > 100 and chance.random() < 0.55:
            many = 3 if chance.random() < 0.03 else 1
            relation = chance.choice(RELATIONS)
            bases = tuple(BaseModel(f"org{n % 997}/model-{n}", relation)
                          for n in {int(number * chance.random() ** 3) for _ in range(many)})  # fmt: skip
        raw = None if declared == "unknown" else declared
        yield ModelRecord(
            f"org{number % 997}/model-{number}", license=declared, license_raw=raw, base_models=bases
        )


def whole(url: str) -> None:
    """In a process of its own, so that the peak is that of the audit."""
    start = time.perf_counter()
    with Registry.open(url, catalog=False) as registry:
        result = audit_registry(registry, "commercial")
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"whole registry: {len(result):,} models in {seconds:.1f} s, peak {peak:.0f} MiB, "
        f"{dict(result.verdicts)}"
    )


def single(url: str, count: int) -> None:
    times = []
    with Registry.open(url, catalog=False) as registry:
        auditor = Auditor(load_policy("commercial"), registry)
        chance = random.Random(1)
        for _ in range(300):
            number = chance.randrange(count)
            start = time.perf_counter()
            auditor.model(f"org{number % 997}/model-{number}")
            times.append((time.perf_counter() - start) * 1000)
    times.sort()
    print(f"one model, warm: median {statistics.median(times):.2f} ms, 99 % below {times[296]:.2f} ms")


def code(path: str) -> None:
    start = time.perf_counter()
    result = scan_code(path)
    seconds = time.perf_counter() - start
    print(f"code: {result.files:,} files, {result.lines:,} lines in {seconds:.1f} s with 2 processes: "
          f"{result.lines / seconds:,.0f} lines/s; {len(result.models)} models, {len(result.unresolved)} "
          f"unresolved uses, "
          f"{len(result.unread)} files not read")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, default=0, help="size of the registry")
    parser.add_argument("--code", help="a folder with a large tree of code")
    parser.add_argument("--url", help="a registry made by an earlier run")
    parser.add_argument("--only-whole", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only_whole:
        return whole(args.url)
    if args.code:
        code(args.code)
    if args.models:
        with tempfile.TemporaryDirectory() as folder:
            url = args.url or f"sqlite:///{Path(folder) / 'registry.db'}"
            if not args.url:
                start = time.perf_counter()
                with Registry.open(url, catalog=False) as registry:
                    registry.add(records(args.models))
                print(f"made the registry in {time.perf_counter() - start:.0f} s")
            child = [sys.executable, __file__, "--only-whole", "--url", url]
            subprocess.run(child, check=True, env={**os.environ})
            single(url, args.models)
    return None


if __name__ == "__main__":
    main()
