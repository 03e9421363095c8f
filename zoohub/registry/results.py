"""The results of a search: orders, pages, counts. Each page reads one unchanging state of the registry."""

from __future__ import annotations

import base64
import binascii
import heapq
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import log10
from typing import Any as Anything
from typing import NamedTuple

from zoohub.errors import InvalidQuery
from zoohub.registry import bitmap
from zoohub.registry.database import Connection, Pool
from zoohub.registry.encoding import epoch, unpack
from zoohub.registry.index import chunks, marks
from zoohub.registry.plan import LAST, All, Has, Node, Not, Segment
from zoohub.registry.query import FACETS, Query, Search, read
from zoohub.registry.records import ModelRecord
from zoohub.registry.tokens import words

PAGE = 100
_RESCORED = 300  # the most popular models with the words in their name are ordered by how well they fit
_FEW = 3000  # so many models are sorted directly; more are met by walking the order's own index
_DOUBTS = 20_000  # so many doubtful models are looked at for a count; beyond, they count as they seem


class Results(Iterator[ModelRecord]):
    """Search results, read page by page. After a limit was reached, `cursor` says where to go on (None: at the end)."""

    def __init__(self, pool: Pool, query: Query) -> None:
        self._pool, self._query = pool, query
        self._left = sys.maxsize if query.limit is None else query.limit
        self._page: list[ModelRecord] = []
        self._started = False
        self.cursor = query.cursor

    def __iter__(self) -> Results:
        return self

    def __next__(self) -> ModelRecord:
        if not self._page:
            self._read()
        return self._page.pop()

    def _read(self) -> None:
        if self._left <= 0 or (self._started and self.cursor is None):
            raise StopIteration
        with self._pool.connection() as connection:
            size = min(self._left, PAGE)
            records, self.cursor = page(connection, self._query, size, self.cursor)
        self._started = True
        self._left -= len(records)
        self._page = records[::-1]
        if not records:
            raise StopIteration


class Page(NamedTuple):
    """A part of the results, and the cursor of what follows; None at the end."""

    records: list[ModelRecord]
    cursor: str | None


def page(connection: Connection, query: Query, size: int, cursor: str | None) -> Page:
    """The next `size` results of a query."""
    search = read(query)
    state = _decode(cursor)
    with connection.snapshot():
        if query.sort in ("likes", "updated", "parameters"):
            return _by_column(connection, query, search, size, state)
        if query.sort == "relevance" and search.words and not query.ascending:
            return _by_relevance(connection, search, size, state)
        return _by_popularity(connection, query, search, size, state)


# --- popularity ---------------------------------------------------------------------------------


class _Hit(NamedTuple):
    slot: int
    record: ModelRecord


def _by_popularity(
    connection: Connection, query: Query, search: Search, size: int, state: dict[str, Anything]
) -> Page:
    if query.ascending:
        hits = _least_popular(connection, search.plan, state)
    else:
        hits = _hits(connection, search.plan, state.get("slot", -1), want=size + 1)
    found = _take(hits, size + 1)
    cursor = _encode({"slot": found[size - 1].slot}) if len(found) > size else None
    return Page([hit.record for hit in found[:size]], cursor)


def _hits(connection: Connection, plan: Node, after: int, *, want: int) -> Iterator[_Hit]:
    """The models that match, the most popular first, from behind the slot `after` on."""
    for segment in _segments(connection, plan, (after + 1) // bitmap.SLOTS):
        base = segment.number * bitmap.SLOTS
        maybe = plan.sets(segment)[1]
        if after >= base:
            maybe = maybe >> (after - base + 1) << (after - base + 1)
        if maybe:
            yield from _checked(connection, plan, segment, bitmap.members(maybe), want)


def _least_popular(connection: Connection, plan: Node, state: dict[str, Anything]) -> Iterator[_Hit]:
    """The models that match, the least popular first; those without figures last."""
    row = connection.one("SELECT min(slot) FROM ranking WHERE popularity < ?", (1 << 22,))
    unknown = row[0] if row and row[0] is not None else None
    after = state.get("slot")
    for known in (True, False):
        if known and after is not None and unknown is not None and after >= unknown:
            continue
        for segment in reversed(list(_segments(connection, plan, 0))):
            base = segment.number * bitmap.SLOTS
            maybe = plan.sets(segment)[1]
            slots: Iterable[int] = (
                offset for offset in bitmap.descending(maybe)
                if (unknown is None or (base + offset < unknown)) == known
                and (after is None or base + offset < after or (not known and after < (unknown or 0)))
            )  # fmt: skip
            yield from _checked(connection, plan, segment, slots, PAGE)


def _checked(
    connection: Connection, plan: Node, segment: Segment, offsets: Iterable[int], want: int
) -> Iterator[_Hit]:
    """The models at `offsets` that do match, in that order."""
    sure = plan.sets(segment)[0]
    base = segment.number * bitmap.SLOTS
    for part in _batches(offsets, want):
        records = _records(connection, [base + offset for offset in part])
        for offset in part:
            record = records.get(base + offset)
            if record and (sure >> offset & 1 or plan.holds(segment, offset, record)):
                yield _Hit(base + offset, record)


def _segments(connection: Connection, plan: Node, first: int) -> Iterator[Segment]:
    """The segments from `first` on, read one, then two, four ... at a time."""
    end = _segment_count(connection)
    size = 1
    while first < end:
        yield from Segment.load(connection, range(first, min(first + size, end)), plan)
        first, size = first + size, min(size * 2, 16)


def _segment_count(connection: Connection) -> int:
    row = connection.one("SELECT max(slot) FROM ranking")
    return 0 if row is None or row[0] is None else int(row[0]) // bitmap.SLOTS + 1


def _records(connection: Connection, slots: Sequence[int]) -> dict[int, ModelRecord]:
    found: dict[int, ModelRecord] = {}
    for part in chunks(slots):
        sql = f"SELECT r.slot, m.doc FROM ranking r JOIN models m ON m.pk = r.model WHERE r.slot IN ({marks(part)})"  # noqa: S608, E501  # marks
        found.update((slot, unpack(doc)) for slot, doc in connection.rows(sql, part))
    return found


# --- relevance ----------------------------------------------------------------------------------


def _by_relevance(connection: Connection, search: Search, size: int, state: dict[str, Anything]) -> Page:
    """First the models that have all words in their name, then the rest; both from the most popular on."""
    named = All((search.plan, *(Has(f"={word}") for word in dict.fromkeys(search.words))))
    rest = All((search.plan, Not(named)))
    start, slot, stage = state.get("start", 0), state.get("slot", -1), state.get("stage", 0)
    found: list[ModelRecord] = []
    if stage == 0:
        best = _take(_hits(connection, named, -1, want=_RESCORED), _RESCORED)
        slot = best[-1].slot if len(best) == _RESCORED else -1
        stage = 1 if len(best) == _RESCORED else 2
        best.sort(key=lambda hit: (-_score(hit.record, search.words), hit.slot))
        found = [hit.record for hit in best[start : start + size]]
        if start + size < len(best):
            return Page(found, _encode({"start": start + size}))
        if start + size == len(best):
            return Page(found, _encode({"stage": stage, "slot": slot}))
    for plan in (named, rest)[stage - 1 :]:
        hits = _take(_hits(connection, plan, slot, want=size), size - len(found) + 1)
        missing = size - len(found)
        found.extend(hit.record for hit in hits[:missing])
        if len(hits) > missing:
            slot = hits[missing - 1].slot if missing else slot
            return Page(found, _encode({"stage": stage, "slot": slot}))
        stage, slot = stage + 1, -1
    return Page(found, None)


def _score(record: ModelRecord, sought: Sequence[str]) -> float:
    """How well a name fits the words: what part of it they are, weighed against how much it is used."""
    name = words(record.name)
    share = sum(map(len, set(sought))) / max(sum(map(len, name)), 1)
    used = log10(1 + (record.downloads or 0)) + log10(1 + (record.likes or 0))
    return 3 * min(share, 1.0) + (name == tuple(sought)) + used / 2


# --- other orders -------------------------------------------------------------------------------


def _by_column(
    connection: Connection, query: Query, search: Search, size: int, state: dict[str, Anything]
) -> Page:
    matches = _Matches(connection, search.plan)
    after = (state["value"], state["pk"]) if "pk" in state else None
    walk = _sorted_few if matches.count() <= _FEW else _walk
    rows = walk(connection, query, matches, after)
    found: list[tuple[Anything, int, ModelRecord]] = []
    for part in _batches(rows, size + 1):
        records = _records(connection, [slot for _, _, slot in part])
        found += [(value, pk, records[slot]) for value, pk, slot in part
                  if slot in records and matches.holds(slot, records[slot])]  # fmt: skip
        if len(found) > size:
            break
    last = found[size - 1] if len(found) > size else None
    cursor = _encode({"value": last[0], "pk": last[1]}) if last else None
    return Page([record for _, _, record in found[:size]], cursor)


class _Matches:
    """All models that match a plan, as sets."""

    def __init__(self, connection: Connection, plan: Node) -> None:
        self._plan = plan
        self.segments = {segment.number: segment for segment in _segments(connection, plan, 0)}
        self.sets = {number: plan.sets(segment) for number, segment in self.segments.items()}
        self._bytes = {number: maybe.to_bytes(bitmap.SLOTS // 8, "little")
                       for number, (_, maybe) in self.sets.items()}  # fmt: skip

    def count(self) -> int:
        return sum(maybe.bit_count() for _, maybe in self.sets.values())

    def __contains__(self, slot: int) -> bool:
        number, offset = divmod(slot, bitmap.SLOTS)
        bits = self._bytes.get(number)
        return bits is not None and bool(bits[offset >> 3] >> (offset & 7) & 1)

    def __iter__(self) -> Iterator[int]:
        for number, (_, maybe) in self.sets.items():
            for offset in bitmap.members(maybe):
                yield number * bitmap.SLOTS + offset

    def holds(self, slot: int, record: ModelRecord) -> bool:
        number, offset = divmod(slot, bitmap.SLOTS)
        return self._plan.holds(self.segments[number], offset, record)


_SortRow = tuple[Anything, int, int]  # value, pk, slot
_After = tuple[Anything, int] | None


def _sorted_few(connection: Connection, query: Query, matches: _Matches, after: _After) -> list[_SortRow]:
    rows: list[_SortRow] = []
    for part in chunks(list(matches)):
        sql = (
            f"SELECT m.{query.sort}, m.pk, r.slot FROM ranking r JOIN models m ON m.pk = r.model "  # noqa: S608  # checked name
            f"WHERE r.slot IN ({marks(part)})"
        )
        rows += connection.rows(sql, part)
    sign = 1 if query.ascending else -1

    def order(value: Anything, pk: int) -> tuple[bool, int, int]:
        return value is None, sign * (value or 0), sign * pk

    rows.sort(key=lambda row: order(row[0], row[1]))
    return rows if after is None else [row for row in rows if order(row[0], row[1]) > order(*after)]


def _walk(connection: Connection, query: Query, matches: _Matches, after: _After) -> Iterator[_SortRow]:
    column, way, beyond = query.sort, *(("ASC", ">") if query.ascending else ("DESC", "<"))
    steps: list[tuple[str, tuple[Anything, ...]]] = []
    limit: str
    params: tuple[Anything, ...]
    if after is None or after[0] is not None:
        limit, params = ("", ()) if after is None else (f"AND (m.{column}, m.pk) {beyond} (?, ?)", after)
        steps.append((f"m.{column} IS NOT NULL {limit}", params))
    limit, params = (f"AND m.pk {beyond} ?", (after[1],)) if after and after[0] is None else ("", ())
    steps.append((f"m.{column} IS NULL {limit}", params))
    for condition, values in steps:
        sql = (
            f"SELECT m.{column}, m.pk, r.slot FROM models m JOIN ranking r ON r.model = m.pk "  # noqa: S608  # checked name
            f"WHERE {condition} ORDER BY m.{column} {way}, m.pk {way}"
        )
        for row in connection.stream(sql, values):
            if row[2] in matches:
                yield row[0], row[1], row[2]


# --- counts -------------------------------------------------------------------------------------


def count(connection: Connection, query: Query) -> int:
    """How many models match."""
    with connection.snapshot():
        return sum(found.bit_count() for _, found in _matching(connection, read(query).plan))


def facet_counts(connection: Connection, query: Query, name: str) -> Counter[str]:
    """Value of a facet -> how many of the matching models have it."""
    if name not in FACETS:
        raise InvalidQuery(f"Cannot count by {name!r}.", f"Count by one of: {', '.join(FACETS)}")
    start = FACETS[name] + ":"
    counts: Counter[str] = Counter()
    with connection.snapshot():
        matching = {number: found for number, found in _matching(connection, read(query).plan) if found}
        for part in chunks(list(matching), 8):
            sql = f"SELECT segment, token, slots FROM postings WHERE segment IN ({marks(part)}) AND token >= ? AND token < ?"  # noqa: S608, E501  # marks
            as_bytes = {number: matching[number].to_bytes(bitmap.SLOTS // 8, "little") for number in part}
            for number, token, packed in connection.rows(sql, (*part, start, start + LAST)):
                if bitmap.is_few(packed):
                    bits = as_bytes[number]
                    common = sum(bits[slot >> 3] >> (slot & 7) & 1 for slot in bitmap.numbers(packed))
                else:
                    common = (bitmap.unpack(packed) & matching[number]).bit_count()
                if common:
                    counts[token[len(start) :]] += common
    return Counter({value: number for value, number in counts.items() if not value.startswith("@")})


def _matching(connection: Connection, plan: Node) -> Iterator[tuple[int, int]]:
    """(segment, slots that match) of every segment; doubtful models are looked at while they are few."""
    looked = 0
    for segment in _segments(connection, plan, 0):
        sure, maybe = plan.sets(segment)
        doubtful = maybe & ~sure
        if doubtful and looked < _DOUBTS:
            looked += doubtful.bit_count()
            base = segment.number * bitmap.SLOTS
            for hit in _checked(connection, plan, segment, bitmap.members(doubtful), 500):
                sure |= 1 << (hit.slot - base)
            yield segment.number, sure
        else:
            yield segment.number, maybe


# --- small things -------------------------------------------------------------------------------


def _batches(items: Iterable[Anything], size: int) -> Iterator[list[Anything]]:
    iterator = iter(items)
    size = max(min(size, 500), 1)
    while part := _take(iterator, size):
        yield part


def _take(items: Iterator[Anything], size: int) -> list[Anything]:
    found: list[Anything] = []
    while len(found) < size:
        try:
            found.append(next(items))
        except StopIteration:
            break
    return found


def _encode(state: dict[str, Anything]) -> str:
    return base64.urlsafe_b64encode(json.dumps(state, separators=(",", ":")).encode()).decode().rstrip("=")


def _decode(cursor: str | None) -> dict[str, Anything]:
    if cursor is None:
        return {}
    try:
        state = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        state = None
    if not isinstance(state, dict) or not all(isinstance(v, int | None) for v in state.values()):
        raise InvalidQuery(f"{cursor!r} is no cursor.", "Take the one that the earlier search gave.")
    return state
