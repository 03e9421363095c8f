"""The best linear head on frozen features: multinomial logistic regression, solved to the end.

Where an example may have several labels it is one logistic regression a label, all with one regularization and solved
together. The problem is convex, so it has one best solution for a given regularization; validation chooses that. L-BFGS
starts from the curvature that the loss has at most (Böhning's bound, one Cholesky factor) and then needs few
steps: a head on thousands of features takes about a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Places = NDArray[np.int64]

REGULARIZATIONS = (1.0, 0.3, 0.1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4)
ONE_SPLIT = 1000  # from so many examples on one fifth set aside says enough; of fewer each fifth has its turn
_ROUGH, _EXACT = 3e-4, 1e-6  # the relative gain of a step at which to stop: to compare strengths, to keep
_PAIRS, _STEPS = 10, 100
_SHARED = 10**9  # multiplications in a pass over the features from which on threads help more than they wait


@dataclass(frozen=True, slots=True)
class Head:
    """`features @ weight.T + bias`; `weight` is `(classes, d)`.

    `accuracy` is on validation; of several labels an example it is the macro F1 of those scored above 0.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    regularization: float
    accuracy: float

    def scores(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """Of each class, `(n, classes)`."""
        found: NDArray[np.float32] = features @ self.weight.T + self.bias
        return found


def fit_head(x: NDArray[Any], y: Places, classes: int, *, seed: int = 0, balanced: bool = False) -> Head:
    """The best head for features `(n, d)` and class numbers `(n,)`, or 0 and 1 for each class `(n, classes)` where an
    example may have several.

    The regularization with the best validation accuracy (ties: the stronger) is chosen on a fifth set aside,
    or by five folds where there are few examples; then the head is fitted on all of them.
    """
    import numpy as np

    mean, scale = x.mean(0, dtype=np.float64), x.std(0)
    scale[scale < 1e-6] = 1.0
    z, basis = ((x - mean.astype(np.float32)) / scale).astype(np.float32, copy=False), None
    if z.shape[0] < z.shape[1]:  # few examples: what is orthogonal to all of them has no weight
        basis, mixed = np.linalg.qr(z.T)
        z = np.ascontiguousarray(mixed.T)
    weights = _class_weights(y, classes) if balanced else np.ones(len(y), np.float32)
    curvature = _Curvature(z.T @ z / np.float32(len(z)))
    with _threads(z.size * classes):
        penalty, accuracy, near = _choose(z, y, classes, curvature, weights, _folds(y, seed))
        solution = _minimize(z, y, classes, penalty, curvature.root(penalty), near, weights, _EXACT)
        inner = solution[:-1] if basis is None else basis @ solution[:-1]
    weight = (inner / scale[:, None]).T
    bias = solution[-1] - weight @ mean
    return Head(np.ascontiguousarray(weight), bias.astype(np.float32), penalty, accuracy)


def _threads(size: int) -> AbstractContextManager[Any]:
    """One thread for products of that many multiplications where they are small.

    Waking and awaiting others costs more then, and many times as much while another program has a core.
    """
    import scipy.linalg  # noqa: F401 - its threads are limited only if they are there
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, "blas") if size < _SHARED else nullcontext()


def _class_weights(y: Places, classes: int) -> Floats:
    """Weight of each example, such that all classes weigh the same."""
    import numpy as np

    counts = np.maximum(np.bincount(y, minlength=classes), 1)
    weights: Floats = (len(y) / (classes * counts))[y].astype(np.float32)
    return weights


def _folds(y: Places, seed: int) -> list[tuple[Places, Places]]:
    """(train, test) places, each class in its share: one split of many examples, five of few."""
    import numpy as np

    draws = np.random.default_rng(seed)
    fold = np.empty(len(y), dtype=np.int64)
    strata = y if y.ndim == 1 else _rarest(y)
    for label in np.unique(strata):
        at = draws.permutation(np.flatnonzero(strata == label))
        fold[at] = (np.arange(len(at)) + draws.integers(5)) % 5
    count = 1 if len(y) >= ONE_SPLIT else 5
    splits = [(np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(count)]
    return [(train, test) for train, test in splits if len(train) and len(test)]


def _rarest(y: Places) -> Places:
    """Of each example its rarest label, -1 where it has none."""
    import numpy as np

    counts = y.sum(0)
    rarest = np.where(y > 0, counts, counts.max() + 1).argmin(1)
    return np.where(y.any(1), rarest, -1)


def _choose(
    z: Floats, y: Places, classes: int, curvature: _Curvature, weights: Floats,
    folds: Sequence[tuple[Places, Places]],
) -> tuple[float, float, Floats | None]:  # fmt: skip
    """The regularization that validates best, how well, and a solution: from strong to weak, until two are
    worse."""
    parts = [(z[a], y[a], weights[a], z[b], y[b], weights[b]) for a, b in folds]
    starts: list[Floats | None] = [None] * max(1, len(folds))
    best: tuple[float, float, Floats | None] = (REGULARIZATIONS[0], -1.0, None)
    worse = 0
    for penalty in REGULARIZATIONS:
        root, right = curvature.root(penalty), 0.0
        for k, (ours, known, share, theirs, wanted, count) in enumerate(parts):
            fitted = _minimize(ours, known, classes, penalty, root, starts[k], share, _ROUGH)
            right += _rightness(theirs @ fitted[:-1] + fitted[-1], wanted, count) / len(folds)
            starts[k] = fitted
        better = right > best[1]
        best = (penalty, right, starts[0]) if better else best
        worse = 0 if better else worse + 1
        if worse == 2:
            break
    return best


def _rightness(scores: Floats, y: Places, weights: Floats) -> float:
    """The weighted accuracy, or the macro F1 over the labels that occur where examples may have several."""
    import numpy as np

    if y.ndim == 1:
        hit = scores.argmax(1) == y
        return float((hit * weights).sum() / weights.sum())
    said, true = scores > 0, y > 0
    both, either = (said & true).sum(0), said.sum(0) + true.sum(0)
    return float((2 * both / np.maximum(either, 1)).sum() / max(1, (either > 0).sum()))


class _Curvature:
    """How steep the loss is at most in each direction: Z'Z / 4n + penalty, and 1/4 for the bias.

    It only says in which coordinates to search, so one serves two neighboring strengths.
    """

    def __init__(self, gram: Floats) -> None:
        self.gram = gram
        self.roots: dict[int, Floats] = {}

    def root(self, penalty: float) -> Floats:
        """The inverse of the Cholesky factor, `(d, d)`: a step against the curvature is two products."""
        place = REGULARIZATIONS.index(penalty) // 2
        if place not in self.roots:
            self.roots[place] = self._factor(REGULARIZATIONS[2 * place])
        return self.roots[place]

    def _factor(self, penalty: float) -> Floats:
        import numpy as np
        from scipy.linalg.lapack import strtri

        steep = self.gram / 4
        steep[np.diag_indices_from(steep)] += max(penalty, 1e-4 * float(np.trace(steep)) / len(steep))
        return np.ascontiguousarray(strtri(np.linalg.cholesky(steep), lower=1)[0])


def _against(root: Floats, gradient: Floats) -> Floats:
    """The step that the curvature asks for."""
    import numpy as np

    return np.vstack([root.T @ (root @ gradient[:-1]), 4 * gradient[-1:]])


def _minimize(
    z: Floats, y: Places, classes: int, penalty: float, root: Floats, start: Floats | None, weights: Floats,
    enough: float,
) -> Floats:  # fmt: skip
    """Weights and bias `(d + 1, classes)` with the least weighted mean cross-entropy + penalty / 2 *
    |weights|^2, by L-BFGS; it ends when a step gains less than the share `enough`."""
    import numpy as np

    share = (weights / weights.sum()).astype(np.float32)
    entropy = _of_one if y.ndim == 1 else _of_each

    def loss(both: Floats) -> tuple[float, Floats]:
        scores = z @ both[:-1] + both[-1]
        value = entropy(scores, y, share) + penalty / 2 * float((both[:-1] ** 2).sum())
        return value, np.vstack([z.T @ scores + np.float32(penalty) * both[:-1], scores.sum(0)])

    at = np.zeros((z.shape[1] + 1, classes), np.float32) if start is None else start
    value, gradient = loss(at)
    pairs: list[tuple[Floats, Floats]] = []
    for _ in range(_STEPS):
        step = -_direction(gradient, pairs, root)
        slope, length = _dot(step, gradient), 1.0
        while True:
            new = at + np.float32(length) * step
            found, steeper = loss(new)
            if found <= value + 1e-4 * length * slope or length < 1e-3:
                break
            length /= 2
        gained = value - found
        if gained <= 0:
            break
        pairs = [*pairs[-_PAIRS + 1 :], (new - at, steeper - gradient)]
        at, value, gradient = new, found, steeper
        if gained <= enough * value:
            break
    return at


def _of_one(scores: Floats, y: Places, share: Floats) -> float:
    """The cross-entropy of the one class of each example; `scores` become its slope."""
    import numpy as np

    rows = np.arange(len(scores))
    scores -= scores.max(1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(1, keepdims=True)
    value = -float((np.log(np.maximum(scores[rows, y], 1e-12)) * share).sum())
    scores[rows, y] -= 1
    scores *= share[:, None]
    return value


def _of_each(scores: Floats, y: Places, share: Floats) -> float:
    """The sum of the cross-entropies of all labels, each there or not; `scores` become its slope."""
    import numpy as np

    value = float(((np.logaddexp(0, scores) - y * scores).sum(1) * share).sum())
    scores *= 0.5
    np.tanh(scores, out=scores)  # 1 / (1 + exp(-s)) = (1 + tanh(s / 2)) / 2, without overflow
    scores += 1
    scores *= 0.5
    scores -= y
    scores *= share[:, None]
    return value


def _direction(gradient: Floats, pairs: Sequence[tuple[Floats, Floats]], root: Floats) -> Floats:
    """L-BFGS's two loops: the gradient seen through the curvature and what the last steps taught of it."""
    import numpy as np

    direction, shares = gradient.copy(), []
    for moved, bent in reversed(pairs):
        shares.append(np.float32(_dot(moved, direction) / _dot(moved, bent)))
        direction -= shares[-1] * bent
    direction = _against(root, direction)
    if pairs:
        moved, bent = pairs[-1]
        direction *= np.float32(_dot(moved, bent) / _dot(bent, _against(root, bent)))
    for (moved, bent), share in zip(pairs, reversed(shares), strict=True):
        direction += np.float32(share - _dot(bent, direction) / _dot(moved, bent)) * moved
    return direction


def _dot(a: Floats, b: Floats) -> float:
    import numpy as np

    return float(np.vdot(a, b))
