"""Lineage: what a model was made from, and what was made from it; recursive, cycles survived."""

from __future__ import annotations

from dataclasses import dataclass, field

from zoohub.registry.database import Connection
from zoohub.registry.encoding import key_of, unpack
from zoohub.registry.records import ModelRecord

MAX_DEPTH = 20


@dataclass(slots=True)
class Kin:
    """A model of a lineage tree: `relation` is how it was made; `record` is None where it is not registered.

    `children` goes on in the direction that was asked; `again` marks a model that stands elsewhere in the tree
    already (a cycle, or a second way), `more` how many children were left out.
    """

    id: str
    relation: str | None = None
    record: ModelRecord | None = None
    children: list[Kin] = field(default_factory=list)
    again: bool = False
    more: int = 0


@dataclass(frozen=True, slots=True)
class Lineage:
    """The bases a model was made from, and the models that were made from it."""

    model: ModelRecord
    bases: list[Kin]
    derived: list[Kin]


def lineage(connection: Connection, record: ModelRecord, *, depth: int = MAX_DEPTH, limit: int = 1000) -> Lineage:
    """The lineage of a model, at most `depth` steps each way and `limit` models downwards."""
    with connection.snapshot():
        seen = {key_of(record.id)}
        bases = _bases(connection, record, seen, depth)
        derived = _derived(connection, key_of(record.id), {key_of(record.id)}, depth, [limit])
        return Lineage(record, bases, derived)


def _bases(connection: Connection, record: ModelRecord, seen: set[str], depth: int) -> list[Kin]:
    found = []
    for base in record.base_models if depth > 0 else ():
        key = key_of(base.id)
        row = connection.one("SELECT doc FROM models WHERE key = ?", (key,))
        kin = Kin(base.id, base.relation, unpack(row[0]) if row else None, again=key in seen)
        if kin.record and not kin.again:
            kin.id = kin.record.id
            kin.children = _bases(connection, kin.record, seen | {key}, depth - 1)
        found.append(kin)
    return found


def _derived(connection: Connection, key: str, seen: set[str], depth: int, budget: list[int]) -> list[Kin]:
    """Breadth first within each level, the most popular first."""
    rows = connection.rows(
        "SELECT m.doc, l.relation, m.key FROM lineage l JOIN models m ON m.pk = l.model "
        "LEFT JOIN ranking r ON r.model = m.pk WHERE l.base = ? ORDER BY coalesce(r.slot, 1000000000000), m.pk",
        (key,),
    )
    found = []
    for doc, relation, child_key in rows[: max(budget[0], 0)]:
        record = unpack(doc)
        found.append(Kin(record.id, relation, record, again=child_key in seen))
    budget[0] -= len(found)
    fresh = [kin for kin in found if not kin.again]
    seen.update(key_of(kin.id) for kin in fresh)
    for kin in fresh if depth > 1 else ():
        kin.children = _derived(connection, key_of(kin.id), seen, depth - 1, budget)
    if found and len(rows) > len(found):
        found[-1].more = len(rows) - len(found)
    return found
