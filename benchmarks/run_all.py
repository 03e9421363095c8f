"""Run the benchmarks of docs/benchmarks.md, one after the other; those that need data look in ZOO_BENCH_DATA.

    ZOO_BENCH_DATA=FOLDER python benchmarks/run_all.py [NAME ...]

FOLDER holds `data/`, `licenses/` and `weights/` with the files that the sections of docs/benchmarks.md name.
Without it only what needs none is run. Without names all are; each prints JSON lines of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
DATA = os.environ.get("ZOO_BENCH_DATA")
RECORDS = "data/hub_records_2026-08-22.tar.xz"

# name -> arguments; an argument with a slash is a file below the data folder
WITHOUT_DATA = {
    "startup": ["--runs", "15"],
    "weights": ["--megabytes", "200", "--rounds", "3"],
    "audit": ["--models", "1000000"],
    "hub": ["download", "upload", "dedup"],
}
WITH_DATA = {
    "accuracy": ["--data", "./"],
    "cards": ["--data", "./"],
    "sources": ["--data", "data/"],
    "registry": ["--models", "1000000", "--data", RECORDS],
    "speech": ["--model", "weights/whisper-tiny-hf", "--sound", "data/jfk.flac", "--threads", "2"],
    "selector": [
        "data/selector/transfergraph_image.csv",
        "--models",
        "data/selector/transfergraph_image_models.csv",
    ],
}


def main(names: list[str]) -> int:
    table = {**WITHOUT_DATA, **(WITH_DATA if DATA else {})}
    if unknown := [name for name in names if name not in {**WITHOUT_DATA, **WITH_DATA}]:
        sys.exit(f"There is no benchmark {unknown[0]!r}: {', '.join({**WITHOUT_DATA, **WITH_DATA})}.")
    failed = 0
    for name, arguments in table.items():
        if names and name not in names:
            continue
        placed = [str(Path(DATA, word)) if DATA and "/" in word else word for word in arguments]
        print(f"# {name}.py {' '.join(arguments)}", flush=True)
        failed += subprocess.run([sys.executable, HERE / f"{name}.py", *placed], check=False).returncode != 0
    if not DATA:
        print(f"# left out without ZOO_BENCH_DATA: {', '.join(WITH_DATA)}")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
