"""What the hub lists: its own models, and where it mirrors another hub also what it may mirror."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hubserving import ROOT, Server, Starter
from huggingface_hub import CommitOperationAdd

from zoohub.hub.kept import Kept, Watch
from zoohub.registry import ModelRecord, Query, Registry

KNOWN = [
    ModelRecord("google-bert/bert-base-uncased", author="google-bert", task="fill-mask", downloads=900),
    ModelRecord("timm/resnet18", author="timm", task="image-classification", library="timm", downloads=500),
    ModelRecord("pypi:torchvision/resnet18", source="pypi", task="image-classification", downloads=700),
    # Somebody elsewhere thought of the tag that marks this hub's own.
    ModelRecord(
        "eve/forged", author="eve", tags=("@hosted",), origin="https://elsewhere.example", downloads=5
    ),
]


def ids(server: Server, query: str = "") -> list[str]:
    answer = server.ask("GET", f"/api/models?{query}")
    assert answer.status == 200, answer.body
    return [item["id"] for item in answer.json()]


def sync(server: Server, home: Path) -> str:
    """`zoo sync hub` on another machine; what it says."""
    env = {
        "PATH": os.environ["PATH"],
        "ZOO_HOME": str(home),
        "HF_ENDPOINT": server.url,
        "PYTHONPATH": str(ROOT),
    }
    setup = "from zoohub.registry import Registry\nRegistry.open(catalog=False).close()"
    for args in (["-c", setup], ["-m", "zoohub.cli", "sync", "hub", "--format", "json"]):
        done = subprocess.run(
            [sys.executable, *args], env=env, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_fresh_hub_lists_nothing_although_it_knows_the_catalog(start: Starter, tmp_path: Path) -> None:
    server = start(catalog=True)
    assert server.hub.registry.count() > 10_000
    api = server.user("ada")
    assert list(api.list_models()) == []
    assert server.ask("GET", "/api/models/google-bert/bert-base-uncased").status == 401  # as not there
    assert '"new": 0' in sync(server, tmp_path / "away")
    api.create_repo("ada/mood")
    assert [item.id for item in api.list_models()] == ["ada/mood"]
    assert '"new": 1' in sync(server, tmp_path / "away")
    with Registry.open(f"sqlite:///{tmp_path / 'away' / 'registry.db'}", catalog=False) as away:
        record = away.get("ada/mood")
    assert "@hosted" not in record.tags
    assert record.origin == server.url


def test_only_what_may_be_mirrored_is_listed_beside(start: Starter) -> None:
    upstream = {"upstream": "http://127.0.0.1:9", "upstream_private_addresses": True}
    for settings, expected in (
        ({}, ["ada/m"]),
        (upstream, ["google-bert/bert-base-uncased", "timm/resnet18", "eve/forged", "ada/m"]),
        ({**upstream, "upstream_allow": ["TIMM/*"]}, ["timm/resnet18", "ada/m"]),
        ({**upstream, "offline": True}, ["ada/m"]),
    ):
        server = start(**settings)
        server.hub.registry.add(KNOWN)
        server.user("ada").create_repo("ada/m")
        assert ids(server) == expected, settings


def test_all_filters_hold_and_pages_lead_on(start: Starter) -> None:
    server = start()
    api = server.user("ada")
    for number in range(7):
        api.create_repo(f"ada/m{number}")
        card = f"---\nlanguage: [en{', zh' if number % 2 else ''}]\ntags: [x, t{number}]\n---\n"
        api.create_commit(
            f"ada/m{number}", [CommitOperationAdd("README.md", card.encode())], commit_message="card"
        )
    assert sorted(ids(server, "filter=zh&filter=en&filter=x")) == ["ada/m1", "ada/m3", "ada/m5"]
    assert ids(server, "filter=zh&filter=x&filter=t3") == ["ada/m3"]
    assert ids(server, "filter=t1&filter=t3") == []
    assert ids(server, "pipeline_tag=no-such-task") == []
    assert ids(server, "filter=license:no-such-license") == []
    assert ids(server, "sort=createdAt&limit=100") == [f"ada/m{number}" for number in reversed(range(7))]
    for sort in ("createdAt", "downloads", "lastModified"):
        found, path = [], f"/api/models?limit=2&sort={sort}"
        for _ in range(5):
            answer = server.ask("GET", path)
            found += [item["id"] for item in answer.json()]
            if "link" not in answer.headers:
                break
            path = answer.headers["link"].split(server.url)[1].split(">")[0]
        assert len(found) == len(set(found)) == 7, sort
    assert [item.id for item in api.list_models(sort="created_at", limit=3)] == ["ada/m6", "ada/m5", "ada/m4"]
    assert server.ask("GET", "/api/models?sort=createdAt&cursor=nonsense").status == 400
    assert server.ask("GET", "/api/datasets?cursor=nonsense").status == 400


def test_an_answer_is_never_older_than_the_last_write(start: Starter) -> None:
    server = start()
    api = server.user("ada")
    for number in range(1, 6):
        api.create_repo(f"ada/m{number}")
        for _ in range(2):
            assert len(ids(server, "limit=50")) == number
    # Another process may write, too.
    code = "import sys; from zoohub.registry import Registry; print(Registry.open(sys.argv[1]).delete(['ada/m1']))"
    done = subprocess.run(
        [sys.executable, "-c", code, server.hub.config.database_url], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout == "1\n"
    assert len(ids(server, "limit=50")) == 4


def test_a_search_survives_the_death_of_its_process(start: Starter) -> None:
    server = start(searchers=1)
    server.user("ada").create_repo("ada/m")
    assert ids(server, "limit=1") == ["ada/m"]
    found = subprocess.run(
        ["pgrep", "-f", f"zoohub.hub.searchers {server.hub.config.database_url}"], capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    for number in found.stdout.split():
        os.kill(int(number), signal.SIGKILL)
    assert [ids(server, f"limit={number}") for number in range(2, 8)] == [["ada/m"]] * 6


def test_many_searches_at_once_each_get_their_own_answer(start: Starter) -> None:
    server = start()
    server.hub.registry.add(
        ModelRecord(f"a/m{number}", author="a", tags=("@hosted", f"t{number}"), origin="zoohub://here")
        for number in range(40)
    )
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda number: ids(server, f"filter=t{number % 40}&x={number}"), range(200)))
    assert found == [[f"a/m{number % 40}"] for number in range(200)]


def test_one_question_of_many_clients(start: Starter) -> None:
    server = start()
    for number in range(3):
        server.user("ada").create_repo(f"ada/m{number}")
        with ThreadPoolExecutor(16) as pool:
            found = list(pool.map(lambda _number: sorted(ids(server)), range(64)))
        assert found == [[f"ada/m{each}" for each in range(number + 1)]] * 64
        with ThreadPoolExecutor(16) as pool:
            wrong = list(
                pool.map(lambda _number: server.ask("GET", "/api/models?search=%22x").status, range(32))
            )
        assert len(set(wrong)) == 1


def test_what_is_private_is_in_no_kept_answer(start: Starter) -> None:
    server = start()
    api = server.user("ada")
    api.create_repo("ada/secret", private=True)
    for _ in range(2):
        assert [item.id for item in api.list_models()] == ["ada/secret"]
        assert ids(server) == []


def test_kept_answers_have_room_for_so_much(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'r.db'}"
    with Registry.open(url, catalog=False) as registry:
        watch = Watch(url)
        answers: Kept[int] = Kept(watch, 100)
        stamp = watch.stamp()
        for number in itertools.chain(range(10), range(10)):
            answers.put(number, number, 30, stamp)
        assert [answers.get(number, stamp) for number in range(10)] == [None] * 7 + [7, 8, 9]
        registry.add(KNOWN)
        assert watch.stamp() != stamp
        answers.put("late", 1, 1, stamp)  # made before the write, so it is not kept
        assert answers.get("late", watch.stamp()) is None
        assert answers.get(9, watch.stamp()) is None
        watch.close()


def test_models_that_a_sync_overwrote_are_listed_again(start: Starter) -> None:
    server = start()
    server.user("ada").create_repo("ada/m")
    server.hub.registry.add([ModelRecord("ada/m", origin="https://elsewhere.example", downloads=7)])
    assert ids(server) == []
    assert server.hub.catch_up() == 1
    assert ids(server) == ["ada/m"]
    assert server.hub.catch_up() == 0


def test_values_that_must_all_be(start: Starter) -> None:
    registry = start().hub.registry
    registry.add([ModelRecord("a/b", tags=("x", "y"), languages=("en",)), ModelRecord("a/c", tags=("x",))])
    assert registry.count(Query(tag=("x", "y"))) == 2
    assert registry.count(Query(require={"tag": ("x", "y")})) == 1
    assert registry.count(Query(require={"tag": ("x",), "language": ("en",)})) == 1
    assert registry.count(Query(require={"tag": ("x",)}, exclude={"tag": ("y",)})) == 1
