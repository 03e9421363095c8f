"""Pictures: read one from whatever holds it, and bring it to the size and scale that a model wants."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoohub.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from PIL.Image import Image

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm"})
MAX_PIXELS = 178_956_970  # what Pillow holds for a decompression bomb
_ORIENTATION = 0x0112  # the tag that says how a picture is to be turned
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def read_image(item: Any, at_least: int | None = None) -> Image:
    """An RGB picture, upright, from a path, bytes, a Pillow image, an array `(h, w[, 3|4])` or a `datasets`
    cell.

    `at_least` allows a JPEG to be decoded smaller, its sides no shorter than that many pixels: much faster
    for photos.

    Raises:
        InputError: there is no picture; the message names the file.
    """
    from PIL import Image, ImageOps

    if isinstance(item, Mapping):
        item = item.get("image", item.get("bytes") or item.get("path"))
    name = str(item)[:200] if isinstance(item, str | os.PathLike) else f"the given {type(item).__name__}"
    try:
        picture = _opened(item)
        if picture.width * picture.height > MAX_PIXELS:
            raise InputError(f"{name}: {picture.width} x {picture.height} pixels are too many.")
        if at_least and picture.format == "JPEG":
            picture.draft("RGB", (at_least, at_least))
        return ImageOps.exif_transpose(picture).convert("RGB")
    except FileNotFoundError as error:
        raise InputError(f"{name}: no such file.") from error
    except (OSError, ValueError, SyntaxError, TypeError, Image.DecompressionBombError) as error:
        raise InputError(f"{name} is no image that can be read ({_reason(error)}).") from error


def size_of(item: Any) -> tuple[int, int]:
    """(height, width) of the upright picture; from its header alone where that says it.

    Raises:
        InputError: there is no picture.
    """
    from PIL import Image

    if isinstance(item, str | os.PathLike):
        try:
            with Image.open(os.fspath(item)) as picture:
                turned = picture.getexif().get(_ORIENTATION, 1) >= 5
                height, width = picture.height, picture.width
                return (width, height) if turned else (height, width)
        except (OSError, ValueError, SyntaxError):
            pass  # read_image says what is wrong
    whole = read_image(item)
    return whole.height, whole.width


def _opened(item: Any) -> Image:
    from PIL import Image

    if isinstance(item, Image.Image):
        return item
    if isinstance(item, bytes | bytearray):
        return Image.open(io.BytesIO(item))
    if isinstance(item, str | os.PathLike):
        return Image.open(os.fspath(item))
    return Image.fromarray(_as_uint8(item))


def _as_uint8(array: Any) -> NDArray[np.uint8]:
    import numpy as np

    values = np.asarray(array)
    if values.ndim not in (2, 3):
        raise InputError(f"An array of shape {values.shape} is no image; (h, w) or (h, w, 3) is.")
    if values.dtype.kind == "f" and values.size and values.max() <= 1.0:
        values = values * 255
    return values.clip(0, 255).astype(np.uint8)


def _reason(error: Exception) -> str:
    return (
        "unknown or damaged format" if type(error).__name__ == "UnidentifiedImageError" else str(error)[:120]
    )


def image_files(folder: Path) -> list[Path]:
    """All picture files under a folder, sorted; hidden ones are left out."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return sorted(path for path in found if not path.name.startswith(".") and path.is_file())


@dataclass(frozen=True, slots=True)
class Transform:
    """Shorter side (or both sides) to `resize`, the middle `crop` of it, then `(x / 255 - mean) / std`.

    Sizes are (height, width); a single number in `resize` is the shorter side. Where the middle lies between two
    pixels, torchvision (and timm) take the nearest even one, transformers the one before (`rounds` off).
    """

    resize: int | tuple[int, int]
    crop: tuple[int, int]
    interpolation: str = "bilinear"
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    rounds: bool = True

    def read(self, item: Any) -> NDArray[np.uint8]:
        """One picture as uint8 `(height, width, 3)`: scaled and cropped in one pass, not yet normalized."""
        import numpy as np
        from PIL import Image

        wanted = self.resize if isinstance(self.resize, int) else max(self.resize)
        picture = read_image(item, at_least=2 * wanted)
        method = Image.Resampling[self.interpolation.upper()]
        height, width = self.crop
        small = picture.resize((width, height), method, box=self._box(picture.width, picture.height))
        return np.asarray(small)

    def _box(self, width: int, height: int) -> tuple[float, float, float, float]:
        """The part of the picture that is left after resizing and cropping, in its own pixels.

        Resized sides and offsets are whole numbers, as the libraries have them: half a pixel changes answers.
        """
        new_width, new_height = self._resized(width, height)
        left, right = self._kept(width, new_width, self.crop[1])
        top, bottom = self._kept(height, new_height, self.crop[0])
        return left, top, right, bottom

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        if not isinstance(self.resize, int):
            return self.resize[1], self.resize[0]
        longer = int(self.resize * max(width, height) / min(width, height))
        return (self.resize, longer) if width <= height else (longer, self.resize)

    def _kept(self, side: int, resized: int, crop: int) -> tuple[float, float]:
        room = max(0, resized - crop)
        first = round(room / 2) if self.rounds else room // 2
        return first * side / resized, min(first + crop, resized) * side / resized

    def batch(self, pixels: Sequence[NDArray[np.uint8]], device: str, dtype: torch.dtype) -> torch.Tensor:
        """Normalized `(n, 3, height, width)` in channels-last order, faster for convolutions."""
        import numpy as np
        import torch

        values = torch.from_numpy(np.stack(pixels)).to(device).permute(0, 3, 1, 2).to(torch.float32)
        mean = torch.tensor(self.mean, device=device).view(1, -1, 1, 1) * 255
        std = torch.tensor(self.std, device=device).view(1, -1, 1, 1) * 255
        return values.sub_(mean).div_(std).to(dtype)

    @classmethod
    def from_timm(cls, config: Mapping[str, Any]) -> Transform:
        """From the keys of a timm `pretrained_cfg`."""
        _, height, width = config.get("input_size") or (3, 224, 224)
        share = config.get("crop_pct") or 0.875
        shorter = int(height / share)
        squash = config.get("crop_mode") == "squash"
        return cls(
            resize=(shorter, int(width / share)) if squash or height != width else shorter,
            crop=(height, width),
            interpolation=_interpolation(config.get("interpolation", "bilinear")),
            mean=tuple(config.get("mean") or IMAGENET_MEAN),
            std=tuple(config.get("std") or IMAGENET_STD),
        )

    @classmethod
    def from_torchvision(cls, config: Mapping[str, Any]) -> Transform:
        """From `transforms`, the settings of torchvision's own preset; without them from timm's keys."""
        preset = config.get("transforms")
        if not preset:
            return cls.from_timm(config)
        crop = int(preset.get("crop_size") or 224)
        return cls(
            resize=int(preset.get("resize_size") or 256),
            crop=(crop, crop),
            interpolation=_interpolation(preset.get("interpolation", "bilinear")),
            mean=tuple(preset.get("mean") or IMAGENET_MEAN),
            std=tuple(preset.get("std") or IMAGENET_STD),
        )

    @classmethod
    def from_transformers(cls, processor: Any) -> Transform | None:
        """What an image processor does; None where that is more than resize, crop and normalize.

        Processors may do more than their settings say, so both are tried on one picture.
        """
        found = cls._said(processor.to_dict())
        return found if found and found._agrees(processor) else None

    def _agrees(self, processor: Any) -> bool:
        """Whether the processor gives the same pixels, up to what Pillow and torchvision round differently: single
        pixels by a few of 255 steps, all together by less than half of one.
        """
        import numpy as np
        import torch

        noise = np.random.default_rng(0).integers(0, 256, (61, 87, 3), dtype=np.uint8)
        try:
            theirs = torch.as_tensor(processor(images=noise, return_tensors="pt")["pixel_values"][0])
        except (ValueError, TypeError, KeyError):
            return False
        ours = self.batch([self.read(noise)], "cpu", torch.float32)[0]
        if ours.shape != theirs.shape:
            return False
        steps = (ours - theirs).abs() * 255 * min(self.std)
        return float(steps.mean()) <= 0.5 and float(steps.max()) <= 8

    @classmethod
    def _said(cls, values: Mapping[str, Any]) -> Transform | None:
        known = {"do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb"}
        extra = [key for key, value in values.items() if key.startswith("do_") and value and key not in known]
        resize, crop = _resize(values.get("size") or {}), _sides(values.get("crop_size") or {})
        if not values.get("do_center_crop"):
            crop = resize if isinstance(resize, tuple) else None
        scaled = values.get("do_resize", True) and values.get("do_rescale", True)
        factor = float(values.get("rescale_factor") or 1 / 255)
        if extra or not scaled or resize is None or crop is None or abs(factor * 255 - 1) > 1e-6:
            return None
        mean, std = values.get("image_mean"), values.get("image_std")
        if not values.get("do_normalize", True) or mean is None or std is None:
            mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        return cls(resize, crop, _resample(values.get("resample")), tuple(mean), tuple(std), rounds=False)


def _resize(size: Mapping[str, Any]) -> int | tuple[int, int] | None:
    shortest = size.get("shortest_edge")
    alone = len({key for key, value in size.items() if value is not None}) == 1
    return int(shortest) if shortest and alone else _sides(size)


def _sides(size: Mapping[str, Any]) -> tuple[int, int] | None:
    height, width = size.get("height"), size.get("width")
    return (int(height), int(width)) if height and width else None


def _interpolation(name: str) -> str:
    return name if name in {"nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"} else "bicubic"


def _resample(value: Any) -> str:
    from PIL import Image

    return Image.Resampling(2 if value is None else int(value)).name.lower()
