"""Who may be recommended: models of the registry that pass the hard filters, and what the filters took
away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from zoohub.cards import licenses
from zoohub.errors import SelectorError
from zoohub.registry import ModelRecord, Query, Registry
from zoohub.selector import facts, footprint
from zoohub.selector.purpose import foreign, speaks
from zoohub.selector.question import ENCODERS, Wanted

POPULAR = 200  # models without a record that are looked at, by popularity
UNTRAINED = "needs samples: its head must be trained first"
FOREIGN = "of a library that zoohub does not load"
NO_LICENSE = "license not known"
SIZE, UNKNOWN_SIZE = "size", "size (not known)"
MEMORY, UNKNOWN_MEMORY = "memory", "memory (size not known)"
ROOM = "memory of this machine (--memory names another)"
UNKNOWNS = (NO_LICENSE, UNKNOWN_SIZE, UNKNOWN_MEMORY)


@dataclass
class Candidates:
    """The records that pass, those that do not, and how many each filter took away."""

    records: dict[str, ModelRecord] = field(default_factory=dict)
    removed: Counter[str] = field(default_factory=Counter)
    rejected: list[ModelRecord] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)


def gather(
    registry: Registry, wanted: Wanted, evidenced: Sequence[str], here: Sequence[str] = ()
) -> Candidates:
    """Models with evidence for the task, the best first in `evidenced`, those that are `here`, then the popular
    models of the task. Models that zoohub cannot load pass where there are no others.

    Raises:
        SelectorError: none is left; it tells what each filter took away and the nearest that would pass.
    """
    found = Candidates()
    with_evidence = (record for name in evidenced if (record := registry.find(name)) is not None)
    _sift(with_evidence, wanted, found)
    present = (record for name in here if (record := registry.find(name)) is not None)
    _sift((record for record in present if record.task in wanted.usable), wanted, found)
    for query in _queries(wanted):
        _sift(registry.search(query), wanted, found)
    if found.records:
        return found
    if found.removed[FOREIGN] and not wanted.any_library:
        return gather(registry, replace(wanted, any_library=True), evidenced, here)
    raise _nobody(found, wanted)


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
            found.rejected.append(record)


def obstacle(record: ModelRecord, wanted: Wanted) -> str | None:
    """The first filter that `record` does not pass, or None. What is not known does not pass."""
    return next(_obstacles(record, wanted), None)


def _obstacles(record: ModelRecord, wanted: Wanted) -> Iterator[str]:
    """Every filter that `record` does not pass."""
    if record.gone:
        yield "gone from its source"
    if not wanted.any_library and foreign(record, (wanted.task,)):
        yield FOREIGN
    if wanted.as_it_is and record.task in ENCODERS.get(wanted.task, ()):
        yield UNTRAINED
    if wanted.as_it_is and wanted.topic and not wanted.topic.meets(record):
        yield f"not made for {wanted.topic.name}"
    if wanted.license and not license_passes(record.license, wanted.license):
        yield f"license {wanted.license}" if record.license != "unknown" else NO_LICENSE
    if wanted.language and not speaks(record, wanted.language):
        yield f"language {wanted.language}"
    size = facts.size(record)
    if wanted.max_params and (size is None or size > wanted.max_params):
        yield SIZE if size else UNKNOWN_SIZE
    if too_large := _too_large(record, size, wanted):
        yield too_large


def _too_large(record: ModelRecord, size: int | None, wanted: Wanted) -> str | None:
    if wanted.memory is None and wanted.room is None:
        return None
    need = _need(record, size, wanted)
    if need is None:
        return None if wanted.memory is None else UNKNOWN_MEMORY
    if wanted.memory is not None:
        return MEMORY if need > wanted.memory else None
    return ROOM if need > (wanted.room or 0.0) else None


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
    """The error: what each filter took away, the model that fails the fewest of them, and what would let it pass."""
    if not found.removed:
        return SelectorError(
            f"No model for {wanted.task} in the registry.",
            "Fill it with: zoo sync hub   (see: zoo sync --help)",
        )
    told = "; ".join(f"{reason}: {count}" for reason, count in found.removed.most_common())
    nearest = min(found.rejected, key=lambda record: _distance(record, wanted))
    missing = [_short_of(reason, nearest, wanted) for reason in _obstacles(nearest, wanted)]
    advice = f"The nearest is {nearest.id}: {'; '.join(missing)}."
    if wanted.as_it_is and wanted.task in ENCODERS:
        advice += " With labeled samples encoders can be trained: --samples N"
    return SelectorError(f"No model for {wanted.task} passes the filters. They took away - {told}.", advice)


def _distance(record: ModelRecord, wanted: Wanted) -> tuple[int, bool, float]:
    """How far a record is from passing: filters failed, whether for want of knowledge, then how heavy it is."""
    failed = list(_obstacles(record, wanted))
    size = facts.size(record)
    return (
        len(failed),
        not {*failed}.isdisjoint(UNKNOWNS),
        _need(record, size, wanted) or float(size or "inf"),
    )


def _short_of(reason: str, record: ModelRecord, wanted: Wanted) -> str:
    """What a record lacks to pass a filter, and the option that would let it pass."""
    size = facts.size(record)
    if reason in (MEMORY, ROOM):
        return f"it needs about {(_need(record, size, wanted) or 0.0) / 2**20:.0f} MiB of memory (--memory)"
    if reason == SIZE:
        return f"it has {size} parameters (--max-params)"
    if reason == NO_LICENSE:
        return "it states no license here: see at its source what holds, or search without --license"
    if wanted.license and reason == f"license {wanted.license}":
        return f"its license is {record.license} (--license)"
    if wanted.language and reason == f"language {wanted.language}":
        spoken = ", ".join(record.languages[:5])
        return f"it states {spoken} (--language)" if spoken else "it states no language (--language)"
    return reason
