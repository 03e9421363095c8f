"""From sets of slots to models: segments in their order, doubtful models looked at, rows read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from zoohub.registry import bitmap
from zoohub.registry.database import Connection, Row, chunks, marks
from zoohub.registry.plan import Candidate, Node, Segment

T = TypeVar("T")


def matching(
    connection: Connection, plan: Node, after: int, *, want: int, within: int | None = None
) -> Iterator[int]:
    """The slots of models that match, the most popular first, from behind the slot `after` on.

    `within` leaves it at so many segments, those of the most popular models.
    """
    for segment in segments(connection, plan, (after + 1) // bitmap.SLOTS, within):
        base = segment.number * bitmap.SLOTS
        if maybe := plan.sets(segment)[1]:
            offsets = maybe.iter_equal_or_larger(max(after + 1 - base, 0))
            yield from checked(connection, plan, segment, offsets, want)


def checked(
    connection: Connection, plan: Node, segment: Segment, offsets: Iterable[int], want: int
) -> Iterator[int]:
    """The slots of those models at `offsets` that do match, in that order; doubtful ones are looked at."""
    sure = plan.sets(segment)[0]
    base = segment.number * bitmap.SLOTS
    for part in batches(offsets, want):
        doubtful = [base + offset for offset in part if offset not in sure]
        looked_at = candidates(connection, doubtful)
        for offset in part:
            slot = base + offset
            if slot in looked_at:
                if plan.holds(segment, offset, looked_at[slot]):
                    yield slot
            elif offset in sure:
                yield slot


def segments(connection: Connection, plan: Node, first: int, within: int | None = None) -> Iterator[Segment]:
    """The segments from `first` on, up to the number `within`, read one, then four, then sixteen at a time."""
    end = segment_count(connection)
    end = end if within is None else min(end, within)
    size = 1
    while first < end:
        yield from Segment.load(connection, range(first, min(first + size, end)), plan)
        first, size = first + size, min(size * 4, 16)


def segment_count(connection: Connection) -> int:
    """How many segments there are."""
    row = connection.one("SELECT max(slot) FROM ranking")
    return 0 if row is None or row[0] is None else int(row[0]) // bitmap.SLOTS + 1


def at(connection: Connection, columns: str, slots: Sequence[int]) -> Iterator[Row]:
    """(slot, columns) of the models in some slots, in no order."""
    for part in chunks(slots):
        yield from connection.rows(
            f"SELECT r.slot, {columns} FROM ranking r JOIN models m ON m.pk = r.model WHERE r.slot IN ({marks(part)})",  # noqa: S608  # names and marks
            part,
        )


def candidates(connection: Connection, slots: Sequence[int]) -> dict[int, Candidate]:
    """The models in some slots, to be looked at."""
    return {slot: Candidate(doc) for slot, doc in at(connection, "m.doc", slots)}


def documents(connection: Connection, slots: Sequence[int]) -> list[bytes]:
    """The stored documents of the models in some slots, in that order."""
    docs = {slot: bytes(doc) for slot, doc in at(connection, "m.doc", slots)}
    return [docs[slot] for slot in slots if slot in docs]


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Consecutive parts of at most `size`, and of at most 500."""
    iterator = iter(items)
    size = max(min(size, 500), 1)
    while part := take(iterator, size):
        yield part


def take(items: Iterator[T], size: int) -> list[T]:
    """The next `size` items, fewer at the end."""
    return list(islice(items, size))
