"""A cold answer of `zoo recommend` over a large registry: time and memory of whole processes.

    python benchmarks/recommend.py --models 1000000 --data hub_records_2026-08-22.tar.xz

The registry holds the bundled catalog and, up to the number, resampled real hub records. Each question is a new
process, after one that warms the page cache; torch must not be loaded. Prints one JSON line a question.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import hub_records

from zoohub.registry import Registry

QUESTIONS = {
    "images": ("image-classification", "--samples", "5000", "--classes", "10", "--memory", "8GB",
               "--license", "commercial"),
    "texts": ("text-classification", "--samples", "2000", "--classes", "3", "--license", "commercial"),
    "speech": ("automatic-speech-recognition",),
    "embeddings": ("feature-extraction", "--max-params", "600000000"),
}  # fmt: skip
# VmHWM: ru_maxrss would count what the parent held when it forked
ASK = """
import resource, sys
from zoohub.cli.main import zoo
zoo.main(args=sys.argv[1:], standalone_mode=False)
used = resource.getrusage(resource.RUSAGE_SELF)
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(peak, used.ru_utime + used.ru_stime, "torch" in sys.modules, file=sys.stderr)
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("ZOO_BENCH_DATA"), help="archive of hub records"
    )
    parser.add_argument("--models", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    if not args.data:
        parser.error("name the archive: --data FILE or ZOO_BENCH_DATA")
    with tempfile.TemporaryDirectory(prefix="zoo-bench-") as folder:
        os.environ["ZOO_HOME"] = folder
        with Registry.open() as registry:
            more = max(args.models - registry.count(), 0)
            registry.add(hub_records.resampled(hub_records.records(Path(args.data)), more))
            held = registry.count()
        for name, question in QUESTIONS.items():
            measured = [ask(question) for _ in range(args.runs + 1)][1:]
            seconds, processor, memory = (statistics.median(m[i] for m in measured) for i in range(3))
            print(json.dumps({
                "question": name, "models": held, "seconds": round(seconds, 2), "processor_s": round(processor, 2),
                "peak_mb": round(memory), "torch": any(m[3] for m in measured),
            }), flush=True)  # fmt: skip


def ask(question: tuple[str, ...]) -> tuple[float, float, float, bool]:
    """Wall seconds, processor seconds, peak MB of a process, and whether it loaded torch."""
    task, *options = question
    command = [sys.executable, "-c", ASK, "recommend", "--task", task, *options]
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    took = time.perf_counter() - started
    peak, processor, torch = done.stderr.split()[-3:]
    return took, float(processor), int(peak) / 1024, torch == "True"


if __name__ == "__main__":
    main()
