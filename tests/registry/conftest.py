"""Registries to test with: SQLite and PostgreSQL, blank and filled."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from zoohub.registry import ModelRecord, Registry

sys.path.insert(0, str(Path(__file__).parent))

import postgres_server


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running PostgreSQL server."""
    programs = postgres_server.debian_programs()
    running = (
        postgres_server.debian(programs)
        if programs
        else postgres_server.embedded(tmp_path_factory.mktemp("pg"))
    )
    with running as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty registry that the migrations made, to copy: migrating takes long, copying does not."""
    file = tmp_path_factory.mktemp("template") / "registry.db"
    with Registry.open(f"sqlite:///{file}", catalog=False) as registry, registry.connection() as connection:
        connection.run("PRAGMA wal_checkpoint(TRUNCATE)")
    return file


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> Iterator[str]:
    """The name of a database that holds an empty registry."""
    with postgres_server.database(postgres) as address:
        Registry.open(address, catalog=False).close()
        yield postgres_server.name_of(address)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty registry, once on each database."""
    if request.param == "sqlite":
        yield copied(request.getfixturevalue("sqlite_template"), tmp_path / "registry.db")
    else:
        server, template = request.getfixturevalue("postgres"), request.getfixturevalue("postgres_template")
        with postgres_server.database(server, template) as address:
            yield address


def copied(template: Path, file: Path) -> str:
    """The address of a copy of an empty registry."""
    shutil.copyfile(template, file)
    return f"sqlite:///{file}"


@pytest.fixture
def registry(url: str) -> Iterator[Registry]:
    """An empty registry."""
    with Registry.open(url, catalog=False) as opened:
        yield opened


@pytest.fixture
def blank(sqlite_template: Path, tmp_path: Path) -> Iterator[Registry]:
    """An empty registry on SQLite, for what does not depend on the database."""
    with Registry.open(copied(sqlite_template, tmp_path / "blank.db"), catalog=False) as opened:
        yield opened


@pytest.fixture
def model() -> Callable[..., ModelRecord]:
    """Makes a record from an id and what matters to the test."""

    def make(id: str, **facts: object) -> ModelRecord:
        facts.setdefault("source", id.split(":")[0] if ":" in id else "hub")
        plain = id.split(":")[-1]
        if "/" in plain and facts["source"] != "folder":
            facts.setdefault("author", plain.split("/")[0])
        return ModelRecord(id=id, **facts)  # type: ignore[arg-type]

    return make
