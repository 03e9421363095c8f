"""Answers that are the same for everybody, kept as long as nothing has changed in the database."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from typing import Generic, TypeVar

from zoohub.registry.database import is_sqlite, sqlite_path

T = TypeVar("T")
MAX_BYTES = 16 << 20


class Answers(Generic[T]):
    """Keeps answers of together at most `MAX_BYTES`; for one thread, the event loop's.

    SQLite tells cheaply whether any connection of any process has committed since; PostgreSQL does not, so that
    nothing is kept there.
    """

    def __init__(self, url: str) -> None:
        self._watch = None
        if is_sqlite(url):
            self._watch = sqlite3.connect(sqlite_path(url), check_same_thread=False, isolation_level=None)
        self._kept: OrderedDict[object, tuple[T, int]] = OrderedDict()
        self._size, self._stamp = 0, -1

    def close(self) -> None:
        """Close the connection that watches for changes."""
        if self._watch is not None:
            self._watch.close()

    def stamp(self) -> int | None:
        """A number that another state of the database has another of; to be taken before an answer is made."""
        return None if self._watch is None else int(self._watch.execute("PRAGMA data_version").fetchone()[0])

    def get(self, key: object, stamp: int | None) -> T | None:
        """The answer that is kept under a key, if it is of the state of `stamp`."""
        if stamp != self._stamp:
            return None
        found = self._kept.get(key)
        return None if found is None else found[0]

    def put(self, key: object, value: T, size: int, stamp: int | None) -> None:
        """Keep an answer that was made of the state of `stamp`; the oldest ones make room."""
        if stamp is None or stamp != self.stamp():
            return
        if stamp != self._stamp:
            self._kept.clear()
            self._size, self._stamp = 0, stamp
        self._size += size - self._kept.pop(key, (value, 0))[1]
        self._kept[key] = (value, size)
        while self._size > MAX_BYTES:
            self._size -= self._kept.popitem(last=False)[1][1]
