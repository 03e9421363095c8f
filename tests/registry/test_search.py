"""Search against an oracle: whatever is asked, the index answers as a plain loop over the records would."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

import postgres_server
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zoohub.errors import InvalidModelId, InvalidQuery, ModelNotFound, UnknownTask, UsageError
from zoohub.registry import BaseModel, ModelRecord, Query, Registry
from zoohub.registry.tokens import FACETS

WORDS = (
    "bert",
    "distilbert",
    "roberta",
    "llama",
    "qwen2.5",
    "gguf",
    "tiny",
    "ViT",
    "net",
    "mobilenetv2",
    "中文",
)
TASKS = ("text-classification", "image-classification", "text-generation", "fill-mask", None)


def random_record(rnd: random.Random, number: int) -> ModelRecord:
    author = rnd.choice(["google", "openai", "Qwen", "me"])
    task = rnd.choice(TASKS)
    return ModelRecord(
        id=f"{author}/{'-'.join(rnd.sample(WORDS[:-1], rnd.randint(1, 3)))}-{number}", author=author, task=task,
        library=rnd.choice(["transformers", "timm", None]), license=rnd.choice(["apache-2.0", "mit", "cc-by-nc-4.0", "unknown"]),
        languages=tuple(rnd.sample(["en", "zh", "de"], rnd.randint(0, 2))),
        tags=tuple(rnd.sample(["exbert", "quantized model", "中文情感", "region:us", "license plates"], rnd.randint(0, 3))),
        downloads=rnd.choice([None, 0, 0, 3, rnd.randint(0, 1000)]), likes=rnd.choice([None, 0, rnd.randint(0, 50)]),
        parameters=rnd.choice([None, 7_000_000_000, 8_000_000_000, rnd.randint(1, 10**11)]),
        updated=rnd.choice([None, f"2024-{rnd.randint(1, 12):02}-{rnd.randint(1, 28):02}T10:00:00Z"]),
        gated=rnd.choice([None, True, False]), formats=rnd.choice([(), ("safetensors",), ("gguf", "safetensors")]),
        base_models=rnd.choice([(), (BaseModel("Google/BERT", "finetune"),)]),
        description=rnd.choice([None, "A tiny bert model for 情感分析任务."]), gone=rnd.choice([None, None, None, "2025-01-01"]),
    )  # fmt: skip


@pytest.fixture
def filled(registry: Registry) -> tuple[Registry, list[ModelRecord]]:
    """A registry that was written in one go, then changed in small steps, and its records."""
    rnd = random.Random(7)
    records = {record.id: record for record in (random_record(rnd, number) for number in range(300))}
    registry.add(records.values())
    for _ in range(4):
        changed = [random_record(rnd, number) for number in rnd.sample(range(330), 12)]
        registry.add(changed)
        records.update((record.id, record) for record in changed)
    dropped = rnd.sample(sorted(records), 5)
    registry.delete(dropped)
    for id in dropped:
        del records[id]
    assert registry.faults() == []
    return registry, list(records.values())


def is_hidden(record: ModelRecord) -> bool:
    return record.gone is not None


CASES: list[tuple[dict[str, object], Callable[[ModelRecord], bool]]] = [
    ({}, lambda r: True),
    ({"task": "text-classification"}, lambda r: r.task == "text-classification"),
    ({"task": ("文本分类", "fill-mask")}, lambda r: r.task in ("text-classification", "fill-mask")),
    ({"task": "unknown"}, lambda r: r.task is None),
    ({"modality": "text"}, lambda r: r.task in ("text-classification", "text-generation", "fill-mask")),
    ({"license": "apache-2.0", "library": "timm"}, lambda r: r.license == "apache-2.0" and r.library == "timm"),
    ({"not_license": ("mit", "unknown")}, lambda r: r.license not in ("mit", "unknown")),
    ({"license": "permissive"}, lambda r: r.license in ("apache-2.0", "mit")),
    ({"language": "zh", "not_language": "en"}, lambda r: "zh" in r.languages and "en" not in r.languages),
    ({"language": "unknown"}, lambda r: not r.languages),
    ({"author": "GOOGLE"}, lambda r: r.author == "google"),
    ({"tag": "quantized model"}, lambda r: "quantized model" in r.tags),
    ({"gated": True}, lambda r: r.gated is True),
    ({"gated": False}, lambda r: r.gated is False),
    ({"has_safetensors": True}, lambda r: "safetensors" in r.formats),
    ({"has_safetensors": False}, lambda r: "safetensors" not in r.formats),
    ({"format": "gguf"}, lambda r: "gguf" in r.formats),
    ({"base_model": "google/bert"}, lambda r: bool(r.base_models)),
    ({"relation": "finetune"}, lambda r: bool(r.base_models)),
    ({"min_params": 7_000_000_000}, lambda r: (r.parameters or 0) >= 7_000_000_000),
    ({"min_params": 7_000_000_001, "max_params": 8_000_000_000},
     lambda r: 7_000_000_000 < (r.parameters or 0) <= 8_000_000_000),
    ({"max_params": 50_000_000_000}, lambda r: r.parameters is not None and r.parameters <= 50_000_000_000),
    ({"min_params": 7_000_000_000, "max_params": 7_000_000_000}, lambda r: r.parameters == 7_000_000_000),
    ({"updated_since": "2024-06-15"}, lambda r: (r.updated or "") >= "2024-06-15"),
    ({"updated_since": "2024-06-15T12:00:00Z"}, lambda r: (r.updated or "") >= "2024-06-15T12"),
    ({"text": "bert"}, lambda r: has(r, "bert")),
    ({"text": "oberta"}, lambda r: "oberta" in r.id),
    ({"text": "ber"}, lambda r: has(r, "ber")),
    ({"text": "netv2"}, lambda r: "netv2" in r.id),
    ({"text": "bert -distilbert"}, lambda r: has(r, "bert") and "distilbert" not in r.id),
    ({"text": "-bert"}, lambda r: not has(r, "bert")),
    ({"text": "llama OR gguf"}, lambda r: "llama" in r.id or "gguf" in r.id),
    ({"text": "llama|gguf tiny"}, lambda r: ("llama" in r.id or "gguf" in r.id) and has(r, "tiny")),
    ({"text": '"quantized model"'}, lambda r: "quantized model" in r.tags),
    ({"text": '"model quantized"'}, lambda r: False),
    ({"text": '"tiny bert"'}, lambda r: "tiny-bert" in r.id or bool(r.description)),
    ({"text": "情感"}, lambda r: "中文情感" in r.tags or bool(r.description)),
    ({"text": "文情感"}, lambda r: "中文情感" in r.tags),
    ({"text": "情感分析"}, lambda r: bool(r.description) or r.task == "text-classification"),
    ({"text": "图像分类 vit"}, lambda r: r.task == "image-classification" and "ViT" in r.id),
    ({"text": "image classification"}, lambda r: r.task == "image-classification"),
    ({"text": "qwen2.5"}, lambda r: "qwen2.5" in r.id or (r.author == "Qwen" and "2" in r.id and "5" in r.id and False) or qwen(r)),
]  # fmt: skip


def parts(record: ModelRecord) -> list[str]:
    import re

    text = f"{record.id} {record.description or ''} {' '.join(record.tags)}".lower()
    return re.findall(r"[a-z0-9]+", text)


def has(record: ModelRecord, start: str) -> bool:
    return start in record.id.lower() or any(word.startswith(start) for word in parts(record))


def qwen(record: ModelRecord) -> bool:
    return has(record, "qwen2") and "5" in parts(record)


# What the index calls its own tokens are words like others when someone searches for them.
CASES += [
    ({"text": kind}, partial(has, start=kind))
    for kind in (*FACETS, "hour", "day", "month", "params", "count", "likes", "lib", "lice")
]


@pytest.mark.parametrize(("asked", "wanted"), CASES, ids=[str(asked) for asked, _ in CASES])
def test_the_index_answers_as_a_loop_would(filled, asked, wanted) -> None:
    registry, records = filled
    expected = {record.id for record in records if wanted(record) and not is_hidden(record)}
    query = Query.of(**asked)
    for sort in ("relevance", "downloads", "likes", "updated", "parameters"):
        found = [record.id for record in registry.search(query, sort=sort)]
        assert len(found) == len(set(found))
        assert set(found) == expected
    assert registry.count(query) == len(expected)
    by_license = Counter(record.license for record in records if record.id in expected)
    assert registry.count_by("license", query) == by_license


@pytest.mark.parametrize("sort", ["downloads", "likes", "updated", "parameters"])
def test_orders_are_exact_after_many_small_changes(filled, sort) -> None:
    registry, records = filled
    for ascending in (False, True):
        values = [getattr(record, sort) for record in registry.search(sort=sort, ascending=ascending)]
        known = [value for value in values if value is not None]
        assert known == sorted(known, reverse=not ascending)
        assert values == known + [None] * (len(values) - len(known))


def test_relevance_puts_the_name_before_the_rest_and_the_used_before_the_unused(
    registry: Registry, model
) -> None:
    registry.add([
        model("a/something", tags=("whisper",), downloads=10**9),
        model("a/whisper-tiny", downloads=100), model("a/whisper-large-v3-finetuned-on-odd-data", downloads=100),
        model("a/fasterwhisper", downloads=10**6),
    ])  # fmt: skip
    found = [record.name for record in registry.search("whisper")]
    assert found[:2] == ["whisper-tiny", "whisper-large-v3-finetuned-on-odd-data"]
    assert set(found[2:]) == {"something", "fasterwhisper"}


def test_relevance_puts_a_family_before_others_that_have_its_name_further_behind(
    registry: Registry, model
) -> None:
    registry.add([model("x/toxic-bert"), model("x/bert-for-irony"), model("my-bert/bert-base-uncased")])
    found = [record.id for record in registry.search("bert")]
    assert found == ["my-bert/bert-base-uncased", "x/bert-for-irony", "x/toxic-bert"]


def test_facet_counts(registry: Registry, model) -> None:
    registry.add([model("a/x", task="fill-mask", tags=("t",)), model("a/y", task="fill-mask"), model("b/z")])
    assert registry.count_by("task") == {"fill-mask": 2, "unknown": 1}
    assert registry.count_by("author", task="fill-mask") == {"a": 2}
    assert registry.count_by("tag", "x") == {"t": 1}
    with pytest.raises(InvalidQuery, match="license"):
        registry.count_by("colour")


def test_what_cannot_be_asked_is_said(blank: Registry) -> None:
    with pytest.raises(UnknownTask, match="image-classification"):
        list(blank.search(task="image-clasification"))
    with pytest.raises(InvalidQuery):
        list(blank.search(min_params=5, max_params=4))
    with pytest.raises(InvalidQuery):
        list(blank.search(updated_since="yesterday"))
    with pytest.raises(InvalidQuery):
        list(blank.search(sort="beauty"))
    with pytest.raises(InvalidQuery):
        list(blank.search(cursor="nonsense"))
    with pytest.raises(InvalidQuery):
        list(blank.search(modality="smell"))
    with pytest.raises(UsageError, match="language"):
        list(blank.search(langauge="zh"))


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def hostile(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that holds what an attacker would put there."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('hostile') / 'registry.db'}"
        with Registry.open(url, catalog=False) as registry:
            yield fill_hostile(registry)
    else:
        with postgres_server.database(request.getfixturevalue("postgres")) as url:
            with Registry.open(url, catalog=False) as registry:
                yield fill_hostile(registry)


def fill_hostile(registry: Registry) -> Registry:
    registry.add([
        ModelRecord("a/x", tags=("'; DROP TABLE models; --", '" OR 1=1', "NEAR(a b)", "\u202egnp.exe", "\x1b[31mred", "*")),
        ModelRecord("a/many", tags=tuple(f"tag {number}" for number in range(10_000))),
        ModelRecord("a/y", description="\0\ud7ff '\" % _ \\", author="'", library="=:~*", languages=("", " ", "*")),
        ModelRecord("a/z", license_raw="no\0license' --", base_models=(BaseModel("'; --\0"),), task="*"),
    ])  # fmt: skip
    return registry


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(), max_size=60))
def test_any_text_is_answered(hostile: Registry, text: str) -> None:
    assert len(list(hostile.search(text))) == hostile.count(text)


@settings(max_examples=100, deadline=None)
@given(text=st.text(st.characters(), max_size=30))
def test_any_name_is_looked_up(hostile: Registry, text: str) -> None:
    for attempt in (text, f"hub:{text}", f"a/{text}", f"folder:{text}"):
        try:
            assert hostile.get(attempt).id
        except (ModelNotFound, InvalidModelId):
            pass


@settings(max_examples=150, deadline=None)
@given(
    text=st.lists(
        st.sampled_from(['"', "-", "OR", "|", "“", "”", "「", "*", "(", ")", "a", "x", "tag", "NOT", "~", "=", "情", "感分析", "%", "'", ":", "\\"]),
        max_size=12,
    ).map(lambda parts: "".join(parts)),
    join=st.sampled_from(["", " "]),
    facet=st.text(st.characters(), max_size=12),
)  # fmt: skip
def test_any_mix_of_operators_and_facets_is_answered(
    hostile: Registry, text: str, join: str, facet: str
) -> None:
    list(hostile.search(join.join(text), limit=3, tag=facet, sort="likes"))
    list(hostile.search(text, limit=3, author=facet, language=(facet, "unknown")))


def test_hostile_records_are_stored_and_break_nothing(hostile: Registry) -> None:
    assert hostile.count() == 4
    assert hostile.count("DROP TABLE") == 1
    assert hostile.count(tag="'; drop table models; --") == 1
    assert hostile.count(tag="tag 9999") in (0, 1)
    assert hostile.faults() == []


@pytest.mark.parametrize(
    "record",
    [
        ModelRecord("../../etc/passwd"),
        ModelRecord("a/x\0y"),
        ModelRecord("a/\u202ey"),
        ModelRecord("a/ok", downloads=-1),
        ModelRecord("a/ok", parameters=2**70),
        ModelRecord("a/ok", likes="many"),  # type: ignore[arg-type]
        ModelRecord("a/ok", tags=("\ud800",)),
        ModelRecord("a/ok", tags=(1,)),  # type: ignore[arg-type]
        ModelRecord("a/ok", description="x" * (30 << 20)),
        ModelRecord("a/ok", source="moon"),
        ModelRecord("modelscope:a/ok"),
        ModelRecord("a/ok", config={"x": float("nan")}),
        ModelRecord("a/ok", config={"x": object()}),
    ],
    ids=range(13),
)
def test_an_impossible_record_is_refused_and_does_not_stop_the_others(
    registry: Registry, record: ModelRecord
) -> None:
    counts = registry.add([ModelRecord("a/before"), record, ModelRecord("a/after")])
    assert counts.new == 2
    assert len(counts.refused) == 1
    assert counts.refused[0].message
    assert registry.count() == 2
