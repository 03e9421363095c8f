"""New cards and derived licenses."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import yaml

from zoohub import Card
from zoohub.cards import check, license_fields, new_card
from zoohub.cards.licenses import all_licenses, derive, get
from zoohub.errors import UnknownLicense
from zoohub.registry import BaseModel, Metric, ModelRecord

TUNED = ModelRecord(
    id="folder:/models/my-model",
    source="folder",
    name="my-model",
    task="image-classification",
    library="transformers",
    base_models=(BaseModel("google/mobilenet_v2_1.0_224", "finetune"),),
    parameters=2_230_277,
    languages=("en", "no"),
    datasets=("cifar10", "./photos"),
    metrics=(Metric("accuracy", 0.91, "image-classification", "photos"),),
)


def test_a_tuned_models_card() -> None:
    card = new_card(TUNED, base_licenses=["apache-2.0"], training={"epochs": 3, "learning rate": 0.001})
    again = Card.read(card.text)
    assert again.data == card.data
    assert not again.findings
    assert again.data["license"] == "apache-2.0"
    assert again.data["base_model"] == "google/mobilenet_v2_1.0_224"
    assert again.data["base_model_relation"] == "finetune"
    assert again.data["datasets"] == ["cifar10"]
    assert yaml.safe_load(card.text.split("---")[1])["language"] == ["en", "no"]
    for text in (
        'zoohub.load("/models/my-model")',
        "AutoModelForImageClassification",
        "| epochs | 3 |",
        "0.91",
        "## License and obligations",
        "4(a)",
        "## Environment",
        "## Data",
        "2,230,277",
    ):
        assert text in card.body, text
    assert not [finding for finding in check(again) if finding.severity != "note"]


def test_model_index_is_what_hubs_read() -> None:
    huggingface_hub = pytest.importorskip("huggingface_hub")
    data = huggingface_hub.ModelCard(new_card(TUNED, base_licenses=["mit"]).text).data
    (result,) = data.eval_results
    assert (result.task_type, result.metric_type, result.metric_value, result.dataset_name) == (
        "image-classification", "accuracy", 0.91, "photos")  # fmt: skip
    assert data.license == "mit"
    assert data.language == ["en", "no"]


def test_code_in_the_card_is_python() -> None:
    for library in ("transformers", "timm", "sentence-transformers", None):
        record = ModelRecord(id="a/b", library=library, task="text-classification")
        for code in re.findall(r"```python\n(.*?)```", new_card(record).body, re.DOTALL):
            compile(code, "card", "exec")


def test_an_unknown_base_grants_nothing() -> None:
    card = new_card(TUNED, base_licenses=["unknown"])
    assert "license" not in card.data
    assert "nothing is granted" in card.body
    assert "license" not in new_card(TUNED).data  # it declares none itself


def test_a_declared_license_counts_where_no_base_is_given() -> None:
    card = new_card(replace(TUNED, license="cc-by-4.0"))
    assert card.data["license"] == "cc-by-4.0"
    assert "3(a)(1)" in card.body


def test_a_card_of_a_model_without_a_base() -> None:
    card = new_card(ModelRecord(id="a/b", license="mit", task="fill-mask", library="transformers"))
    assert card.data["license"] == "mit"
    assert "base_model" not in card.data
    assert "AutoModelForMaskedLM" in card.body


def test_a_merge_of_two_licenses() -> None:
    record = ModelRecord(id="me/merge", task="text-generation",
                         base_models=(BaseModel("a/x", "merge"), BaseModel("b/y", "merge")))  # fmt: skip
    card = new_card(record, base_licenses=["llama3.1", "gemma"])
    assert card.data["license"] == "other"
    assert card.data["license_name"] == "llama3.1-and-gemma"
    assert "Begin the model's name with: Llama" in card.body
    assert "Built with Llama" in card.body


def test_text_of_a_record_cannot_break_the_card() -> None:
    record = ModelRecord(
        id="a/b",
        name="x\n---\nlicense: mit",
        description="--- {{ 7*7 }} {% raw %}",
        tags=("a: b", "- c", "no"),
    )
    card = Card.read(new_card(record).text)
    assert card.data["tags"] == ["a: b", "- c", "no", "zoohub"]
    assert "license" not in card.data
    assert "{{ 7*7 }}" in card.body


@pytest.mark.parametrize("entry", all_licenses(), ids=lambda entry: entry.id)
def test_every_license_can_be_written_and_found_again(entry) -> None:
    from zoohub.cards.licenses import normalize

    fields = license_fields(entry.id)
    if entry.id == "unknown":
        assert fields == {}
        return
    found = normalize(fields["license"], name=fields.get("license_name"), link=fields.get("license_link"))
    family = {entry.id, *(other.id for other in all_licenses() if entry.id in other.versions)}
    assert found.id in family


# --- derive ---------------------------------------------------------------------------------------


def kinds(derived) -> set[str]:
    return {duty.condition.kind for duty in derived.obligations}


def test_permissive_base_is_free() -> None:
    derived = derive(["apache-2.0"], "finetune")
    assert (derived.license, derived.free, derived.making, derived.conflicts) == (
        "apache-2.0",
        True,
        "yes",
        (),
    )
    assert kinds(derived) == {"notice", "state_changes", "patent_termination"}


def test_llama_base_keeps_its_terms() -> None:
    derived = derive(["llama3.1"], "finetune")
    assert (derived.license, derived.free) == ("llama3.1", False)
    assert {"name_prefix", "badge", "user_threshold", "acceptable_use"} <= kinds(derived)
    texts = [duty.text for duty in derived.obligations]
    assert "Begin the model's name with: Llama" in texts
    assert "Show the text: Built with Llama" in texts
    assert any(text.startswith("Above 700,000,000 users a month, counted at release") for text in texts)


def test_distilled_models_owe_what_the_license_lays_on_them() -> None:
    gemma = derive(["gemma-2025-03"], "distilled")
    assert gemma.license == "gemma-2025-03"
    assert not gemma.free
    assert "flow_down" in kinds(gemma)
    llama = derive(["llama3.1"], "distilled")
    assert llama.making == "yes"
    assert "name_prefix" in kinds(llama)
    assert "notice" not in kinds(llama)
    assert derive(["llama3"], "distilled").making == "no"
    assert derive(["mit"], "distilled").free
    assert not kinds(derive(["mit"], "distilled"))


def test_a_merge_takes_all_restrictions() -> None:
    derived = derive(["apache-2.0", "cc-by-nc-4.0", "llama3.2"], "merge")
    assert derived.license == "cc-by-nc-4.0 AND llama3.2"
    assert not derived.free
    assert derived.facts["commercial"].answer == "no"
    assert {"noncommercial", "territory", "name_prefix", "notice"} <= kinds(derived)
    assert derive(["mit", "unknown"], "merge").license == "unknown"
    assert derive([], "merge").license == "unknown"


def test_share_alike_conflicts() -> None:
    assert derive(["gpl-3.0", "cc-by-sa-4.0"], "merge").conflicts
    assert derive(["gpl-3.0", "llama3.1"], "merge").conflicts
    assert derive(["cc-by-nd-4.0"], "finetune").conflicts
    assert not derive(["gpl-3.0", "apache-2.0"], "merge").conflicts
    assert not derive(["gpl-3.0", "gpl-3.0"], "merge").conflicts


def test_derive_refuses_nonsense() -> None:
    with pytest.raises(ValueError, match="no relation"):
        derive(["mit"], "stolen")
    with pytest.raises(UnknownLicense):
        derive(["nope"])


@pytest.mark.parametrize("relation", ["finetune", "adapter", "quantized", "merge", "distilled"])
def test_a_derived_model_never_grants_more_than_its_base(relation: str) -> None:
    for entry in all_licenses():
        derived = derive([entry.id], relation)
        assert all(derived.facts[operation].answer == entry.answer(operation) for operation in derived.facts)
        assert derived.license == (entry.id if entry.known else "unknown")
        if not entry.known or entry.kind in ("community", "research", "noncommercial", "rail", "copyleft"):
            assert not derived.free or relation == "distilled"
        assert get(entry.id).id in derived.ids
