"""A search as a tree that is evaluated on sets of slots, segment by segment.

Every node answers with two sets: `sure` (these match) and `maybe` (no others can match; `sure` is part of it).
Most nodes know exactly. Those that do not (letters inside a word, a phrase, a range within a bucket) have the
few doubtful models checked against the record itself, so that results are exact and still start at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any as Value
from typing import NamedTuple, TypeAlias

from pyroaring import BitMap

from zoohub.registry import bitmap, postings
from zoohub.registry.database import Connection
from zoohub.registry.encoding import decompressed, dict_of, id_of, key_of
from zoohub.registry.keptsets import Key, Sets
from zoohub.registry.tokens import LAST

Pair: TypeAlias = tuple[BitMap, BitMap]  # sure, maybe


class Segment:
    """The stored sets of one segment that a plan needs."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.found: dict[int, Pair] = {}  # by the id of a node that is made of others: what it has answered
        self._sets: dict[Key, BitMap] = {}

    def slots(self, key: Key) -> BitMap:
        """The slots that have a token, or one between the bounds of a range."""
        return self._sets.get(key, bitmap.NONE)

    @classmethod
    def load(cls, connection: Connection, numbers: Sequence[int], plan: Node) -> list[Segment]:
        """Read what `plan` needs of some segments; those without a model that has all it requires are left out."""
        segments = {number: cls(number) for number in numbers}
        for token, sets in postings.of_tokens(connection, plan.needs.tokens, numbers).items():
            _give(segments, token, sets)
        segments = {number: each for number, each in segments.items() if each._has_all(plan.needs.required)}
        for bounds in plan.needs.ranges if segments else ():
            _give(segments, bounds, postings.of_range(connection, bounds, segments))
        return list(segments.values())

    def _has_all(self, tokens: Sequence[str]) -> bool:
        """Whether a slot has all the tokens."""
        if not all(token in self._sets for token in tokens):
            return False
        return len(tokens) < 2 or bool(BitMap.intersection(*map(self.slots, tokens)))


def _give(segments: Mapping[int, Segment], key: Key, sets: Sets) -> None:
    for number, segment in segments.items():
        if number in sets:
            segment._sets[key] = sets[number]


class Candidate:
    """A model that is looked at: its document is read only as far as it is asked for."""

    def __init__(self, packed: bytes) -> None:
        self._packed = packed

    @cached_property
    def text(self) -> bytes:
        """The JSON of its record."""
        return decompressed(self._packed)

    @cached_property
    def key(self) -> str:
        """Its id in lower case."""
        return key_of(id_of(self.text))

    @cached_property
    def doc(self) -> Mapping[str, Value]:
        """The sparse dict of its record."""
        return dict_of(self.text)


class Needs(NamedTuple):
    """What a plan reads of each segment; see the methods of `Node`."""

    tokens: list[str]
    required: list[str]
    ranges: list[tuple[str, str]]


class Node:
    """A condition on models."""

    @cached_property
    def needs(self) -> Needs:
        """All that it and its parts look up."""
        return Needs(sorted(set(self.tokens())), sorted(set(self.required())), sorted(set(self.ranges())))

    def sets(self, segment: Segment) -> Pair:
        """(sure, maybe) within a segment."""
        raise NotImplementedError

    def holds(self, segment: Segment, offset: int, candidate: Candidate) -> bool:
        """Whether the model at `offset` of the segment, which is `candidate`, meets the condition."""
        sure, maybe = self.sets(segment)
        return offset in sure or (offset in maybe and self.check(candidate))

    def check(self, candidate: Candidate) -> bool:
        """The condition on the model itself, asked only where the sets leave a doubt."""
        raise NotImplementedError

    def required(self) -> Iterable[str]:
        """Tokens that no model is without that meets the condition."""
        return ()

    def tokens(self) -> Iterable[str]:
        """The tokens it looks up."""
        return ()

    def ranges(self) -> Iterable[tuple[str, str]]:
        """The ranges of tokens it looks up."""
        return ()


@dataclass(frozen=True)
class Has(Node):
    """One token."""

    token: str

    def sets(self, segment: Segment) -> Pair:
        found = segment.slots(self.token)
        return found, found

    def required(self) -> Iterable[str]:
        return (self.token,)

    def tokens(self) -> Iterable[str]:
        return (self.token,)


@dataclass(frozen=True)
class Between(Node):
    """Any token of a range."""

    low: str
    high: str

    def sets(self, segment: Segment) -> Pair:
        found = segment.slots((self.low, self.high))
        return found, found

    def ranges(self) -> Iterable[tuple[str, str]]:
        return ((self.low, self.high),)


def prefix(start: str) -> Between:
    """Any token that begins with `start`."""
    return Between(start, start + LAST)


@dataclass(frozen=True)
class Checked(Node):
    """Where `likely` is only likely: each model it names is checked by `test`."""

    likely: Node
    test: Callable[[Candidate], bool]

    def sets(self, segment: Segment) -> Pair:
        return bitmap.NONE, self.likely.sets(segment)[1]

    def check(self, candidate: Candidate) -> bool:
        return self.test(candidate)

    def required(self) -> Iterable[str]:
        return self.likely.required()

    def tokens(self) -> Iterable[str]:
        return self.likely.tokens()

    def ranges(self) -> Iterable[tuple[str, str]]:
        return self.likely.ranges()


@dataclass(frozen=True)
class _Several(Node):
    parts: tuple[Node, ...]

    def sets(self, segment: Segment) -> Pair:
        # Whatever looks at doubtful models asks again and again.
        found = segment.found.get(id(self))
        if found is None:
            found = segment.found[id(self)] = self._combined(segment)
        return found

    def _combined(self, segment: Segment) -> Pair:
        raise NotImplementedError

    def tokens(self) -> Iterable[str]:
        return (token for part in self.parts for token in part.tokens())

    def ranges(self) -> Iterable[tuple[str, str]]:
        return (bounds for part in self.parts for bounds in part.ranges())


class All(_Several):
    """Every part; without parts, everything."""

    def required(self) -> Iterable[str]:
        return (token for part in self.parts for token in part.required())

    def _combined(self, segment: Segment) -> Pair:
        found = (bitmap.FULL, bitmap.FULL)
        for part in self.parts:
            found = _both(found, part.sets(segment))
            if not found[1]:
                return bitmap.NONE, bitmap.NONE
        return found

    def holds(self, segment: Segment, offset: int, candidate: Candidate) -> bool:
        return all(part.holds(segment, offset, candidate) for part in self.parts)


class Any(_Several):
    """At least one part."""

    def _combined(self, segment: Segment) -> Pair:
        found = (bitmap.NONE, bitmap.NONE)
        for part in self.parts:
            found = _either(found, part.sets(segment))
        return found

    def holds(self, segment: Segment, offset: int, candidate: Candidate) -> bool:
        return any(part.holds(segment, offset, candidate) for part in self.parts)


@dataclass(frozen=True)
class Not(Node):
    """Everything but."""

    part: Node

    def sets(self, segment: Segment) -> Pair:
        sure, maybe = self.part.sets(segment)
        surely_not = bitmap.FULL - maybe
        return surely_not, surely_not if sure is maybe else bitmap.FULL - sure

    def holds(self, segment: Segment, offset: int, candidate: Candidate) -> bool:
        return not self.part.holds(segment, offset, candidate)

    def tokens(self) -> Iterable[str]:
        return self.part.tokens()

    def ranges(self) -> Iterable[tuple[str, str]]:
        return self.part.ranges()


# Where there is no doubt, both sets of a pair are one object, and one operation does for both.


def _both(one: Pair, other: Pair) -> Pair:
    if one[1] is bitmap.FULL:
        return other
    maybe = one[1] & other[1]
    return (maybe if one[0] is one[1] and other[0] is other[1] else one[0] & other[0]), maybe


def _either(one: Pair, other: Pair) -> Pair:
    if one[1] is bitmap.NONE:
        return other
    if other[1] is bitmap.NONE:
        return one
    maybe = one[1] | other[1]
    return (maybe if one[0] is one[1] and other[0] is other[1] else one[0] | other[0]), maybe
