"""Pictures come out as the model's own library makes them: same pixels, whatever the size given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")
from PIL import Image  # noqa: E402

from zoohub.adapters.images import Transform  # noqa: E402

pytestmark = pytest.mark.models

SIZES = ((300, 211), (97, 401), (224, 224), (480, 641), (61, 60))


def picture(height: int, width: int) -> Image.Image:
    """Waves and noise: a shift of half a pixel shows."""
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / 3), np.cos(y / 4), np.sin((x + y) / 5)], -1) * 100 + 128
    noise = np.random.default_rng(height).normal(0, 20, waves.shape)
    return Image.fromarray((waves + noise).clip(0, 255).astype(np.uint8))


def assert_same(found: Any, wanted: Any, std: float) -> None:
    """Up to rounding: half a pixel of shift in this picture is 5 steps in the mean."""
    steps = (found - wanted).abs() * 255 * std
    assert float(steps.mean()) < 0.5
    assert float(steps.max()) <= 8


def processor(**settings: Any) -> Any:
    from transformers import ViTImageProcessor

    return ViTImageProcessor(**settings)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("resample", [2, 3])
@pytest.mark.parametrize("crop", [224, 223])
def test_pixels_are_those_of_transformers(size: tuple[int, int], resample: int, crop: int) -> None:
    own = processor(
        size={"shortest_edge": 256},
        do_center_crop=True,
        crop_size={"height": crop, "width": crop},
        resample=resample,
    )
    ours = Transform.from_transformers(own)
    assert ours is not None
    given = picture(*size)
    theirs = own(images=given, return_tensors="pt")["pixel_values"]
    found = ours.batch([ours.read(given)], "cpu", torch.float32)
    assert_same(found, theirs, 0.5)


@pytest.mark.parametrize("size", SIZES)
def test_pixels_are_those_of_timm(size: tuple[int, int]) -> None:
    from timm.data import create_transform

    settings: dict[str, Any] = {"input_size": (3, 224, 224), "crop_pct": 0.875, "interpolation": "bicubic"}
    theirs = create_transform(**settings, is_training=False)
    ours = Transform.from_timm(settings)
    given = picture(*size)
    found = ours.batch([ours.read(given)], "cpu", torch.float32)[0]
    assert_same(found, theirs(given), 0.224)


@pytest.mark.parametrize(
    "weights", ["MobileNet_V2_Weights.IMAGENET1K_V2", "EfficientNet_V2_L_Weights.IMAGENET1K_V1"]
)
def test_pixels_are_those_of_torchvision(weights: str) -> None:
    import torchvision

    theirs = torchvision.models.get_weight(weights).transforms()
    settings = {"crop_size": theirs.crop_size[0], "resize_size": theirs.resize_size[0], "mean": theirs.mean,
                "std": theirs.std, "interpolation": theirs.interpolation.value}  # fmt: skip
    ours = Transform.from_torchvision({"transforms": settings})
    given = picture(517, 611)
    assert_same(ours.batch([ours.read(given)], "cpu", torch.float32)[0], theirs(given), min(theirs.std))


def test_a_processor_that_does_more_is_used_itself() -> None:
    from transformers import EfficientNetImageProcessor

    more = EfficientNetImageProcessor(size={"height": 64, "width": 64}, rescale_offset=True)
    assert Transform.from_transformers(more) is None


def test_a_large_jpeg_is_decoded_smaller_and_looks_the_same(tmp_path: Path) -> None:
    y, x = np.mgrid[:1801, :2403]
    smooth = np.stack([np.sin(x / 90), np.cos(y / 70), np.sin((x + y) / 80)], -1) * 100 + 128
    Image.fromarray(smooth.astype(np.uint8)).save(tmp_path / "a.jpg", quality=92)
    ours = Transform.from_timm({})
    small, whole = ours.read(tmp_path / "a.jpg"), ours.read(Image.open(tmp_path / "a.jpg").convert("RGB"))
    assert np.abs(small.astype(int) - whole.astype(int)).max() <= 3
