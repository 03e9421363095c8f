"""Working changes into the search index: which stored sets of slots are another now.

When much has changed at once, `layout` makes the whole index anew. Both run inside one write transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from pyroaring import BitMap

from zoohub.registry import bitmap, bundles
from zoohub.registry.database import Connection, chunks, marks
from zoohub.registry.encoding import popularity, unpack_dict
from zoohub.registry.ranks import Ranks, slots_of
from zoohub.registry.tokens import LAST, index_tokens


class Stored(NamedTuple):
    """A model as it stood when it was indexed: its document and the key of its license row."""

    doc: bytes
    license: int


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
    ranks = Ranks(connection)
    old_slots = slots_of(connection, before) if old_slots is None else dict(old_slots)
    after = _stored(connection, before)
    ranks.release([model for model in before if model not in after])
    ranks.place({model: popularity(unpack_dict(stored.doc)) for model, stored in after.items()})
    # Models that made room for others keep their tokens and change their slot.
    moved = {model: slot for model, slot in ranks.shifted.items() if model not in before}
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
            connection.many(_PUT, changed)
            connection.many("DELETE FROM postings WHERE segment = ? AND token = ?", emptied)
            _bundle(connection, segment, {token.partition(":")[0] for _, token, *_ in changed + emptied})


_PUT = (
    "INSERT INTO postings (segment, token, slots) VALUES (?, ?, ?) "
    "ON CONFLICT (segment, token) DO UPDATE SET slots = excluded.slots"
)


def _bundle(connection: Connection, segment: int, kinds: Collection[str]) -> None:
    """Make the bundles of a segment anew whose values have changed."""
    for kind in bundles.KINDS:
        if kind in kinds:
            sql = "SELECT token, slots FROM postings WHERE segment = ? AND token >= ? AND token < ?"
            rows = connection.rows(sql, (segment, f"{kind}:", f"{kind}:{LAST}"))
            connection.run(_PUT, (segment, bundles.token_of(kind), bundles.of_rows(kind, rows)))


def _edited(stored: bytes | None, added: set[int], removed: set[int]) -> bytes | None:
    edited = (bitmap.unpack(stored or b"") - BitMap(removed)) | BitMap(added)
    return bitmap.pack_set(edited) if edited else None


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
