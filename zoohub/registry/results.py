"""The results of a search: orders, pages, counts. Each page reads one unchanging state of the registry."""

from __future__ import annotations

import base64
import binascii
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from math import log10
from typing import Any as Anything
from typing import Generic, NamedTuple, TypeVar

from zoohub.errors import InvalidQuery
from zoohub.registry import bitmap
from zoohub.registry.database import Connection, Pool, Row
from zoohub.registry.encoding import LIKES_RANGE
from zoohub.registry.index import chunks, marks
from zoohub.registry.plan import LAST, All, Candidate, Has, Node, Not, Segment
from zoohub.registry.query import FACETS, Query, Search, read
from zoohub.registry.tokens import split

PAGE = 100
_RESCORED = 300  # the most popular models with the words in their name are ordered by how well they fit
_FEW = 3000  # so many models are sorted directly; more are met by walking the order's own index
_DOUBTS = 5_000  # so many doubtful models are looked at for a count; beyond, they count as they seem


T = TypeVar("T")


class Results(Iterator[T], Generic[T]):
    """Search results, read page by page; `make` makes each of a stored document.

    After a limit was reached, `cursor` says where to go on (None: at the end).
    """

    def __init__(self, pool: Pool, query: Query, make: Callable[[bytes], T]) -> None:
        self._pool, self._query, self._make = pool, query, make
        self._left = sys.maxsize if query.limit is None else query.limit
        self._page: list[bytes] = []
        self._started = False
        self.cursor = query.cursor

    def __iter__(self) -> Results[T]:
        return self

    def __next__(self) -> T:
        if not self._page:
            self._read()
        return self._make(self._page.pop())

    def _read(self) -> None:
        if self._left <= 0 or (self._started and self.cursor is None):
            raise StopIteration
        with self._pool.connection() as connection:
            size = min(self._left, PAGE)
            documents, self.cursor = page(connection, self._query, size, self.cursor)
        self._started = True
        self._left -= len(documents)
        self._page = documents[::-1]
        if not documents:
            raise StopIteration


class Page(NamedTuple):
    """A part of the results as stored documents, and the cursor of what follows; None at the end."""

    documents: list[bytes]
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


def _by_popularity(
    connection: Connection, query: Query, search: Search, size: int, state: dict[str, Anything]
) -> Page:
    if query.ascending:
        slots = _least_popular(connection, search.plan, state.get("slot"))
    else:
        slots = _slots(connection, search.plan, state.get("slot", -1), want=size + 1)
    found = _take(slots, size + 1)
    cursor = _encode({"slot": found[size - 1]}) if len(found) > size else None
    return Page(_documents(connection, found[:size]), cursor)


def _slots(connection: Connection, plan: Node, after: int, *, want: int) -> Iterator[int]:
    """The slots of models that match, the most popular first, from behind the slot `after` on."""
    for segment in _segments(connection, plan, (after + 1) // bitmap.SLOTS):
        base = segment.number * bitmap.SLOTS
        maybe = plan.sets(segment)[1]
        if after >= base:
            maybe = maybe >> (after - base + 1) << (after - base + 1)
        if maybe:
            yield from _checked(connection, plan, segment, bitmap.members(maybe), want)


def _least_popular(connection: Connection, plan: Node, after: int | None) -> Iterator[int]:
    """The slots of models that match, the least popular first; those without figures last."""
    row = connection.one("SELECT min(slot) FROM ranking WHERE popularity < ?", (LIKES_RANGE,))
    end = _segment_count(connection) * bitmap.SLOTS
    unknown = end if row is None or row[0] is None else int(row[0])
    spans = [(0, unknown), (unknown, end)]
    if after is not None:
        spans = [(0, after), spans[1]] if after < unknown else [(unknown, after)]
    for low, high in spans:
        for segment in reversed(list(_segments(connection, plan, low // bitmap.SLOTS))):
            base = segment.number * bitmap.SLOTS
            below = (1 << min(max(high - base, 0), bitmap.SLOTS)) - 1
            above = (1 << min(max(low - base, 0), bitmap.SLOTS)) - 1
            maybe = plan.sets(segment)[1] & below & ~above
            yield from _checked(connection, plan, segment, bitmap.descending(maybe), PAGE)


def _checked(
    connection: Connection, plan: Node, segment: Segment, offsets: Iterable[int], want: int
) -> Iterator[int]:
    """The slots of those models at `offsets` that do match, in that order; doubtful ones are looked at."""
    sure = bitmap.to_bytes(plan.sets(segment)[0])
    base = segment.number * bitmap.SLOTS
    for part in _batches(offsets, want):
        doubtful = [base + offset for offset in part if not sure[offset >> 3] >> (offset & 7) & 1]
        candidates = _candidates(connection, doubtful)
        for offset in part:
            slot = base + offset
            if slot in candidates:
                if plan.holds(segment, offset, candidates[slot]):
                    yield slot
            elif sure[offset >> 3] >> (offset & 7) & 1:
                yield slot


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


def _at(connection: Connection, columns: str, slots: Sequence[int]) -> Iterator[Row]:
    """(slot, columns) of the models in some slots, in no order."""
    for part in chunks(slots):
        yield from connection.rows(
            f"SELECT r.slot, {columns} FROM ranking r JOIN models m ON m.pk = r.model WHERE r.slot IN ({marks(part)})",  # noqa: S608  # names and marks
            part,
        )


def _candidates(connection: Connection, slots: Sequence[int]) -> dict[int, Candidate]:
    return {slot: Candidate(key, doc) for slot, key, doc in _at(connection, "m.key, m.doc", slots)}


def _documents(connection: Connection, slots: Sequence[int]) -> list[bytes]:
    docs = {slot: bytes(doc) for slot, doc in _at(connection, "m.doc", slots)}
    return [docs[slot] for slot in slots if slot in docs]


# --- relevance ----------------------------------------------------------------------------------


def _by_relevance(connection: Connection, search: Search, size: int, state: dict[str, Anything]) -> Page:
    """First the models that have all words in their name, then the rest; both from the most popular on."""
    named = All((search.plan, *(Has(f"={word}") for word in dict.fromkeys(search.words))))
    rest = All((search.plan, Not(named)))
    stages: list[Iterator[int]] = []
    stage, slot, start = state.get("stage", 0), state.get("slot", -1), state.get("start", 0)
    if stage == 0:
        best = _take(_slots(connection, named, -1, want=_RESCORED), _RESCORED)
        stages.append(iter(_best_first(connection, best, search.words)[start:]))
        slot = best[-1] if len(best) == _RESCORED else _END
    if stage <= 1:
        stages.append(_slots(connection, named, slot, want=size) if slot != _END else iter(()))
    stages.append(_slots(connection, rest, slot if stage == 2 else -1, want=size))
    found: list[tuple[int, int]] = []
    for number, slots in enumerate(stages, start=stage):
        found += [(number, each) for each in _take(slots, size + 1 - len(found))]
    cursor = None
    if len(found) > size:
        last_stage, last = found[size - 1]
        shown = sum(1 for number, _ in found[:size] if number == 0)
        cursor = _encode({"start": start + shown} if last_stage == 0 else {"stage": last_stage, "slot": last})
    return Page(_documents(connection, [each for _, each in found[:size]]), cursor)


_END = 1 << 62


def _best_first(connection: Connection, slots: Sequence[int], sought: Sequence[str]) -> list[int]:
    rows = _at(connection, "m.key, m.downloads, m.likes", slots)
    scored = [(-_score(key, downloads, likes, sought), slot) for slot, key, downloads, likes in rows]
    return [slot for _, slot in sorted(scored)]


def _score(key: str, downloads: int | None, likes: int | None, sought: Sequence[str]) -> float:
    """How well a name fits the words: what part of it they are, weighed against how much it is used."""
    name, length = _name_of(key)
    share = sum(map(len, set(sought))) / length
    used = log10(1 + (downloads or 0)) + log10(1 + (likes or 0))
    return 3 * min(share, 1.0) + (name == tuple(sought)) + used / 2


@lru_cache(maxsize=1 << 14)
def _name_of(key: str) -> tuple[tuple[str, ...], int]:
    """The words of a model's name, and how long they are together, at least 1."""
    words = tuple(split(key.rsplit("/", 1)[-1]))
    return words, max(sum(map(len, words)), 1)


# --- other orders -------------------------------------------------------------------------------


def _by_column(
    connection: Connection, query: Query, search: Search, size: int, state: dict[str, Anything]
) -> Page:
    matches = _Matches(connection, search.plan)
    after = (state["value"], state["pk"]) if "pk" in state else None
    walk = _sorted_few if matches.count() <= _FEW else _walk
    found: list[_SortRow] = []
    for part in _batches(walk(connection, query, matches, after), size + 1):
        true = matches.true(connection, [slot for _, _, slot in part])
        found += [row for row in part if row[2] in true]
        if len(found) > size:
            break
    cursor = _encode({"value": found[size - 1][0], "pk": found[size - 1][1]}) if len(found) > size else None
    return Page(_documents(connection, [slot for _, _, slot in found[:size]]), cursor)


class _Matches:
    """All models that match a plan, as sets."""

    def __init__(self, connection: Connection, plan: Node) -> None:
        self._plan = plan
        self.segments = {segment.number: segment for segment in _segments(connection, plan, 0)}
        self.sets = {number: plan.sets(segment) for number, segment in self.segments.items()}
        self._bytes = {number: bitmap.to_bytes(maybe)
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

    def true(self, connection: Connection, slots: Sequence[int]) -> set[int]:
        """Those of some matching slots that match beyond doubt."""
        doubtful = [
            slot for slot in slots if not self.sets[slot // bitmap.SLOTS][0] >> slot % bitmap.SLOTS & 1
        ]
        candidates = _candidates(connection, doubtful)
        return {slot for slot in slots if slot not in candidates or self._holds(slot, candidates[slot])}

    def _holds(self, slot: int, candidate: Candidate) -> bool:
        number, offset = divmod(slot, bitmap.SLOTS)
        return self._plan.holds(self.segments[number], offset, candidate)


_SortRow = tuple[Anything, int, int]  # value, pk, slot
_After = tuple[Anything, int] | None


def _sorted_few(connection: Connection, query: Query, matches: _Matches, after: _After) -> list[_SortRow]:
    found = _at(connection, f"m.{query.sort}, m.pk", list(matches))
    rows: list[_SortRow] = [(value, pk, slot) for slot, value, pk in found]
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
            as_bytes = {number: bitmap.to_bytes(matching[number]) for number in part}
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
            true = _checked(connection, plan, segment, bitmap.members(doubtful), 500)
            yield segment.number, sure | bitmap.from_members(slot - base for slot in true)
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
