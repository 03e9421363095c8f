"""The words of an answer: its first line and its notes of doubt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from zoohub.selector.board import Board
from zoohub.selector.candidates import Wanted
from zoohub.selector.forecast import Forecast
from zoohub.selector.hardware import machine
from zoohub.selector.strategy import learns_classes

if TYPE_CHECKING:
    from zoohub.selector.advice import Recommendation

_HOW = {
    "zero-shot": "as it is",
    "probe": "with a linear probe",
    "setfit": "with contrastive (SetFit) training",
    "lora": "with LoRA",
    "full": "fine-tuned in full",
    "probe-then-full": "with a probe first, then in full",
}


def sentence(items: Sequence[Recommendation], made: Forecast, candidates: int) -> str:
    """The first line: what to use, what to expect, how sure that is."""
    first = items[0]
    how = _HOW[first.strategy.name]
    if first.score is None:
        return f"Try {first.id} {how}; no evidence for this task says how good it will be."
    low, high = sorted((abs(first.low or 0.0), abs(first.high or 0.0)))
    expected = f"{made.metric} {abs(first.score):.3g} ({low:.3g} to {high:.3g})"
    if not first.records:
        return f"Try {first.id} {how}: it has no result of its own, its relatives let expect {expected}."
    tied = len(made.tie_set)
    if tied == 1:
        return f"Use {first.id} {how}: expect {expected}."
    return (
        f"Use {first.id} {how}: expect {expected}; {tied} of {candidates} candidates may be the best, "
        "of those that score alike the smallest goes first."
    )


def assuming(samples: int, told: str) -> str:
    """The same where nobody said how many samples there are."""
    return (
        f"Assuming {samples:,} labeled samples (--samples N says otherwise, 0: a model as it is): "
        f"{told[0].lower()}{told[1:]}"
    )


def untrained(task: str, told: str) -> str:
    """The same where models of another task, which take classes as words, answer."""
    return f"Without samples, for classes of your own ({task}): {told[0].lower()}{told[1:]}"


def notes(board: Board, wanted: Wanted, items: Sequence[Recommendation]) -> tuple[str, ...]:
    """What makes the answer doubtful."""
    found = []
    spoken = {context.language for context in board.contexts}
    if not board.contexts:
        found.append(f"No evidence for {wanted.task}: the order follows size and popularity, not results.")
    elif wanted.language and wanted.language not in spoken:
        found.append(
            f"No evidence for {wanted.task} in {wanted.language}: results in other languages stand in."
        )
    if wanted.as_it_is and learns_classes(wanted.task):
        found.append("A model used as it is knows only the classes that it was trained on.")
    here = machine().training_memory
    need = items[0].training or items[0].inference
    if here and need and need.memory.middle > here:
        found.append(
            f"{items[0].id} needs about {need.memory.middle / 2**30:.0f} GiB: more than this machine has."
        )
    return tuple(found)


def scale(made: Forecast) -> float:
    """100 where scores are percentages, 1 where they are shares."""
    return 100.0 if np.nanmax(np.abs(made.score)) > 1.5 else 1.0
