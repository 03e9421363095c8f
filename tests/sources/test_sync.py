"""Source -> registry: new, changed, gone, refused; stopped and resumed at any point."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import zoohub
from tests.sources.hubserver import HubServer, Reply, as_json
from zoohub.errors import SourceError, UnknownTask, UsageError
from zoohub.registry import Registry
from zoohub.registry.records import LicenseEvidence, ModelRecord
from zoohub.registry.sources.hub import HubSource
from zoohub.registry.sync import sync

ROOT = Path(__file__).parents[2]


def counts(report: zoohub.registry.sync.SyncReport) -> tuple[int, int, int, int]:
    return report.new, report.changed, report.gone, report.refusals


def test_a_second_sync_costs_only_the_changes(hub: HubServer, registry: Registry) -> None:
    hub.fill(400)
    assert counts(sync("hub", registry=registry)) == (400, 0, 0, 0)
    assert hub.asked("/api/models") == 8
    hub.add("new/one")
    hub.add("org1/model-1", downloads=9_999)
    before = len(hub.requests)
    report = sync("hub", registry=registry)
    assert counts(report) == (1, 1, 0, 0)
    assert len(hub.requests) - before <= 2
    assert registry.get("org1/model-1").downloads == 9_999


def test_a_full_sync_notes_what_vanished_and_what_came_back(hub: HubServer, registry: Registry) -> None:
    hub.fill(120)
    sync("hub", registry=registry)
    kept = hub.models.pop("org3/model-3")
    assert counts(sync("hub", registry=registry)) == (0, 0, 0, 0), "a short sync cannot know what vanished"
    assert sync("hub", full=True, registry=registry).gone == 1
    record = registry.get("org3/model-3")
    assert record.gone
    assert sync("hub", full=True, registry=registry).gone == 0
    hub.models["org3/model-3"] = kept
    assert sync("hub", full=True, registry=registry).changed == 1
    assert registry.get("org3/model-3").gone is None
    assert [event.field for event in registry.history("org3/model-3")][:2] == ["gone", "gone"]


def test_models_of_other_places_are_not_gone(hub: HubServer, registry: Registry) -> None:
    registry.add(
        [ModelRecord(id="catalog/only", origin="timm 1.0"), ModelRecord(id="folder:/x", source="folder")]
    )
    hub.fill(10)
    report = sync("hub", full=True, registry=registry)
    assert (report.new, report.gone) == (10, 0)


def test_a_hub_that_lists_nothing_loses_nothing(hub: HubServer, registry: Registry) -> None:
    hub.fill(10)
    sync("hub", registry=registry)
    hub.models.clear()
    with pytest.raises(SourceError, match="no model at all"):
        sync("hub", full=True, registry=registry)
    assert registry.count() == 10


def test_what_a_hub_says_overrules_and_what_it_never_says_stays(hub: HubServer, registry: Registry) -> None:
    known = ModelRecord(
        id="a/b",
        license="mit",
        license_raw="mit",
        license_evidence=(LicenseEvidence("origin", "mteb", "mit"),),
        mirrors=("modelscope:x/b",),
        languages=("zh",),
        parameters=7,
        config={"embed_dim": 3},
        origin="mteb 2",
    )
    registry.add([known])
    hub.add("a/b", pipeline_tag="feature-extraction", safetensors={"total": 9})
    sync("hub", registry=registry)
    record = registry.get("a/b")
    assert (record.license, record.mirrors, record.languages) == ("mit", ("modelscope:x/b",), ("zh",))
    assert (record.parameters, record.task, record.config["embed_dim"]) == (9, "feature-extraction", 3)
    hub.add("a/b", cardData={"license": "cc-by-nc-4.0"})
    sync("hub", registry=registry)
    assert registry.get("a/b").license == "cc-by-nc-4.0"
    hub.add("a/b", cardData={})
    sync("hub", registry=registry)
    assert registry.get("a/b").license == "unknown", "a license that the card takes back is no license"
    assert [(e.old, e.new) for e in registry.history("a/b") if e.field == "license"][:2] == [
        ("cc-by-nc-4.0", None),
        ("mit", "cc-by-nc-4.0"),
    ]


def test_filters_are_syncs_of_their_own(hub: HubServer, registry: Registry) -> None:
    hub.fill(100)
    report = sync("hub", tasks=["图像分类"], authors=["org1"], registry=registry)
    theirs = [model for model in hub.models.values() if model["author"] == "org1"]
    assert report.new == len([model for model in theirs if model["pipeline_tag"] == "image-classification"])
    assert sync("hub", limit=5, registry=registry).seen == 5
    assert sync("hub", registry=registry).seen == 100
    with pytest.raises(UnknownTask):
        sync("hub", tasks=["image-clasification"], registry=registry)


def test_refused_records_are_counted_and_named(hub: HubServer, registry: Registry) -> None:
    hub.fill(3)
    hub.add("a/broken", usedStorage=-1)
    report = sync("hub", registry=registry)
    assert counts(report) == (3, 0, 0, 1)
    assert [(item.id, item.reason) for item in report.refused] == [
        ("a/broken", "impossible size in bytes: -1")
    ]


def test_a_hostile_record_breaks_no_query(hub: HubServer, registry: Registry) -> None:
    for n, text in enumerate(
        ['"; DROP TABLE models; --', "NEAR(a b)", "a AND OR (", "*", '"""', "\x00\u202e", "🤗" * 500]
    ):
        hub.add(f"evil/m{n}", tags=[text], library_name=text, pipeline_tag=text)
    assert sync("hub", registry=registry).new == 7
    for text in ("DROP TABLE", '"', "*", "NEAR(", "evil", "🤗", "-", "OR"):
        list(registry.search(text))
    assert registry.count("evil") == 7


# --- stopped and resumed -------------------------------------------------------------------------


def test_a_fault_in_the_middle_keeps_what_came_and_goes_on_there(
    hub: HubServer, registry: Registry, hasty: None
) -> None:
    hub.fill(300)
    hub.fail(r"cursor=150", *[Reply(500)] * 5)
    with pytest.raises(SourceError, match="150 new and changed models are stored"):
        sync("hub", registry=registry)
    assert registry.count() == 150
    hub.add("late/comer")
    before = len(hub.requests)
    report = sync("hub", registry=registry)
    assert report.resumed
    assert registry.count() == 301
    assert len(hub.requests) - before <= 6, "the pages that were left, and a look at what changed meanwhile"


def test_an_interrupted_full_sync_still_knows_what_it_saw(
    hub: HubServer, registry: Registry, hasty: None
) -> None:
    hub.fill(200)
    sync("hub", registry=registry)
    del hub.models["org5/model-5"]
    hub.fail(r"cursor=100", *[Reply(500)] * 5)
    with pytest.raises(SourceError):
        sync("hub", full=True, registry=registry)
    assert sync("hub", full=True, registry=registry).gone == 1


def test_a_full_sync_is_known_to_the_next_short_one(hub: HubServer, registry: Registry) -> None:
    hub.fill(200)
    sync("hub", full=True, registry=registry)
    hub.add("new/one")
    before = len(hub.requests)
    assert sync("hub", registry=registry).new == 1
    assert len(hub.requests) - before <= 2


def test_a_wrong_clock_hides_nothing(hub: HubServer, registry: Registry) -> None:
    hub.fill(20)
    hub.add("from/the-future", lastModified="2999-01-01T00:00:00.000Z")
    sync("hub", registry=registry)
    hub.add("from/today")  # its time is years before that of the model that came first
    hub.models["from/today"]["lastModified"] = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    assert sync("hub", registry=registry).new == 1
    hub.models["from/today"]["lastModified"] = time.strftime(
        "%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() - 1800)
    )
    hub.models["from/today"]["likes"] = 5
    assert sync("hub", registry=registry).changed == 1, (
        "a clock that stepped back half an hour hides nothing either"
    )


# Forks on command, so that a sync to be killed costs no start of Python: prints the pid, then how it ended.
FORKER = """
import os, sys
import huggingface_hub
from zoohub.registry import Registry
from zoohub.registry.sync import opened, sync
opened("hub"), huggingface_hub.get_session
print("ready", flush=True)
for _ in sys.stdin:
    pid = os.fork()
    if not pid:
        with Registry.open(catalog=False) as registry:
            sync("hub", registry=registry)
        os._exit(0)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


@pytest.mark.slow
def test_kill_9_at_a_hundred_points_loses_nothing(hub: HubServer, zoo_home: Path) -> None:
    """Killed again and again: the file opens, what was there stays, and at last everything is there."""
    hub.page = 10
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    dice = random.Random(7)
    known: set[str] = set()
    kills = models = 0
    with subprocess.Popen([sys.executable, "-c", FORKER], env=env, **pipes) as forker:
        assert forker.stdin
        assert forker.stdout
        tell, hear = forker.stdin, forker.stdout.readline
        assert hear() == "ready\n"
        while kills < 100:
            models += 20
            hub.fill(models)  # there is always something to do: the old ones change, and new ones come
            print("go", file=tell, flush=True)
            pid = int(hear())
            time.sleep(dice.uniform(0.0, 0.2))
            os.kill(pid, signal.SIGKILL)
            kills += int(hear()) == -signal.SIGKILL
            with Registry.open(catalog=False) as registry:
                now = {record.id for record in registry.search(limit=None)}
                assert known <= now, "a model that was acknowledged is lost"
                known = now
        print("go", file=tell, flush=True)
        hear()
        assert hear() == "0\n", "the last one is left alone, and finishes"
        tell.close()
    with Registry.open(catalog=False) as registry:
        assert not registry.faults()
        assert {record.id for record in registry.search(limit=None)} == set(hub.models)
        assert sync("hub", full=True, registry=registry).changed == 0


def test_two_syncs_and_many_readers_at_once(hub: HubServer, zoo_home: Path) -> None:
    hub.fill(300)
    Registry.open(catalog=False).close()
    faults: list[BaseException] = []
    stop = threading.Event()

    def write() -> None:
        try:
            sync(HubSource(), full=True)
        except BaseException as error:
            faults.append(error)

    def read() -> None:
        try:
            with Registry.open() as registry:
                while not stop.is_set():
                    list(registry.search("model", limit=20))
        except BaseException as error:
            faults.append(error)

    readers = [threading.Thread(target=read) for _ in range(8)]
    writers = [threading.Thread(target=write) for _ in range(2)]
    for thread in (*readers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in readers:
        thread.join()
    assert not faults
    with Registry.open() as registry:
        assert registry.count() == 300


# --- what is asked for ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "path"), [("hub", "x"), ("folder", None), ("file", None), ("nowhere", None)]
)
def test_a_source_that_makes_no_sense(name: str, path: str | None) -> None:
    with pytest.raises(UsageError):
        sync(name, path)


def test_the_catalog_replaces_itself_but_not_what_a_hub_said(hub: HubServer, registry: Registry) -> None:
    report = sync("catalog", registry=registry)
    assert report.new > 9000
    hub.add(
        "BAAI/bge-m3", pipeline_tag="sentence-similarity", cardData={"license": "cc-by-nc-4.0"}, downloads=5
    )
    sync("hub", registry=registry)
    again = sync("catalog", registry=registry)
    assert (again.new, again.changed) == (0, 0)
    assert registry.get("BAAI/bge-m3").license == "cc-by-nc-4.0"


# --- the command ---------------------------------------------------------------------------------


def zoo(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "zoohub.cli", *args]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **env}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)


def test_the_command_counts_reports_and_exits(hub: HubServer, tmp_path: Path) -> None:
    hub.fill(20)
    hub.add("a/broken", usedStorage=-1)
    refused = tmp_path / "refused.jsonl"
    done = zoo("sync", "hub", "--format", "json", "--refused", str(refused))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["new"] + json.loads(done.stdout)["changed"] == 20
    assert [json.loads(line)["id"] for line in refused.read_text().splitlines()] == ["a/broken"]
    table = zoo("sync", "hub")
    assert "0 new, 0 changed, 20 unchanged, 0 gone, 1 refused" in table.stdout
    assert "a/broken: impossible size" in table.stderr
    assert zoo("sync").returncode == 2
    assert zoo("sync", "hub", HF_ENDPOINT="http://127.0.0.1:1", ZOO_OFFLINE="1").returncode == 1


def test_a_listing_that_is_no_list(hub: HubServer, registry: Registry) -> None:
    hub.fail("/api/models", as_json({"error": "maintenance"}))
    with pytest.raises(SourceError, match="no list"):
        sync("hub", registry=registry)
