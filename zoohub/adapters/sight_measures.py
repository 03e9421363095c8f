"""What boxes, masks and depths are measured by. Average precision follows COCO's own, all areas together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoohub.adapters.metrics import Metric, Sums, ratio_of
from zoohub.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from zoohub.adapters.targets import Box, Thing

MOST = 100  # boxes of one class in one picture that are looked at, as COCO does
EVERYWHERE = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))

Measured = Mapping[str, Metric]


# --- boxes ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Class:
    """All boxes found of one class, the surest first: whose picture, and which overlaps they are right at.

    `hits` is bool `(overlaps, boxes)`; `true` how many boxes each picture really has `(pictures,)`.
    """

    owners: NDArray[np.int64]
    hits: NDArray[np.bool_]
    true: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AveragePrecision:
    """Mean over classes and overlaps of the precision at 101 steps of recall."""

    classes: Sequence[_Class]
    n: int

    def __len__(self) -> int:
        return self.n

    def of(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """For each row of picture weights `(r, n)`; classes that do not occur in a row are left out of its mean."""
        import numpy as np

        total, count = np.zeros(len(weights)), np.zeros(len(weights))
        for each in self.classes:
            there = weights @ each.true
            found = [_precision(hit, weights[:, each.owners], there) for hit in each.hits]
            total += np.where(there > 0, np.mean(found, axis=0), 0.0)
            count += there > 0
        return np.where(count > 0, total / np.maximum(count, 1), 0.0)


def _precision(hit: NDArray[np.bool_], weights: NDArray[np.float64], there: NDArray[np.float64]) -> Any:
    """Boxes in order, `hit` `(d,)` with weights `(r, d)`, of `there` `(r,)` true ones -> average precision `(r,)`."""
    import numpy as np

    if not hit.size:
        return np.zeros(len(weights))
    right, all_so_far = np.cumsum(weights * hit, 1), np.cumsum(weights, 1)
    precision = right / np.maximum(all_so_far, np.spacing(1))
    envelope = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    recall = right / np.maximum(there, 1)[:, None]
    reached = np.searchsorted(np.linspace(0, 1, 101), recall, side="right")  # steps of recall up to each box
    steps = np.diff(reached, axis=1, prepend=0)
    return (envelope * steps).sum(1) / 101


def boxes(targets: Sequence[Sequence[Box]], results: Sequence[Any], _: Sequence[str]) -> Measured:
    """mAP over the overlaps 0.5, 0.55 ... 0.95 (COCO's), and at 0.5 and 0.75."""
    return _average_precisions(targets, results, _box_overlaps)


def things(
    targets: Sequence[Sequence[Thing]], results: Sequence[Sequence[Thing]], _: Sequence[str]
) -> Measured:
    """As `boxes`; overlaps are those of masks."""
    return _average_precisions(targets, results, _mask_overlaps)


def _average_precisions(
    targets: Sequence[Sequence[Any]],
    results: Sequence[Any],
    overlap: Callable[[Any, Any], NDArray[np.float64]],
) -> Measured:
    kinds = sorted({thing.label for target in targets for thing in target})
    matched = {kind: _matched(kind, targets, results, overlap) for kind in kinds}

    def at(places: slice) -> AveragePrecision:
        chosen = [_Class(each.owners, each.hits[places], each.true) for each in matched.values()]
        return AveragePrecision(chosen, len(targets))

    return {"mAP": at(slice(None)), "mAP@50": at(slice(0, 1)), "mAP@75": at(slice(5, 6))}


def _matched(
    kind: str, targets: Sequence[Sequence[Any]], results: Sequence[Any],
    overlap: Callable[[Any, Any], NDArray[np.float64]],
) -> _Class:  # fmt: skip
    import numpy as np

    owners, scores, hits = [], [], []
    for picture, (target, result) in enumerate(zip(targets, results, strict=True)):
        true = [thing for thing in target if thing.label == kind]
        found = sorted((thing for thing in result if thing.label == kind), key=lambda thing: -thing.score)[
            :MOST
        ]
        hits.append(_hits(overlap(found, true)))
        owners += [picture] * len(found)
        scores += [thing.score for thing in found]
    order = np.argsort(-np.asarray(scores, float), kind="stable")
    true_counts = np.asarray([sum(thing.label == kind for thing in target) for target in targets], float)
    return _Class(np.asarray(owners, np.int64)[order], np.concatenate(hits, 1)[:, order], true_counts)


def _box_overlaps(found: Sequence[Any], true: Sequence[Any]) -> NDArray[np.float64]:
    import numpy as np

    a, b = (np.asarray([thing.box for thing in each], float).reshape(-1, 4) for each in (found, true))
    return overlaps(a, b)


def _mask_overlaps(found: Sequence[Thing], true: Sequence[Thing]) -> NDArray[np.float64]:
    """Intersection over union of the masks of things of one picture: `(found, true)`."""
    import numpy as np

    if not found or not true:
        return np.zeros((len(found), len(true)))
    a, b = (np.stack([thing.mask.ravel() for thing in each]).astype(np.float32) for each in (found, true))
    shared = (a @ b.T).astype(np.float64)  # exact: a picture has fewer pixels than float32 counts
    union = a.sum(1, dtype=np.float64)[:, None] + b.sum(1, dtype=np.float64)[None, :] - shared
    table: NDArray[np.float64] = shared / np.maximum(union, 1)
    return table


def overlaps(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Intersection over union of boxes `(n, 4)` and `(m, 4)` -> `(n, m)`."""
    import numpy as np

    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(-1)
    sizes = [np.clip(each[:, 2:] - each[:, :2], 0, None).prod(-1) for each in (a, b)]
    union = sizes[0][:, None] + sizes[1][None, :] - shared
    table: NDArray[np.float64] = shared / np.maximum(union, np.spacing(1))
    return table


def _hits(table: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each found box, the surest first, gets a true one that no surer box has: `(overlaps, found)`."""
    import numpy as np

    hits = np.zeros((len(EVERYWHERE), table.shape[0]), bool)
    if not table.size:
        return hits
    for row, least in zip(hits, EVERYWHERE, strict=True):
        free = np.ones(table.shape[1], bool)
        for place, shares in enumerate(table):
            best = int(np.where(free, shares, -1.0).argmax())
            if free[best] and shares[best] >= least:
                row[place], free[best] = True, False
    return hits


def segments(targets: Sequence[Any], results: Sequence[Any], names: Sequence[str]) -> Measured:
    """Of single things average precision, of classes of pixels mIoU; the targets say which."""
    return (things if isinstance(targets[0], list) else masks)(targets, results, names)


# --- pixels -----------------------------------------------------------------------------------------


def masks(targets: Sequence[NDArray[Any]], results: Sequence[Any], names: Sequence[str]) -> Measured:
    """Mean intersection over union of the classes that occur, and the share of right pixels.

    A target is the number of each pixel's class `(height, width)`; numbers that name no class are not counted.
    """
    import numpy as np

    size = len(names)
    place = {name: i for i, name in enumerate(names)}
    rows = np.zeros((len(targets), 3 * size))
    for row, target, result in zip(rows, targets, results, strict=True):
        given = np.full(target.shape, size, np.int64)
        require_shape(target, *(mask.mask for mask in result))
        for mask in result:
            given[mask.mask] = place[mask.label]
        counted = (target >= 0) & (target < size)
        true, said = target[counted].astype(np.int64), given[counted]
        row[:size] = np.bincount(true[true == said], minlength=size)[:size]
        row[size : 2 * size] = np.bincount(said, minlength=size + 1)[:size]
        row[2 * size :] = np.bincount(true, minlength=size)[:size]

    def value(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        shared, said, there = np.split(sums, 3, axis=-1)
        union = said + there - shared
        share = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
        return np.asarray(share.sum(-1) / np.maximum((union > 0).sum(-1), 1))

    return {"mIoU": Sums(rows, value), "pixel accuracy": ratio_of(*_right_of_all(rows, size))}


def _right_of_all(rows: NDArray[np.float64], size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return rows[:, :size].sum(1), rows[:, 2 * size :].sum(1)


def depths(targets: Sequence[NDArray[Any]], results: Sequence[Any], _: Sequence[str]) -> Measured:
    """AbsRel, RMSE and the share within a quarter (delta1), over all pixels whose true depth is above 0.

    Depths are compared as they are: in the unit of the data, or brought to it by `aligned`.
    """
    import numpy as np

    rows = []
    for target, result in zip(targets, results, strict=True):
        require_shape(target, result.depth)
        there = target > 0
        true, given = target[there].astype(float), result.depth[there].astype(float)
        ratio = np.maximum(given / true, true / np.maximum(given, 1e-9))
        off = np.abs(given - true)
        rows.append((float((off / true).sum()), float((off**2).sum()), int((ratio < 1.25).sum()), true.size))
    relative, square, near, count = np.asarray(rows, float).T
    mean_square = ratio_of(square, count)
    return {
        "AbsRel": ratio_of(relative, count),
        "RMSE": Sums(mean_square.rows, lambda sums: np.sqrt(mean_square.value(sums))),
        "delta1": ratio_of(near, count),
    }


ALIGNMENTS = ("disparity", "affine", "scale")


def aligned(depth: NDArray[Any], true: NDArray[Any], way: str) -> NDArray[np.float32]:
    """A picture's relative depth in the unit of the true depth, fitted where that is above 0.

    `way`: "disparity" (`depth` is inverse depth of unknown scale and shift, as MiDaS defines it; what comes out farther
    than the deepest true pixel counts as that far), "affine" (scale and shift of depth), "scale" (ratio of medians).

    Raises:
        DataError: the picture and its true depth differ in size.
    """
    import numpy as np

    require_shape(true, depth)
    there = true > 0
    if not there.any():
        return np.asarray(depth, np.float32)
    known, given = true[there].astype(float), depth[there].astype(float)
    if way == "scale":
        middle = float(np.median(given))
        return np.asarray(depth * (np.median(known) / middle if middle else 1.0), np.float32)
    wanted = 1 / known if way == "disparity" else known
    scale, shift = np.linalg.lstsq(np.stack([given, np.ones_like(given)], 1), wanted, rcond=None)[0]
    fitted = depth.astype(float) * scale + shift
    return np.asarray(1 / np.maximum(fitted, 1 / known.max()) if way == "disparity" else fitted, np.float32)


def require_shape(target: NDArray[Any], *given: NDArray[Any]) -> None:
    """Refuse a mask or a depth map that has not its picture's size.

    Raises:
        DataError: it has not.
    """
    if other := next((each.shape for each in given if each.shape != target.shape), None):
        raise DataError(
            f"A mask or depth map is {target.shape[1]} x {target.shape[0]}, its picture {other[1]} x {other[0]}.",
            "Bring both to one size.",
        )


MEASURES: Mapping[str, Callable[[Sequence[Any], Sequence[Any], Sequence[str]], Measured]] = {
    "object-detection": boxes,
    "zero-shot-object-detection": boxes,
    "image-segmentation": segments,
    "depth-estimation": depths,
}
