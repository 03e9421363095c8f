"""Looking models up by their id: the hash finds them, the id in the document decides."""

from __future__ import annotations

from collections.abc import Sequence

from zoohub.registry.database import Connection, chunks, marks
from zoohub.registry.encoding import hash_of, key_in, key_of


def docs(connection: Connection, ids: Sequence[str]) -> dict[str, bytes]:
    """Key (see `key_of`) -> stored document, of those ids that are registered."""
    keys = {key_of(id) for id in ids}
    found: dict[str, bytes] = {}
    for part in chunks(list({hash_of(id) for id in ids})):
        sql = f"SELECT doc FROM models WHERE hash IN ({marks(part)})"  # noqa: S608  # marks
        for (doc,) in connection.rows(sql, part):
            if (key := key_in(doc)) in keys:
                found[key] = doc
    return found


def doc(connection: Connection, id: str) -> bytes | None:
    """The stored document of exactly this id."""
    return docs(connection, [id]).get(key_of(id))


def exists(connection: Connection, id: str) -> bool:
    """Whether a model of exactly this id is registered."""
    return doc(connection, id) is not None
