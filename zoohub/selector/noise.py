"""An estimate of label noise: labels that a plain classifier, which never saw them, confidently contradicts.

In the spirit of confident learning (Northcutt et al. 2021), on hashed character n-grams: a label is contradicted
confidently where another class leads it by more than the median lead of labels that are agreed with. Of wrong labels
about half are, hence the factor of two. The classifier's own mistakes are among them: clean data is not at zero.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

WIDTH = 1024
LONGEST = 400  # characters of a text that are looked at
MOST = 2000  # samples that are looked at
FEWEST = 100
PER_CLASS = 10
FOLDS = 5
STRENGTH = 3.0


def suspects(texts: Sequence[str], labels: Sequence[str]) -> float | None:
    """The share of labels that look wrong; None where there are too few samples or classes to say."""
    names = sorted(set(labels))
    counts = [labels.count(name) for name in names] if isinstance(labels, list) else []
    counts = counts or [sum(label == name for label in labels) for name in names]
    if len(texts) < FEWEST or len(names) < 2 or min(counts) < PER_CLASS:
        return None
    picked = np.random.default_rng(0).permutation(len(texts))[:MOST]
    places = {name: i for i, name in enumerate(names)}
    given = np.array([places[labels[i]] for i in picked])
    scores = _out_of_fold(np.stack([_grams(texts[i]) for i in picked]), np.eye(len(names))[given])
    rows = np.arange(len(given))
    own = scores[rows, given]
    others = scores.copy()
    others[rows, given] = -np.inf
    lead = own - others.max(axis=1)
    agreed = lead > 0
    if not agreed.any():
        return None
    return min(2.0 * float((-lead > np.median(lead[agreed])).mean()), 1.0)


def _grams(text: str) -> Array:
    """Counts of hashed one- to three-character pieces, each damped, of unit length."""
    text = text[:LONGEST].lower()
    places = [
        zlib.crc32(text[i : i + n].encode()) % WIDTH for n in (1, 2, 3) for i in range(len(text) - n + 1)
    ]
    counts = np.bincount(np.array(places, dtype=np.int64), minlength=WIDTH) if places else np.zeros(WIDTH)
    damped: Array = np.log1p(counts)
    return damped / max(float(np.linalg.norm(damped)), 1e-9)


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
