"""The product's estimates of time and memory against published figures.

    python benchmarks/footprint.py --runtimes transfergraph_image.csv --models transfergraph_image_models.csv
    python benchmarks/footprint.py --memory openmmlab_metafiles.csv

prints one JSON line. Time: the exponents of zoohub.selector.clock were fitted on this table of runs and are used as
they are, the level is taken from the other data sets; `refitted` fits the exponents anew, too, on the other
data sets. Memory: zoohub.selector.backbones beside accelerate's estimate for Adam (`accelerate estimate-memory`)
of the same network's parameters; `refitted` fits the constants anew on the other collections of models.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import sys
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

import numpy as np  # noqa: E402
import selectortable as table  # noqa: E402

from zoohub.selector import backbones  # noqa: E402
from zoohub.selector.clock import gpu_law  # noqa: E402

ROUNDS = 40


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runtimes", type=Path)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--memory", type=Path)
    args = parser.parse_args()
    found: dict = {}
    if args.runtimes and args.models:
        found["time"] = runtimes(args.runtimes, args.models)
    if args.memory:
        found["memory"] = memory(args.memory)
    print(json.dumps(found))


def runtimes(path: Path, models: Path) -> dict:
    """Median factor by which the estimate of a run misses, leave one data set out."""
    traits = table.traits(table.read(models))
    rows = []
    for r in table.read(path):
        known = traits.get(r["model"])
        samples, seconds = table.number(r["n_train_total"]), table.number(r["train_runtime"])
        if known and known.parameters and samples and seconds:
            side = known.numbers.get("input_shape", 224.0)
            rows.append((r["dataset"], known.parameters, samples, (side / 16) ** 2 + 1, seconds))
    names = np.array([r[0] for r in rows])
    truth = np.log([r[4] for r in rows])
    ours = np.log([gpu_law(r[1], r[3], r[2]) for r in rows])
    x = np.array([[1.0, *np.log(r[1:4])] for r in rows])
    misses, refitted, calibrated = [], [], []
    for name in sorted(set(names)):
        held = names == name
        level = np.median(truth[~held] - ours[~held])
        miss = truth[held] - ours[held] - level
        misses += list(np.abs(miss))
        refitted += list(np.abs(truth[held] - x[held] @ least_absolute(x[~held], truth[~held])))
        calibrated += list(np.abs(np.delete(miss, 0) - miss[0]))  # one run on the same data sets the level
    return {
        "runs": len(rows),
        "data_sets": len(set(names)),
        "median_error_factor": factor(misses),
        "refitted": factor(refitted),
        "after_one_run": factor(calibrated),
    }


def factor(misses: list[float]) -> float:
    return round(math.exp(float(np.median(misses))), 3)


def least_absolute(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Coefficients of least absolute error, by reweighted least squares."""
    weights = np.linalg.lstsq(x, y, rcond=None)[0]
    for _ in range(ROUNDS):
        scale = 1.0 / np.sqrt(np.maximum(np.abs(y - x @ weights), 0.02))
        weights = np.linalg.lstsq(x * scale[:, None], y * scale, rcond=None)[0]
    return weights


def memory(path: Path) -> dict:
    """Median relative error of training memory, of ours and of accelerate's, on the same models."""
    seen, rows = set(), []
    for r in table.read(path):
        published = table.number(r["train_mem_gb"])
        if published and r["model"] not in seen:
            seen.add(r["model"])
            rows.append((r["model"], r["collection"], published))
    known = [(m, c, gb) for m, c, gb in rows if backbones.of(m)]
    truth = np.array([gb for _, _, gb in known])
    settings = [usual(m) for m, _, _ in known]
    ours = np.array([backbones.detector_memory(m, **s) for (m, _, _), s in zip(known, settings, strict=True)])
    found = {
        "published": len(rows),
        "network_known": len(known),
        "zoohub": errors(ours / 2**30, truth),
        "accelerate": errors(accelerates([m for m, _, _ in known]), truth),
    }
    parts = (
        np.array([components(m, **s) for (m, _, _), s in zip(known, settings, strict=True)]) / truth[:, None]
    )
    groups, made = np.array([c for _, c, _ in known]), np.zeros(len(known))
    for name in set(groups):
        held = groups == name
        made[held] = parts[held] @ least_absolute(parts[~held], np.ones((~held).sum())) * truth[held]
    return {**found, "refitted": errors(made, truth)}


def usual(model: str) -> dict:
    """What mmdet's configs of that name train with: images a GPU, pixels of one, number format."""
    sides = re.search(r"crop(\d+)|_(\d{3})_|(\d{3})x(\d{3})|ssd(\d{3})|-(416|608|320)", model)
    found = [int(side) for side in sides.groups() if side] if sides else []
    pixels = float(found[0] * found[-1]) if found else 1024.0**2 if "lsj" in model else 800.0 * 1216
    stated = re.search(r"\d+xb(\d+)", model)
    batch = int(stated[1]) if stated else 8 if re.match("ssd|yolov3", model) or "crop640" in model else 2
    return {"batch": batch, "pixels": pixels, "half": bool(re.search("fp16|amp", model))}


def components(model: str, *, batch: int, pixels: float, half: bool) -> list[float]:
    """The parts of the estimate in GiB: base, layer outputs, masks, stages."""
    network = backbones.of(model)
    kept = network.kept(pixels, 2.0 if half else 4.0) / backbones.KEPT
    share = batch * pixels / backbones.DETECTED
    masks, stages = (
        bool(re.search(p, model)) for p in (r"mask|htc|solo|point_rend", r"cascade|htc|detectors")
    )
    return [1.0, batch * kept / 2**30, masks * share, stages * share]


def accelerates(models: list[str]) -> np.ndarray:
    """GiB of training with Adam by accelerate's rule, from the network's parameters in fp32."""
    from accelerate.commands.estimate import estimate_training_usage

    sizes = [backbones.of(model).parameters * 4 for model in models]
    return np.array([max(estimate_training_usage(size, "float32").values()) / 2**30 for size in sizes])


def errors(ours: np.ndarray, truth: np.ndarray) -> dict:
    miss = np.abs(ours - truth) / truth
    return {
        "median_error": round(float(np.median(miss)), 3),
        "three_quarters_within": round(float(np.quantile(miss, 0.75)), 3),
        "median_ratio": round(float(np.median(ours / truth)), 3),
    }


if __name__ == "__main__":
    main()
