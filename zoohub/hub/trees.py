"""Revisions as immutable trees: each folder is one row, named by the hash of what it holds.

Equal folders of all revisions and repositories are one row, and a commit writes only the folders on the way
from a changed file to the root.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

from sqlalchemy import Connection, select

from zoohub.hub.db import Database
from zoohub.hub.errors import BadRequest
from zoohub.hub.tables import trees

EMPTY_TREE = hashlib.sha256(b"tree\0[]").hexdigest()[:40]


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or folder of a folder.

    `oid` is what the Hugging Face API calls so: git's SHA-1 of a regular file or of an LFS pointer, or the
    id of the folder's tree. `sha256` names the blob; None for a folder, and for a mirrored file not yet
    fetched.
    """

    name: str
    oid: str
    size: int = 0
    sha256: str | None = None
    lfs: bool = False
    folder: bool = False

    @classmethod
    def lfs_file(cls, name: str, sha256: str, size: int) -> Entry:
        """A large file, which git knows by its pointer."""
        return cls(name, git_oid(lfs_pointer(sha256, size)), size, sha256, lfs=True)


def git_oid(content: bytes) -> str:
    """Git's name for a blob: what the client compares to find unchanged files."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def lfs_pointer(sha256: str, size: int) -> bytes:
    """The text that stands for a large file in git."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


class _Recent:
    """Folders that were read of late, decoded: they never change. At most `ROOM` entries."""

    ROOM = 50_000

    def __init__(self) -> None:
        self._folders: OrderedDict[str, dict[str, Entry]] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def get(self, oid: str) -> dict[str, Entry] | None:
        with self._lock:
            if oid in self._folders:
                self._folders.move_to_end(oid)
            return self._folders.get(oid)

    def put(self, oid: str, entries: dict[str, Entry]) -> None:
        with self._lock:
            if oid not in self._folders and len(entries) <= self.ROOM:
                self._folders[oid] = entries
                self._size += len(entries) + 1
            while self._size > self.ROOM:
                self._size -= len(self._folders.popitem(last=False)[1]) + 1


_recent = _Recent()


class Trees:
    """Reads and writes trees through one connection; what was read once is kept."""

    def __init__(self, db: Database, connection: Connection) -> None:
        self.db, self.connection = db, connection
        self._cache: dict[str, dict[str, Entry]] = {EMPTY_TREE: {}}

    def load(self, oid: str) -> dict[str, Entry]:
        """The entries of one folder by name."""
        if oid not in self._cache:
            self._fetch([oid])
        return self._cache[oid]

    def _fetch(self, oids: Sequence[str]) -> None:
        for oid in oids:
            if oid not in self._cache and (known := _recent.get(oid)) is not None:
                self._cache[oid] = known
        missing = sorted({oid for oid in oids if oid not in self._cache})
        for at in range(0, len(missing), 500):
            query = select(trees.c.oid, trees.c.entries).where(trees.c.oid.in_(missing[at : at + 500]))
            for row in self.connection.execute(query):
                self._cache[row.oid] = _decode(row.entries)
                _recent.put(row.oid, self._cache[row.oid])
        if lost := [oid for oid in missing if oid not in self._cache]:
            raise LookupError(f"tree {lost[0]} is not in the database")

    def find(self, root: str, path: str) -> Entry | None:
        """The file or folder at `path`; the root itself for an empty path."""
        entry = Entry("", root, folder=True)
        for part in path.split("/") if path else ():
            if not entry.folder:
                return None
            below = self.load(entry.oid).get(part)
            if below is None:
                return None
            entry = below
        return entry

    def walk(self, root: str, prefix: str = "", *, recursive: bool = True) -> Iterator[tuple[str, Entry]]:
        """`(path, entry)` of everything below a folder by path, folders before what is in them."""
        entries = self.load(root)
        if recursive:
            self._fetch([entry.oid for entry in entries.values() if entry.folder])
        for name in sorted(entries):
            entry = entries[name]
            path = prefix + name
            yield path, entry
            if entry.folder and recursive:
                yield from self.walk(entry.oid, path + "/")

    def files(self, root: str) -> Iterator[tuple[str, Entry]]:
        """`(path, entry)` of all files."""
        return ((path, entry) for path, entry in self.walk(root) if not entry.folder)

    def apply(self, root: str, changes: Mapping[str, Entry | None]) -> str:
        """A new tree: `changes` maps paths to files, or to None to delete a file or folder.

        Raises:
            BadRequest: a path would be a file and a folder at once.
        """
        entries = dict(self.load(root))
        below: dict[str, dict[str, Entry | None]] = {}
        for path, entry in changes.items():
            name, slash, rest = path.partition("/")
            if slash:
                below.setdefault(name, {})[rest] = entry
            elif entry is None:
                entries.pop(name, None)
            else:
                old = entries.get(name)
                if (old and old.folder) or name in below:
                    raise BadRequest(f"{path!r} would be a file and a folder at once")
                entries[name] = entry
        for name, inner in below.items():
            self._apply_below(entries, name, inner)
        return self._store(entries)

    def _apply_below(self, entries: dict[str, Entry], name: str, inner: Mapping[str, Entry | None]) -> None:
        old = entries.get(name)
        if old is not None and not old.folder:
            if all(entry is None for entry in inner.values()):
                return
            raise BadRequest(f"{name!r} would be a file and a folder at once")
        oid = self.apply(old.oid if old else EMPTY_TREE, inner)
        if oid == EMPTY_TREE:
            entries.pop(name, None)
        else:
            entries[name] = Entry(name, oid, folder=True)

    def _store(self, entries: dict[str, Entry]) -> str:
        text = _encode(entries)
        oid = hashlib.sha256(b"tree\0" + text.encode()).hexdigest()[:40]
        if oid not in self._cache:
            self._cache[oid] = entries
            self.db.insert_new(self.connection, trees, {"oid": oid, "entries": text})
        return oid


def _encode(entries: Mapping[str, Entry]) -> str:
    rows = [
        [e.name, e.oid] if e.folder else [e.name, e.oid, e.size, e.sha256, int(e.lfs)]
        for e in (entries[name] for name in sorted(entries))
    ]
    return json.dumps(rows, separators=(",", ":"), ensure_ascii=False)


def _decode(text: str) -> dict[str, Entry]:
    return {
        row[0]: Entry(row[0], row[1], folder=True)
        if len(row) == 2
        else Entry(row[0], row[1], row[2], row[3], bool(row[4]))
        for row in json.loads(text)
    }
