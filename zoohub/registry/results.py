"""The results of a search: orders, pages, counts. Each page reads one unchanging state of the registry."""

from __future__ import annotations

import base64
import binascii
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from math import log10
from typing import Any as Anything
from typing import Generic, NamedTuple, TypeVar

from pyroaring import BitMap

from zoohub.errors import InvalidQuery
from zoohub.registry import bitmap, postings
from zoohub.registry.database import Connection, Pool
from zoohub.registry.encoding import LIKES_RANGE, key_in
from zoohub.registry.orders import Place, ordered
from zoohub.registry.plan import All, Has, Node, Not, prefix
from zoohub.registry.query import FACETS, Query, Search, read
from zoohub.registry.ranks import first_below
from zoohub.registry.slots import at, candidates, checked, documents, matching, segment_count, segments, take
from zoohub.registry.tokens import split

PAGE = 100
_RESCORED = 300  # so many with the words in their name, and with words that begin so, are ordered by how well they fit
_NEAR = 4  # segments, of the most popular models, in which the latter are looked for
_DOUBTS = 1_000  # up to so many doubtful models are looked at for a count; where there are more, all count


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
            return _by_value(connection, query, search, size, state)
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
        slots = matching(connection, search.plan, state.get("slot", -1), want=size + 1)
    found = take(slots, size + 1)
    cursor = _encode({"slot": found[size - 1]}) if len(found) > size else None
    return Page(documents(connection, found[:size]), cursor)


def _least_popular(connection: Connection, plan: Node, after: int | None) -> Iterator[int]:
    """The slots of models that match, the least popular first; those without figures last."""
    end = segment_count(connection) * bitmap.SLOTS
    first = first_below(connection, [LIKES_RANGE])[LIKES_RANGE]
    unknown = end if first is None else first
    spans = [(0, unknown), (unknown, end)]
    if after is not None:
        spans = [(0, after), spans[1]] if after < unknown else [(unknown, after)]
    for low, high in spans:
        for segment in reversed(list(segments(connection, plan, low // bitmap.SLOTS))):
            base = segment.number * bitmap.SLOTS
            offsets = [each for each in plan.sets(segment)[1] if low <= base + each < high]
            yield from checked(connection, plan, segment, reversed(offsets), PAGE)


# --- relevance ----------------------------------------------------------------------------------


def _by_relevance(connection: Connection, search: Search, size: int, state: dict[str, Anything]) -> Page:
    """First the models that have all words in their name, or words there that begin so, then the rest.

    The most popular of the first are ordered by how well they fit, all others by popularity.
    """
    sought = tuple(dict.fromkeys(search.words))
    words = All(tuple(Has(f"={word}") for word in sought))
    named, rest = All((words, search.plan)), All((search.plan, Not(words)))
    begins = (prefix(f"={word}") if len(word) > 1 else Has(f"={word}") for word in sought)
    begun = All((*begins, rest))
    near = take(matching(connection, begun, -1, want=_RESCORED, within=_NEAR), _RESCORED)
    stages: list[Iterator[int]] = []
    stage, slot, start = state.get("stage", 0), state.get("slot", -1), state.get("start", 0)
    if stage == 0:
        best = take(matching(connection, named, -1, want=_RESCORED), _RESCORED)
        stages.append(iter(_best_first(connection, [*best, *near], search.words)[start:]))
        slot = best[-1] if len(best) == _RESCORED else _END
    if stage <= 1:
        stages.append(matching(connection, named, slot, want=size) if slot != _END else iter(()))
    told = set(near)
    others = matching(connection, rest, slot if stage == 2 else -1, want=size)
    stages.append(other for other in others if other not in told)
    found: list[tuple[int, int]] = []
    for number, slots in enumerate(stages, start=stage):
        found += [(number, each) for each in take(slots, size + 1 - len(found))]
    cursor = None
    if len(found) > size:
        last_stage, last = found[size - 1]
        shown = sum(1 for number, _ in found[:size] if number == 0)
        cursor = _encode({"start": start + shown} if last_stage == 0 else {"stage": last_stage, "slot": last})
    return Page(documents(connection, [each for _, each in found[:size]]), cursor)


_END = 1 << 62


def _best_first(connection: Connection, slots: Sequence[int], sought: Sequence[str]) -> list[int]:
    rows = at(connection, "m.doc, m.downloads, m.likes", slots)
    scored = [(-_score(bytes(doc), downloads, likes, sought), slot) for slot, doc, downloads, likes in rows]
    return [slot for _, slot in sorted(scored)]


def _score(doc: bytes, downloads: int | None, likes: int | None, sought: Sequence[str]) -> float:
    """How well a name fits the words: what part of it they are, weighed against how much it is used.

    A family leads the names of its own models (bert-base-uncased), others have it further behind (toxic-bert); and
    its home is often called like it (google-bert).
    """
    home, name = _name_in(doc)
    if not all(any(word.startswith(each) for word in name) for each in sought):
        name = home + name  # torchvision:vgg19/IMAGENET1K_V1
    share = sum(map(len, set(sought))) / max(sum(map(len, name)), 1)
    first = name[: len(sought)]
    leads = 1.0 if first == tuple(sought) else 0.5 * all(map(str.startswith, first, sought))
    used = log10(1 + (downloads or 0)) + log10(1 + (likes or 0))
    return 3 * min(share, 1.0) + leads + (name == tuple(sought)) + (sought[0] in home) / 2 + used / 2


@lru_cache(maxsize=1 << 14)
def _name_in(doc: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words of a model's id before and behind the last slash, without the source.

    Kept, since common words meet the same popular models again and again.
    """
    home, _, name = key_in(doc).rpartition("/")
    return tuple(split(home.rpartition(":")[2])), tuple(split(name.rpartition(":")[2]))


# --- other orders -------------------------------------------------------------------------------


def _by_value(
    connection: Connection, query: Query, search: Search, size: int, state: dict[str, Anything]
) -> Page:
    after = Place(state["value"], state["slot"]) if "slot" in state else None
    found = ordered(connection, search.plan, query.sort, query.ascending, after, size + 1)
    cursor = _encode(found[size - 1]._asdict()) if len(found) > size else None
    return Page(documents(connection, [place.slot for place in found[:size]]), cursor)


# --- counts -------------------------------------------------------------------------------------


def count(connection: Connection, query: Query) -> int:
    """How many models match."""
    with connection.snapshot():
        return sum(len(found) for _, found in _matching(connection, read(query).plan))


def facet_counts(connection: Connection, query: Query, name: str) -> Counter[str]:
    """Value of a facet -> how many of the matching models have it."""
    if name not in FACETS:
        raise InvalidQuery(f"Cannot count by {name!r}.", f"Count by one of: {', '.join(FACETS)}")
    counts: defaultdict[str, int] = defaultdict(int)
    with connection.snapshot():
        matching = {number: found for number, found in _matching(connection, read(query).plan) if found}
        for number, packed, values in postings.of_facet(connection, FACETS[name], list(matching)):
            if both := bitmap.common(matching[number], packed):
                for value in values:
                    counts[value] += both
    # What begins so is a group of values.
    return Counter({value: count for value, count in counts.items() if not value.startswith("@")})


def _matching(connection: Connection, plan: Node) -> Iterator[tuple[int, BitMap]]:
    """(segment, slots that match) of every segment; doubtful models are looked at where they are few in all."""
    found = [(segment, *plan.sets(segment)) for segment in segments(connection, plan, 0)]
    doubtful = [
        segment.number * bitmap.SLOTS + offset
        for segment, sure, maybe in found if sure is not maybe
        for offset in islice(maybe - sure, _DOUBTS + 1)
    ]  # fmt: skip
    looked_at = candidates(connection, doubtful) if len(doubtful) <= _DOUBTS else None
    for segment, sure, maybe in found:
        if looked_at is None or sure is maybe:
            yield segment.number, maybe
            continue
        base = segment.number * bitmap.SLOTS
        true = [
            offset for offset in maybe - sure
            if base + offset in looked_at and plan.holds(segment, offset, looked_at[base + offset])
        ]  # fmt: skip
        yield segment.number, sure | BitMap(true)


# --- small things -------------------------------------------------------------------------------


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
