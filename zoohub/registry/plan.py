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
from typing import TypeAlias

from pyroaring import BitMap

from zoohub.registry import bitmap
from zoohub.registry.database import Connection
from zoohub.registry.encoding import key_in, unpack_dict
from zoohub.registry.index import marks

LAST = "\U0010ffff"  # sorts after every character that a token holds
Sets: TypeAlias = tuple[BitMap, BitMap]


class Segment:
    """The stored sets of one segment that a plan needs."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._packed: dict[str, bytes] = {}
        self._ranges: dict[tuple[str, str], list[bytes]] = {}
        self._sets: dict[object, BitMap] = {}

    def token(self, token: str) -> BitMap:
        """The slots that have `token`."""
        if token not in self._sets:
            self._sets[token] = bitmap.unpack(self._packed.get(token, b""))
        return self._sets[token]

    def between(self, bounds: tuple[str, str]) -> BitMap:
        """The slots that have a token from the first bound up to, not including, the second."""
        if bounds not in self._sets:
            self._sets[bounds] = bitmap.union(self._ranges.get(bounds, ()))
        return self._sets[bounds]

    @classmethod
    def load(cls, connection: Connection, numbers: Sequence[int], plan: Node) -> list[Segment]:
        """Read what `plan` needs of some segments; those without a model that has all it requires are left out."""
        segments = {number: cls(number) for number in numbers}
        if tokens := sorted(set(plan.tokens())):
            sql = f"SELECT segment, token, slots FROM postings WHERE segment IN ({marks(numbers)}) AND token IN ({marks(tokens)})"  # noqa: S608, E501  # marks
            for number, token, packed in connection.rows(sql, (*numbers, *tokens)):
                segments[number]._packed[token] = bytes(packed)
        required = sorted(set(plan.required()))
        segments = {number: each for number, each in segments.items() if each._has_all(required)}
        for low, high in set(plan.ranges()) if segments else ():
            sql = f"SELECT segment, slots FROM postings WHERE segment IN ({marks(segments)}) AND token >= ? AND token < ?"  # noqa: S608, E501  # marks
            for number, packed in connection.rows(sql, (*segments, low, high)):
                segments[number]._ranges.setdefault((low, high), []).append(bytes(packed))
        return list(segments.values())

    def _has_all(self, tokens: Sequence[str]) -> bool:
        """Whether a slot has all the tokens."""
        if not all(token in self._packed for token in tokens):
            return False
        return len(tokens) < 2 or bool(BitMap.intersection(*map(self.token, tokens)))


class Candidate:
    """A model that is looked at: its document is read only as far as it is asked for."""

    def __init__(self, packed: bytes) -> None:
        self._packed = packed

    @cached_property
    def key(self) -> str:
        """Its id in lower case."""
        return key_in(self._packed)

    @cached_property
    def doc(self) -> Mapping[str, Value]:
        """The sparse dict of its record."""
        return unpack_dict(self._packed)


class Node:
    """A condition on models."""

    def sets(self, segment: Segment) -> Sets:
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

    def sets(self, segment: Segment) -> Sets:
        found = segment.token(self.token)
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

    def sets(self, segment: Segment) -> Sets:
        found = segment.between((self.low, self.high))
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

    def sets(self, segment: Segment) -> Sets:
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

    def tokens(self) -> Iterable[str]:
        return (token for part in self.parts for token in part.tokens())

    def ranges(self) -> Iterable[tuple[str, str]]:
        return (bounds for part in self.parts for bounds in part.ranges())


class All(_Several):
    """Every part; without parts, everything."""

    def required(self) -> Iterable[str]:
        return (token for part in self.parts for token in part.required())

    def sets(self, segment: Segment) -> Sets:
        sure = maybe = bitmap.FULL
        for part in self.parts:
            its_sure, its_maybe = part.sets(segment)
            sure, maybe = sure & its_sure, maybe & its_maybe
            if not maybe:
                return bitmap.NONE, bitmap.NONE
        return sure, maybe

    def holds(self, segment: Segment, offset: int, candidate: Candidate) -> bool:
        return all(part.holds(segment, offset, candidate) for part in self.parts)


class Any(_Several):
    """At least one part."""

    def sets(self, segment: Segment) -> Sets:
        sure = maybe = bitmap.NONE
        for part in self.parts:
            its_sure, its_maybe = part.sets(segment)
            sure, maybe = sure | its_sure, maybe | its_maybe
        return sure, maybe

    def holds(self, segment: Segment, offset: int, candidate: Candidate) -> bool:
        return any(part.holds(segment, offset, candidate) for part in self.parts)


@dataclass(frozen=True)
class Not(Node):
    """Everything but."""

    part: Node

    def sets(self, segment: Segment) -> Sets:
        sure, maybe = self.part.sets(segment)
        return bitmap.FULL - maybe, bitmap.FULL - sure

    def holds(self, segment: Segment, offset: int, candidate: Candidate) -> bool:
        return not self.part.holds(segment, offset, candidate)

    def tokens(self) -> Iterable[str]:
        return self.part.tokens()

    def ranges(self) -> Iterable[tuple[str, str]]:
        return self.part.ranges()
