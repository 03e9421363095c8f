"""The time model of fine-tuning against published run times, leave one data set out.

    python benchmarks/footprint.py --runtimes transfergraph_image.csv --models transfergraph_image_models.csv

prints one JSON line with the median error factor.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

import numpy as np  # noqa: E402
import selectortable as table  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runtimes", type=Path)
    parser.add_argument("--models", type=Path)
    args = parser.parse_args()
    found: dict = {}
    if args.runtimes and args.models:
        found["time"] = runtimes(args.runtimes, args.models)
    print(json.dumps(found))


def runtimes(path: Path, models: Path) -> dict:
    """Power law in parameters and samples, fitted on the other data sets."""
    size = {name: t.parameters for name, t in table.traits(table.read(models)).items()}
    rows = [
        (
            r["dataset"],
            math.log(size[r["model"]]),
            math.log(float(r["n_train_total"])),
            math.log(float(r["train_runtime"])),
        )
        for r in table.read(path)
        if size.get(r["model"]) and table.number(r["train_runtime"]) and table.number(r["n_train_total"])
    ]
    names = np.array([r[0] for r in rows])
    x = np.array([[1.0, r[1], r[2]] for r in rows])
    y = np.array([r[3] for r in rows])
    errors, calibrated = [], []
    for name in sorted(set(names)):
        held = names == name
        weights = np.linalg.lstsq(x[~held], y[~held], rcond=None)[0]
        miss = y[held] - x[held] @ weights
        errors += list(np.abs(miss))
        # one model's run on the same data calibrates the rest, as one real batch does for the user
        calibrated += list(np.abs(np.delete(miss, 0) - miss[0]))
    return {
        "runs": len(y),
        "data_sets": len(set(names)),
        "median_error_factor": round(float(np.exp(np.median(errors))), 3),
        "median_error_factor_after_one_run": round(float(np.exp(np.median(calibrated))), 3),
    }


if __name__ == "__main__":
    main()
