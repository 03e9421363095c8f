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

    It moves off the default only where the gain exceeds its own standard error: scores must not do harm.
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
        if mean > error and mean > lead:
            best, lead = weight, mean
    return best


def _agreement(predicted: Array, truth: Array) -> float:
    if np.ptp(predicted) == 0 or np.ptp(truth) == 0:
        return 0.0
    return float(np.corrcoef(predicted, truth)[0, 1])
