"""PEFT adapters on their base, int8, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")
pytest.importorskip("peft")
import tiny  # noqa: E402

from zoohub.adapters import load  # noqa: E402
from zoohub.errors import CapabilityError, UnsafeFile, UnsupportedModel, UsageError, WeightsError  # noqa: E402

pytestmark = [
    pytest.mark.models,
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"),  # by peft
]
TEXTS = ["good hotel", "the food was very nice and not bad", "bob"]


def adapter(base: Path, folder: Path, auto: str, **config: Any) -> Any:
    """A LoRA with random weights, as peft saves it; returns the adapted module."""
    import peft
    import transformers

    torch.manual_seed(1)
    more = config.pop("labels", {})
    module = getattr(transformers, auto).from_pretrained(base, **more)
    settings = peft.LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, **config)
    adapted = peft.get_peft_model(module, settings)
    adapted.save_pretrained(folder)
    return adapted.eval()


def logits(module: Any, base: Path, texts: list[str]) -> Any:
    from transformers import AutoTokenizer

    batch = AutoTokenizer.from_pretrained(base)(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        return module(**batch).logits


def test_an_adapter_answers_as_peft_does_and_is_saved_whole(tmp_path: Path) -> None:
    base = tiny.bert_classifier(tmp_path / "base")
    adapted = adapter(base, tmp_path / "adapter", "AutoModelForSequenceClassification", task_type="SEQ_CLS")
    model = load(tmp_path / "adapter")
    assert model.task == "text-classification"
    wanted = logits(adapted, base, TEXTS).softmax(-1)
    for answer, row in zip(model.predict(TEXTS), wanted, strict=True):
        assert answer.score == pytest.approx(float(row.max()), abs=1e-5)
    assert [a.score for a in load(base).predict(TEXTS)] != pytest.approx(
        [a.score for a in model.predict(TEXTS)]
    )
    again = load(model.save(tmp_path / "whole"))
    assert [a.score for a in again.predict(TEXTS)] == pytest.approx(
        [a.score for a in model.predict(TEXTS)], abs=1e-6
    )
    with pytest.raises(CapabilityError, match="cannot be fine-tuned"):
        model.finetune([{"text": "a", "label": "x"}, {"text": "b", "label": "y"}])
    assert again.strategies


def test_an_adapter_brings_its_own_classes(tmp_path: Path) -> None:
    base = tiny.bert_encoder(tmp_path / "base")
    adapted = adapter(
        base,
        tmp_path / "adapter",
        "AutoModelForSequenceClassification",
        task_type="SEQ_CLS",
        labels={"num_labels": 3},
    )
    model = load(tmp_path / "adapter")
    assert model.labels == ("LABEL_0", "LABEL_1", "LABEL_2")
    wanted = logits(adapted, base, TEXTS).softmax(-1)
    for answer, row in zip(model.predict(TEXTS), wanted, strict=True):
        assert {label.label: label.score for label in answer.labels} == pytest.approx(
            {f"LABEL_{i}": float(score) for i, score in enumerate(row)}, abs=1e-5
        )


def test_an_adapter_of_a_writer_writes_as_peft_does(tmp_path: Path) -> None:
    base = tiny.gpt2(tmp_path / "base")
    adapted = adapter(
        base, tmp_path / "adapter", "AutoModelForCausalLM", task_type="CAUSAL_LM", fan_in_fan_out=True
    )
    model = load(tmp_path / "adapter")
    batch = model.tensors([model.prepare("the hotel")])
    with torch.inference_mode():
        found, wanted = model.module(**batch).logits, adapted(**batch).logits
    assert torch.allclose(found, wanted, atol=1e-5)


def test_a_base_that_is_not_here_is_named_with_the_command(tmp_path: Path) -> None:
    base = tiny.bert_classifier(tmp_path / "base")
    adapter(base, tmp_path / "adapter", "AutoModelForSequenceClassification", task_type="SEQ_CLS")
    config = tmp_path / "adapter" / "adapter_config.json"
    config.write_text(config.read_text().replace(str(base), "acme/no-such-base"))
    with pytest.raises(WeightsError, match="acme/no-such-base, which is not on this machine") as caught:
        load(tmp_path / "adapter")
    assert caught.value.remedy == "Pull it first: zoo pull acme/no-such-base"
    (tmp_path / "adapter" / "adapter_model.safetensors").unlink()
    with pytest.raises((UnsafeFile, UnsupportedModel)):
        load(tmp_path / "adapter")


def test_an_adapter_of_another_base_is_refused(tmp_path: Path) -> None:
    base = tiny.bert_classifier(tmp_path / "base")
    adapter(base, tmp_path / "adapter", "AutoModelForSequenceClassification", task_type="SEQ_CLS")
    other = tiny.vit(tmp_path / "vit")
    config = tmp_path / "adapter" / "adapter_config.json"
    config.write_text(config.read_text().replace(str(base), str(other)))
    with pytest.raises(UnsupportedModel):
        load(tmp_path / "adapter")


def test_int8_answers_nearly_the_same_from_a_smaller_model(tmp_path: Path) -> None:
    pytest.importorskip("torchao")
    folder = tiny.bert_classifier(tmp_path / "m")
    whole, small = load(folder), load(folder, precision="int8")
    for a, b in zip(whole.predict(TEXTS), small.predict(TEXTS), strict=True):
        assert a.score == pytest.approx(b.score, abs=0.02)
    kinds = {
        type(part.weight).__name__ for part in small.module.modules() if isinstance(part, torch.nn.Linear)
    }
    assert kinds == {"Int8Tensor"}
    with pytest.raises(CapabilityError, match="another precision to save"):
        small.save(tmp_path / "saved")


def test_int8_is_refused_where_it_would_not_help(tmp_path: Path) -> None:
    with pytest.raises(
        CapabilityError, match=r"0% of its weights are in linear layers|[1-4]?[0-9]% of its weights"
    ):
        load(tiny.resnet(tmp_path / "m"), precision="int8")
    with pytest.raises(UsageError, match="no precision"):
        load(tmp_path / "m", precision="int3")
