"""An estimate of label noise: labels that a plain classifier, which never saw them, confidently contradicts.

In the spirit of confident learning (Northcutt et al. 2021), on plain features (plainfeatures.py): a label is
contradicted confidently where another class leads it by more than the median lead of labels that are agreed with. Of
wrong labels about half are, hence the factor of two. The classifier's own mistakes are among them: clean data is not at
zero, and a classifier that agrees with too few labels says nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Input = TypeVar("Input")

MOST = 2000  # samples that are looked at
FEWEST = 100
PER_CLASS = 10
FOLDS = 5
STRENGTH = 3.0
AGREED = 0.6  # of the labels that the classifier must agree with, else it is no judge of them


def suspects(
    inputs: Sequence[Input], labels: Sequence[str], features: Callable[[Input], Array], most: int = MOST
) -> float | None:
    """The share of labels that look wrong by the `features` of the inputs; None where that cannot be said: too
    few samples or classes, or features that do not tell the classes apart. Inputs that cannot be read are left out."""
    picked = np.random.default_rng(0).permutation(len(inputs))[:most]
    counts = Counter(labels[i] for i in picked)
    if len(picked) < FEWEST or len(counts) < 2 or min(counts.values()) < PER_CLASS:
        return None
    rows, given = [], []
    for i in picked:
        try:
            rows.append(features(inputs[i]))
        except (OSError, ValueError, RuntimeError, SyntaxError):
            continue
        given.append(labels[i])
    if len(rows) < FEWEST:
        return None
    return _contradicted(np.stack(rows), np.unique(given, return_inverse=True)[1])


def _contradicted(features: Array, given: NDArray[np.intp]) -> float | None:
    scores = _out_of_fold(features, np.eye(int(given.max()) + 1)[given])
    rows = np.arange(len(given))
    own = scores[rows, given]
    others = scores.copy()
    others[rows, given] = -np.inf
    lead = own - others.max(axis=1)
    agreed = lead > 0
    if agreed.mean() < AGREED:
        return None
    return min(2.0 * float((-lead > np.median(lead[agreed])).mean()), 1.0)


def _out_of_fold(features: Array, targets: Array) -> Array:
    """Ridge scores of each sample from a classifier that was fitted without its fold."""
    fold = np.arange(len(features)) % FOLDS
    scores = np.empty(targets.shape)
    for held in range(FOLDS):
        inside, outside = fold != held, fold == held
        mean, share = features[inside].mean(axis=0), targets[inside].mean(axis=0)
        x = features[inside] - mean
        gram = x.T @ x + STRENGTH * np.eye(x.shape[1]) * x.var(axis=0).mean() * len(x) / 10
        weights = np.linalg.solve(gram, x.T @ (targets[inside] - share))
        scores[outside] = (features[outside] - mean) @ weights + share
    return scores
