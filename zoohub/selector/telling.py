"""The words of an answer: its first line and its notes of doubt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from zoohub.cards import licenses
from zoohub.registry import ModelRecord
from zoohub.selector import footprint
from zoohub.selector.board import Board
from zoohub.selector.forecast import Forecast
from zoohub.selector.hardware import machine
from zoohub.selector.prior import OWN
from zoohub.selector.purpose import foreign
from zoohub.selector.question import Wanted
from zoohub.selector.ranking import Ranking
from zoohub.selector.strategy import learns_classes, unfit
from zoohub.selector.utility import percentile

if TYPE_CHECKING:
    from zoohub.selector.advice import Recommendation

LONG = 3600.0  # seconds of training from which a quicker way is named
TOLD = 0.05  # of the variation that a trait explains, for it to be named

_HOW = {
    "zero-shot": "as it is",
    "probe": "with a linear probe",
    "setfit": "with contrastive (SetFit) training",
    "lora": "with LoRA",
    "full": "fine-tuned in full",
    "probe-then-full": "with a probe first, then in full",
}


def sentence(items: Sequence[Recommendation], made: Forecast, names: Sequence[str]) -> str:
    """The first line: what to use, what to expect, how sure that is. `names` are the candidates."""
    first = items[0]
    how = _HOW[first.strategy.name]
    if first.score is None:
        return f"Try {first.id} {how}; no evidence for this task says how good it will be."
    low, high = sorted((abs(first.low or 0.0), abs(first.high or 0.0)))
    metric = (made.metric or "").replace("_", " ")
    expected = f"{metric} {abs(first.score):.3g} ({low:.3g} to {high:.3g} in four of five cases)"
    if not first.records:
        return f"Try {first.id} {how}: it has no result of its own, its relatives let expect {expected}."
    tied = len(made.tie_set)
    if tied == 1:
        return f"Use {first.id} {how}: expect {expected}."
    return (
        f"Use {first.id} {how}: expect {expected}. {_near(first, made)} {tied} of {len(names)} candidates cannot be "
        f"told apart{_highest(first, made, names)}."
    )


def _near(first: Recommendation, made: Forecast) -> str:
    """How likely no candidate beats the first by more than noise."""
    return (
        f"With a chance of {first.near:.0%} it is the best or within {made.margin:.2g} of it, which is noise."
    )


def _highest(first: Recommendation, made: Forecast, names: Sequence[str]) -> str:
    """The one with the highest expected score, where that is not the first, and why it is not."""
    place = int(np.nanargmax(made.score))
    other = names[made.order[place]]
    if other == first.id:
        return ""
    own = made.order.index(names.index(first.id))
    close = made.typical[place] - made.typical[own] <= made.margin
    why = "; of ones so close the lighter goes first" if close else ""
    return f" ({other} is expected to reach {abs(made.score[place]):.3g}{why})"


def assuming(samples: int, told: str) -> str:
    """The same where nobody said how many samples there are."""
    return (
        f"Assuming {samples:,} labeled samples (--samples N says otherwise, 0: a model as it is): "
        f"{told[0].lower()}{told[1:]}"
    )


def untrained(task: str, told: str) -> str:
    """The same where models of another task, which take classes as words, answer."""
    return f"Without samples, for classes of your own ({task}): {told[0].lower()}{told[1:]}"


def notes(
    board: Board,
    wanted: Wanted,
    domain: str | None,
    items: Sequence[Recommendation],
    ordered: Sequence[ModelRecord],
) -> tuple[str, ...]:
    """What makes the answer doubtful, or costly, or not to be used by everyone. `ordered` are the records of all
    candidates, the best first."""
    found = []
    first = ordered[0]
    if foreign(first, (wanted.task,)):
        found.append(f"zoohub loads no model for this; {first.id} is for {first.library}.")
    if not board.contexts and not any(item.parameters for item in items):
        found.append(
            f"No evidence for {wanted.task}, and sizes are not known, either: the order says little."
        )
    elif not board.contexts:
        found.append(f"No evidence for {wanted.task}: the order follows size and popularity, not results.")
        if not any(record.downloads for record in ordered):
            found.append("How popular models are is not known yet: zoo sync hub brings it.")
    elif wanted.language and wanted.language not in {context.language for context in board.contexts}:
        found.append(
            f"No evidence for {wanted.task} in {wanted.language}: results in other languages stand in."
        )
    domains = sorted({context.domain for context in board.contexts if context.domain})
    if board.contexts and domain and domain.partition("/")[0] not in {d.partition("/")[0] for d in domains}:
        found.append(f"No evidence in the domain {domain}. There are: {', '.join(domains) or 'none'}.")
    if wanted.as_it_is and learns_classes(wanted.task):
        found.append("A model used as it is knows only the classes that it was trained on.")
    here = machine().training_memory
    need = items[0].training or items[0].inference
    if here and need and need.memory.middle > here:
        found.append(
            f"{items[0].id} needs about {need.memory.middle / 2**30:.0f} GiB: more than this machine has."
        )
    found += _slow(items[0], wanted, first)
    found += _unfree(items[0], wanted, ordered)
    if coded := [item.id for item in items if item.needs_code]:
        found.append(
            f"Running code of their own, which is refused until you trust it (--trust): {', '.join(coded)}."
        )
    return tuple(found)


def _unfree(first: Recommendation, wanted: Wanted, ordered: Sequence[ModelRecord]) -> list[str]:
    """Where no license was asked for and that of the first is not known to allow commercial use, the best that does."""
    if wanted.license or first.commercial == "yes":
        return []
    free = next((record.id for record in ordered if licenses.in_group(record.license, "commercial")), None)
    if free is None:
        return []
    said = "forbids commercial use" if first.commercial == "no" else "is not known to allow commercial use"
    named = f" ({first.license})" if first.license != "unknown" else ""
    license = f"The license of {first.id}{named} {said}"
    return [f"{license}; the best model that allows it: {free} (--license commercial)."]


def _slow(first: Recommendation, wanted: Wanted, record: ModelRecord) -> list[str]:
    """Where training would take hours, what is quicker."""
    if first.training is None or first.training.seconds.middle <= LONG or first.strategy.name == "probe":
        return []
    told = f"Training {first.id} takes about {first.training.seconds.middle / 3600:.0f} h here"
    shape = footprint.shape(record, parameters=first.parameters)
    if shape is None or unfit("probe", wanted.task):
        return [f"{told}; --max-params asks for smaller models, --samples 0 for one to use as it is."]
    probe = footprint.estimate(shape, "probe", samples=wanted.samples or 0)
    return [f"{told}, a probe about {max(probe.seconds.middle / 60, 1):.0f} min: --strategy probe"]


def pushes(ranking: Ranking, index: int, size: int | None) -> tuple[str, ...]:
    """What put the model where it stands, and what moved it up or down on the way, in points of its rank (0..100)."""
    count = int(ranking.records[index])
    standing = 100.0 * float(percentile(ranking.mean[index]))
    if not count:
        told = _related(ranking, standing)
        return (told, "size not known") if size is None else (told,)
    plain, own = (100.0 * float(percentile(level[index])) for level in (ranking.plain, ranking.own))
    found = [f"{count} own result{'s' if count > 1 else ''}, better than {plain:.0f}% of models in the mean"]
    found += _moved("results under conditions like yours", own - plain)
    found += _moved("its relatives", standing - own)
    if index == ranking.leader and ranking.mean[index] < ranking.mean.max():
        found.append("steadier than those that stand higher in the mean")
    return tuple(found)


def _related(ranking: Ranking, standing: float) -> str:
    """Where a model without results stands, and which traits say so."""
    shares = sorted(((share, trait) for trait, share in ranking.shares.items() if trait != OWN), reverse=True)
    by = ", ".join(trait for share, trait in shares if share > TOLD)
    if not by:
        return "no own result, and none that tells of it: placed by size and popularity"
    return f"no own result: expected above {standing:.0f}% of models by its relatives ({by})"


def _moved(what: str, points: float) -> list[str]:
    if abs(points) < 0.5:
        return []
    return [f"{what} put it {'up' if points > 0 else 'down'} by {abs(points):.0f}"]
