"""Writing records in bulk: what is new, what changed, what it means for history, lineage and the index.

A call that fits into one batch is one transaction. A larger one commits batch by batch, so that others get
their turn, and brings the index up to date at the end; a note in `meta` tells the next writer when that
was interrupted.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

from zoohub.errors import InvalidRecord
from zoohub.registry import encoding, index, unfinished
from zoohub.registry.database import Connection
from zoohub.registry.encoding import key_of
from zoohub.registry.index import Stored, chunks, get_meta, marks, set_meta
from zoohub.registry.license_facts import LicenseRow, license_row
from zoohub.registry.records import UNKNOWN, ModelRecord
from zoohub.registry.tokens import VERSION

BATCH = 5000
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


def add(
    connection: Connection, records: Iterable[ModelRecord], progress: index.Progress | None = None
) -> Counts:
    """Store records, new or changed, and bring the index up to date; see `Registry.add`."""
    counts = Counts()
    batches = _batched(iter(records), BATCH)
    first, second = next(batches, []), next(batches, [])
    with _garbage_left():
        if second:
            _add_many(connection, _chain(first, second, batches), counts, progress)
        else:
            with connection.write():
                _index(connection, _Batch(connection, counts).store(first), progress)
    return counts


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
    batches: Iterable[list[ModelRecord]],
    counts: Counts,
    progress: index.Progress | None,
) -> None:
    interrupted = unfinished.noted(connection)
    before: dict[int, Stored | None] = {}
    for batch in batches:
        with connection.write():
            unfinished.note(connection)
            changes = _Batch(connection, counts).store(batch)
        if len(before) <= _PIECEMEAL:
            for model, old in changes.items():
                before.setdefault(model, old)
        if progress:
            progress(counts.seen)
    with connection.write():
        _index(connection, before, progress, anew=interrupted)
        unfinished.clear(connection)


def complete(connection: Connection) -> bool:
    """Finish the index of a registry whose last writer was killed, or that another version indexed."""
    if not (unfinished.abandoned(connection) or _is_stale(connection)):
        return False
    with connection.write():
        anew = unfinished.abandoned(connection)
        if anew or _is_stale(connection):
            _index(connection, {}, None, anew=True)
            unfinished.clear(connection)
    return True


def _is_stale(connection: Connection) -> bool:
    return get_meta(connection, "index") not in (None, VERSION)


def _index(
    connection: Connection,
    before: dict[int, Stored | None],
    progress: index.Progress | None,
    *,
    anew: bool = False,
) -> None:
    """Work the changes in one by one, or lay the index out anew where that is cheaper or due."""
    if anew or _is_stale(connection) or not _is_small(connection, len(before)):
        index.renew(connection, progress)
    else:
        index.apply(connection, before)
    if get_meta(connection, "index") is None:
        set_meta(connection, "index", VERSION)


def _is_small(connection: Connection, changes: int) -> bool:
    """Whether so many changes are few beside what is indexed."""
    row = connection.one("SELECT count(*) FROM (SELECT 1 FROM ranking LIMIT ?) AS found", (4 * changes,))
    return changes <= _PIECEMEAL and row is not None and row[0] == 4 * changes


class _Batch:
    """The records of one transaction."""

    def __init__(self, connection: Connection, counts: Counts) -> None:
        self._connection = connection
        self._counts = counts
        self._at = now()

    def store(self, records: Sequence[ModelRecord]) -> dict[int, Stored | None]:
        """Store what is new or changed; the changed models with how they stood before (None: new)."""
        packed = self._packed(records)
        licenses = self._licenses({row for _, _, row in packed.values()})
        known = self._known(packed)
        new, changed = [], []
        before: dict[int, Stored | None] = {}
        for key, (record, doc, license) in packed.items():
            old = known.get(key)
            if old is None:
                new.append((key, record, doc, licenses[license]))
            elif old[1].doc != doc or old[1].license != licenses[license]:
                changed.append((old[0], record, doc, licenses[license]))
                before[old[0]] = old[1]
            else:
                self._counts.unchanged += 1
        self._insert(new)
        self._update(changed, before)
        for pk in self._keys([key for key, *_ in new]).values():
            before[pk] = None
        self._counts.new += len(new)
        self._counts.changed += len(changed)
        self._edges(new, changed)
        return before

    def _packed(self, records: Sequence[ModelRecord]) -> dict[str, tuple[ModelRecord, bytes, LicenseRow]]:
        packed: dict[str, tuple[ModelRecord, bytes, LicenseRow]] = {}
        for record in records:
            try:
                encoding.validated(record)
                license = license_row(record)
                if license.id != record.license:
                    record = encoding.with_license(record, license.id)
                doc = encoding.pack(record)
            except InvalidRecord as refusal:
                self._counts.refused.append(refusal)
                continue
            key = key_of(record.id)
            if key in packed:  # given twice: the later one stands
                self._counts.unchanged += 1
            packed[key] = (record, doc, license)
        return packed

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

    def _known(self, keys: Iterable[str]) -> dict[str, tuple[int, Stored]]:
        found: dict[str, tuple[int, Stored]] = {}
        for part in chunks(list(keys)):
            sql = f"SELECT key, pk, doc, license FROM models WHERE key IN ({marks(part)})"  # noqa: S608  # marks
            for key, pk, doc, license in self._connection.rows(sql, part):
                found[key] = (pk, Stored(bytes(doc), license))
        return found

    def _keys(self, keys: Sequence[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for part in chunks(keys):
            sql = f"SELECT key, pk FROM models WHERE key IN ({marks(part)})"  # noqa: S608  # marks
            found.update(self._connection.rows(sql, part))
        return found

    def _insert(self, new: Sequence[tuple[str, ModelRecord, bytes, int]]) -> None:
        self._connection.insert(
            "models",
            ("key", *_COLUMNS),
            [(key, *_values(record, doc, license)) for key, record, doc, license in new],
        )

    def _update(
        self, changed: Sequence[tuple[int, ModelRecord, bytes, int]], before: dict[int, Stored | None]
    ) -> None:
        assignments = ", ".join(f"{column} = ?" for column in _COLUMNS)
        self._connection.many(
            f"UPDATE models SET {assignments} WHERE pk = ?",  # noqa: S608  # names
            [(*_values(record, doc, license), pk) for pk, record, doc, license in changed],
        )
        events = []
        for pk, record, _, _ in changed:
            old = before[pk]
            assert old is not None
            events += [
                (self._at, key_of(record.id), *event)
                for event in differences(encoding.unpack(old.doc), record)
            ]
        self._connection.insert("history", ("at", "subject", "field", "old", "new"), events)

    def _edges(
        self,
        new: Sequence[tuple[str, ModelRecord, bytes, int]],
        changed: Sequence[tuple[int, ModelRecord, bytes, int]],
    ) -> None:
        """Lineage and revisions of what was stored."""
        having = [(key, record) for key, record, *_ in new if record.base_models or record.revision]
        keys = self._keys([key for key, _ in having])
        rows = [(keys[key], record) for key, record in having]
        rows += [(pk, record) for pk, record, *_ in changed]
        self._connection.many("DELETE FROM lineage WHERE model = ?", [(pk,) for pk, *_ in changed])
        edges = {(key_of(base.id)[:500], pk): base.relation
                 for pk, record in rows for base in record.base_models}  # fmt: skip
        self._connection.insert(
            "lineage",
            ("base", "model", "relation"),
            [(*edge, relation) for edge, relation in sorted(edges.items())],
        )
        self._connection.many(
            "INSERT INTO revisions (model, revision, first_seen) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            [(pk, record.revision, self._at) for pk, record in rows if record.revision],
        )


_COLUMNS = ("source", "license", "downloads", "likes", "updated", "parameters", "gone", "doc")


def _values(record: ModelRecord, doc: bytes, license: int) -> tuple[object, ...]:
    return (record.source, license, record.downloads, record.likes, encoding.epoch(record.updated),
            record.parameters, record.gone, doc)  # fmt: skip


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


def _chain(*parts: list[ModelRecord] | Iterator[list[ModelRecord]]) -> Iterator[list[ModelRecord]]:
    for part in parts:
        if isinstance(part, list):
            yield part
        else:
            yield from part


def delete(connection: Connection, keys: Sequence[str]) -> int:
    """Take models out, with their lineage and revisions; their history stays."""
    with connection.write():
        before: dict[int, Stored | None] = {}
        for part in chunks(keys):
            sql = f"SELECT pk, doc, license FROM models WHERE key IN ({marks(part)})"  # noqa: S608  # marks
            before.update(
                (pk, Stored(bytes(doc), license)) for pk, doc, license in connection.rows(sql, part)
            )
        slots = index.slots_of(connection, before)
        connection.many("DELETE FROM models WHERE pk = ?", [(pk,) for pk in before])
        index.apply(connection, before, slots)
    return len(before)


def renew(connection: Connection, progress: index.Progress | None) -> int:
    """Lay the index out anew."""
    with connection.write():
        counted = index.renew(connection, progress)
        unfinished.clear(connection)
    return counted
