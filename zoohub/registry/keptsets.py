"""Sets of slots that a process keeps in memory between searches: most of them ask for the same few large ones."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TypeAlias

from pyroaring import BitMap

Key: TypeAlias = str | tuple[str, str]  # a token, or the bounds of a range of tokens
Sets: TypeAlias = dict[int, BitMap]  # by segment

_ENTRY, _SET = 400, 200  # bytes, about, beside the slots themselves


@dataclass(slots=True)
class _Entry:
    size: int = _ENTRY
    asked: set[int] = field(default_factory=set)  # segments, those without such slots among them
    sets: Sets = field(default_factory=dict)


class KeptSets:
    """Sets of one state of the database, of about `room` bytes (0: none); what was long not asked for makes room."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._state: object = None
        self._young: dict[Key, _Entry] = {}
        self._old: dict[Key, _Entry] = {}  # they were the young ones before, and fall out next
        self._size = 0  # of the young ones

    def renew(self, state: object) -> None:
        """Forget everything that is not of that state."""
        if state != self._state:
            self._state, self._size = state, 0
            self._young, self._old = {}, {}

    def get(self, key: Key, segments: Collection[int]) -> Sets | None:
        """The sets of a key in some segments, perhaps also in others; None where not all of them are known."""
        entry = self._young.get(key)
        if entry is None and (entry := self._old.pop(key, None)) is not None:
            self._add(key, entry)
        return entry.sets if entry is not None and entry.asked.issuperset(segments) else None

    def put(self, key: Key, segments: Collection[int], sets: Sets) -> None:
        """Keep the sets of a key in some segments; a segment that has none is left out of `sets`."""
        if not self.room:
            return
        entry = self._young.pop(key, None)
        self._size -= entry.size if entry is not None else 0
        entry = entry or self._old.pop(key, None) or _Entry()
        for number in sets.keys() - entry.sets.keys():
            entry.size += _SET + min(2 * len(sets[number]), 8192)
        entry.asked.update(segments)
        entry.sets |= sets
        self._add(key, entry)

    def _add(self, key: Key, entry: _Entry) -> None:
        self._young[key] = entry
        self._size += entry.size
        if self._size > self.room // 2:
            self._old, self._young, self._size = self._young, {}, 0
