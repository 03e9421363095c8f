"""What only shows at scale, shown small: orders by the index, bulk loads by helpers, ids of one hash."""

from __future__ import annotations

import random
import sqlite3

import pytest

from zoohub.errors import RegistryError
from zoohub.registry import (
    BaseModel,
    ModelRecord,
    Registry,
    encoding,
    helpers,
    layout,
    orders,
    writing,
)
from zoohub.registry.helpers import Helpers


def many(count: int, seed: int = 1) -> list[ModelRecord]:
    rnd = random.Random(seed)
    return [
        ModelRecord(
            f"maker-{rnd.randrange(9)}/{rnd.choice(['bert', 'llama', 'vit'])}-{number}", task=rnd.choice([None, "fill-mask"]),
            license_raw=rnd.choice(["mit", "apache-2.0", None]), downloads=rnd.choice([None, 0, rnd.randrange(10**6)]),
            likes=rnd.choice([None, 0, 1, rnd.randrange(300), rnd.randrange(10**6)]),
            parameters=rnd.choice([None, 7_000_000_000, 7_000_000_001, rnd.randrange(1, 10**12)]),
            updated=rnd.choice([None, f"2026-0{rnd.randint(1, 3)}-0{rnd.randint(1, 3)}T0{rnd.randint(0, 5)}:{rnd.randint(10, 59)}:00.000Z"]),
            tags=("region:us", f"tag {rnd.randrange(20)}"),
            base_models=(BaseModel("org/base", "finetune"),) if rnd.random() < 0.2 else (),
        )
        for number in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize("sort", ["likes", "updated", "parameters"])
@pytest.mark.parametrize("few", [0, 7, 40])
def test_an_order_is_walked_by_the_index(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, sort: str, ascending: bool, few: int
) -> None:
    records = many(400)
    registry.add(records)
    monkeypatch.setattr(orders, "_FEW", few)
    value_of = {record.id: _value(record, sort) for record in records}
    found = [record.id for record in registry.search(sort=sort, ascending=ascending)]
    assert sorted(found) == sorted(value_of)
    values = [value_of[id] for id in found]
    known = [value for value in values if value is not None]
    assert values == sorted(known, reverse=not ascending) + [None] * (len(values) - len(known))
    popular = [record.id for record in registry.search()]
    for before, after in zip(found, found[1:], strict=False):
        if value_of[before] == value_of[after]:
            assert popular.index(before) < popular.index(after)
    paged, cursor = [], None
    while True:
        page = registry.search(sort=sort, ascending=ascending, limit=23, cursor=cursor)
        paged += [record.id for record in page]
        cursor = page.cursor
        if cursor is None:
            break
    assert paged == found
    some = [
        record.id for record in registry.search("llama", sort=sort, ascending=ascending, task="fill-mask")
    ]
    wanted = {record.id for record in records if "llama" in record.id and record.task == "fill-mask"}
    assert some == [id for id in found if id in wanted]


def _value(record: ModelRecord, sort: str) -> int | None:
    value = getattr(record, sort)
    return encoding.epoch(value) if sort == "updated" else value


def test_helpers_build_the_same_index(blank: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    records = many(3000)
    blank.add(records)
    plain = _index_of(blank)
    blank.renew()  # by helpers
    assert _index_of(blank) == plain
    monkeypatch.setattr(helpers.os, "sched_getaffinity", lambda _: {0}, raising=False)
    blank.renew()  # on a single processor there are none
    assert _index_of(blank) == plain


def test_a_bulk_load_by_helpers_stores_what_a_plain_one_does(
    blank: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "BATCH", 100)
    records = many(2000)
    bad = ModelRecord("a/bad", downloads=-1)
    counts = blank.add([*records[:1500], bad, *records[1500:], records[0]])
    assert (counts.new, counts.unchanged, len(counts.refused)) == (2000, 1, 1)
    assert "a/bad" in str(counts.refused[0])
    assert {record.id: record.likes for record in blank.search()} == {
        record.id: record.likes for record in records
    }
    assert blank.faults() == []


def test_helpers_that_die_are_done_without() -> None:
    stated = [encoding.facts(record) for record in many(50)]
    with Helpers() as crew:
        for process in crew._started:
            process.kill()
            process.wait()
        assert crew.submit("pack", stated).result() == encoding.packed_all(stated)
        results = list(crew.map("pack", ((stated[:number],) for number in range(20))))
    assert [len(result) for result in results] == list(range(20))


def _index_of(registry: Registry) -> list[tuple[object, ...]]:
    with registry.connection() as connection:
        postings = connection.rows("SELECT segment, token, slots FROM postings ORDER BY segment, token")
        return [(*key, bytes(slots)) for *key, slots in postings] + connection.rows(
            "SELECT slot, model, popularity FROM ranking ORDER BY slot"
        )


@pytest.fixture
def one_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every id has the same hash."""
    monkeypatch.setattr(encoding, "_hash", lambda _key: 7)


@pytest.mark.usefixtures("one_hash")
def test_models_of_one_hash_are_told_apart(registry: Registry) -> None:
    records = [ModelRecord(f"a/m{number}", downloads=number) for number in range(20)]
    assert registry.add(records).new == 20
    assert registry.add([ModelRecord("a/M3", downloads=99)]).changed == 1
    assert registry.get("a/m4").downloads == 4
    assert registry.get("A/m3").downloads == 99
    assert registry.delete(["a/m5"]) == 1
    assert registry.find("a/m5") is None
    assert registry.count() == 19
    assert registry.faults() == []


def test_the_id_is_read_from_a_document_alone() -> None:
    for id in ("org/Model-1.5", 'folder:/data/my "best"\\model', "folder:/数据/模型"):
        doc = encoding.pack(ModelRecord(id, source="folder" if id.startswith("folder:") else "hub"))
        assert encoding.key_in(doc) == encoding.key_of(id)
        assert encoding.unpack(doc).id == id


def test_a_document_of_another_format_is_refused() -> None:
    with pytest.raises(RegistryError, match="unknown format"):
        encoding.unpack(b"\x01" + encoding.pack(ModelRecord("a/b"))[1:])


def test_a_document_is_small() -> None:
    record = ModelRecord(
        "someone/Qwen2.5-7B-Instruct-finetuned-GGUF", author="someone", task="text-generation", library="transformers",
        license="apache-2.0", license_raw="apache-2.0", languages=("en",), downloads=1234, likes=5,
        tags=("transformers", "safetensors", "qwen2", "text-generation", "conversational", "region:us"),
        created="2026-08-18T06:09:20.000Z", updated="2026-08-18T06:21:48.000Z", gated=False, parameters=7615616512,
    )  # fmt: skip
    assert len(encoding.pack(record)) < len(encoding.as_json(record)) / 3


def test_what_made_room_is_where_it_should_be(registry: Registry) -> None:
    """Newcomers of one popularity, more of them than there are gaps."""
    registry.add([ModelRecord(f"a/m{number}", downloads=1000 - number) for number in range(500)])
    for number in range(60):
        registry.add([ModelRecord(f"b/n{number}-{each}", downloads=800) for each in range(4)])
    found = [record.downloads for record in registry.search()]
    assert found == sorted(found, reverse=True)
    assert len(found) == 740
    assert registry.count("n5") == 44  # n5 and n50 to n59, four of each
    assert registry.faults() == []


def test_the_layout_leaves_gaps(blank: Registry) -> None:
    blank.add(many(100))
    file = blank.url.removeprefix("sqlite:///")
    with sqlite3.connect(file) as raw:
        assert raw.execute("SELECT max(slot) FROM ranking").fetchone()[0] == 99 + 99 // layout.GAP
    raw.close()
