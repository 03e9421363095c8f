"""Aliases: names that stand for a model, pinned to a revision where one is given; each change is remembered."""

from __future__ import annotations

from typing import NamedTuple

from zoohub.errors import DuplicateName, InvalidModelId, ModelNotFound
from zoohub.registry import history, lookup
from zoohub.registry.database import Connection
from zoohub.registry.encoding import key_of
from zoohub.registry.records import ModelId
from zoohub.registry.writing import now


class Alias(NamedTuple):
    """A name, what it stands for, and since when."""

    name: str
    target: str
    at: str


def target(connection: Connection, name: str) -> str | None:
    """What an alias stands for; None where there is no such alias."""
    row = connection.one("SELECT target FROM aliases WHERE name = ?", (key_of(name),))
    return str(row[0]) if row else None


def put(connection: Connection, name: str, model: str) -> Alias:
    """Let `name` stand for `model`."""
    name = name.strip().lower()
    parsed = ModelId.parse(name, folders=False)
    if parsed.source != "hub" or parsed.revision or parsed.namespace:
        raise InvalidModelId(name, "an alias is a plain name such as sentiment-prod")
    at = now()
    with connection.write():
        if lookup.exists(connection, name):
            raise DuplicateName(f"A model is called {name!r} already.", "Choose another alias.")
        old = target(connection, name)
        if old != model:
            connection.run(
                "INSERT INTO aliases (name, target, at) VALUES (?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET target = excluded.target, at = excluded.at",
                (name, model, at),
            )
            history.note(connection, at, name, "alias", old, model)
    return Alias(name, model, at)


def remove(connection: Connection, name: str) -> None:
    """Let `name` stand for nothing."""
    with connection.write():
        old = target(connection, name)
        if old is None:
            raise ModelNotFound(name)
        connection.run("DELETE FROM aliases WHERE name = ?", (key_of(name),))
        history.note(connection, now(), key_of(name), "alias", old, None)


def every(connection: Connection) -> list[Alias]:
    """All aliases, by name."""
    return [Alias(*row) for row in connection.rows("SELECT name, target, at FROM aliases ORDER BY name")]
