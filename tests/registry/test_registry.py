"""Adding, getting, naming, remembering: the same on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

import pytest

from zoohub.errors import AmbiguousModel, DuplicateName, InvalidModelId, ModelNotFound, UsageError
from zoohub.registry import BaseModel, Evidence, Metric, ModelFile, ModelRecord, Query, Registry, to_dicts


def full_record() -> ModelRecord:
    return ModelRecord(
        id="Org/Bert-Base", author="Org", task="fill-mask", library="transformers", license="apache-2.0",
        license_raw="Apache-2.0", languages=("en", "zh"), datasets=("wiki",), parameters=110_000_000, size=440_000_000,
        base_models=(BaseModel("Org/Base", "finetune"),), formats=("safetensors",), downloads=5, likes=2,
        files=(ModelFile("model.safetensors", 440_000_000, "ab" * 32),), created="2024-01-02T03:04:05Z",
        updated="2024-05-06T07:08:09.123Z", gated=False, metrics=(Metric("accuracy", 0.9, "fill-mask", "wiki"),),
        tags=("bert", "exbert"), mirrors=("modelscope:org/bert-base",), description="A model.", revision="abc123",
        origin="a test", config={"architectures": ["BertForMaskedLM"]},
    )  # fmt: skip


def test_a_record_comes_back_as_it_was_given(registry: Registry) -> None:
    record = full_record()
    counts = registry.add([record])
    assert (counts.new, counts.changed, counts.unchanged, counts.refused) == (1, 0, 0, [])
    assert registry.get("org/bert-base") == record
    assert list(registry.search("bert")) == [record]
    assert to_dicts(registry.search())[0]["id"] == "Org/Bert-Base"


def test_adding_again_changes_nothing_and_a_change_replaces(registry: Registry) -> None:
    record = full_record()
    registry.add([record])
    assert registry.add([record]).unchanged == 1
    changed = replace(record, downloads=7, tags=("roberta",))
    assert registry.add([changed]).changed == 1
    assert registry.get(record.id) == changed
    assert registry.count("exbert") == 0
    assert registry.count(tag="roberta") == 1
    assert registry.count() == 1


def test_an_id_without_source_is_found_where_it_lies(registry: Registry, model) -> None:
    registry.add([model("modelscope:iic/paraformer"), model("timm:resnet18")])
    assert registry.get("iic/paraformer").source == "modelscope"
    assert registry.get("resnet18").id == "timm:resnet18"


def test_an_id_that_two_sources_have_is_ambiguous_unless_they_are_mirrors(registry: Registry, model) -> None:
    registry.add([model("a/x"), model("modelscope:a/x")])
    with pytest.raises(AmbiguousModel) as caught:
        registry.get("a/x")
    assert caught.value.choices == ("hub:a/x", "modelscope:a/x")
    assert [registry.get(choice).source for choice in caught.value.choices] == ["hub", "modelscope"]
    registry.add([model("a/x", mirrors=("modelscope:a/x",))])
    assert registry.get("a/x").source == "hub"


def test_an_unknown_model_names_near_ones(registry: Registry, model) -> None:
    registry.add([model("openai/whisper-tiny"), model("openai/clip-vit")])
    with pytest.raises(ModelNotFound, match="openai/whisper-tiny") as caught:
        registry.get("openai/whisper-tny")
    assert caught.value.near[0] == "openai/whisper-tiny"
    with pytest.raises(InvalidModelId):
        registry.get("no id at all!")


def test_aliases_resolve_pinned_and_remember(registry: Registry, model) -> None:
    registry.add([model("a/one"), model("a/two")])
    registry.set_alias("sentiment-prod", "a/one@v1.0")
    assert registry.get("Sentiment-Prod").id == "a/one"
    assert registry.get("sentiment-prod").revision == "v1.0"
    registry.set_alias("sentiment-prod", "a/two")
    assert registry.get("sentiment-prod").id == "a/two"
    assert [(alias.name, alias.target) for alias in registry.aliases()] == [("sentiment-prod", "a/two")]
    registry.remove_alias("sentiment-prod")
    assert [(event.old, event.new) for event in registry.history("sentiment-prod")] == [
        ("a/two", None), ("a/one@v1.0", "a/two"), (None, "a/one@v1.0")]  # fmt: skip
    with pytest.raises(ModelNotFound):
        registry.get("sentiment-prod")
    with pytest.raises(ModelNotFound):
        registry.set_alias("x", "a/three")
    with pytest.raises(InvalidModelId):
        registry.set_alias("a/b", "a/one")


def test_an_alias_may_not_hide_a_model(registry: Registry, model) -> None:
    registry.add([model("gpt2")])
    with pytest.raises(DuplicateName):
        registry.set_alias("gpt2", "gpt2")


def test_history_holds_license_base_gating_and_existence(registry: Registry, model) -> None:
    first = model("a/x", license_raw="mit", gated=False)
    registry.add([first])
    registry.add([replace(first, license_raw="other", gated=True, base_models=(BaseModel("b/y"),), likes=3)])
    registry.mark_gone(["a/x"], at="2026-01-01T00:00:00Z")
    events = {(event.field, event.old, event.new) for event in registry.history("A/X")}
    assert events == {
        ("license", "mit", "other"), ("gated", "no", "yes"), ("base_models", None, "b/y"),
        ("gone", None, "2026-01-01T00:00:00Z"),
    }  # fmt: skip
    assert [event.subject for event in registry.changes(field="license")] == ["a/x"]
    assert registry.changes(field="license", since="2999-01-01") == []
    with pytest.raises(UsageError, match="license"):
        registry.changes(field="licence")
    with pytest.raises(UsageError):
        registry.changes(since="yesterday")


def test_gone_models_are_hidden_unless_asked_for(registry: Registry, model) -> None:
    registry.add([model("a/here"), model("a/gone")])
    assert registry.mark_gone(["a/gone", "a/never"]) == 1
    assert [record.id for record in registry.search()] == ["a/here"]
    assert [record.id for record in registry.search(gone=True)] == ["a/gone"]
    assert registry.count(gone=None) == 2
    assert registry.get("a/gone").gone


def test_deleting_takes_a_model_out_of_everything(registry: Registry, model) -> None:
    registry.add([model("a/x", tags=("rare",)), model("a/y", base_models=(BaseModel("a/x"),))])
    assert registry.delete(["a/y", "a/never"]) == 1
    assert registry.count() == 1
    assert registry.lineage("a/x").derived == []
    assert registry.faults() == []


def test_lineage_goes_both_ways_and_survives_cycles(registry: Registry, model) -> None:
    registry.add([
        model("a/base"),
        model("a/tuned", base_models=(BaseModel("A/Base", "finetune"), BaseModel("x/elsewhere", "merge"))),
        model("a/small", base_models=(BaseModel("a/tuned", "quantized"),)),
        model("a/ring1", base_models=(BaseModel("a/ring2"),)),
        model("a/ring2", base_models=(BaseModel("a/ring1"),)),
    ])  # fmt: skip
    up = registry.lineage("a/small").bases
    assert [(kin.id, kin.relation) for kin in up] == [("a/tuned", "quantized")]
    assert [(kin.id, kin.relation, kin.record is None) for kin in up[0].children] == [
        ("a/base", "finetune", False), ("x/elsewhere", "merge", True)]  # fmt: skip
    down = registry.lineage("a/base").derived
    assert [(kin.id, [child.id for child in kin.children]) for kin in down] == [("a/tuned", ["a/small"])]
    ring = registry.lineage("a/ring1")
    assert [child.again for child in ring.bases[0].children] == [True]
    assert [child.again for child in ring.derived[0].children] == [True]


def test_revisions_seen_are_kept(registry: Registry, model) -> None:
    registry.add([model("a/x", revision="one")])
    registry.add([model("a/x", revision="two")])
    assert {revision for revision, _ in registry.revisions("a/x")} == {"one", "two"}


def test_evidence_is_stored_and_found(registry: Registry) -> None:
    item = Evidence(
        "a/x", "image-classification", "cifar10", "accuracy", 0.93, n_train=5000, strategy="probe"
    )
    other = Evidence("a/x", "text-classification", "sst2", "loss", 0.2, higher_is_better=False)
    assert registry.add_evidence([item, other]) == 2
    assert registry.evidence(task="image-classification") == [item]
    assert registry.evidence(model="a/x") == [item, other]


def test_results_are_read_page_by_page(registry: Registry, model) -> None:
    registry.add(model(f"a/m{number}", downloads=number) for number in range(250))
    results = registry.search(Query(sort="downloads"))
    assert [next(results).downloads for _ in range(3)] == [249, 248, 247]
    assert len(list(results)) == 247


@pytest.mark.parametrize("sort", ["relevance", "downloads", "likes", "updated", "parameters"])
@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize("text", ["", "m"])
def test_cursors_lead_through_all_results_once(registry: Registry, model, sort, ascending, text) -> None:
    registry.add(
        model(f"a/m-{n}" if n % 3 else f"m{n}/other", downloads=n % 5 if n % 4 else None, likes=n % 3 or None,
              parameters=n % 7 or None, updated=f"2024-01-{n % 28 + 1:02}" if n % 6 else None)
        for n in range(60)
    )  # fmt: skip
    whole = [record.id for record in registry.search(text, sort=sort, ascending=ascending)]
    paged, cursor = [], None
    for _ in range(20):
        results = registry.search(text, sort=sort, ascending=ascending, limit=7, cursor=cursor)
        paged += [record.id for record in results]
        cursor = results.cursor
        if cursor is None:
            break
    assert cursor is None
    assert paged == whole
    assert len(set(whole)) == len(whole) == registry.count(text)


def test_sorting_puts_what_is_not_known_last(registry: Registry, model) -> None:
    registry.add(
        [model("a/none"), model("a/low", downloads=1, likes=1), model("a/high", downloads=9, likes=9)]
    )
    for sort in ("downloads", "likes"):
        assert [r.name for r in registry.search(sort=sort)] == ["high", "low", "none"]
        assert [r.name for r in registry.search(sort=sort, ascending=True)] == ["low", "high", "none"]


def test_a_choice_of_licenses_is_found_by_what_it_grants(registry: Registry) -> None:
    registry.add([
        ModelRecord("a/either", license_raw="MIT OR Apache-2.0"),
        ModelRecord("a/choice", license_raw="cc-by-nc-4.0 OR apache-2.0"),
        ModelRecord("a/both", license_raw="apache-2.0 AND cc-by-nc-4.0"),
        ModelRecord("a/list", license_raw="['mit', 'apache-2.0']"),
    ])  # fmt: skip
    assert registry.get("a/either").license == "mit OR apache-2.0"
    assert {record.id for record in registry.search(license="commercial")} == {"a/either", "a/choice"}
    assert {record.id for record in registry.search(license="permissive")} == {"a/either", "a/choice"}
    assert [record.id for record in registry.search(license="Apache-2.0 OR MIT")] == []
    assert [record.id for record in registry.search(license="mit OR Apache-2.0")] == ["a/either"]
    assert registry.commercial("apache-2.0 AND cc-by-nc-4.0") == "no"
    assert {record.id for record in registry.search(license="unknown")} == {"a/list"}


def test_a_record_prints_what_is_stated_and_little_of_what_is_long() -> None:
    shown = repr(replace(full_record(), description="long " * 100))
    assert shown.startswith("ModelRecord('Org/Bert-Base', revision='abc123', task='fill-mask'")
    assert "parameters=110000000" in shown
    assert "gone" not in shown
    assert len(shown) < 1000
    assert repr(ModelRecord("a/b")) == "ModelRecord('a/b', license='unknown')"
