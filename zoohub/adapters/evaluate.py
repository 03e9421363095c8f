"""`Model.evaluate`: read the data, answer it, measure the answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from zoohub.adapters import data as reading
from zoohub.adapters.base import Model
from zoohub.adapters.measures import MEASURES, labels
from zoohub.adapters.metrics import Evaluation, measure
from zoohub.adapters.results import Failed
from zoohub.errors import DataError


def evaluate(
    model: Model,
    data: Any,
    *,
    columns: Mapping[str, str] | None = None,
    batch_size: int | Literal["auto"] = "auto",
    progress: bool = False,
    bad: reading.Bad = "raise",
    options: Mapping[str, Any] | None = None,
) -> Evaluation:
    """See `Model.evaluate`. Data that sets a part aside for evaluation is evaluated on that part."""
    examples = reading.read(data, model.task, columns=columns, bad=bad)
    examples = examples.held_out or examples
    check_labels(model, examples)
    results = model.judge(
        examples, batch_size=batch_size, progress=progress, strict=bad == "raise", **(options or {})
    )
    failed = [f"{r.input}: {r.error}" for r in results if isinstance(r, Failed)]
    kept = [
        (t, r) for t, r in zip(model.targets(examples), results, strict=True) if not isinstance(r, Failed)
    ]
    measured = measure(model.task, [t for t, _ in kept], [r for _, r in kept], model.labels)
    conditions = model.conditions(**(options or {}))
    return replace(measured, skipped=(*examples.problems, *failed), conditions=conditions)


def check_labels(model: Model, examples: reading.Examples) -> None:
    """Refuse labels that the model cannot give.

    Raises:
        DataError: the data has labels that are not the model's (the message names them), or several labels an input
        where the model gives one.
    """
    if not model.labels or MEASURES.get(model.task) is not labels:
        return
    if any(isinstance(target, list) for target in examples.targets) and not getattr(model, "several", False):
        raise DataError(
            f"{examples.name} has several labels an input; {model.id} gives one.",
            "Fine-tune it on such data first: zoo finetune",
        )
    if strange := sorted(set(examples.labels) - set(model.labels)):
        raise DataError(
            f"{model.id} does not know {len(strange)} of the labels: {reading.some(strange)}.",
            f"It knows: {reading.some(model.labels, 8)}. Fine-tune it on your labels first.",
        )
