"""Looking after a registry: what it holds, whether it is whole, and moving it to another database."""

from __future__ import annotations

from typing import Any

from zoohub.registry import database, unfinished
from zoohub.registry.database import Connection
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
    row = connection.one("SELECT count(*) FROM models m LEFT JOIN ranking r ON r.model = m.pk WHERE r.slot IS NULL")
    if row and row[0]:
        found.append(f"{row[0]} models are not in the index.")
    return found + database.differences(connection.url)
