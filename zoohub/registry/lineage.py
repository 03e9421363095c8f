"""Lineage: what a model was made from, and what was made from it; recursive, cycles survived."""

from __future__ import annotations

from dataclasses import dataclass, field

from zoohub.registry import lookup
from zoohub.registry.database import Connection
from zoohub.registry.encoding import hash_of, key_of, unpack
from zoohub.registry.records import ModelRecord

MAX_DEPTH = 20


@dataclass(slots=True)
class Kin:
    """A model of a lineage tree: `relation` is how it was made; `record` is None where it is not registered.

    `children` goes on in the direction that was asked; `again` marks a model that stands elsewhere in the tree
    already (a cycle, or a second way).
    """

    id: str
    relation: str | None = None
    record: ModelRecord | None = None
    children: list[Kin] = field(default_factory=list)
    again: bool = False


@dataclass(frozen=True, slots=True)
class Lineage:
    """The bases a model was made from, the models that were made from it, and how many of those were left out.

    Models that derive from what was left out are not counted.
    """

    model: ModelRecord
    bases: list[Kin]
    derived: list[Kin]
    left_out: int = 0


def lineage(
    connection: Connection, record: ModelRecord, *, depth: int = MAX_DEPTH, limit: int = 1000
) -> Lineage:
    """The lineage of a model, at most `depth` steps each way and `limit` models downwards."""
    key = key_of(record.id)
    with connection.snapshot():
        bases = _bases(connection, record, {key}, depth)
        descent = _Descent(connection, key, limit)
        return Lineage(record, bases, descent.of(key, depth), descent.left_out)


def _bases(connection: Connection, record: ModelRecord, seen: set[str], depth: int) -> list[Kin]:
    found = []
    for base in record.base_models if depth > 0 else ():
        key = key_of(base.id)
        doc = lookup.doc(connection, key)
        kin = Kin(base.id, base.relation, unpack(doc) if doc else None, again=key in seen)
        if kin.record and not kin.again:
            kin.id = kin.record.id
            kin.children = _bases(connection, kin.record, seen | {key}, depth - 1)
        found.append(kin)
    return found


class _Descent:
    """The models derived from one, until the limit is reached."""

    def __init__(self, connection: Connection, key: str, limit: int) -> None:
        self._connection = connection
        self._seen = {key}
        self._budget = limit
        self.left_out = 0

    def of(self, key: str, depth: int) -> list[Kin]:
        """The models made from `key`, the most popular first, each with its own."""
        (count,) = self._connection.one("SELECT count(*) FROM lineage WHERE base = ?", (hash_of(key),)) or (
            0,
        )
        rows = self._connection.rows(
            "SELECT m.doc, l.relation FROM lineage l JOIN models m ON m.pk = l.model "
            "LEFT JOIN ranking r ON r.model = m.pk WHERE l.base = ? ORDER BY r.slot, m.pk LIMIT ?",
            (hash_of(key), self._budget),
        )
        self.left_out += count - len(rows)
        self._budget -= len(rows)
        found = []
        for doc, relation in rows:
            record = unpack(doc)
            child = key_of(record.id)
            if key in (
                key_of(base.id) for base in record.base_models
            ):  # and not another base of the same hash
                found.append((child, Kin(record.id, relation, record, again=child in self._seen)))
                self._seen.add(child)
        for child, kin in found:
            if depth > 1 and not kin.again:
                kin.children = self.of(child, depth - 1)
        return [kin for _, kin in found]
