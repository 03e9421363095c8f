"""History: an append-only list of what changed, of models (license, base models, gating, existence) and aliases."""

from __future__ import annotations

from typing import NamedTuple

from zoohub.errors import UsageError, did_you_mean, suggest
from zoohub.registry.database import Connection
from zoohub.registry.encoding import epoch, key_of

FIELDS = ("license", "base_models", "gated", "gone", "alias")


class Event(NamedTuple):
    """One change: when it was seen, of what, which field, from what to what (None: nothing)."""

    at: str
    subject: str
    field: str
    old: str | None
    new: str | None


def note(connection: Connection, at: str, subject: str, field: str, old: str | None, new: str | None) -> None:
    """Append one event."""
    connection.run(
        "INSERT INTO history (at, subject, field, old, new) VALUES (?, ?, ?, ?, ?)",
        (at, subject, field, old, new),
    )


def of(connection: Connection, subject: str) -> list[Event]:
    """The events of a model or an alias, the latest first."""
    rows = connection.rows(
        "SELECT at, subject, field, old, new FROM history WHERE subject = ? ORDER BY pk DESC",
        (key_of(subject),),
    )
    return [Event(*row) for row in rows]


def changes(connection: Connection, since: str | None, field: str | None) -> list[Event]:
    """The events of all, the latest first, by time and field."""
    if field is not None and field not in FIELDS:
        raise UsageError(
            f"No changes of {field!r} are kept.{did_you_mean(suggest(field, FIELDS))}",
            f"Kept are changes of: {', '.join(FIELDS)}",
        )
    if since is not None and epoch(since) is None:
        raise UsageError(f"{since!r} is no date.", "Write it as 2026-08-22.")
    conditions, values = ["at >= ?"], [since or ""]
    if field is not None:
        conditions.append("field = ?")
        values.append(field)
    rows = connection.rows(
        f"SELECT at, subject, field, old, new FROM history WHERE {' AND '.join(conditions)} ORDER BY pk DESC",  # noqa: S608  # names
        values,
    )
    return [Event(*row) for row in rows]
