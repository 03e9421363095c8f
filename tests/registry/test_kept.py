"""Sets of the index that are kept in memory never change an answer, whoever writes, and stay within their room."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from pyroaring import BitMap

from tests.registry.conftest import copied
from zoohub.registry import ModelRecord, Query, Registry
from zoohub.registry.keptsets import KeptSets

ASKED = [
    Query(text=text, task=task, require=required, sort=sort, limit=40)
    for text in ("", "bert", "bert 1", "ert")
    for task in ((), ("fill-mask",))
    for required in ({}, {"tag": ("x",)}, {"tag": ("x", "y"), "language": ("en",)})
    for sort in ("relevance", "likes", "parameters")
]


def record(rng: random.Random, number: int) -> ModelRecord:
    return ModelRecord(
        f"{rng.choice(['ada', 'eve'])}/{rng.choice(['bert', 'roberta', 'vit'])}-{number}",
        task=rng.choice(["fill-mask", "text-classification", None]), tags=tuple(rng.sample("xyz", rng.randrange(4))),
        languages=tuple(rng.sample(["en", "zh"], rng.randrange(3))), downloads=rng.randrange(1000),
        likes=rng.randrange(50), parameters=rng.choice([None, rng.randrange(1, 10**9)]),
    )  # fmt: skip


def answers(registry: Registry) -> list[list[str]]:
    return [[model.id for model in registry.search(query)] for query in ASKED]


@pytest.mark.parametrize("room", [5_000, 1 << 20])
def test_answers_are_those_of_a_registry_that_keeps_nothing(
    sqlite_template: Path, tmp_path: Path, room: int
) -> None:
    url, rng = copied(sqlite_template, tmp_path / "r.db"), random.Random(3)
    with (
        Registry.open(url, catalog=False, keep=room) as keeps,
        Registry.open(url, catalog=False) as plain,
    ):
        for turn in range(6):
            # By turns another connection writes, and the very one that keeps.
            (plain, keeps)[turn % 2].add(record(rng, number) for number in range(60 * turn, 60 * turn + 80))
            (keeps, plain)[turn % 2].delete([model.id for model in plain.search("vit", limit=5)])
            expected = answers(plain)
            assert answers(keeps) == expected
            assert answers(keeps) == expected  # from memory now


def test_a_kept_set_is_not_read_again(sqlite_template: Path, tmp_path: Path) -> None:
    with Registry.open(copied(sqlite_template, tmp_path / "r.db"), catalog=False, keep=1 << 20) as registry:
        registry.add(record(random.Random(number), number) for number in range(50))
        answers(registry)
        read: list[str] = []
        with registry.connection() as connection:
            connection._raw.set_trace_callback(
                lambda sql: read.append(sql) if "FROM postings" in sql else None
            )
        list(registry.search(Query(text="bert", require={"tag": ("x",)})))
        assert read == []
        registry.add([ModelRecord("ada/new")])
        read.clear()
        list(registry.search(Query(text="bert", require={"tag": ("x",)})))
        assert read


def test_what_is_kept_has_room_for_so_much() -> None:
    kept = KeptSets(100_000)
    kept.renew(1)
    for number in range(1000):
        kept.put(f"t{number}", range(4), {0: BitMap(range(100)), 3: BitMap([1])})
        assert kept.get("t0", [0]) is not None  # what is asked for again and again stays
    known = [number for number in range(1000) if kept.get(f"t{number}", range(4)) is not None]
    assert 20 < len(known) < 110
    assert known[0] == 0
    assert known[-1] == 999
    assert kept.get("t999", [4]) is None  # that segment was not asked for
    kept.renew(2)
    assert kept.get("t999", [0]) is None
    nothing = KeptSets(0)
    nothing.put("t", [0], {})
    assert nothing.get("t", [0]) is None
