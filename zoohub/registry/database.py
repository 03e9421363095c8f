"""Connections, transactions and migrations: the only file that knows the drivers and alembic.

Reading needs no SQLAlchemy: rows travel in plain SQL through `Connection`, which covers sqlite3 and psycopg
with one spelling (`?` for a parameter). SQLAlchemy and alembic are imported only where the schema changes.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from zoohub.errors import DatabaseFailed, DatabaseTooNew, MissingDependency, RegistryError
from zoohub.registry.keptsets import KeptSets

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Engine

# Every revision of zoohub/migrations/versions, oldest first; a test holds it equal to what alembic finds.
# It is written out so that opening a current registry does not import alembic.
REVISIONS = ("0001", "0002")
HEAD = REVISIONS[-1]

READ_WAIT = 60.0  # seconds that a reader waits for a lock; under WAL that is a matter of milliseconds
WRITE_WAIT = 900.0  # seconds that a writer waits for another: renewing 3 million ranks takes minutes
_PAGE_BYTES = 8192
_CACHE_KB, _ROOMY_KB = 16_000, 128_000  # pages in memory: usually, in bulk loads
_LOG, _ROOMY_LOG = 1_000, 40_000  # pages in the write-ahead log before it is worked into the file
_MAPPED = 2 << 30  # bytes of the file that are read in place, without a copy
_LOCK_KEY = 0x7A6F6F  # "zoo": the advisory lock that makes PostgreSQL's writers take turns

Row = tuple[Any, ...]
T = TypeVar("T")


class Connection:
    """One connection to SQLite or PostgreSQL; statements outside a transaction stand alone.

    It keeps sets of slots of `keep` bytes in memory for the next search, where that is possible.
    """

    def __init__(self, url: str, keep: int = 0) -> None:
        self.url = url
        self.sqlite = is_sqlite(url)
        # PostgreSQL does not tell cheaply whether anything has changed, so nothing is kept there.
        self.kept = KeptSets(keep if self.sqlite else 0)
        self._raw: Any = _sqlite(url) if self.sqlite else _postgres(url)

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query."""
        with self._translated():
            found: list[Row] = self._execute(sql, params).fetchall()
            return found

    def one(self, sql: str, params: Sequence[Any] = ()) -> Row | None:
        """The first row of a query, or None."""
        with self._translated():
            found: Row | None = self._execute(sql, params).fetchone()
            return found

    def stream(self, sql: str, params: Sequence[Any] = ()) -> Iterator[Row]:
        """The rows of a query, without holding them all; on PostgreSQL only within a transaction."""
        with self._translated():
            if self.sqlite:
                yield from self._execute(sql, params)
                return
            with self._raw.cursor(name="zoo_stream") as cursor:
                cursor.itersize = 5000
                cursor.execute(_percent(sql), params)
                yield from cursor

    def run(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Execute a statement; the number of rows it touched."""
        with self._translated():
            return int(self._execute(sql, params).rowcount)

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Execute a statement once for each row of parameters."""
        with self._translated():
            self._raw.cursor().executemany(sql if self.sqlite else _percent(sql), rows)

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Insert many new rows, as fast as the database takes them."""
        names = ", ".join(columns)
        with self._translated():
            if self.sqlite:
                marks = ", ".join("?" * len(columns))
                self._raw.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)  # noqa: S608  # names are ours
                return
            with self._raw.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)

    @contextmanager
    def roomy(self) -> Iterator[None]:
        """More room for pages in memory and in the log: a bulk load changes the same ones again and again."""
        if not self.sqlite:
            yield
            return
        self._raw.execute(f"PRAGMA cache_size=-{_ROOMY_KB}")
        self._raw.execute(f"PRAGMA wal_autocheckpoint={_ROOMY_LOG}")
        try:
            yield
        finally:
            self._raw.execute(f"PRAGMA cache_size=-{_CACHE_KB}")
            self._raw.execute(f"PRAGMA wal_autocheckpoint={_LOG}")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """A transaction that reads one unchanging state."""
        begin = "BEGIN" if self.sqlite else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        with self._transaction(begin):
            if self.kept.room:
                self.kept.renew(self.one("PRAGMA data_version"))
            yield

    @contextmanager
    def write(self) -> Iterator[None]:
        """A transaction that writes; writers take turns, readers go on reading the state before it.

        Raises:
            RegistryError: another process has been writing for longer than `WRITE_WAIT`.
        """
        self.kept.renew(None)
        if self.sqlite:
            self._wait_for_turn()
            with self._transaction(""):
                yield
        else:
            with self._transaction("BEGIN"):
                self.run("SELECT pg_advisory_xact_lock(?)", (_LOCK_KEY,))
                yield

    def close(self) -> None:
        """Close it; a second call does nothing."""
        self._raw.close()

    def _execute(self, sql: str, params: Sequence[Any]) -> Any:
        return self._raw.execute(sql if self.sqlite else _percent(sql), params)

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        with self._translated():
            if begin:
                self._raw.execute(begin)
            try:
                yield
                self._raw.execute("COMMIT")
            except BaseException:
                # A full disk makes SQLite roll back by itself; then there is nothing left to undo.
                if not self.sqlite or self._raw.in_transaction:
                    self._raw.execute("ROLLBACK")
                raise

    def _wait_for_turn(self) -> None:
        deadline = time.monotonic() + WRITE_WAIT
        while True:
            try:
                self._raw.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise _explain(error, self.url) from error

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Errors of the drivers become errors of zoohub that say what to do."""
        try:
            yield
        except sqlite3.Error as error:
            raise _explain(error, self.url) from error
        except Exception as error:
            if type(error).__module__.partition(".")[0] == "psycopg":
                raise _explain(error, self.url) from error
            raise


class Pool:
    """Connections that are lent one borrower at a time, so that any number of threads may read."""

    def __init__(self, url: str, keep: int = 0) -> None:
        self.url, self._keep = url, keep
        self._idle: list[Connection] = []
        self._lock = Lock()
        self._closed = False

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Borrow a connection; it goes back at the end of the block."""
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        connection = connection or Connection(self.url, self._keep)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close what is idle now, and what is borrowed when it comes back."""
        with self._lock:
            self._closed, idle, self._idle = True, self._idle, []
        for connection in idle:
            connection.close()


def chunks(items: Sequence[T], size: int = 500) -> Iterable[Sequence[T]]:
    """Consecutive parts of at most `size`: as many parameters as one IN (...) is given."""
    return (items[start : start + size] for start in range(0, len(items), size))


def marks(items: Collection[object]) -> str:
    """The parameter marks of an IN (...)."""
    return ", ".join("?" * len(items))


def is_sqlite(url: str) -> bool:
    """Whether `url` names a SQLite file."""
    return url.startswith("sqlite:")


def sqlite_path(url: str) -> Path:
    """The file of a `sqlite:///` address."""
    return Path(url.removeprefix("sqlite:///"))


def public_url(url: str) -> str:
    """`url` without its password, for messages."""
    head, at, tail = url.rpartition("@")
    scheme, _, user = head.partition("://")
    return f"{scheme}://{user.split(':')[0]}@{tail}" if at and scheme else url


def revision(connection: Connection) -> str | None:
    """The schema revision of a database; None where it holds no registry yet."""
    if connection.sqlite:
        known = connection.one("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'")
    else:
        known = connection.one("SELECT 1 WHERE to_regclass('alembic_version') IS NOT NULL")
    row = connection.one("SELECT version_num FROM alembic_version") if known else None
    return str(row[0]) if row else None


def holds_registry(url: str) -> bool:
    """Whether there is a registry at `url`, of whatever schema; nothing is made."""
    return _revision_at(url) is not None


def _revision_at(url: str) -> str | None:
    if is_sqlite(url) and not sqlite_path(url).exists():
        return None
    connection = Connection(url)
    try:
        return revision(connection)
    finally:
        connection.close()


def prepare(url: str) -> bool:
    """Make the database at `url` current: create or upgrade it where needed; True where it was created.

    Several processes may do this at once; one does the work, the others wait for it.

    Raises:
        DatabaseTooNew: a newer zoohub wrote it.
    """
    if is_sqlite(url) and not sqlite_path(url).exists():
        sqlite_path(url).parent.mkdir(parents=True, exist_ok=True)
    found = _revision_at(url)
    if found == HEAD:
        return False
    if found is not None and found not in REVISIONS:
        raise DatabaseTooNew(public_url(url), found)
    upgrade(url)
    return found is None


def upgrade(url: str, to: str = "head") -> None:
    """Run the migrations up to `to`, all in one transaction."""
    from alembic import command

    with schema_transaction(url) as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, to)


def differences(url: str) -> list[str]:
    """How the tables differ from what this program declares; empty where all is well."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from zoohub.registry.schema import metadata

    with schema_transaction(url) as connection:
        options = {"target_metadata": metadata, "include_object": is_ours}
        context = MigrationContext.configure(connection, opts=options)
        return [str(difference) for difference in compare_metadata(context, metadata)]


def is_ours(_thing: Any, _name: str | None, kind: str, reflected: bool, declared: Any) -> bool:
    """Whether alembic should compare it: tables that only floors above declare are theirs to compare."""
    return not (kind == "table" and reflected and declared is None)


def alembic_config() -> Config:
    """Alembic's configuration, built in code so that an installed wheel migrates too."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "zoohub:migrations")
    return config


def engine(url: str) -> Engine:
    """A SQLAlchemy engine whose transactions take the write lock at once; for schema work."""
    from sqlalchemy import create_engine, event
    from sqlalchemy.pool import NullPool

    built = create_engine(url, poolclass=NullPool)
    if is_sqlite(url):

        @event.listens_for(built, "connect")
        def _connect(raw: Any, _: Any) -> None:
            raw.isolation_level = None
            raw.execute(f"PRAGMA busy_timeout={int(WRITE_WAIT * 1000)}")
            raw.execute(f"PRAGMA page_size={_PAGE_BYTES}")

        @event.listens_for(built, "begin")
        def _begin(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    else:

        @event.listens_for(built, "begin")
        def _begin_in_turn(connection: Any) -> None:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK_KEY})")

    return built


@contextmanager
def schema_transaction(url: str) -> Iterator[Any]:
    """A SQLAlchemy connection inside one transaction that holds the write lock."""
    if is_sqlite(url):
        _use_wal(url)
    built = engine(url)
    try:
        with built.begin() as connection:
            yield connection
    finally:
        built.dispose()


def _use_wal(url: str) -> None:
    """Write-ahead logging, which lets readers read while one writes; the file remembers it."""
    raw = sqlite3.connect(sqlite_path(url), timeout=READ_WAIT, isolation_level=None)
    deadline = time.monotonic() + READ_WAIT
    try:
        raw.execute(f"PRAGMA page_size={_PAGE_BYTES}")
        while True:
            try:
                raw.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                # Changing the mode does not wait for a lock as other statements do.
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise _explain(error, url) from error
                time.sleep(0.02)
    except sqlite3.DatabaseError as error:
        raise _explain(error, url) from error
    finally:
        raw.close()


def _sqlite(url: str) -> sqlite3.Connection:
    try:
        raw = sqlite3.connect(
            sqlite_path(url), timeout=READ_WAIT, isolation_level=None, check_same_thread=False,
            cached_statements=1000,  # a list of values makes a statement for each of its lengths
        )  # fmt: skip
        raw.execute("PRAGMA synchronous=NORMAL")
        raw.execute("PRAGMA foreign_keys=ON")
        raw.execute(f"PRAGMA cache_size=-{_CACHE_KB}")
        raw.execute(f"PRAGMA mmap_size={_MAPPED}")
        raw.execute(f"PRAGMA journal_size_limit={64 << 20}")  # a bulk load leaves no large log behind
    except sqlite3.Error as error:
        raise _explain(error, url) from error
    return raw


def _postgres(url: str) -> Any:
    try:
        import psycopg
    except ImportError:
        raise MissingDependency("psycopg", "postgres") from None
    if not url.startswith(("postgresql:", "postgresql+psycopg:")):
        raise RegistryError(
            f"The registry's address {public_url(url)!r} is neither SQLite nor PostgreSQL.",
            "Write sqlite:///path or postgresql+psycopg://user@host/database",
        )
    try:
        return psycopg.connect(url.replace("postgresql+psycopg:", "postgresql:", 1), autocommit=True)
    except psycopg.Error as error:
        raise _explain(error, url) from error


@lru_cache(maxsize=256)
def _percent(sql: str) -> str:
    return sql.replace("%", "%%").replace("?", "%s")


_REMEDIES = (
    ("disk is full", "Free some space and repeat; what was acknowledged before is kept."),
    ("disk I/O", "Check the disk and its free space; what was acknowledged before is kept."),
    ("not a database", "Move the file away, or name another registry: ZOO_HOME=..."),
    ("malformed", "Restore a backup, or move the file away and sync again."),
    ("locked", "Another process has been writing for long; see which one, or try again later."),
    ("readonly", "The file is not writable for this user; name another registry: ZOO_HOME=..."),
    ("unable to open", "Check the folder and its permissions, or name another registry: ZOO_HOME=..."),
    ("connection", "Check ZOO_DATABASE_URL and that the server runs."),
)


_FAILURES = ("disk is full", "disk I/O", "locked", "connection")  # the request was right; the work failed


def _explain(error: Exception, url: str) -> RegistryError:
    text = str(error).strip()
    remedy = next((remedy for sign, remedy in _REMEDIES if sign in text), "See: zoo db check")
    kind = DatabaseFailed if any(sign in text for sign in _FAILURES) else RegistryError
    return kind(f"The registry {public_url(url)}: {text}.", remedy)
