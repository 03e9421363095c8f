"""Who may be recommended: models of the registry that pass the hard filters, and what the filters took
away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from zoohub.cards import licenses
from zoohub.errors import SelectorError
from zoohub.registry import ModelRecord, Query, Registry
from zoohub.selector import facts, footprint

POPULAR = 200  # models without a record that are looked at, by popularity
# encoders that become models of a task once a head is trained on them
ENCODERS = {
    "text-classification": ("fill-mask", "sentence-similarity", "feature-extraction"),
    "token-classification": ("fill-mask",),
    "image-classification": ("image-feature-extraction", "zero-shot-image-classification"),
}
LANGUAGES_OF_ALL = ("multilingual", "mul")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The hard filters: memory in bytes for `strategy` (inference where None), a license or group, a
    language."""

    task: str
    license: str | None = None
    language: str | None = None
    memory: float | None = None
    precision: str = "fp32"
    strategy: str | None = None
    max_params: int | None = None


@dataclass
class Candidates:
    """The records that pass, and how many each filter took away (with one example)."""

    records: dict[str, ModelRecord] = field(default_factory=dict)
    removed: Counter[str] = field(default_factory=Counter)
    nearest: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)


def gather(
    registry: Registry, wanted: Wanted, evidenced: Sequence[str], here: Sequence[str] = ()
) -> Candidates:
    """Models with evidence for the task, the best first in `evidenced`, those that are `here`, then the popular
    models of the task.

    Raises:
        SelectorError: none is left, with the filter that took most and the nearest that would pass.
    """
    found = Candidates()
    with_evidence = (record for name in evidenced if (record := registry.find(name)) is not None)
    _sift(with_evidence, wanted, found)
    present = (record for name in here if (record := registry.find(name)) is not None)
    _sift((record for record in present if record.task in _usable(wanted)), wanted, found)
    for task in _usable(wanted):
        _sift(registry.search(Query(task=(task,), limit=POPULAR)), wanted, found)
    if not found.records and (wanted.license or wanted.language):
        facets = {"license": wanted.license, "language": wanted.language}
        for task in _usable(wanted):
            narrow = Query.of(task=task, limit=POPULAR, **{k: v for k, v in facets.items() if v})
            _sift(registry.search(narrow), wanted, found)
    if not found.records:
        raise _nobody(found, wanted)
    return found


def _usable(wanted: Wanted) -> tuple[str, ...]:
    """The task, and where there is data to train on, the tasks of encoders that can be trained for it."""
    if wanted.strategy in (None, "zero-shot"):
        return (wanted.task,)
    return (wanted.task, *ENCODERS.get(wanted.task, ()))


def _sift(records: Iterable[ModelRecord], wanted: Wanted, found: Candidates) -> None:
    for record in records:
        if record.id in found.seen:
            continue
        found.seen.add(record.id)
        reason = obstacle(record, wanted)
        if reason is None:
            found.records[record.id] = record
        else:
            found.removed[reason] += 1
            found.nearest.setdefault(reason, record.id)


def obstacle(record: ModelRecord, wanted: Wanted) -> str | None:
    """The filter that `record` does not pass, or None. What is not known does not pass."""
    if record.gone:
        return "gone from its source"
    if wanted.strategy == "zero-shot" and record.task in ENCODERS.get(wanted.task, ()):
        return "needs samples: its head must be trained first"
    if wanted.license and not license_passes(record.license, wanted.license):
        return f"license {wanted.license}"
    if wanted.language and not _speaks(record, wanted.language):
        return f"language {wanted.language}"
    size = record.parameters or facts.parameters().get(record.id)
    if wanted.max_params and (size is None or size > wanted.max_params):
        return "size"
    if wanted.memory is not None:
        shape = footprint.shape(record, parameters=size)
        if shape is None:
            return "memory (size not known)"
        need = footprint.estimate(shape, wanted.strategy or "inference", precision=wanted.precision)
        if need.memory.middle > wanted.memory:
            return "memory"
    return None


def license_passes(license: str, wanted: str) -> bool:
    """Whether a license is the one named, or in the group named (`commercial`, `permissive`)."""
    if wanted in ("commercial", "permissive"):
        return licenses.in_group(license, wanted)
    return license == licenses.resolve(wanted).id


def _speaks(record: ModelRecord, language: str) -> bool:
    return any(one == language or one in LANGUAGES_OF_ALL for one in record.languages)


def _nobody(found: Candidates, wanted: Wanted) -> SelectorError:
    if not found.removed:
        return SelectorError(
            f"No model for {wanted.task} in the registry.",
            "Fill it with: zoo sync hub   (see: zoo sync --help)",
        )
    order = found.removed.most_common()
    told = "; ".join(f"{reason}: {count}" for reason, count in order)
    reason, _ = order[-1] if len(order) > 1 else order[0]
    return SelectorError(
        f"No model for {wanted.task} passes the filters. They took away - {told}.",
        f"The nearest is {found.nearest[reason]}; it fails only {reason}. Relax that filter.",
    )
