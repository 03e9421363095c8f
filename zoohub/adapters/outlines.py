"""Masks as data sets write them: outlines (polygons) and run lengths, as COCO has both.

Pixels inside an outline are those that COCO's own program takes, so that an evaluation here and one there are of
the same masks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zoohub.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.bool_]

_FINE = 5  # an outline is followed on a grid that many times finer than the pixels


def drawn(segmentation: Any, size: tuple[int, int]) -> Pixels:
    """COCO's `segmentation` as bool `(height, width)`: outlines `[[x, y, x, y, ...], ...]`, or run lengths
    `{"size": [height, width], "counts": [...] or text}`.

    Raises:
        DataError: it is neither, or its size is another.
    """
    try:
        if isinstance(segmentation, Mapping):
            return _of_size(from_runs(segmentation["counts"], tuple(segmentation["size"])), size)
        outlines = segmentation if isinstance(segmentation[0], Sequence) else [segmentation]
        return _union([_inside(outline, size) for outline in outlines])
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise DataError(
            f"{str(segmentation)[:80]} is no outline and no mask.",
            'It takes [[x, y, x, y, x, y, ...], ...] or {"size": [height, width], "counts": ...}.',
        ) from error


def _of_size(mask: Pixels, size: tuple[int, int]) -> Pixels:
    if mask.shape != size:
        raise DataError(
            f"A mask of {mask.shape[1]} x {mask.shape[0]} pixels belongs to a picture of {size[1]} x {size[0]}.",
            "Masks have the size of their pictures.",
        )
    return mask


def _union(masks: Sequence[Pixels]) -> Pixels:
    import numpy as np

    found: Pixels = np.logical_or.reduce(masks)
    return found


# --- run lengths ------------------------------------------------------------------------------------


def runs_of(mask: NDArray[Any]) -> NDArray[np.uint32]:
    """The lengths of runs of equal pixels, column by column, off-runs first: COCO's uncompressed counts."""
    import numpy as np

    flat = np.asarray(mask, bool).ravel(order="F")
    ends = np.flatnonzero(np.diff(flat, prepend=False, append=not flat[-1] if flat.size else True))
    return np.diff(ends, prepend=0).astype(np.uint32)


def from_runs(counts: Any, size: tuple[int, ...]) -> Pixels:
    """Run lengths, plain or in COCO's text, back as bool `(height, width)`."""
    import numpy as np

    lengths = np.asarray(_spelled(counts) if isinstance(counts, str | bytes) else counts, np.int64)
    if (lengths < 0).any() or lengths.sum() != size[0] * size[1]:
        raise ValueError(f"runs of {lengths.sum()} pixels in {size[0]} x {size[1]}")
    on = np.arange(len(lengths)) % 2 == 1
    return np.repeat(on, lengths).reshape(size, order="F")


def _spelled(text: str | bytes) -> list[int]:
    """COCO's text: five bits a character, and from the third on each number less the one before the last."""
    data = text.encode() if isinstance(text, str) else text
    found: list[int] = []
    value = shift = 0
    for character in data:
        bits = character - 48
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        found.append(value + (found[-2] if len(found) > 2 else 0))
        value = shift = 0
    return found


# --- outlines ---------------------------------------------------------------------------------------


def _inside(outline: Sequence[float], size: tuple[int, int]) -> Pixels:
    """The pixels inside one outline: columns change between on and off where the outline crosses them."""
    import numpy as np

    height, width = size
    corners = np.asarray(outline, float).reshape(-1, 2)
    if len(corners) < 3:
        raise ValueError("an outline has three corners or more")
    x, y = _followed((corners * _FINE + 0.5).astype(np.int64))
    moved = np.flatnonzero(np.diff(x))
    across = (np.where(x[moved + 1] < x[moved], x[moved + 1], x[moved + 1] - 1) + 0.5) / _FINE - 0.5
    down = (np.minimum(y[moved], y[moved + 1]) + 0.5) / _FINE - 0.5
    kept = (across == np.floor(across)) & (across >= 0) & (across <= width - 1)
    places = across[kept].astype(np.int64) * height + np.ceil(down[kept].clip(0, height)).astype(np.int64)
    turns = np.bincount(places, minlength=height * width)[: height * width]
    found: Pixels = (np.cumsum(turns) % 2 == 1).reshape(size, order="F")
    return found


def _followed(corners: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All points of the fine grid along the sides, one step of the longer axis each."""
    import numpy as np

    xs, ys = [], []
    for (x, y), (u, v) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        flat = abs(u - x) >= abs(v - y)
        back = x > u if flat else y > v
        a, b, c, d = (u, v, x, y) if back else (x, y, u, v)
        count = int(max(abs(u - x), abs(v - y)))
        steps = np.arange(count + 1)[:: -1 if back else 1]
        slope = ((d - b) / count if flat else (c - a) / count) if count else 0.0
        xs.append(a + steps if flat else (a + slope * steps + 0.5).astype(np.int64))
        ys.append((b + slope * steps + 0.5).astype(np.int64) if flat else b + steps)
    return np.concatenate(xs), np.concatenate(ys)
