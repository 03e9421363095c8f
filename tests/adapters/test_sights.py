"""Detection, segmentation, depth and zero-shot labels: answers come in the size of the picture as given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")
import tiny  # noqa: E402
from PIL import Image  # noqa: E402

from zoohub.adapters import load  # noqa: E402
from zoohub.errors import InputError, UsageError  # noqa: E402

pytestmark = pytest.mark.models


@pytest.fixture
def pictures() -> list[Image.Image]:
    draws = np.random.default_rng(0)
    return [
        Image.fromarray(draws.integers(0, 255, (h, w, 3), dtype=np.uint8)) for h, w in ((48, 80), (64, 40))
    ]


def test_boxes_lie_in_the_picture(tmp_path: Path, pictures: list[Image.Image]) -> None:
    model = load(tiny.yolos(tmp_path / "m"))
    found = model.predict(pictures, threshold=0.0)
    assert [len(boxes) for boxes in found] == [5, 5]
    for picture, boxes in zip(pictures, found, strict=True):
        assert boxes == sorted(boxes, key=lambda box: -box.score)
        for box in boxes:
            left, top, right, bottom = box.box
            assert -picture.width <= left <= right <= 2 * picture.width
            assert -picture.height <= top <= bottom <= 2 * picture.height
    assert model.predict(pictures[0], threshold=1.0) == []
    again = load(model.save(tmp_path / "saved")).predict(pictures, threshold=0.0)
    assert [box.label for box in again[1]] == [box.label for box in found[1]]


def test_masks_cover_the_picture_once(tmp_path: Path, pictures: list[Image.Image]) -> None:
    model = load(tiny.segformer(tmp_path / "m"))
    for picture, masks in zip(pictures, model.predict(pictures), strict=True):
        total = sum(mask.mask.astype(int) for mask in masks)
        assert total.shape == (picture.height, picture.width)
        assert (total == 1).all()
        assert sum(masks[0].to_dict()["runs"]) == picture.height * picture.width


def test_depth_has_the_size_of_the_picture(tmp_path: Path, pictures: list[Image.Image]) -> None:
    model = load(tiny.glpn(tmp_path / "m"))
    shapes = [answer.depth.shape for answer in model.predict(pictures)]
    assert shapes == [(48, 80), (64, 40)]


def test_named_labels_sum_to_one(tmp_path: Path, pictures: list[Image.Image]) -> None:
    model = load(tiny.clip(tmp_path / "m"))
    answers = model.predict(pictures, labels=["hotel", "food", "city"])
    assert [sum(label.score for label in answer.labels) for answer in answers] == pytest.approx(
        [1, 1], abs=1e-4
    )
    assert model.embed(pictures).shape == (2, 16)
    with pytest.raises(InputError, match="needs labels"):
        model.predict(pictures)


@pytest.mark.parametrize("make", [tiny.mask2former, tiny.maskformer], ids=lambda make: make.__name__)
def test_single_things_have_masks_of_their_own(
    make: Callable[[Path], Path], tmp_path: Path, pictures: list[Image.Image]
) -> None:
    model = load(make(tmp_path / "m"))
    for picture, masks in zip(pictures, model.predict(pictures, threshold=0.0), strict=True):
        assert masks
        total = sum(mask.mask.astype(int) for mask in masks)
        assert total.shape == (picture.height, picture.width)
        assert {mask.label for mask in masks} <= set(tiny.LABELS)
        assert [mask.mask.sum() for mask in masks] == sorted(
            (mask.mask.sum() for mask in masks), reverse=True
        )
    for masks in model.predict(pictures, kind="panoptic", threshold=0.0):
        assert np.sum([mask.mask for mask in masks], axis=0).max() <= 1
    for picture, masks in zip(pictures, model.predict(pictures, kind="semantic"), strict=True):
        assert len({mask.label for mask in masks}) == len(masks)
        assert (sum(mask.mask.astype(int) for mask in masks) == 1).all()
        assert masks[0].mask.shape == (picture.height, picture.width)
    target = np.zeros((48, 80), int)
    assert 0 <= model.evaluate([{"image": pictures[0], "mask": target}])["mIoU"] <= 1
    with pytest.raises(UsageError, match="instance, panoptic, semantic"):
        model.predict(pictures, kind="things")


def test_two_things_of_one_class_are_two_masks(tmp_path: Path) -> None:
    model = load(tiny.mask2former(tmp_path / "m"))
    place = torch.tensor([[1, 1, 2], [-1, 2, 2]])
    infos = [{"id": 1, "label_id": 0, "score": 0.9}, {"id": 2, "label_id": 0, "score": 0.8},
             {"id": 3, "label_id": 1, "score": 0.7}]  # fmt: skip
    first, second = model._segments({"segmentation": place, "segments_info": infos})
    assert (first.label, second.label) == ("cat", "cat")
    assert first.mask.tolist() == [[True, True, False], [False, False, False]]
    assert second.mask.tolist() == [[False, False, True], [False, True, True]]
