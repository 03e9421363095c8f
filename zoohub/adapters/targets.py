"""What data sets say of a picture - boxes, things, a mask, a depth map - in the one form that training and metrics
take."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from zoohub.adapters import outlines
from zoohub.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Box(NamedTuple):
    """A true box: `box` is (left, top, right, bottom) in pixels."""

    label: str
    box: tuple[float, float, float, float]


class Thing(NamedTuple):
    """A true or found thing: the run lengths of its mask (see `outlines`), the size (height, width) of the picture, and
    how sure it is (true ones: 1). Runs, since the masks of all pictures together are far too large to hold.
    """

    label: str
    runs: NDArray[np.uint32]
    size: tuple[int, int]
    score: float = 1.0

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Its pixels, bool `(height, width)`."""
        return outlines.from_runs(self.runs, self.size)


_LABELS = ("label", "category", "labels", "categories", "class", "category_id", "name")


def boxes_of(target: Any, names: Sequence[str] = ()) -> list[Box]:
    """The boxes of one picture.

    Either a dict of lists, `{"bbox": [[x, y, width, height], ...], "category": [...]}` as COCO and the Hub's data sets
    have them, or a list of dicts, one a thing. The key `bbox` holds (x, y, width, height), `box` and `boxes` hold
    (left, top, right, bottom). A label is a name, or a number: its place in `names`.

    Raises:
        DataError: it is none of these; the message says what it needs.
    """
    if isinstance(target, Mapping):
        return _from_columns(target, names)
    if not isinstance(target, Sequence) or isinstance(target, str):
        raise _strange(target)
    return [_from_row(row, names) for row in target]


def _from_columns(target: Mapping[str, Any], names: Sequence[str]) -> list[Box]:
    key = next((key for key in ("bbox", "bboxes", "box", "boxes") if key in target), None)
    label = next((key for key in _LABELS if key in target), None)
    if key is None or label is None or len(target[key]) != len(target[label]):
        raise _strange(target)
    return [
        Box(_label(name, names), _corners(box, key))
        for box, name in zip(target[key], target[label], strict=True)
    ]


def _from_row(row: Any, names: Sequence[str]) -> Box:
    if isinstance(row, Box):
        return row
    if not isinstance(row, Mapping) and hasattr(row, "box") and hasattr(row, "label"):
        return Box(str(row.label), tuple(row.box))
    key = next((key for key in ("bbox", "box") if isinstance(row, Mapping) and key in row), None)
    label = next((key for key in _LABELS if isinstance(row, Mapping) and key in row), None)
    if key is None or label is None:
        raise _strange(row)
    return Box(_label(row[label], names), _corners(row[key], key))


def _label(name: Any, names: Sequence[str]) -> str:
    number = isinstance(name, int) and not isinstance(name, bool)
    return names[name] if number and 0 <= name < len(names) else str(name)


def _corners(box: Any, key: str) -> tuple[float, float, float, float]:
    try:
        a, b, c, d = (float(value) for value in (box.values() if isinstance(box, Mapping) else box))
    except (TypeError, ValueError) as error:
        raise _strange(box) from error
    return (a, b, a + c, b + d) if key.startswith("bbox") else (a, b, c, d)


def _strange(value: Any) -> DataError:
    return DataError(
        f"{str(value)[:120]} does not say where things are.",
        'It takes {"bbox": [[x, y, width, height], ...], "category": [...]}, or a list of '
        '{"box": [left, top, right, bottom], "label": ...}.',
    )


_OUTLINES = ("segmentation", "polygons", "rle")


def are_things(target: Any) -> bool:
    """Whether a target of segmentation is a list of things, not a map of classes."""
    return isinstance(target, Sequence) and not isinstance(target, str | bytes)


def things_of(target: Any, size: tuple[int, int], names: Sequence[str] = ()) -> list[Thing]:
    """The things of one picture of `size` (height, width): a list of dicts, one a thing, with its label and either
    `segmentation` (outlines or run lengths, as COCO has them) or `mask` (what `grid_of` takes; 0 is outside).

    Raises:
        DataError: it is nothing of that kind, or a mask has another size than the picture.
    """
    if not are_things(target):
        raise _no_thing(target)
    return [thing if isinstance(thing, Thing) else _thing(thing, size, names) for thing in target]


def _thing(row: Any, size: tuple[int, int], names: Sequence[str]) -> Thing:
    if not isinstance(row, Mapping):
        raise _no_thing(row)
    label = next((row[key] for key in _LABELS if key in row), None)
    outline = next((row[key] for key in _OUTLINES if row.get(key) is not None), None)
    if label is None or (outline is None and row.get("mask") is None):
        raise _no_thing(row)
    mask = grid_of(row["mask"]).astype(bool) if outline is None else outlines.drawn(outline, size)
    if mask.shape != size:
        raise DataError(
            f"A picture of {size[1]} x {size[0]} pixels has a mask of {mask.shape[1]} x {mask.shape[0]}.",
            "Masks have the size of their pictures.",
        )
    return Thing(_label(label, names), outlines.runs_of(mask), size)


def _no_thing(value: Any) -> DataError:
    return DataError(
        f"{str(value)[:120]} does not say what the outline of a thing is.",
        'It takes a list of {"segmentation": [[x, y, x, y, ...], ...], "category": ...}, as COCO\'s json has them, or '
        'of {"mask": ..., "label": ...}.',
    )


def grid_of(target: Any) -> NDArray[np.generic]:
    """A mask or a depth map as an array `(height, width)`: from an array, a picture, bytes, or a path to a picture
    or an .npy file. Numbers are as they stand: a palette picture gives its indices.

    Raises:
        DataError: it is nothing of that kind.
    """
    import numpy as np
    from PIL import Image

    if are_things(target) and target and isinstance(target[0], Mapping):
        raise DataError(
            "The data hold single things, the model tells classes of pixels apart.",
            "Give a mask a picture, or a model of things (Mask2Former, MaskFormer, DETR with masks).",
        )
    if isinstance(target, Mapping):
        target = target.get("bytes") or target.get("path")
    try:
        if isinstance(target, bytes):
            import io

            target = Image.open(io.BytesIO(target))
        elif isinstance(target, str | os.PathLike):
            path = Path(target)
            target = np.load(path, allow_pickle=False) if path.suffix == ".npy" else Image.open(path)
        values = np.asarray(target)
    except (OSError, ValueError) as error:
        raise DataError(f"{str(target)[:200]} is no picture that can be read.") from error
    if values.ndim != 2 or values.dtype.kind not in "buif":
        raise DataError(
            f"A mask or depth map of shape {values.shape} has not one number a pixel.",
            "Give a picture of one channel.",
        )
    return values
