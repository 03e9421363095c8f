"""What goes wrong while writing: a kill at any moment, a full disk. Nothing acknowledged is lost."""

from __future__ import annotations

import os
import random
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zoohub.errors import RegistryError
from zoohub.registry import ModelRecord, Registry, writing

KILLS = int(os.environ.get("ZOO_TEST_KILLS", "12"))  # benchmarks and releases set more

WRITER = """
import sys
from zoohub.registry import ModelRecord, Registry, writing
writing.BATCH = 50
url, start = sys.argv[1], int(sys.argv[2])
with Registry.open(url, catalog=False) as registry:
    print("open", flush=True)
    for call in range(start, start + 40):
        many = 160 if call % 4 == 0 else 30  # some calls are one transaction, some are several
        registry.add(ModelRecord(f"a/m-{call}-{n}", downloads=(call * n) % 50, license_raw="mit") for n in range(many))
        print(call, flush=True)
"""


@pytest.mark.slow
def test_a_writer_may_be_killed_at_any_moment(sqlite_template: Path, tmp_path: Path) -> None:
    file = tmp_path / "registry.db"
    file.write_bytes(sqlite_template.read_bytes())
    url = f"sqlite:///{file}"
    rnd = random.Random(5)
    acknowledged: set[int] = set()
    for attempt in range(KILLS):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, url, str(attempt * 40)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        time.sleep(rnd.uniform(0, 0.6))
        writer.send_signal(signal.SIGKILL)
        acknowledged.update(
            int(line) for line in writer.stdout.read().splitlines() if line.endswith(tuple("0123456789"))
        )
        writer.stdout.close()
        writer.wait()
    with Registry.open(url, catalog=False) as registry:
        assert registry.faults() == []
        stored = {record.id for record in registry.search()}
        for call in acknowledged:
            for n in range(160 if call % 4 == 0 else 30):
                assert f"a/m-{call}-{n}" in stored
        assert registry.count() == len(stored) == registry.info()["models"]
        downloads = [record.downloads for record in registry.search(sort="downloads")]
        assert downloads == sorted(downloads, reverse=True)
    assert acknowledged


def test_what_an_interrupted_load_left_is_completed_on_opening(
    blank: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "BATCH", 10)

    def records():
        yield from (ModelRecord(f"a/m{n}") for n in range(35))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        blank.add(records())
    assert blank.info()["models"] == 30  # whole batches; the index does not know them yet
    assert blank.count() == 0
    with blank.connection() as connection:  # as if that process had died
        connection.run(
            "UPDATE meta SET value = replace(value, ?, '999999999') WHERE name = 'unfinished'",
            (f" {os.getpid()} ",),
        )
        connection.run(
            "UPDATE meta SET value = replace(value, '999999999', ' 999999999 ') WHERE name = 'unfinished'"
        )
    with Registry.open(blank.url) as again:
        assert again.count() == 30
        assert again.faults() == []
        assert again.add(ModelRecord(f"a/m{n}") for n in range(35)).unchanged == 30
        assert again.count() == 35


def test_a_full_disk_is_said_and_harms_nothing(blank: Registry) -> None:
    blank.add(ModelRecord(f"a/m{n}") for n in range(100))
    with blank.connection() as connection:
        pages = connection.one("PRAGMA page_count")
        assert pages is not None
        connection.one(f"PRAGMA max_page_count = {pages[0] + 2}")
    with pytest.raises(RegistryError, match="disk is full") as caught:
        blank.add(ModelRecord(f"a/more{n}", description="x" * 5000 + str(n)) for n in range(4000))
    assert "space" in caught.value.remedy
    assert caught.value.exit_code == 1
    with Registry.open(blank.url) as again:
        assert again.count() == 100
        assert again.faults() == []
        assert again.add([ModelRecord("a/last")]).new == 1


def test_a_disk_that_is_really_full_is_said_and_harms_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        with Registry.open(f"sqlite:///{disk}/registry.db", catalog=False) as registry:
            registry.add(ModelRecord(f"a/m{n}") for n in range(100))
            with pytest.raises(RegistryError, match="disk") as caught:
                registry.add(
                    ModelRecord(f"a/more{n}", description=secrets.token_hex(2500)) for n in range(4000)
                )
            assert "space" in caught.value.remedy
        with Registry.open(f"sqlite:///{disk}/registry.db", catalog=False) as again:
            assert again.count("m1") == 11
            assert again.faults() == []
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_clock_that_goes_back_keeps_the_order_of_events(
    blank: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    for year, license in (("2026", "mit"), ("2020", "apache-2.0"), ("2026", "other")):
        monkeypatch.setattr(writing, "now", lambda year=year: f"{year}-01-01T00:00:00Z")
        blank.add([ModelRecord("a/x", license_raw=license)])
    assert [(event.old, event.new) for event in blank.history("a/x")] == [
        ("apache-2.0", "other"),
        ("mit", "apache-2.0"),
    ]


def test_a_check_names_what_the_index_lacks_or_holds_too_much(registry: Registry) -> None:
    registry.add(ModelRecord(f"a/m{n}") for n in range(3))
    with registry.connection() as connection:
        connection.run("DELETE FROM models WHERE pk = (SELECT min(pk) FROM models)")
        connection.run("DELETE FROM ranking WHERE model = (SELECT max(pk) FROM models)")
    assert registry.faults() == [
        "1 models are not in the index.",
        "The index holds 1 models that are gone.",
    ]
