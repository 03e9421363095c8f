"""Where models stand in the order of popularity: each has a slot, and slots ascend as popularity descends.

One slot in five is left free, which lets a model move to its new place without renumbering the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from random import Random

from zoohub.registry.database import Connection, chunks, marks

GAP = 4  # so many models stand in a row before a slot is left free
_CROWD = 4000  # models in a row without a gap
_TRIES = 8  # at a gap


class Crowded(Exception):
    """So many models stand in a row without a gap that a new layout is cheaper than making room for another."""


class Ranks:
    """Changes to the ranking, inside a write transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._random = Random(0)
        self._first_below: dict[int, int | None] = {}
        self.shifted: dict[int, int] = {}  # model -> the slot it had before it made room

    def release(self, models: Collection[int]) -> None:
        """Free the slots of models."""
        for part in chunks(list(models)):
            self._connection.run(f"DELETE FROM ranking WHERE model IN ({marks(part)})", part)  # noqa: S608  # marks

    def place(self, popularities: Mapping[int, int]) -> None:
        """Give models the slots that their popularity deserves; who may stay stays.

        Raises:
            Crowded: what was done so far does not matter then.
        """
        stood = self._standing(popularities)
        moving = {
            model: popularity
            for model, popularity in popularities.items()
            if stood.get(model, (None, None))[0] != popularity
        }
        self.release(moving)
        wanted = set(moving.values())
        self._first_below = first_below(self._connection, wanted | {each + 1 for each in wanted})
        # From the top, so that whoever has been placed stands above what was found for those that follow.
        for popularity, model in sorted(((each, model) for model, each in moving.items()), reverse=True):
            slot = self._free(popularity, stood[model][1] if model in stood else None)
            self._connection.run(
                "INSERT INTO ranking (slot, model, popularity) VALUES (?, ?, ?)", (slot, model, popularity)
            )

    def _standing(self, models: Iterable[int]) -> dict[int, tuple[int, int]]:
        """(popularity, slot) of those models that have a slot."""
        found: dict[int, tuple[int, int]] = {}
        for part in chunks(list(models)):
            sql = f"SELECT model, popularity, slot FROM ranking WHERE model IN ({marks(part)})"  # noqa: S608  # marks
            found.update(
                (model, (popularity, slot)) for model, popularity, slot in self._connection.rows(sql, part)
            )
        return found

    def _free(self, popularity: int, stood: int | None) -> int:
        """A free slot below everything more popular and above everything less popular: `stood`, if it is one."""
        below, equal = self._first_below[popularity], self._first_below[popularity + 1]
        if below is None or equal is None:
            last = _last(self._connection)
            return stood if stood is not None and stood > last else last + 1
        above = self._one("SELECT max(slot) FROM ranking WHERE slot < ?", equal)
        start = 0 if above is None else above + 1
        if (
            stood is not None
            and start <= stood < below
            and self._one("SELECT slot FROM ranking WHERE slot = ?", stood) is None
        ):
            return stood
        for _ in range(_TRIES if below > start else 0):
            slot = self._gap(self._random.randrange(start, below), below)
            if slot is not None:
                return slot
        return self._make_room(below)

    def _gap(self, start: int, end: int) -> int | None:
        """The first free slot from `start` on and before `end`, if it is near."""
        taken = self._connection.rows(
            "SELECT slot FROM ranking WHERE slot >= ? ORDER BY slot LIMIT 32", (start,)
        )
        for place, (slot,) in enumerate(taken, start):
            if slot != place:
                return place if place < end else None
        return None

    def _make_room(self, slot: int) -> int:
        """Shift the models from `slot` to the next gap by one, which leaves `slot` free."""
        rows = self._connection.rows(
            "SELECT slot, model FROM ranking WHERE slot >= ? ORDER BY slot LIMIT ?", (slot, _CROWD)
        )
        run = [(source, model) for place, (source, model) in enumerate(rows) if source == slot + place]
        if len(run) == _CROWD:
            raise Crowded
        for source, model in run:
            self.shifted.setdefault(model, source)
        # By way of negative slots, so that no two models ever share one.
        end = slot + len(run)
        self._connection.run(
            "UPDATE ranking SET slot = -slot - 1 WHERE slot BETWEEN ? AND ?", (slot, end - 1)
        )
        self._connection.run("UPDATE ranking SET slot = -slot WHERE slot < 0")
        for popularity, first in self._first_below.items():
            if first is not None and slot <= first < end:
                self._first_below[popularity] = first + 1
        return slot

    def _one(self, sql: str, value: int) -> int | None:
        row = self._connection.one(sql, (value,))
        return row[0] if row else None


def slots_of(connection: Connection, models: Iterable[int]) -> dict[int, int]:
    """The slots of those models that have one."""
    found: dict[int, int] = {}
    for part in chunks(list(models)):
        sql = f"SELECT model, slot FROM ranking WHERE model IN ({marks(part)})"  # noqa: S608  # marks
        found.update(connection.rows(sql, part))
    return found


def first_below(connection: Connection, popularities: Collection[int]) -> dict[int, int | None]:
    """The first slot whose model is less popular, for each popularity; None where there is none.

    The slots are sorted, so halving finds them, all together.
    """
    found: dict[int, int | None] = dict.fromkeys(popularities)
    last = _last(connection)
    spans = dict.fromkeys(popularities, (0, last)) if last >= 0 else {}
    while spans:
        middles = {popularity: (low + high) // 2 for popularity, (low, high) in spans.items()}
        standing = _from(connection, set(middles.values()))
        for popularity, middle in middles.items():
            low, high = spans.pop(popularity)
            slot, there = standing[middle]
            if there < popularity:
                found[popularity], high = slot, middle - 1
            else:
                low = slot + 1
            if low <= high:
                spans[popularity] = low, high
    return found


def _from(connection: Connection, slots: Collection[int]) -> dict[int, tuple[int, int]]:
    """(slot, popularity) of the first model in or behind each of some slots."""
    found: dict[int, tuple[int, int]] = {}
    for part in chunks(list(slots)):
        sql = (
            f"WITH asked (start) AS (VALUES {', '.join(['(?)'] * len(part))}) "  # noqa: S608  # marks
            "SELECT asked.start, r.slot, r.popularity FROM asked JOIN ranking r "
            "ON r.slot = (SELECT min(slot) FROM ranking WHERE slot >= asked.start)"
        )
        found.update((start, (slot, popularity)) for start, slot, popularity in connection.rows(sql, part))
    return found


def _last(connection: Connection) -> int:
    """The last slot; -1 where there is none."""
    row = connection.one("SELECT max(slot) FROM ranking WHERE slot >= 0")
    return -1 if row is None or row[0] is None else int(row[0])
