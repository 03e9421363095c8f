"""`probe`: the frozen model's features once, then the best linear head on them, exactly.

The features are computed once and kept in `$ZOO_HOME/features`, keyed by model, data and transform, so that a
second probe on the same data reads them from disk; a pass that is stopped goes on where it was. The head is
multinomial logistic regression: convex, so it has one best solution for a given regularization, which L-BFGS
finds in seconds and validation chooses. It is folded into the model's own last layer, so that the tuned model
is an ordinary one.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoohub import settings
from zoohub.adapters.base import Model
from zoohub.adapters.data import Examples, some
from zoohub.adapters.inference import Steps, stream, with_progress
from zoohub.adapters.results import Failed
from zoohub.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

REGULARIZATIONS = (1.0, 0.3, 0.1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4)
_FLUSH = 512  # rows between two marks of how far a pass has come


@dataclass(frozen=True, slots=True)
class Head:
    """`features @ weight.T + bias`; `weight` is `(classes, d)`, `accuracy` is on validation."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    regularization: float
    accuracy: float

    def scores(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """Of each class, `(n, classes)`."""
        found: NDArray[np.float32] = features @ self.weight.T + self.bias
        return found


# --- features, once -------------------------------------------------------------------------------


def features(model: Model, examples: Examples, *, progress: bool = False) -> tuple[NDArray[Any], list[str]]:
    """The head's inputs `(n, d)`, memory-mapped; rows of unreadable inputs are NaN, and named."""
    import numpy as np

    folder = settings.home() / "features"
    key = cache_key(model, examples.inputs)
    done = folder / f"{key}.npy"
    failures = folder / f"{key}.json"
    if not done.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        _compute(model, examples.inputs, done, failures, progress)
    failed: list[str] = json.loads(failures.read_text(encoding="utf-8"))
    return np.load(done, mmap_mode="r"), failed


def _compute(model: Model, inputs: Sequence[Any], done: Path, failures: Path, progress: bool) -> None:
    """Fill `<key>.partial.npy` row by row, mark the way, and give it its name once it is whole."""
    import numpy as np

    partial, mark = done.with_suffix(".partial.npy"), done.with_suffix(".mark.json")
    start, failed = 0, []
    if partial.is_file() and mark.is_file():
        start, failed = json.loads(mark.read_text(encoding="utf-8"))
    table: Any = np.load(partial, mmap_mode="r+") if start else None
    model.expect(len(inputs) - start)
    steps = Steps(model.prepare, model.weigh, model.without_gradient(model.features))
    rows = stream(inputs[start:], steps, model.plan, strict=False)
    for place, row in enumerate(with_progress(rows, len(inputs) - start, progress, "features"), start):
        if isinstance(row, Failed):
            failed.append(row.error)
            row = None
        if table is None and row is not None:
            table = np.lib.format.open_memmap(partial, "w+", np.float32, (len(inputs), len(row)))
            table[:place] = np.nan
        if table is not None:
            table[place] = np.nan if row is None else row
        if table is not None and (place + 1) % _FLUSH == 0:
            table.flush()
            _write(mark, [place + 1, failed])
    if table is None:
        raise DataError(f"None of the {len(inputs)} inputs can be read: {some(failed)}.")
    table.flush()
    _write(failures, failed)
    partial.replace(done)
    mark.unlink(missing_ok=True)


def _write(path: Path, value: Any) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps(value), encoding="utf-8")
    new.replace(path)


def cache_key(model: Model, inputs: Iterable[Any]) -> str:
    """A digest of what the features depend on: the model's files, the inputs, and how they are read."""
    digest = hashlib.sha256()
    for part in (
        model.fingerprint(),
        repr(getattr(model, "transform", "")),
        str(getattr(model, "limit", "")),
    ):
        digest.update(part.encode() + b"\0")
    for item in inputs:
        for chunk in identity(item):
            digest.update(chunk)
        digest.update(b"\1")
    return digest.hexdigest()[:32]


def identity(item: Any, *, content: bool = False) -> Iterator[bytes]:
    """What tells one input from another: its content, or (quicker, for files) path, size and time."""
    if isinstance(item, str | os.PathLike) and os.path.isfile(item):  # noqa: PTH113 - a text may be no path at all
        stat = Path(item).stat()
        name = f"{os.path.abspath(item)}\0{stat.st_size}\0{stat.st_mtime_ns}".encode()
        yield Path(item).read_bytes() if content else name
    elif isinstance(item, str):
        yield item.encode("utf-8", "surrogatepass")
    elif isinstance(item, bytes | bytearray):
        yield bytes(item)
    elif isinstance(item, dict):
        for name, value in item.items():
            yield f"{name}\0".encode()
            yield from identity(value)
    elif isinstance(item, list | tuple):
        for value in item:
            yield from identity(value)
    elif hasattr(item, "tobytes"):
        yield str(getattr(item, "size", getattr(item, "shape", ""))).encode()
        yield item.tobytes()
    else:
        yield repr(item).encode()


# --- the head, exactly ----------------------------------------------------------------------------


def fit_head(
    x: NDArray[Any], y: NDArray[np.int64], classes: int, *, seed: int = 0, balanced: bool = False
) -> Head:
    """The best head for features `(n, d)` and class numbers `(n,)`.

    The regularization with the best validation accuracy (ties: the stronger) is chosen on a fifth set aside,
    or by five folds where there are few examples; then the head is fitted on all of them.
    """
    import numpy as np

    mean, scale = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64)
    scale[scale < 1e-6] = 1.0
    z, spread, basis = _principal(((x - mean) / scale).astype(np.float32))
    weights = _class_weights(y, classes) if balanced else np.ones(len(y), np.float32)
    best, accuracy = _choose(z, y, classes, spread, weights, _folds(y, seed))
    solution = _minimize(z, y, classes, REGULARIZATIONS[best], spread, None, weights)
    weight = ((basis @ solution[:-1]) / scale[:, None]).T
    bias = solution[-1] - weight @ mean
    return Head(weight.astype(np.float32), bias.astype(np.float32), REGULARIZATIONS[best], accuracy)


def _principal(z: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[Any], NDArray[np.float32]]:
    """`z` in its principal axes `(n, r)`, the variance along each, and the axes `(d, r)`.

    The axes make the problem easy: scaled by its variance, each is about as steep as the others
    (`_minimize`).
    """
    import numpy as np

    n, d = z.shape
    if d <= n:
        spread, basis = np.linalg.eigh(z.T @ z / n)
    else:
        spread, left = np.linalg.eigh(z @ z.T / n)
        basis = (z.T @ left) / np.sqrt(np.maximum(spread * n, 1e-9))
    kept = spread > 1e-6 * spread[-1]
    basis = np.ascontiguousarray(basis[:, kept], dtype=np.float32)
    return z @ basis, spread[kept], basis


def _choose(
    z: NDArray[np.float32], y: NDArray[np.int64], classes: int, spread: NDArray[Any],
    weights: NDArray[np.float32], folds: Sequence[tuple[NDArray[Any], NDArray[Any]]],
) -> tuple[int, float]:  # fmt: skip
    """The place in REGULARIZATIONS that validates best: from strong to weak, until two are worse."""
    starts: list[NDArray[Any] | None] = [None] * len(folds)
    best, top, worse = 0, -1.0, 0
    for i, penalty in enumerate(REGULARIZATIONS):
        right = 0.0
        for k, (train, test) in enumerate(folds):
            fitted = _minimize(z[train], y[train], classes, penalty, spread, starts[k], weights[train])
            scores = z[test] @ fitted[:-1] + fitted[-1]
            right += float(((scores.argmax(1) == y[test]) * weights[test]).sum() / weights[test].sum()) / len(
                folds
            )
            starts[k] = fitted
        if right > top:
            best, top, worse = i, right, 0
        else:
            worse += 1
        if worse == 2:
            break
    return best, top


def _class_weights(y: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """Weight of each example, such that all classes weigh the same."""
    import numpy as np

    counts = np.maximum(np.bincount(y, minlength=classes), 1)
    weights: NDArray[np.float32] = (len(y) / (classes * counts))[y].astype(np.float32)
    return weights


def _folds(y: NDArray[np.int64], seed: int) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """(train, test) places, each class in its share: one split of many examples, five of few."""
    import numpy as np

    draws = np.random.default_rng(seed)
    fold = np.empty(len(y), dtype=np.int64)
    for label in np.unique(y):
        at = draws.permutation(np.flatnonzero(y == label))
        fold[at] = (np.arange(len(at)) + draws.integers(5)) % 5
    count = 1 if len(y) >= 1000 else 5
    splits = [(np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(count)]
    return [(train, test) for train, test in splits if len(train) and len(test)]


def _minimize(
    z: NDArray[np.float32], y: NDArray[np.int64], classes: int, penalty: float, spread: NDArray[Any],
    start: NDArray[Any] | None, weights: NDArray[np.float32],
) -> NDArray[np.float64]:  # fmt: skip
    """Weights and bias `(d + 1, classes)` with the least weighted mean cross-entropy + penalty / 2 *
    |weights|^2.

    L-BFGS runs in coordinates scaled by the curvature that each axis has at most, and needs few steps there.
    """
    import numpy as np
    from scipy.optimize import minimize

    n, d = z.shape
    share = (weights / weights.sum()).astype(np.float32)
    rows = np.arange(n)
    scale = np.append(1 / np.sqrt(spread / 4 + penalty), 2.0)[:, None].astype(np.float32)

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        both = flat.reshape(d + 1, classes).astype(np.float32) * scale
        scores = z @ both[:-1] + both[-1]
        scores -= scores.max(1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(1, keepdims=True)
        value = -float((np.log(np.maximum(scores[rows, y], 1e-12)) * share).sum())
        value += penalty / 2 * float((both[:-1] ** 2).sum())
        scores[rows, y] -= 1
        scores *= share[:, None]
        gradient = np.empty_like(both)
        np.matmul(z.T, scores, out=gradient[:-1])
        gradient[:-1] += penalty * both[:-1]
        gradient[-1] = scores.sum(0)
        return value, (gradient * scale).ravel().astype(np.float64)

    first = np.zeros((d + 1, classes)) if start is None else start / scale
    options = {"maxiter": 100, "gtol": 1e-4, "ftol": 1e-6}
    found = minimize(loss, first.ravel(), jac=True, method="L-BFGS-B", options=options)
    solution: NDArray[np.float64] = found.x.reshape(d + 1, classes) * scale
    return solution


def set_head(model: Model, head: Head) -> None:
    """Write a head into the model's own last layer."""
    import torch

    layer = model.head()
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(head.weight))
        if layer.bias is None:
            layer.bias = torch.nn.Parameter(torch.zeros(len(head.bias)))
        layer.bias.copy_(torch.from_numpy(head.bias))
