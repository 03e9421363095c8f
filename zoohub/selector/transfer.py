"""Transferability scores of features on the user's data, and how they join the ranking.

H-score and LogME ask, without training, how well labels can be read from features; the cross-validated probe
asks by training a linear classifier. Scores help where features are used as they are (probe, LoRA) and for
text; under full fine-tuning of images, size decides, and they add nothing: hence the weight.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zoohub.selector.board import Context

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

# Part of one standard deviation of the prior by which a score one s.d. above the mean lifts a model.
WEIGHTS = {"probe": 1.0, "setfit": 0.6, "lora": 0.5, "probe-then-full": 0.4, "full": 0.3, "zero-shot": 0.0}
IMAGE_FULL = 0.0
GRID = (0.0, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2)


def default_weight(target: Context) -> float:
    """Weight of a score before anything is learned, by strategy and modality."""
    strategy = target.strategy or "full"
    if strategy == "full" and (target.task or "image-classification").startswith("image"):
        return IMAGE_FULL
    return WEIGHTS.get(strategy, 0.3)


def stack(prior: Array, scores: Array, weight: float) -> Array:
    """Prior utilities lifted by the mean of the standardized `scores` (models x scores, NaN: not scored)."""
    spread = float(np.nanstd(prior)) or 1.0
    lifted: Array = prior + weight * spread * standardized(scores)
    return lifted


def standardized(scores: Array) -> Array:
    """Mean over the scores of their ranks as centered units; 0 for a model that was not scored."""
    from zoohub.selector.board import percentiles

    ranks = percentiles(np.atleast_2d(scores.T).T) - 0.5
    known = ~np.isnan(ranks)
    mean: Array = np.where(known, ranks, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    scaled: Array = mean * np.sqrt(12.0)
    return scaled


def learned_weight(past: Sequence[tuple[Array, Array, Array]], target: Context) -> float:
    """The weight that would have served best on past data sets, each (prior, scores, utility reached).

    It moves off the default only where the gain exceeds twice its own standard error: scores must not do harm.
    """
    default = default_weight(target)
    if len(past) < 4:
        return default

    def gains(weight: float) -> Array:
        return np.array([_agreement(stack(prior, scores, weight), truth) for prior, scores, truth in past])

    base, best, lead = gains(default), default, 0.0
    for weight in GRID:
        gain = gains(weight) - base
        mean, error = float(gain.mean()), float(gain.std(ddof=1) / np.sqrt(len(gain)))
        if mean > 2.0 * error and mean > lead:
            best, lead = weight, mean
    return best


def _agreement(predicted: Array, truth: Array) -> float:
    if np.ptp(predicted) == 0 or np.ptp(truth) == 0:
        return 0.0
    return float(np.corrcoef(predicted, truth)[0, 1])


# --- scores of features ---------------------------------------------------------------------------


def h_score(features: Array, labels: Labels) -> float:
    """Spread of the class means within the spread of all features, shrunk (Ledoit-Wolf) for few samples."""
    centered = features - features.mean(axis=0)
    count, width = centered.shape
    covariance = centered.T @ centered / count
    scale = float(np.trace(covariance)) / width
    off = covariance - scale * np.eye(width)
    noise = float(((centered**2).sum(axis=1) ** 2).mean() - (covariance**2).sum()) / count
    share = min(1.0, max(noise, 0.0) / max(float((off**2).sum()), 1e-12))
    shrunk = (1 - share) * covariance + share * scale * np.eye(width) + 1e-9 * np.eye(width)
    means = np.stack([centered[labels == c].mean(axis=0) for c in range(int(labels.max()) + 1)])
    between = means[labels]
    return float((1 - share) * np.trace(np.linalg.solve(shrunk, between.T @ between / count)))


def logme(features: Array, labels: Labels) -> float:
    """Mean log evidence per sample of a Bayesian linear map from features to each class (You et al. 2021)."""
    centered = features - features.mean(axis=0)
    count, width = centered.shape
    left, singular, _ = np.linalg.svd(centered, full_matrices=False)
    squares, total = singular**2, 0.0
    classes = int(labels.max()) + 1
    for c in range(classes):
        target = (labels == c).astype(float)
        target -= target.mean()
        projected = (left.T @ target) ** 2
        rest = max(float(target @ target - projected.sum()), 0.0)
        alpha, beta = 1.0, 1.0
        for _ in range(50):
            ratio = alpha / beta
            gamma = float((squares / (squares + ratio)).sum())
            size = float((squares * projected / (squares + ratio) ** 2).sum())
            error = float((projected * (ratio / (squares + ratio)) ** 2).sum()) + rest
            new = gamma / max(size, 1e-12), (count - gamma) / max(error, 1e-12)
            done = abs(new[0] / new[1] - ratio) < 1e-3 * ratio
            alpha, beta = new
            if done:
                break
        size = float((squares * projected / (squares + alpha / beta) ** 2).sum())
        error = float((projected * ((alpha / beta) / (squares + alpha / beta)) ** 2).sum()) + rest
        log_det = float(np.log(alpha + beta * squares).sum()) + max(width - len(squares), 0) * np.log(alpha)
        total += (
            width / 2 * np.log(alpha)
            + count / 2 * np.log(beta)
            - count / 2 * np.log(2 * np.pi)
            - beta / 2 * error
            - alpha / 2 * size
            - log_det / 2
        ) / count
    return float(total / classes)


def probe(features: Array, labels: Labels, folds: int = 5) -> float:
    """Cross-validated accuracy of a ridge classifier on the features, each class dealt evenly to the
    folds."""
    fold = np.empty(len(labels), dtype=int)
    for c in range(int(labels.max()) + 1):
        places = np.flatnonzero(labels == c)
        fold[np.random.default_rng(0).permutation(places)] = np.arange(len(places)) % folds
    targets = np.eye(int(labels.max()) + 1)[labels]
    scaled = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-9)
    best = 0.0
    for strength in (0.1, 1.0, 10.0):
        right = 0
        for held in range(folds):
            inside, outside = fold != held, fold == held
            x, offset = scaled[inside], targets[inside].mean(axis=0)
            gram = x @ x.T + strength * x.shape[1] * np.eye(len(x))
            weights = x.T @ np.linalg.solve(gram, targets[inside] - offset)
            right += int(((scaled[outside] @ weights + offset).argmax(axis=1) == labels[outside]).sum())
        best = max(best, right / len(labels))
    return best
