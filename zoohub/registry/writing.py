"""Writing records in bulk: what is new, what changed, what it means for history, lineage and the index.

A call that fits into one batch is one transaction. A larger one commits every few batches, so that others get
their turn, and brings the index up to date at the end; a note in `meta` tells the next writer when that
was interrupted.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from zoohub.errors import InvalidRecord
from zoohub.registry import encoding, index, layout, ranks, unfinished
from zoohub.registry.database import Connection, chunks, marks
from zoohub.registry.encoding import hash_of, key_in, key_of
from zoohub.registry.index import Stored, get_meta, set_meta
from zoohub.registry.layout import Progress
from zoohub.registry.license_facts import LicenseRow, license_row
from zoohub.registry.records import UNKNOWN, ModelRecord
from zoohub.registry.tokens import VERSION

if TYPE_CHECKING:  # a search loads this module, and should not load those
    from concurrent.futures import Future

    from zoohub.registry.helpers import Helpers

BATCH = 5000
_BULK = 4  # batches from which on starting helpers pays
_AHEAD = 4  # batches that helpers have in hand
# Batches of a bulk load that are committed together: the hashes of one fall on half of all pages of their index, and
# each commit writes its pages anew.
_TOGETHER = 32
_PIECEMEAL = 20_000  # at most so many changes are worked into the index one by one
# A change of one of these is an event in the history.
WATCHED = ("license", "base_models", "gated", "gone")

_STATED = 4  # the first columns of a license row are what was stated, the others what is answered


@dataclass(slots=True)
class Counts:
    """What `Registry.add` did."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: list[InvalidRecord] = field(default_factory=list)

    @property
    def seen(self) -> int:
        """All records that were given."""
        return self.new + self.changed + self.unchanged + len(self.refused)


def now() -> str:
    """This moment, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def add(connection: Connection, records: Iterable[ModelRecord], progress: Progress | None = None) -> Counts:
    """Store records, new or changed, and bring the index up to date; see `Registry.add`."""
    counts = Counts()
    batches = _batched(iter(records), BATCH)
    head = list(islice(batches, 2))
    with _garbage_left(), _Crew() as crew:
        prepared = _prepared(chain(head, batches), crew, counts)
        if len(head) > 1:
            _add_many(connection, prepared, counts, progress, crew)
        else:
            with connection.write():
                changes: dict[int, Stored | None] = {}
                for batch in prepared:
                    changes = _Batch(connection, counts).store(batch)
                _index(connection, changes, progress)
    return counts


class _Crew(ExitStack):
    """Helpers, once there is work for them."""

    helpers: Helpers | None = None

    def call(self) -> Helpers:
        """The helpers, started where they are not."""
        if self.helpers is None:
            from zoohub.registry.helpers import Helpers

            self.helpers = self.enter_context(Helpers())
        return self.helpers


@contextmanager
def _garbage_left() -> Iterator[None]:
    """No cyclic garbage is made here, and looking for it among millions of small objects takes a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _add_many(
    connection: Connection,
    batches: Iterable[list[_Prepared]],
    counts: Counts,
    progress: Progress | None,
    crew: _Crew,
) -> None:
    interrupted = unfinished.noted(connection)
    before: dict[int, Stored | None] = {}
    with connection.roomy():
        for together in _grouped(batches):
            with connection.write():
                unfinished.note(connection)
                for batch in together:
                    changes = _Batch(connection, counts).store(batch)
                    if len(before) <= _PIECEMEAL:
                        for model, old in changes.items():
                            before.setdefault(model, old)
            if progress:
                progress(counts.seen)
        with connection.write():
            _index(connection, before, progress, crew.helpers, anew=interrupted)
            unfinished.clear(connection)


def _grouped(batches: Iterable[list[_Prepared]]) -> Iterator[list[list[_Prepared]]]:
    """Batches by transaction: first each by itself, once they are many several together."""
    source = iter(batches)
    for batch in islice(source, _BULK):
        yield [batch]
    while together := list(islice(source, _TOGETHER)):
        yield together


def complete(connection: Connection) -> bool:
    """Finish the index of a registry whose last writer was killed, or that another version indexed."""
    if not (unfinished.abandoned(connection) or _is_stale(connection)):
        return False
    with _Crew() as crew, connection.write():
        if unfinished.abandoned(connection) or _is_stale(connection):
            _index(connection, {}, None, crew.call(), anew=True)
            unfinished.clear(connection)
    return True


def _is_stale(connection: Connection) -> bool:
    return get_meta(connection, "index") not in (None, VERSION)


def _index(
    connection: Connection,
    before: dict[int, Stored | None],
    progress: Progress | None,
    helpers: Helpers | None = None,
    *,
    anew: bool = False,
) -> None:
    """Work the changes in one by one, or lay the index out anew where that is cheaper or due."""
    if not anew and not _is_stale(connection) and _is_small(connection, len(before)):
        try:
            index.apply(connection, before)
        except ranks.Crowded:
            layout.renew(connection, progress)
    else:
        layout.renew(connection, progress, helpers)
    if get_meta(connection, "index") is None:
        set_meta(connection, "index", VERSION)


def _is_small(connection: Connection, changes: int) -> bool:
    """Whether so many changes are few beside what is indexed."""
    row = connection.one("SELECT count(*) FROM (SELECT 1 FROM ranking LIMIT ?) AS found", (4 * changes,))
    return changes <= _PIECEMEAL and row is not None and row[0] == 4 * changes


class _Prepared(NamedTuple):
    """A record that may be stored: its license, and the values of `encoding.Packed`."""

    license: LicenseRow
    key: str
    hash: int
    doc: bytes
    figures: tuple[int | None, ...]
    bases: dict[int, str | None]
    revision: str | None


def _prepared(batches: Iterable[list[ModelRecord]], crew: _Crew, counts: Counts) -> Iterator[list[_Prepared]]:
    """Batches checked and packed; of a bulk load helpers do that for the next ones while one is stored."""
    waiting: deque[tuple[list[LicenseRow], Future[list[_Outcome]]]] = deque()
    for number, batch in enumerate(batches):
        licenses, stated = _stated(batch, counts)
        if number < _BULK:
            yield _accepted(licenses, encoding.packed_all(stated), counts)
            continue
        waiting.append((licenses, crew.call().submit("pack", stated)))
        if len(waiting) > _AHEAD:
            done, outcomes = waiting.popleft()
            yield _accepted(done, outcomes.result(), counts)
    for done, outcomes in waiting:
        yield _accepted(done, outcomes.result(), counts)


_Outcome: TypeAlias = tuple[Any, ...]  # of `encoding.packed_all`


def _stated(records: Sequence[ModelRecord], counts: Counts) -> tuple[list[LicenseRow], list[encoding.Facts]]:
    """The licenses of records, and what they state."""
    licenses, stated = [], []
    for record in records:
        try:
            license = license_row(record)
            stated.append(encoding.facts(record, license.id))
        except InvalidRecord as refusal:
            counts.refused.append(refusal)
            continue
        licenses.append(license)
    return licenses, stated


def _accepted(
    licenses: Sequence[LicenseRow], outcomes: Sequence[_Outcome], counts: Counts
) -> list[_Prepared]:
    """What is no possible record is refused; of a record that is given twice the later stands."""
    found: dict[str, _Prepared] = {}
    for license, outcome in zip(licenses, outcomes, strict=True):
        if len(outcome) == _REFUSAL:
            counts.refused.append(InvalidRecord(*outcome))
            continue
        if outcome[0] in found:
            counts.unchanged += 1
        found[outcome[0]] = _Prepared(license, *outcome)
    return list(found.values())


_REFUSAL = 2  # values: the id, the reason


class _Batch:
    """The records of one transaction."""

    def __init__(self, connection: Connection, counts: Counts) -> None:
        self._connection = connection
        self._counts = counts
        self._at = now()

    def store(self, prepared: Sequence[_Prepared]) -> dict[int, Stored | None]:
        """Store what is new or changed; the changed models with how they stood before (None: new)."""
        licenses = self._licenses({each.license for each in prepared})
        known = self._known([each.hash for each in prepared])
        row = self._connection.one("SELECT max(pk) FROM models")
        free = 1 + (row[0] or 0 if row else 0)
        new: dict[int, _Prepared] = {}
        changed: dict[int, tuple[_Prepared, Stored]] = {}
        for each in prepared:
            alike = known.get(each.hash)
            old = _same(each, alike) if alike else None
            if old is None:
                new[free] = each
                free += 1
            elif old[1] != (each.doc, licenses[each.license]):
                changed[old[0]] = (each, old[1])
            else:
                self._counts.unchanged += 1
        self._insert(new, licenses)
        self._update(changed, licenses)
        self._counts.new += len(new)
        self._counts.changed += len(changed)
        return {**{pk: old for pk, (_, old) in changed.items()}, **dict.fromkeys(new)}

    def _licenses(self, rows: set[LicenseRow]) -> dict[LicenseRow, int]:
        """The keys of license rows; those that are new or answer differently are written."""
        columns = ", ".join(LicenseRow._fields)
        read = f"SELECT pk, {columns} FROM licenses"  # noqa: S608  # names
        known = {LicenseRow(*row): pk for pk, *row in self._connection.rows(read)}
        missing = sorted(rows - set(known))
        if missing:
            stated = {row[:_STATED] for row in known}
            if any(row[:_STATED] in stated for row in missing):
                # The license base answers differently today: the groups in the index are out of date.
                set_meta(self._connection, "index", "stale")
            self._connection.many(
                f"INSERT INTO licenses ({columns}) VALUES ({marks(LicenseRow._fields)}) "  # noqa: S608  # names
                "ON CONFLICT (raw, name, link, id) DO UPDATE SET "
                "commercial = excluded.commercial, permissive = excluded.permissive",
                missing,
            )
            known = {LicenseRow(*row): pk for pk, *row in self._connection.rows(read)}
        return {row: known[row] for row in rows}

    def _known(self, hashes: Sequence[int]) -> dict[int, list[tuple[int, Stored]]]:
        found: dict[int, list[tuple[int, Stored]]] = {}
        for part in chunks(hashes):
            sql = f"SELECT hash, pk, doc, license FROM models WHERE hash IN ({marks(part)})"  # noqa: S608  # marks
            for hash, pk, doc, license in self._connection.rows(sql, part):
                found.setdefault(hash, []).append((pk, Stored(bytes(doc), license)))
        return found

    def _insert(self, new: dict[int, _Prepared], licenses: dict[LicenseRow, int]) -> None:
        self._connection.insert(
            "models",
            ("pk", *_COLUMNS),
            [(pk, each.hash, licenses[each.license], *each.figures, each.doc) for pk, each in new.items()],
        )
        self._add_kin(new.items())

    def _update(self, changed: dict[int, tuple[_Prepared, Stored]], licenses: dict[LicenseRow, int]) -> None:
        assignments = ", ".join(f"{column} = ?" for column in _COLUMNS)
        self._connection.many(
            f"UPDATE models SET {assignments} WHERE pk = ?",  # noqa: S608  # names
            [
                (each.hash, licenses[each.license], *each.figures, each.doc, pk)
                for pk, (each, _) in changed.items()
            ],
        )
        old_edges: list[tuple[int, int]] = []
        events = []
        for pk, (each, stored) in changed.items():
            old, new = encoding.unpack(stored.doc), encoding.unpack(each.doc)
            old_edges += [(base, pk) for base in _bases_of(old)]
            events += [(self._at, each.key, *event) for event in differences(old, new)]
        self._connection.insert("history", ("at", "subject", "field", "old", "new"), events)
        self._connection.many("DELETE FROM lineage WHERE base = ? AND model = ?", old_edges)
        self._add_kin([(pk, each) for pk, (each, _) in changed.items()])

    def _add_kin(self, stored: Collection[tuple[int, _Prepared]]) -> None:
        """Lineage and revisions of what was stored."""
        edges = sorted([(base, pk, relation) for pk, each in stored for base, relation in each.bases.items()])
        self._connection.insert("lineage", ("base", "model", "relation"), edges)
        self._connection.many(
            "INSERT INTO revisions (model, revision, first_seen) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            [(pk, each.revision, self._at) for pk, each in stored if each.revision],
        )


def _same(each: _Prepared, known: Iterable[tuple[int, Stored]]) -> tuple[int, Stored] | None:
    """Which of the stored models of a hash it is."""
    for pk, stored in known:
        if stored.doc == each.doc or key_in(stored.doc) == each.key:
            return pk, stored
    return None


def _bases_of(record: ModelRecord) -> set[int]:
    """The hashes of its bases."""
    return {hash_of(base.id) for base in record.base_models}


_COLUMNS = ("hash", "license", "downloads", "likes", "updated", "parameters", "doc")


def differences(old: ModelRecord, new: ModelRecord) -> Iterator[tuple[str, str | None, str | None]]:
    """(field, old, new) of what the history keeps: license, base model, gating, existence."""
    for name in WATCHED:
        before, after = _told(old, name), _told(new, name)
        if before != after:
            yield name, before, after


def _told(record: ModelRecord, name: str) -> str | None:
    if name == "license":
        return record.license_raw or (record.license if record.license != UNKNOWN else None)
    if name == "base_models":
        return " ".join(sorted(base.id for base in record.base_models)) or None
    if name == "gated":
        return None if record.gated is None else "yes" if record.gated else "no"
    return record.gone


def _batched(records: Iterator[ModelRecord], size: int) -> Iterator[list[ModelRecord]]:
    while batch := list(islice(records, size)):
        yield batch


def delete(connection: Connection, ids: Sequence[str]) -> int:
    """Take models out, with their lineage and revisions; their history stays."""
    with connection.write():
        before: dict[int, Stored | None] = {}
        edges: list[tuple[int, int]] = []
        for id in ids:
            rows = connection.rows("SELECT pk, doc, license FROM models WHERE hash = ?", (hash_of(id),))
            for pk, doc, license in rows:
                if key_in(doc) == key_of(id):
                    before[pk] = Stored(bytes(doc), license)
                    edges += [(base, pk) for base in _bases_of(encoding.unpack(doc))]
        slots = ranks.slots_of(connection, before)
        connection.many("DELETE FROM lineage WHERE base = ? AND model = ?", edges)
        connection.many("DELETE FROM models WHERE pk = ?", [(pk,) for pk in before])
        index.apply(connection, before, slots)
    return len(before)


def renew(connection: Connection, progress: Progress | None) -> int:
    """Lay the index out anew."""
    with _Crew() as crew, connection.write():
        counted = layout.renew(connection, progress, crew.call())
        unfinished.clear(connection)
    return counted
