"""Whatever a hub answers makes a record or a refusal; what two sources say makes one record."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zoohub.errors import InvalidRecord
from zoohub.registry.records import BaseModel, LicenseEvidence, Metric, ModelRecord
from zoohub.registry.sources import facts
from zoohub.registry.sources.hub_record import from_hub
from zoohub.registry.sources.joining import filled, overruled
from zoohub.registry.sources.modelscope import from_modelscope

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = (
    *(
        "author",
        "baseModels",
        "cardData",
        "config",
        "createdAt",
        "downloads",
        "gated",
        "gguf",
        "lastModified",
    ),
    *("library_name", "model-index", "pipeline_tag", "safetensors", "sha", "siblings", "tags", "usedStorage"),
    *("license", "likes", "tasks", "description", "created_at", "last_modified", "file_size"),
)
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def is_sound(record: ModelRecord) -> None:
    assert ModelRecord.from_dict(record.to_dict()) == record
    for number in (record.parameters, record.size, record.downloads, record.likes):
        assert number is None or (isinstance(number, int) and number >= 0)
    for moment in (record.created, record.updated):
        assert moment is None or datetime.fromisoformat(moment.replace("Z", "+00:00")).tzinfo
    for word in (*record.tags, *record.languages, record.library or "", record.description or ""):
        assert word.isprintable()


@patient
@given(st.dictionaries(st.sampled_from(KEYS), ANYTHING, max_size=8))
def test_any_answer_makes_a_record_or_a_refusal(item: dict[str, Any]) -> None:
    for make in (from_hub, from_modelscope):
        try:
            record = make({"id": "org/model", **item})
        except InvalidRecord:
            continue
        is_sound(record)


@patient
@given(ANYTHING)
def test_no_answer_at_all_breaks_it(item: Any) -> None:
    for make in (from_hub, from_modelscope):
        with suppress(InvalidRecord):
            is_sound(make(item))


@given(st.text())
def test_texts_become_plain(value: str) -> None:
    plain = facts.text(value, 50)
    assert plain is None or (plain.isprintable() and 0 < len(plain) <= 50)


@pytest.mark.parametrize(
    ("stated", "moment"),
    [
        ("2026-08-22T01:01:37.000Z", "2026-08-22T01:01:37Z"),
        ("2026-08-22T01:01:37+08:00", "2026-08-21T17:01:37Z"),
        ("2026-08-22", "2026-08-22T00:00:00Z"),
        (1_750_000_000, "2025-06-15T15:06:40Z"),
        (1_750_000_000_000, "2025-06-15T15:06:40Z"),
        ("soon", None), (None, None), (True, None), (1e300, None), (-1e300, None), ("", None),
    ],
)  # fmt: skip
def test_times(stated: object, moment: str | None) -> None:
    assert facts.when(stated) == moment


@pytest.mark.parametrize(
    ("stated", "ids"),
    [
        ("meta-llama/Llama-3.1-8B", ("meta-llama/Llama-3.1-8B",)),
        ("https://huggingface.co/meta-llama/Llama-3.1-8B", ("meta-llama/Llama-3.1-8B",)),
        (["a/b", "a/b", "c/d"], ("a/b", "c/d")),
        ("Llama 3.1 by Meta", ()),
        ("./local", ()),
        (None, ()),
        ({"a": 1}, ()),
        ("own/model", ()),
    ],
)
def test_base_models_of_a_card(stated: object, ids: tuple[str, ...]) -> None:
    assert facts.model_ids(stated, "own/model") == ids


@pytest.mark.parametrize(
    ("stated", "word"),
    [("mit", "mit"), ("unknown", None), (["mit", "apache-2.0"], "mit or apache-2.0"), ([], None), (3, None)],
)
def test_declared_licenses(stated: object, word: str | None) -> None:
    assert facts.license_word(stated) == word


# --- two statements ------------------------------------------------------------------------------

HOME = "https://hub.example"
CARD = (LicenseEvidence("card", "README.md", "mit"),)
ORIGIN = (LicenseEvidence("origin", "mteb", "mit"),)


def record(**facts_: Any) -> ModelRecord:
    return ModelRecord(id="a/b", **facts_)


def test_a_card_that_takes_its_license_back_is_believed() -> None:
    old = record(license="mit", license_raw="mit", license_evidence=CARD, origin=HOME)
    assert overruled(old, record(origin=HOME)).license == "unknown"


def test_a_license_told_by_another_stays_while_the_hub_is_silent() -> None:
    old = record(license="mit", license_raw="mit", license_evidence=ORIGIN)
    assert overruled(old, record(origin=HOME)).license == "mit"
    stated = record(license="gpl-3.0", license_raw="gpl-3.0", license_evidence=CARD)
    assert overruled(old, stated).license == "gpl-3.0"


def test_the_home_takes_back_lineage_but_not_what_it_never_states() -> None:
    old = record(base_models=(BaseModel("x/y"),), tags=("old",), parameters=5, mirrors=("modelscope:a/b",))
    new = overruled(old, record(task="fill-mask"))
    assert (new.base_models, new.tags, new.parameters) == ((), (), 5)
    assert (new.mirrors, new.task) == (("modelscope:a/b",), "fill-mask")


def test_hearsay_fills_gaps_only() -> None:
    old = record(task="fill-mask", license="mit", license_raw="mit", license_evidence=CARD, origin=HOME)
    new = filled(old, record(task="text-generation", license="gpl-3.0", license_raw="gpl-3.0", parameters=9,
                             tags=("t",), metrics=(Metric("accuracy", 1.0),)))  # fmt: skip
    assert (new.task, new.license, new.parameters, new.tags) == ("fill-mask", "mit", 9, ())
    assert new.metrics == (Metric("accuracy", 1.0),)


@given(st.booleans(), st.booleans())
def test_saying_it_twice_changes_nothing(license: bool, home: bool) -> None:
    old = record(parameters=4, origin=HOME if home else None, mirrors=("modelscope:a/b",), config={"a": 1})
    new = (
        record(license="mit", license_raw="mit", license_evidence=CARD, tags=("x",)) if license else record()
    )
    for join in (overruled, filled):
        once = join(old, new)
        assert join(once, new) == once
