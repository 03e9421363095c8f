"""Connections for the hub: short reads, and writes that own the database until they commit."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.pool import QueuePool

from zoohub.hub import tables


class Database:
    """The registry's database as the hub uses it. `url` is an SQLAlchemy address; close with `close`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _engine(url)
        self.is_sqlite = self.engine.dialect.name == "sqlite"

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading; nothing is committed."""
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that commits at the end of the block and rolls back on an error.

        On SQLite it takes the write lock at once, so that what it reads cannot change under it.
        """
        with self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.begin()
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def insert_new(self, connection: Connection, table: Any, values: dict[str, Any]) -> bool:
        """Insert a row unless its key exists; returns whether it was inserted."""
        make = sqlite.insert if self.is_sqlite else postgresql.insert
        key = next(iter(table.primary_key.columns))
        # What comes back tells whether a row was inserted; the drivers' counts do not agree on it.
        query = make(table).values(**values).on_conflict_do_nothing().returning(key)
        return connection.execute(query).first() is not None

    def secret(self) -> str:
        """The signing key that all workers of this hub share; made on first use."""
        query = select(tables.settings.c.value).where(tables.settings.c.key == "secret")
        with self.read() as connection:
            found = connection.scalar(query)
        if found:
            return str(found)
        with self.write() as connection:
            self.insert_new(connection, tables.settings, {"key": "secret", "value": secrets.token_hex(32)})
            return str(connection.scalar(query))


def _engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_size=20, max_overflow=20, pool_pre_ping=True)
    # 40 threads of the server may each hold a connection.
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=20,
        max_overflow=60,
        connect_args={"timeout": 30, "isolation_level": None},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
            connection.execute(f"PRAGMA {pragma}")

    return engine
