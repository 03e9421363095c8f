"""Metrics of a ranking against the truth, and paired bootstrap intervals. Shared by the selector's
benchmarks."""

from __future__ import annotations

import numpy as np


def weighted_tau(score: np.ndarray, truth: np.ndarray) -> float:
    """Kendall's tau in which exchanges near the top weigh more (hyperbolic, additive; as
    scipy.stats.weightedtau)."""
    if np.ptp(score) == 0 or np.ptp(truth) == 0:
        return 0.0
    return (
        _one_sided(score, truth, np.lexsort((truth, score))[::-1])
        + _one_sided(score, truth, np.lexsort((score, truth))[::-1])
    ) / 2


def _one_sided(x: np.ndarray, y: np.ndarray, order: np.ndarray) -> float:
    weight = np.empty(len(x))
    weight[order] = 1.0 / (1.0 + np.arange(len(x)))
    pair = weight[:, None] + weight[None, :]
    np.fill_diagonal(pair, 0.0)
    sx, sy = np.sign(x[:, None] - x[None, :]), np.sign(y[:, None] - y[None, :])
    both = float((pair * sx * sy).sum())
    return both / float(np.sqrt((pair * sx**2).sum() * (pair * sy**2).sum()))


def metrics(score: np.ndarray, truth: np.ndarray) -> dict[str, float] | None:
    """wtau, regret of the first and of the best of five, hit@5 - None where nothing can be ranked.

    `truth` is higher-is-better. Models that share the top score count by their mean. `nreg@1` is the regret
    as a
    share of the way from the median model to the best, so that tables in different units can be pooled.
    """
    known = ~np.isnan(truth)
    score, truth = score[known], truth[known]
    if len(truth) < 3 or np.ptp(truth) == 0:
        return None
    best, median = truth.max(), float(np.median(truth))
    first = float(truth[score >= score.max() - 1e-12].mean())
    five = np.argsort(-score, kind="stable")[:5]
    return {
        "wtau": weighted_tau(score, truth),
        "reg@1": best - first,
        "reg@5": best - truth[five].max(),
        "hit@5": float(truth[five].max() == best),
        "nreg@1": (best - first) / (best - median) if best > median else 0.0,
    }


def interval(values: np.ndarray, draws: int = 4000) -> list[float]:
    """95 % bootstrap interval of the mean over datasets."""
    if len(values) < 2:
        return [float("nan"), float("nan")]
    picks = np.random.default_rng(0).integers(0, len(values), (draws, len(values)))
    return [round(float(q), 4) for q in np.quantile(values[picks].mean(axis=1), [0.025, 0.975])]
