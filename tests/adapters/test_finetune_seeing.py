"""Detectors, segmenters and sentence encoders learn: the loss falls, and what is saved answers alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("torch")
import tiny  # noqa: E402
from PIL import Image  # noqa: E402

from zoohub.adapters import load  # noqa: E402
from zoohub.adapters.data import read  # noqa: E402
from zoohub.errors import DataError  # noqa: E402

pytestmark = pytest.mark.models
SIZE = 64


def losses(folder: Path) -> list[float]:
    history = json.loads((folder / "training.json").read_text())["history"]
    return [line["loss"] for line in history if "loss" in line]


def squares(folder: Path, count: int = 12) -> Path:
    """Pictures with one bright square each, red or blue; COCO's file, and masks."""
    draws = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    images, things = [], []
    for number in range(count):
        left, top = (int(v) for v in draws.integers(4, 30, 2))
        kind = number % 2
        pixels = draws.integers(0, 60, (SIZE, SIZE, 3), dtype=np.uint8)
        mask = np.zeros((SIZE, SIZE), np.uint8)
        pixels[top : top + 24, left : left + 24, 2 * kind] = 250
        mask[top : top + 24, left : left + 24] = 1 + kind
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png"})
        corners = [left, top, left + 24, top, left + 24, top + 24, left, top + 24]
        things.append({"image_id": number, "category_id": 7 + kind, "bbox": [left, top, 24, 24],
                       "segmentation": [corners]})  # fmt: skip
    kinds = [{"id": 7, "name": "red"}, {"id": 8, "name": "blue"}]
    said = {"images": images, "annotations": things, "categories": kinds}
    (folder / "train.json").write_text(json.dumps(said))
    return folder


@pytest.mark.parametrize("strategy", ["full", "lora"])
def test_a_detector_learns_boxes_of_coco(strategy: str, tmp_path: Path) -> None:
    data = squares(tmp_path / "squares")
    base = load(tiny.yolos(tmp_path / "base"))
    before = base.module.state_dict()["class_labels_classifier.layers.0.weight"].clone()
    tuned = base.finetune(
        data / "train.json", strategy=strategy, epochs=6, learning_rate=3e-3, batch_size=4, eval=0.25,
        register=False, output=tmp_path / "tuned",
    )  # fmt: skip
    assert tuned.labels == ("blue", "red")
    seen = losses(tmp_path / "tuned")
    assert seen[-1] < seen[0]
    assert "mAP" in tuned.evaluate(data / "train.json").metrics
    assert np.array_equal(before, base.module.state_dict()["class_labels_classifier.layers.0.weight"])
    picture = str(data / "images" / "0.png")
    again = load(tuned.save(tmp_path / "saved"))
    ours, theirs = (model.predict(picture, threshold=0.0) for model in (tuned, again))
    assert [box.to_dict() for box in ours] == [box.to_dict() for box in theirs]


def test_boxes_may_stand_in_jsonl_and_be_none(tmp_path: Path) -> None:
    data = squares(tmp_path / "squares", 4)
    rows = [
        {"image": str(data / "images" / f"{i}.png"), "objects": [{"box": [2, 2, 9, 9], "label": "dot"}] * (i % 2)}
        for i in range(4)
    ]  # fmt: skip
    (tmp_path / "boxes.jsonl").write_text("\n".join(map(json.dumps, rows)))
    model = load(tiny.yolos(tmp_path / "base"))
    examples = read(tmp_path / "boxes.jsonl", model.task)
    fresh = model.relabel(model.target_labels(examples))
    batch = fresh.collate([row for pair in examples for row in fresh.learn(*pair)])
    assert [len(each["boxes"]) for each in batch["labels"]] == [0, 1, 0, 1]
    assert float(fresh.module(**batch).loss.detach()) > 0
    with pytest.raises(DataError, match="no box"):
        model.target_labels(examples.pick([0, 2]))


def test_a_segmenter_learns_masks(tmp_path: Path) -> None:
    data = squares(tmp_path / "squares")
    (data / "train.json").unlink()
    base = load(tiny.segformer(tmp_path / "base"))
    tuned = base.finetune(
        data, strategy="full", epochs=25, learning_rate=5e-3, batch_size=4, eval=0.25, patience=None,
        register=False, output=tmp_path / "tuned",
    )  # fmt: skip
    seen = losses(tmp_path / "tuned")
    assert seen[-1] < 0.7 * seen[0]
    assert len(tuned.labels) == 3
    assert tuned.evaluate(data)["mIoU"] > 0.4
    again = load(tuned.save(tmp_path / "saved"))
    picture = str(data / "images" / "1.png")
    ours, theirs = (model.predict(picture) for model in (tuned, again))
    assert [mask.to_dict() for mask in ours] == [mask.to_dict() for mask in theirs]


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    data = squares(tmp_path / "squares", 4)
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(data / "masks" / "0.png")
    with pytest.raises(DataError, match=r"is 9 x 9, its picture 64 x 64|64 x 64 pixels has a mask of 9 x 9"):
        load(tiny.segformer(tmp_path / "base")).finetune(
            data, epochs=1, batch_size=4, register=False, output=tmp_path / "t"
        )


# --- single things ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make", [tiny.mask2former, tiny.maskformer, tiny.detr_masks], ids=lambda m: m.__name__
)
@pytest.mark.parametrize(("strategy", "rate"), [("full", 3e-3), ("lora", 1e-2)])
def test_single_things_are_learned_from_outlines(
    make: Any, strategy: str, rate: float, tmp_path: Path
) -> None:
    data = squares(tmp_path / "squares")
    base = load(make(tmp_path / "base"))
    before = {key: value.clone() for key, value in base.module.state_dict().items()}
    tuned = base.finetune(
        data / "train.json", strategy=strategy, epochs=8, learning_rate=rate, batch_size=4, eval=0.25, patience=None,
        register=False, output=tmp_path / "tuned",
    )  # fmt: skip
    assert tuned.labels == ("blue", "red")
    seen = losses(tmp_path / "tuned")
    assert np.mean(seen[-3:]) < 0.8 * np.mean(seen[:3])
    measured = tuned.evaluate(data / "train.json")
    assert list(measured.metrics) == ["mAP", "mAP@50", "mAP@75"]
    assert all(value.equal(before[key]) for key, value in base.module.state_dict().items())
    picture = str(data / "images" / "0.png")
    again = load(tuned.save(tmp_path / "saved"))
    ours, theirs = (model.predict(picture, threshold=0.0) for model in (tuned, again))
    assert [mask.to_dict() for mask in ours] == [mask.to_dict() for mask in theirs]


def test_masks_of_a_class_a_pixel_train_a_model_of_things_too(tmp_path: Path) -> None:
    data = squares(tmp_path / "squares")
    (data / "train.json").unlink()
    tuned = load(tiny.mask2former(tmp_path / "base")).finetune(
        data, strategy="full", epochs=4, learning_rate=3e-3, batch_size=4, eval=0.25, register=False,
        output=tmp_path / "tuned",
    )  # fmt: skip
    seen = losses(tmp_path / "tuned")
    assert seen[-1] < seen[0]
    assert "mIoU" in tuned.evaluate(data).metrics


def test_things_are_trained_where_their_padded_picture_lies(tmp_path: Path) -> None:
    """A wide picture in a batch beside a high one: masks lie in the same part as the pixels."""
    model: Any = load(tiny.detr_masks(tmp_path / "base"))
    wide, high = np.zeros((24, 48, 3), np.uint8), np.zeros((48, 24, 3), np.uint8)
    wide[6:18, 12:36] = high[12:36, 6:18] = 255
    rows = [
        row
        for pixels in (wide, high)
        for row in model.learn(Image.fromarray(pixels), [{"mask": pixels[..., 0], "label": "cat"}])
    ]
    batch = model.collate([*rows, {"image": Image.fromarray(wide), "masks": [], "classes": []}])
    assert batch["pixel_mask"].sum() < batch["pixel_mask"].numel()
    for pixels, label in zip(batch["pixel_values"][:2], batch["labels"], strict=False):
        bright = pixels[0] > (pixels[0].min() + pixels[0].max()) / 2
        overlap = (bright & (label["masks"][0] > 0)).sum() / (bright | (label["masks"][0] > 0)).sum()
        assert overlap > 0.85
        middle = bright.nonzero().float().mean(0).numpy() / np.asarray(bright.shape)
        assert label["boxes"][0, :2].flip(0).numpy() == pytest.approx(middle, abs=0.03)
    assert batch["labels"][2]["masks"].shape[0] == 0
    assert float(model.module(**batch).loss.detach()) > 0


def test_a_picture_without_things_is_learned_from(tmp_path: Path) -> None:
    for make in (tiny.mask2former, tiny.maskformer):
        model: Any = load(make(tmp_path / make.__name__))
        empty = {"image": Image.new("RGB", (40, 30)), "masks": [], "classes": []}
        (row,) = model.learn(
            Image.new("RGB", (40, 30)), [{"segmentation": [[2, 2, 20, 2, 20, 20]], "label": "dog"}]
        )
        assert float(model.module(**model.collate([row, empty])).loss.detach()) > 0


# --- sentences ------------------------------------------------------------------------------------

ALIKE = [("good hotel", "nice room"), ("bad food", "terrible film"), ("the city", "a river"), ("bob", "ann")]


def scored() -> list[dict[str, Any]]:
    rows = [{"sentence1": a, "sentence2": b, "score": 5.0} for a, b in ALIKE]
    rows += [{"sentence1": a, "sentence2": ALIKE[i - 1][1], "score": 1.0} for i, (a, _) in enumerate(ALIKE)]
    return rows * 3


@pytest.mark.parametrize(("strategy", "rate"), [("full", 5e-3), ("lora", 2e-2)])
def test_an_encoder_learns_scores_of_pairs(strategy: str, rate: float, tmp_path: Path) -> None:
    base = load(tiny.bert_encoder(tmp_path / "base"))
    before = base.similarity("good hotel", "nice room")
    tuned = base.finetune(
        scored(), strategy=strategy, epochs=30, learning_rate=rate, batch_size=8, eval=scored(), patience=None,
        register=False, output=tmp_path / "tuned",
    )  # fmt: skip
    assert tuned.task == "sentence-similarity"
    seen = losses(tmp_path / "tuned")
    assert np.mean(seen[-6:]) < np.mean(seen[:3])
    assert tuned.evaluate(scored())["Spearman"] > 0.6
    assert base.similarity("good hotel", "nice room") == before
    again = load(tuned.save(tmp_path / "saved"), task="sentence-similarity")
    pair = {"text": "good hotel", "text_pair": "nice room"}
    assert again.predict(pair).score == pytest.approx(tuned.predict(pair).score, abs=1e-5)


@pytest.mark.parametrize("wrong", [False, True])
def test_an_encoder_learns_partners_without_scores(wrong: bool, tmp_path: Path) -> None:
    rows: Any = [{"anchor": a, "positive": b} for a, b in ALIKE] * 4
    rows = [row | {"negative": "acme"} for row in rows] if wrong else read(rows, "feature-extraction")
    tuned = load(tiny.bert_encoder(tmp_path / "base")).finetune(
        rows, strategy="full", epochs=10, learning_rate=5e-3, batch_size=4, register=False,
        output=tmp_path / "tuned",
    )  # fmt: skip
    seen = losses(tmp_path / "tuned")
    assert seen[-1] < seen[0]
    pairs = [{"text": ALIKE[0][0], "text_pair": ALIKE[i][1]} for i in (0, 1)]
    right, other = tuned.predict(pairs)
    assert right.score > other.score


def detr(folder: Path) -> Path:
    """A DETR on a small ResNet: pictures of different sizes come with a mask of what is padding."""
    import torch
    from transformers import DetrConfig, DetrForObjectDetection, ResNetConfig

    torch.manual_seed(0)
    backbone = ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", out_features=["stage2"]
    )
    config = DetrConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, backbone_config=backbone,
        d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=32, decoder_ffn_dim=32, num_queries=6, num_labels=3,
    )  # fmt: skip
    DetrForObjectDetection(config).save_pretrained(folder)
    size = {"shortest_edge": 48, "longest_edge": 80}
    values = {"image_processor_type": "DetrImageProcessor", "size": size}
    (folder / "preprocessor_config.json").write_text(json.dumps(values))
    return folder


def test_a_detr_learns_pictures_of_different_sizes(tmp_path: Path) -> None:
    data = squares(tmp_path / "squares", 8)
    picture = Image.open(data / "images" / "1.png")
    Image.fromarray(np.asarray(picture)[:40]).save(data / "images" / "1.png")
    base = load(detr(tmp_path / "base"), task="object-detection")
    tuned = base.finetune(
        data / "train.json", epochs=20, learning_rate=2e-3, batch_size=8, eval=0.25, patience=None,
        register=False, output=tmp_path / "tuned",
    )  # fmt: skip
    seen = losses(tmp_path / "tuned")
    assert seen[-1] < seen[0]
    assert {box.label for box in tuned.predict(str(data / "images" / "0.png"), threshold=0.0)} <= {
        "red",
        "blue",
    }
