"""How to fine-tune: the strategy that measured results favor for a task, a number of samples and classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zoohub import tasks

STRATEGIES = ("zero-shot", "probe", "setfit", "lora", "probe-then-full", "full")
FEW, SOME, ENOUGH = 16, 64, 1000  # samples per class, samples per class, samples
LARGE = 1_000_000_000  # parameters from which full fine-tuning is rarely worth its memory


@dataclass(frozen=True, slots=True)
class Strategy:
    """A way to fine-tune, its settings, and why."""

    name: str
    reason: str
    settings: Mapping[str, Any] = field(default_factory=dict)


def learns_classes(task: str) -> bool:
    """Whether a model is of use for the task only once it was trained on labels of its own."""
    return "classification" in task and not task.startswith("zero-shot")


def unfit(strategy: str, task: str) -> str | None:
    """Why a strategy cannot be used for a task; None where it can."""
    if strategy == "setfit" and task != "text-classification":
        return "compares texts of two classes with each other"
    if strategy in ("probe", "probe-then-full") and not learns_classes(task):
        return "fits a classifier on frozen features"
    return None


def plan(
    task: str, samples: int | None, classes: int | None, parameters: int | None, named: str | None = None
) -> Strategy:
    """The strategy that was `named`, else the one for so much data and so large a model."""
    chosen = choose(task, samples, classes, parameters)
    return chosen if named in (None, chosen.name) else Strategy(str(named), "as asked", chosen.settings)


def choose(task: str, samples: int | None, classes: int | None, parameters: int | None) -> Strategy:
    """The strategy for so much data and so large a model."""
    known = tasks.get(task)
    modality = known.modality if known else "other"
    if not samples or not learns_classes(task):
        return _unlabeled(samples, parameters)
    per_class = samples / max(classes or 2, 1)
    if per_class <= FEW:
        if task == "text-classification" and per_class >= 2:
            return _contrastive(per_class)
        return Strategy("probe", f"{per_class:.0f} samples per class are too few to move the weights")
    if task == "text-classification" and per_class <= SOME and samples < ENOUGH:
        return _contrastive(per_class)
    if parameters and parameters >= LARGE:
        return _lora("a model of this size is adapted at a fraction of the memory")
    if samples < ENOUGH:
        return Strategy(
            "probe-then-full",
            f"{samples} samples: a fitted head first keeps the features whole",
            {"epochs": 10, "learning_rate": 3e-5},
        )
    epochs = 5 if samples < 20_000 else 3
    return Strategy(
        "full",
        f"{samples} samples are enough to train all weights",
        {"epochs": epochs, "learning_rate": 3e-5 if modality == "text" else 5e-5},
    )


def _unlabeled(samples: int | None, parameters: int | None) -> Strategy:
    if not samples:
        return Strategy("zero-shot", "without samples the model is used as it is")
    if parameters and parameters >= LARGE:
        return _lora("a model of this size is adapted at a fraction of the memory")
    if samples >= ENOUGH:
        return Strategy("full", f"{samples} samples are enough to train all weights", {"epochs": 3})
    return _lora(f"{samples} samples: few weights move, the rest stays as it was learned")


def _contrastive(per_class: float) -> Strategy:
    return Strategy(
        "setfit",
        f"{per_class:.0f} samples per class: comparing texts with each other leads up to 64",
        {"epochs": 1, "learning_rate": 2e-5},
    )


def _lora(reason: str) -> Strategy:
    return Strategy("lora", reason, {"epochs": 3, "learning_rate": 2e-4, "rank": 16, "layers": "all linear"})
