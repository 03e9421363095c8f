"""Lineage as numbers: which licenses bind a model through its bases. Circles and chains of any length are
survived."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator

from zoohub.audit import scope
from zoohub.audit.judge import lookup
from zoohub.cards.licenses import UNKNOWN

# What makes a license reach a model that was trained on the outputs of another.
_REACH = frozenset(("share_alike", "flow_down", "outputs", "noncommercial", "name_prefix"))


class Sets:
    """Sets of license ids as small numbers, with unions remembered: a million models share a few thousand
    sets."""

    def __init__(self) -> None:
        self.members: list[frozenset[str]] = [frozenset()]
        self._numbers: dict[frozenset[str], int] = {frozenset(): 0}
        self._unions: dict[tuple[int, int], int] = {}

    def number(self, members: frozenset[str]) -> int:
        """The number of a set."""
        found = self._numbers.get(members)
        if found is None:
            found = self._numbers[members] = len(self.members)
            self.members.append(members)
        return found

    def union(self, one: int, other: int) -> int:
        """The number of the union of two sets."""
        if one == other or not other:
            return one
        if not one:
            return other
        key = (one, other) if one < other else (other, one)
        found = self._unions.get(key)
        if found is None:
            found = self._unions[key] = self.number(self.members[one] | self.members[other])
        return found


class Graph:
    """Models by number: `licenses[i]` is the set of its own license; bases of `i` are
    `bases[starts[i]:starts[i+1]]`.

    A base that nobody knows is -1. `distilled` has a 1 for edges of that relation.
    """

    def __init__(self) -> None:
        self.sets = Sets()
        self.licenses = array("i")
        self.starts = array("i", [0])
        self.bases = array("i")
        self.distilled = bytearray()
        self._own: dict[tuple[str, str], int] = {}
        self._reaching: dict[int, int] = {}
        self.nobody = self.own(UNKNOWN)

    def own(self, license: str, kind: str = UNKNOWN) -> int:
        """The set that a model of a kind (see `scope`) brings: its license, marked where the kind matters."""
        found = self._own.get((license, kind))
        if found is None:
            found = self._own[license, kind] = self.sets.number(scope.own(license, kind))
        return found

    def add(self, license: int, bases: Iterable[tuple[int, bool]]) -> None:
        """The next model: the set of its license and its bases (number or -1, whether distilled)."""
        self.licenses.append(license)
        for base, distilled in bases:
            self.bases.append(base)
            self.distilled.append(distilled)
        self.starts.append(len(self.bases))

    def inherited(self) -> tuple[array[int], set[int]]:
        """For each model the set of licenses that bind it through its bases, and the models on a circle."""
        burdens = array("i", bytes(4 * len(self.licenses)))
        circle: set[int] = set()
        union, starts, bases = self.sets.union, self.starts, self.bases
        for group in self._groups():
            found = 0
            inside = set(group) if len(group) > 1 else None
            for model in group:
                for edge in range(starts[model], starts[model + 1]):
                    base = bases[edge]
                    if base < 0:
                        found = union(found, self.nobody)
                    elif base == model or (inside and base in inside):
                        circle.add(model)
                        found = union(found, self.licenses[base])
                    else:
                        bound = union(self.licenses[base], burdens[base])
                        found = union(found, self._reach(bound) if self.distilled[edge] else bound)
            for model in group:
                burdens[model] = found
        return burdens, circle

    def _reach(self, bound: int) -> int:
        """What of a set of licenses binds a distilled model."""
        found = self._reaching.get(bound)
        if found is None:
            members = self.sets.members[bound]
            kept = scope.kept(members, {each for each in scope.licenses(members) if reaches_distilled(each)})
            found = self._reaching[bound] = self.sets.number(kept)
        return found

    def _groups(self) -> Iterator[list[int]]:  # noqa: C901 - one algorithm, told in one piece
        """Groups of models that reach each other, bases first (Tarjan's algorithm, without recursion)."""
        count = len(self.licenses)
        starts, bases = self.starts, self.bases
        order = array("i", bytes(4 * count))
        low = array("i", bytes(4 * count))
        waiting = bytearray(count)
        stack: list[int] = []
        clock = 0
        for root in range(count):
            if order[root]:
                continue
            if starts[root] == starts[root + 1]:
                clock += 1
                order[root] = clock
                yield [root]
                continue
            path: list[tuple[int, int]] = [(root, starts[root])]
            while path:
                model, edge = path.pop()
                if edge == starts[model] and not order[model]:
                    clock += 1
                    order[model] = low[model] = clock
                    stack.append(model)
                    waiting[model] = 1
                descended = False
                while edge < starts[model + 1]:
                    base = bases[edge]
                    edge += 1
                    if base < 0:
                        continue
                    if not order[base]:
                        path += ((model, edge), (base, starts[base]))
                        descended = True
                        break
                    if waiting[base] and order[base] < low[model]:
                        low[model] = order[base]
                if descended:
                    continue
                if path and low[model] < low[path[-1][0]]:
                    low[path[-1][0]] = low[model]
                if low[model] == order[model]:
                    group = []
                    while True:
                        member = stack.pop()
                        waiting[member] = 0
                        group.append(member)
                        if member == model:
                            break
                    yield group


def reaches_distilled(id: str) -> bool:
    """Whether a license binds models that were trained on the outputs of a model under it; the unknown one
    does."""
    entry = lookup(id)
    answers = {entry.answer("distill"), entry.answer("train_on_outputs")}
    if not entry.known or "no" in answers:
        return True
    return any(
        condition.kind in _REACH and {"distill", "train_on_outputs"} & set(condition.on)
        for condition in entry.conditions
    )
