"""Writing the search index: which slot a model gets, and which sets of slots change.

Slots ascend as popularity descends, so that reading sets from the front yields the most popular models first.
One slot in five is left free, which lets a model move to its new place without renumbering the others; when
much has changed at once, `layout` makes the whole index anew. Both run inside one write transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from random import Random
from typing import NamedTuple, TypeVar

from pyroaring import BitMap

from zoohub.registry import bitmap
from zoohub.registry.database import Connection
from zoohub.registry.encoding import popularity, unpack_dict
from zoohub.registry.tokens import index_tokens

GAP = 4  # so many models stand in a row before a slot is left free
_CHUNK = 500  # parameters of one IN (...)
_CROWD = 4000  # models in a row without a gap

T = TypeVar("T")


class Stored(NamedTuple):
    """A model as it stood when it was indexed: its document and the key of its license row."""

    doc: bytes
    license: int


def slots_of(connection: Connection, models: Iterable[int]) -> dict[int, int]:
    """The slots of those models that have one."""
    found: dict[int, int] = {}
    for part in chunks(list(models)):
        sql = f"SELECT model, slot FROM ranking WHERE model IN ({marks(part)})"  # noqa: S608  # marks
        found.update(connection.rows(sql, part))
    return found


def apply(
    connection: Connection, before: Mapping[int, Stored | None], old_slots: dict[int, int] | None = None
) -> None:
    """Bring the index up to date for some models.

    Args:
        connection: inside a write transaction.
        before: model key -> how it was indexed; None for a model that was not.
        old_slots: where they stood, needed for models that are deleted already.

    Raises:
        Crowded: lay the index out anew instead; what was done so far does not matter then.
    """
    if not before:
        return
    slots = _Slots(connection)
    old_slots = slots_of(connection, before) if old_slots is None else dict(old_slots)
    after = _stored(connection, before)
    for model in before:
        if model in after:
            slots.place(model, popularity(unpack_dict(after[model].doc)))
        else:
            slots.release(model)
    # Models that made room for others keep their tokens and change their slot.
    moved = {model: slot for model, slot in slots.shifted.items() if model not in before}
    unchanged = _stored(connection, moved)
    old_slots.update(moved)
    after.update(unchanged)
    new_slots = slots_of(connection, after)
    known, edits = licenses(connection), _Edits()
    for model, old in {**before, **unchanged}.items():
        if old and model in old_slots:
            edits.discard(old_slots[model], index_tokens(unpack_dict(old.doc), *known[old.license]))
        if model in after:
            new = after[model]
            edits.add(new_slots[model], index_tokens(unpack_dict(new.doc), *known[new.license]))
    edits.write(connection)


class _Edits:
    """Changes to sets of slots, gathered so that each stored set is rewritten once."""

    def __init__(self) -> None:
        self._sets: dict[int, dict[str, tuple[set[int], set[int]]]] = {}

    def add(self, slot: int, tokens: Iterable[str]) -> None:
        """The model in `slot` has these tokens."""
        self._note(slot, tokens, 0)

    def discard(self, slot: int, tokens: Iterable[str]) -> None:
        """The model in `slot` no longer has these tokens; a later or earlier `add` wins."""
        self._note(slot, tokens, 1)

    def _note(self, slot: int, tokens: Iterable[str], which: int) -> None:
        segment, offset = divmod(slot, bitmap.SLOTS)
        sets = self._sets.setdefault(segment, {})
        for token in tokens:
            if token not in sets:
                sets[token] = (set(), set())
            sets[token][which].add(offset)

    def write(self, connection: Connection) -> None:
        """Rewrite the stored sets that differ."""
        for segment, sets in sorted(self._sets.items()):
            changed, emptied = [], []
            tokens = sorted(token for token, (added, removed) in sets.items() if added != removed)
            stored: dict[str, bytes] = {}
            for part in chunks(tokens):
                sql = f"SELECT token, slots FROM postings WHERE segment = ? AND token IN ({marks(part)})"  # noqa: S608  # marks
                stored.update(connection.rows(sql, (segment, *part)))
            for token in tokens:
                added, removed = sets[token]
                packed = _edited(stored.get(token), added, removed - added)
                if packed is None:
                    emptied.append((segment, token))
                elif packed != stored.get(token):
                    changed.append((segment, token, packed))
            connection.many(
                "INSERT INTO postings (segment, token, slots) VALUES (?, ?, ?) "
                "ON CONFLICT (segment, token) DO UPDATE SET slots = excluded.slots",
                changed,
            )
            connection.many("DELETE FROM postings WHERE segment = ? AND token = ?", emptied)


def _edited(stored: bytes | None, added: set[int], removed: set[int]) -> bytes | None:
    edited = (bitmap.unpack(stored or b"") - BitMap(removed)) | BitMap(added)
    return bitmap.pack_set(edited) if edited else None


class Crowded(Exception):
    """So many models stand in a row without a gap that a new layout is cheaper than making room for another."""


class _Slots:
    """Where models stand in the order of popularity."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._random = Random(0)
        self.shifted: dict[int, int] = {}  # model -> the slot it had before it made room

    def place(self, model: int, popularity: int) -> None:
        """Give a model the slot that its popularity deserves; it may keep the one it has."""
        row = self._connection.one("SELECT popularity, slot FROM ranking WHERE model = ?", (model,))
        if row and row[0] == popularity:
            return
        if row and self._fits(row[1], popularity):
            self._connection.run("UPDATE ranking SET popularity = ? WHERE slot = ?", (popularity, row[1]))
            return
        if row:
            self.release(model)
        self._connection.run(
            "INSERT INTO ranking (slot, model, popularity) VALUES (?, ?, ?)",
            (self._free(popularity), model, popularity),
        )

    def release(self, model: int) -> None:
        """Free the slot of a model."""
        self._connection.run("DELETE FROM ranking WHERE model = ?", (model,))

    def _fits(self, slot: int, popularity: int) -> bool:
        """Whether the neighbors of a slot allow that popularity in it."""
        above = self._one("SELECT popularity FROM ranking WHERE slot < ? ORDER BY slot DESC LIMIT 1", slot)
        below = self._one("SELECT popularity FROM ranking WHERE slot > ? ORDER BY slot LIMIT 1", slot)
        return (above is None or above >= popularity) and (below is None or below <= popularity)

    def _free(self, popularity: int) -> int:
        """A free slot below everything more popular and above everything less popular."""
        below = first_below(self._connection, popularity)
        if below is None:
            last = self._one("SELECT max(slot) FROM ranking WHERE slot >= ?", 0)
            return 0 if last is None else int(last) + 1
        equal = first_below(self._connection, popularity + 1)
        above = self._one("SELECT max(slot) FROM ranking WHERE slot < ?", below if equal is None else equal)
        start = 0 if above is None else above + 1
        for _ in range(8 if below > start else 0):
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
        self._connection.run(
            "UPDATE ranking SET slot = -slot - 1 WHERE slot BETWEEN ? AND ?", (slot, slot + len(run) - 1)
        )
        self._connection.run("UPDATE ranking SET slot = -slot WHERE slot < 0")
        return slot

    def _one(self, sql: str, value: int) -> int | None:
        row = self._connection.one(sql, (value,))
        return row[0] if row else None


def first_below(connection: Connection, popularity: int) -> int | None:
    """The first slot whose model is less popular; None where there is none. The slots are sorted: halving finds it."""
    row = connection.one("SELECT max(slot) FROM ranking")
    low, high = 0, -1 if row is None or row[0] is None else int(row[0])
    found = None
    while low <= high:
        middle = (low + high) // 2
        row = connection.one(
            "SELECT slot, popularity FROM ranking WHERE slot >= ? ORDER BY slot LIMIT 1", (middle,)
        )
        assert row is not None
        if row[1] < popularity:
            found, high = int(row[0]), middle - 1
        else:
            low = int(row[0]) + 1
    return found


def _stored(connection: Connection, models: Iterable[int]) -> dict[int, Stored]:
    found: dict[int, Stored] = {}
    for part in chunks(list(models)):
        sql = f"SELECT pk, doc, license FROM models WHERE pk IN ({marks(part)})"  # noqa: S608  # marks
        found.update((pk, Stored(doc, license)) for pk, doc, license in connection.rows(sql, part))
    return found


def licenses(connection: Connection) -> dict[int, tuple[str, list[str]]]:
    """Key of a license row -> its id, and the groups that it is known to be in."""
    rows = connection.rows("SELECT pk, id, commercial, permissive FROM licenses")
    return {pk: (id, [group for group, answer in (("commercial", commercial), ("permissive", permissive))
                      if answer == "yes"]) for pk, id, commercial, permissive in rows}  # fmt: skip


def get_meta(connection: Connection, name: str) -> str | None:
    """A fact about the registry itself."""
    row = connection.one("SELECT value FROM meta WHERE name = ?", (name,))
    return str(row[0]) if row else None


def set_meta(connection: Connection, name: str, value: str) -> None:
    """Note a fact about the registry itself."""
    connection.run(
        "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )


def chunks(items: Sequence[T], size: int = _CHUNK) -> Iterable[Sequence[T]]:
    """Consecutive parts of at most `size`."""
    return (items[start : start + size] for start in range(0, len(items), size))


def marks(items: Collection[object]) -> str:
    """The parameter marks of an IN (...)."""
    return ", ".join("?" * len(items))
