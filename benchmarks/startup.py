"""Start-up: whole-process wall time of zoo commands, beside what they are compared with. Prints JSON lines.

    python benchmarks/startup.py --runs 15

The commands take turns, so that noise on the machine meets all alike; medians are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

PYTHON = [sys.executable, "-c"]
ZOO = [sys.executable, "-m", "zoohub.cli"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    commands = {
        "python -c pass": [*PYTHON, "pass"],
        'python -c "import click, sqlalchemy"': [*PYTHON, "import click, sqlalchemy"],
        "zoo --help": [*ZOO, "--help"],
        "zoo search --task image-classification --limit 20": [
            *ZOO,
            "search",
            "--task",
            "image-classification",
            "--limit",
            "20",
        ],
        "zoo search mobilenet": [*ZOO, "search", "mobilenet"],
    }
    hf = shutil.which("hf", path=os.path.dirname(sys.executable)) or shutil.which("hf")
    if hf:
        commands["hf models ls --help"] = [hf, "models", "ls", "--help"]
    else:
        print(json.dumps({"what": "hf models ls --help", "left_out": "hf is not installed"}))
    with tempfile.TemporaryDirectory(prefix="zoo-bench-") as home:
        environment = {**os.environ, "ZOO_HOME": home, "PYTHONDONTWRITEBYTECODE": ""}
        environment.pop("ZOO_DATABASE_URL", None)
        started = time.perf_counter()
        subprocess.run([*ZOO, "search", "mobilenet"], env=environment, capture_output=True, check=True)
        print(
            json.dumps(
                {
                    "what": "first use: create the registry, load the catalog",
                    "s": round(time.perf_counter() - started, 2),
                }
            )
        )
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(options.runs):
            for name, command in commands.items():
                started = time.perf_counter()
                subprocess.run(command, env=environment, capture_output=True, check=True)
                times[name].append((time.perf_counter() - started) * 1000)
    for name, taken in times.items():
        print(json.dumps({"what": name, "ms": round(statistics.median(taken), 1)}))


if __name__ == "__main__":
    main()
