"""Who may be recommended: models of the registry that pass the hard filters, and what the filters took
away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from zoohub.cards import licenses
from zoohub.errors import SelectorError
from zoohub.registry import ModelRecord, Query, Registry
from zoohub.selector import facts, footprint, strategy
from zoohub.selector.purpose import Topic, speaks
from zoohub.selector.strategy import Strategy

POPULAR = 200  # models without a record that are looked at, by popularity
# encoders that become models of a task once a head is trained on them
ENCODERS = {
    "text-classification": ("fill-mask", "sentence-similarity", "feature-extraction"),
    "token-classification": ("fill-mask",),
    "image-classification": ("image-feature-extraction", "zero-shot-image-classification"),
}
UNTRAINED = "needs samples: its head must be trained first"
NO_LICENSE = "license not known"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The question, and the hard filters: a license or group, a language, memory in bytes for the work.

    `room` is the memory of this machine: where no `memory` is named, models that are known to exceed it
    are left out.
    """

    task: str
    samples: int | None = None
    classes: int | None = None
    strategy: str | None = None
    license: str | None = None
    language: str | None = None
    memory: float | None = None
    room: float | None = None
    precision: str = "fp32"
    max_params: int | None = None
    topic: Topic | None = None

    def plan(self, size: int | None = None) -> Strategy:
        """How a model of `size` parameters would be put to work."""
        return strategy.plan(self.task, self.samples, self.classes, size, self.strategy)

    @property
    def as_it_is(self) -> bool:
        """Whether models are used untrained."""
        return self.plan().name == "zero-shot"

    @property
    def usable(self) -> tuple[str, ...]:
        """The task, and where there is data to train on, the tasks of encoders that can be trained for it."""
        return (self.task,) if self.as_it_is else (self.task, *ENCODERS.get(self.task, ()))


@dataclass
class Candidates:
    """The records that pass, and how many each filter took away (with one example)."""

    records: dict[str, ModelRecord] = field(default_factory=dict)
    removed: Counter[str] = field(default_factory=Counter)
    nearest: dict[str, str] = field(default_factory=dict)
    heavy: list[ModelRecord] = field(default_factory=list)
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
    _sift((record for record in present if record.task in wanted.usable), wanted, found)
    for query in _queries(wanted):
        _sift(registry.search(query), wanted, found)
    if not found.records:
        raise _nobody(found, wanted)
    return found


def _queries(wanted: Wanted) -> Iterable[Query]:
    """The popular models of each usable task; and those that the filters are most likely to pass."""
    facets = {"license": wanted.license, "language": wanted.language}
    narrow = {name: value for name, value in facets.items() if value}
    for task in wanted.usable:
        yield Query(task=(task,), limit=POPULAR)
        if narrow:
            yield Query.of(task=task, limit=POPULAR, **narrow)
        if wanted.topic:
            yield Query(wanted.topic.name, task=(task,), limit=POPULAR)


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
            if reason == "memory":
                found.heavy.append(record)


def obstacle(record: ModelRecord, wanted: Wanted) -> str | None:
    """The filter that `record` does not pass, or None. What is not known does not pass."""
    if record.gone:
        return "gone from its source"
    if wanted.as_it_is and record.task in ENCODERS.get(wanted.task, ()):
        return UNTRAINED
    if wanted.as_it_is and wanted.topic and not wanted.topic.meets(record):
        return f"not made for {wanted.topic.name}"
    if wanted.license and not license_passes(record.license, wanted.license):
        return f"license {wanted.license}" if record.license != "unknown" else NO_LICENSE
    if wanted.language and not speaks(record, wanted.language):
        return f"language {wanted.language}"
    size = facts.size(record)
    if wanted.max_params and (size is None or size > wanted.max_params):
        return "size"
    return _too_large(record, size, wanted)


def _too_large(record: ModelRecord, size: int | None, wanted: Wanted) -> str | None:
    if wanted.memory is None and wanted.room is None:
        return None
    need = _need(record, size, wanted)
    if need is None:
        return None if wanted.memory is None else "memory (size not known)"
    if wanted.memory is not None:
        return "memory" if need > wanted.memory else None
    return "memory of this machine (--memory names another)" if need > (wanted.room or 0.0) else None


def _need(record: ModelRecord, size: int | None, wanted: Wanted) -> float | None:
    """Bytes that the work takes; None where the size is not known."""
    shape = footprint.shape(record, parameters=size)
    if shape is None:
        return None
    return footprint.memory_of(shape, wanted.plan(size).name, precision=wanted.precision)


def license_passes(license: str, wanted: str) -> bool:
    """Whether a license is the one named, or in the group named (`commercial`, `permissive`)."""
    if wanted in ("commercial", "permissive"):
        return licenses.in_group(license, wanted)
    return license == licenses.resolve(wanted).id


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
        f"The nearest is {found.nearest[reason]}; it fails only: {reason}. {_relax(found, wanted)}",
    )


def _relax(found: Candidates, wanted: Wanted) -> str:
    """What would let a model pass."""
    needs = [(need, record.id) for record in found.heavy
             if (need := _need(record, facts.size(record), wanted)) is not None]  # fmt: skip
    if needs:
        need, name = min(needs)
        return f"The lightest, {name}, needs about {need / 2**20:.0f} MiB."
    if wanted.as_it_is and wanted.task in ENCODERS:
        return "With labeled samples encoders can be trained: --samples N"
    if NO_LICENSE in found.removed:
        return "Many state no license here: see at their source what holds, or search without the filter."
    return "Relax that filter."
