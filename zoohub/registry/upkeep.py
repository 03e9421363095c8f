"""Looking after a registry: what it holds, whether it is whole, and moving it to another database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from zoohub.errors import UsageError
from zoohub.registry import database, unfinished
from zoohub.registry.database import Connection, Row
from zoohub.registry.index import get_meta
from zoohub.registry.tokens import VERSION

# In an order that suits their references to one another.
TABLES = ("meta", "licenses", "models", "ranking", "postings", "lineage", "aliases", "history", "revisions",
          "sync_state", "evidence")  # fmt: skip


def info(connection: Connection) -> dict[str, Any]:
    """Where it lies, its schema, size in bytes, and what it holds."""
    facts: dict[str, Any] = {
        "address": database.public_url(connection.url),
        "schema": database.revision(connection),
        "index": get_meta(connection, "index"),
        "size": _size(connection),
    }
    for table in ("models", "licenses", "lineage", "aliases", "history", "evidence"):
        row = connection.one(f"SELECT count(*) FROM {table}")  # noqa: S608  # a name of ours
        facts[table] = row[0] if row else 0
    return facts


def _size(connection: Connection) -> int:
    if connection.sqlite:
        row = connection.one("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
    else:
        row = connection.one("SELECT pg_database_size(current_database())")
    return int(row[0]) if row else 0


def faults(connection: Connection) -> list[str]:
    """What is wrong with a registry, in words; empty where it is whole."""
    found = []
    if connection.sqlite:
        found += [row[0] for row in connection.rows("PRAGMA integrity_check(20)") if row[0] != "ok"]
        found += [f"{table}: row {row} refers to a missing {parent}"
                  for table, row, parent, _ in connection.rows("PRAGMA foreign_key_check")]  # fmt: skip
    if unfinished.abandoned(connection):
        found.append("A writer was interrupted; opening the registry again completes its index.")
    if get_meta(connection, "index") not in (None, VERSION):
        found.append("The index was written by another version; opening the registry again renews it.")
    row = connection.one(
        "SELECT count(*) FROM models m LEFT JOIN ranking r ON r.model = m.pk WHERE r.slot IS NULL"
    )
    if row and row[0]:
        found.append(f"{row[0]} models are not in the index.")
    row = connection.one(
        "SELECT count(*) FROM ranking r LEFT JOIN models m ON m.pk = r.model WHERE m.pk IS NULL"
    )
    if row and row[0]:
        found.append(f"The index holds {row[0]} models that are gone.")
    return found + database.differences(connection.url)


def copy(
    source: Connection, target: Connection, progress: Callable[[str, int], None] | None = None
) -> dict[str, int]:
    """Copy every row of a registry into an empty one, in one transaction; table -> rows.

    Raises:
        UsageError: the target holds models, aliases or evidence already.
    """
    columns = {table: _columns(table) for table in TABLES}
    counts: dict[str, int] = {}
    with source.snapshot(), target.write():
        for table in ("models", "aliases", "evidence", "history"):
            if target.one(f"SELECT 1 FROM {table} LIMIT 1"):  # noqa: S608  # a name of ours
                raise UsageError(
                    f"{database.public_url(target.url)} is not empty.", "Copy into a new database."
                )
        for table in TABLES:
            target.run(f"DELETE FROM {table}")  # noqa: S608  # a name of ours
            names = ", ".join(columns[table])
            counts[table] = 0
            rows = source.stream(f"SELECT {names} FROM {table}")  # noqa: S608  # names of ours
            for part in _parts(rows):
                target.insert(table, columns[table], part)
                counts[table] += len(part)
                if progress:
                    progress(table, counts[table])
        _renumber(target)
    return counts


def _columns(table: str) -> list[str]:
    from zoohub.registry.schema import metadata

    return [column.name for column in metadata.tables[table].columns]


def _parts(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while part := list(islice(rows, 5000)):
        yield part


def _renumber(target: Connection) -> None:
    """Let PostgreSQL's sequences go on after the copied keys; SQLite does so by itself."""
    for table in ("licenses", "models", "history", "evidence") if not target.sqlite else ():
        target.one(
            f"SELECT setval(pg_get_serial_sequence('{table}', 'pk'), coalesce((SELECT max(pk) FROM {table}), 0) + 1, false)"  # noqa: S608, E501  # names of ours
        )
