"""What a pull request changes, as a difference in the form of git."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from sqlalchemy import Connection

from zoohub.hub.blobs import Blobs
from zoohub.hub.db import Database
from zoohub.hub.discussions import Merge
from zoohub.hub.trees import Entry, Trees

MAX_FILE, MAX_FILES, MAX_BYTES = 100_000, 100, 1 << 20


def diff(blobs: Blobs, connection: Connection, merge: Merge, db: Database) -> str:
    """The changes of small text files line by line; of others only that they differ."""
    was = dict(Trees(db, connection).files(merge.base.tree))
    parts: list[str] = []
    size = 0
    for path in sorted(merge.changes)[:MAX_FILES]:
        lines = list(_file(blobs, connection, path, was.get(path), merge.changes[path]))
        size += sum(map(len, lines))
        if size > MAX_BYTES:
            break
        parts += lines
    return "".join(parts)


def _file(
    blobs: Blobs, connection: Connection, path: str, old: Entry | None, new: Entry | None
) -> Iterator[str]:
    yield f"diff --git a/{path} b/{path}\n"
    before, after = (_text(blobs, connection, entry) for entry in (old, new))
    if before is None or after is None:
        yield f"Binary files a/{path} and b/{path} differ\n"
        return
    from_file = f"a/{path}" if old else "/dev/null"
    to_file = f"b/{path}" if new else "/dev/null"
    for line in difflib.unified_diff(
        before.splitlines(), after.splitlines(), from_file, to_file, lineterm=""
    ):
        yield line + "\n"


def _text(blobs: Blobs, connection: Connection, entry: Entry | None) -> str | None:
    """A file's text; None for what is large or no text."""
    if entry is None:
        return ""
    if entry.lfs or entry.size > MAX_FILE:
        return None
    blob = blobs.get(entry.sha256 or "", connection)
    try:
        return None if blob is None else blobs.read(blob, 0, blob.size).decode("utf-8")
    except UnicodeDecodeError:
        return None
