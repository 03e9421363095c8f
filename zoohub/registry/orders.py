"""Results in the order of a value: likes, last update, parameters.

Few matches are read and sorted. Of many, the index tells which have the highest values: its tokens for a value sort
as the values do, so the sets of one token after another are intersected with the matches, and only the models of
the first ones are read. Where a token still has many of them, finer tokens divide it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

from pyroaring import BitMap

from zoohub.registry import bitmap, postings
from zoohub.registry.database import Connection, marks
from zoohub.registry.plan import Node
from zoohub.registry.slots import at, batches, candidates, segments
from zoohub.registry.tokens import LAST, count_token, least_in, likes_token, params_bucket

_FEW = 1000  # so many models are read and sorted at once


class Place(NamedTuple):
    """Where a model stands in an order; None: it has no value, and comes last. Of equals the more popular is first."""

    value: int | None
    slot: int


class _Level(NamedTuple):
    """Tokens that divide the values, coarse or fine: their common beginning, and the token of a value."""

    start: str
    token: Callable[[int], str]


def _moment(pattern: str) -> Callable[[int], str]:
    return lambda seconds: datetime.fromtimestamp(seconds, UTC).strftime(pattern)


_LEVELS = {
    "likes": (_Level("likes:", likes_token),),
    "parameters": (_Level("params:", lambda count: f"params:{params_bucket(count):03}"), _Level("count:", count_token)),
    "updated": (_Level("month:", _moment("month:%Y%m")), _Level("day:", _moment("day:%Y%m%d")),
                _Level("hour:", _moment("hour:%Y%m%d%H"))),
}  # fmt: skip
_POWERS = range(1, 6)  # of eight
_UNKNOWN = {"likes": "likes:unknown", "parameters": "params:unknown", "updated": "month:unknown"}


def ordered(
    connection: Connection, plan: Node, sort: str, ascending: bool, after: Place | None, count: int
) -> list[Place]:
    """The first `count` models that match a plan, in the order of a value, behind the place `after`."""
    walk = _Walk(connection, plan, sort, ascending, after)
    found: list[Place] = []
    for part in batches(walk.places(), count):
        true = walk.matches.true(connection, [place.slot for place in part])
        found += [place for place in part if place.slot in true]
        if len(found) >= count:
            break
    return found[:count]


class _Walk:
    """The matches of a plan in the order of a value."""

    def __init__(
        self, connection: Connection, plan: Node, sort: str, ascending: bool, after: Place | None
    ) -> None:
        self._connection = connection
        self._sort, self._ascending, self._after = sort, ascending, after
        self.matches = _Matches(connection, plan)

    def places(self) -> Iterator[Place]:
        """Every match; doubtful ones among them."""
        if self.matches.count() <= _FEW:
            yield from self._read(self.matches.sets)
            return
        levels = _LEVELS[self._sort]
        if self._after is None or self._after.value is not None:
            for low, high in self._spans(levels[0]):
                yield from self._divided(levels, low, high, self.matches.sets)
        for _, unknown in self._sets_of([_UNKNOWN[self._sort]], self.matches.sets):
            yield from self._of_value(None, unknown)

    def _spans(self, level: _Level) -> list[tuple[str, str]]:
        """The whole range of a level's tokens; likes, of which there are many, in parts."""
        ends = [
            level.start,
            *(level.token(8**power) for power in _POWERS if level.start == "likes:"),
            level.start + LAST,
        ]
        spans = list(pairwise(ends))
        return spans if self._ascending else spans[::-1]

    def _divided(
        self, levels: tuple[_Level, ...], low: str, high: str, within: dict[int, BitMap]
    ) -> Iterator[Place]:
        """The matches of some segments that have a token of the first level between two bounds, in order."""
        level, finer = levels[0], levels[1:]
        tokens = [
            token for token in self._tokens(low, high, list(within)) if not self._is_passed(level, token)
        ]
        for token, part in self._sets_of(tokens, within):
            size = sum(map(len, part.values()))
            if finer and size > _FEW:
                yield from self._divided(finer, *_bounds(token, finer[0]), part)
            elif size:
                yield from self._read(part)

    def _tokens(self, low: str, high: str, numbers: list[int]) -> list[str]:
        """The tokens between two bounds that some segments have, in order."""
        if not numbers:
            return []
        sql = f"SELECT DISTINCT token FROM postings WHERE segment IN ({marks(numbers)}) AND token >= ? AND token < ?"  # noqa: S608  # marks
        found = {token for (token,) in self._connection.rows(sql, (*numbers, low, high))}
        return sorted(found - {_UNKNOWN[self._sort]}, reverse=not self._ascending)

    def _is_passed(self, level: _Level, token: str) -> bool:
        """Whether the values of a token come before the place that is gone on from."""
        if self._after is None or self._after.value is None:
            return False
        reached = level.token(self._after.value)
        return token < reached if self._ascending else token > reached

    def _sets_of(
        self, tokens: list[str], within: dict[int, BitMap]
    ) -> Iterator[tuple[str, dict[int, BitMap]]]:
        """Those of some sets that have each of the tokens; read for one token, then for two, four ... at a time."""
        numbers, start, size = list(within), 0, 1
        while start < len(tokens):
            part = tokens[start : start + size]
            for token, sets in postings.of_tokens(self._connection, part, numbers).items():
                common = {number: within[number] & bits for number, bits in sets.items() if number in within}
                yield token, {number: bits for number, bits in common.items() if bits}
            start, size = start + size, min(size * 2, 32)

    def _read(self, sets: dict[int, BitMap]) -> list[Place]:
        rows = at(self._connection, f"m.{self._sort}", list(_members(sets)))
        places = [Place(value, slot) for slot, value in rows]
        places.sort(key=self._order)
        return places if self._after is None else [each for each in places if self._is_behind(each)]

    def _of_value(self, value: int | None, sets: dict[int, BitMap]) -> Iterator[Place]:
        """Models of one and the same value."""
        places = (Place(value, slot) for slot in _members(sets))
        return places if self._after is None else filter(self._is_behind, places)

    def _order(self, place: Place) -> tuple[bool, int, int]:
        value = place.value or 0
        return place.value is None, value if self._ascending else -value, place.slot

    def _is_behind(self, place: Place) -> bool:
        assert self._after is not None
        return self._order(place) > self._order(self._after)


def _bounds(token: str, finer: _Level) -> tuple[str, str]:
    """Between which tokens of a finer level the values of a token lie."""
    kind, _, stated = token.partition(":")
    if kind == "params":
        bucket = int(stated)
        return finer.token(least_in(bucket)), finer.token(least_in(bucket + 1))
    return finer.start + stated, finer.start + stated + LAST


class _Matches:
    """All models that match a plan, as sets by segment."""

    def __init__(self, connection: Connection, plan: Node) -> None:
        self._plan = plan
        self._segments = {segment.number: segment for segment in segments(connection, plan, 0)}
        found = {number: plan.sets(segment) for number, segment in self._segments.items()}
        self._sure = {number: sure for number, (sure, _) in found.items()}
        self.sets = {number: maybe for number, (_, maybe) in found.items() if maybe}

    def count(self) -> int:
        """How many there are, with the doubtful."""
        return sum(map(len, self.sets.values()))

    def true(self, connection: Connection, slots: list[int]) -> set[int]:
        """Those of some matching slots that match beyond doubt."""
        doubtful = [slot for slot in slots if slot % bitmap.SLOTS not in self._sure[slot // bitmap.SLOTS]]
        looked_at = candidates(connection, doubtful)
        return {
            slot for slot in slots
            if slot not in looked_at
            or self._plan.holds(self._segments[slot // bitmap.SLOTS], slot % bitmap.SLOTS, looked_at[slot])
        }  # fmt: skip


def _members(sets: dict[int, BitMap]) -> Iterator[int]:
    """The slots of sets by segment, ascending."""
    for number, bits in sorted(sets.items()):
        for offset in bits:
            yield number * bitmap.SLOTS + offset
