"""What was found out, kept as long as nothing has changed in the database."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock
from typing import Generic, TypeVar

from zoohub.registry.database import is_sqlite, sqlite_path

T = TypeVar("T")


class Watch:
    """Tells whether any connection of any process has committed to the database since.

    SQLite tells that cheaply. PostgreSQL does not, so that nothing is kept there.
    """

    def __init__(self, url: str) -> None:
        self._connection = None
        self._lock = Lock()
        if is_sqlite(url):
            self._connection = sqlite3.connect(
                sqlite_path(url), check_same_thread=False, isolation_level=None
            )

    def close(self) -> None:
        """Close the connection that watches."""
        if self._connection is not None:
            self._connection.close()

    def stamp(self) -> int | None:
        """A number that another state of the database has another of; to be taken before anything is read."""
        if self._connection is None:
            return None
        with self._lock:
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])


class Kept(Generic[T]):
    """Values of one state of the database, of together at most `room` bytes (as `put` is told); any thread may ask."""

    def __init__(self, watch: Watch, room: int) -> None:
        self._watch, self._room = watch, room
        self._values: OrderedDict[object, tuple[T, int]] = OrderedDict()
        self._size, self._stamp = 0, -1
        self._lock = Lock()

    def get(self, key: object, stamp: int | None) -> T | None:
        """The value that is kept under a key, if it is of the state of `stamp`."""
        with self._lock:
            found = self._values.get(key) if stamp == self._stamp else None
        return None if found is None else found[0]

    def put(self, key: object, value: T, size: int, stamp: int | None) -> None:
        """Keep a value that was found in the state of `stamp`; the oldest ones make room."""
        self.put_all([(key, value, size)], stamp)

    def put_all(self, found: Iterable[tuple[object, T, int]], stamp: int | None) -> None:
        """Keep several values: `(key, value, size)`; see `put`."""
        if stamp is None or stamp != self._watch.stamp():
            return
        with self._lock:
            if stamp != self._stamp:
                self._values.clear()
                self._size, self._stamp = 0, stamp
            for key, value, size in found:
                self._size += size - self._values.pop(key, (value, 0))[1]
                self._values[key] = (value, size)
            while self._size > self._room:
                self._size -= self._values.popitem(last=False)[1][1]
