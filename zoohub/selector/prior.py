"""What a model's own records, its relatives and its metadata say together: shrinkage by a Gaussian process.

Each model has an unknown level (its expected utility under the asked conditions). Levels vary
together along the traits (size, family, base, name ...) and each has a part of its own; how much
along which trait is learned from the evidence (marginal likelihood). A model with many records keeps
its own mean, one with few is drawn towards its relatives, one with none stands where they stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

OWN = "own"
STEPS = (0.25, 4.0)
SWEEPS = 3
SAMPLE = 300  # models from which variances are learned; the rest adds little and costs its cube
START = 0.15  # variance of one trait before anything is learned (utilities vary by 0.7 in all)
COMMON = 0.01  # variance of the level that all models share: percentile ranks have one mean by construction
JITTER = 1e-5


@dataclass(frozen=True)
class Posterior:
    """Levels of all models: their mean and covariance, and the share of the variation along each trait."""

    mean: Array
    covariance: Array
    shares: Mapping[str, float]


def posterior(level: Array, noise: Array, kernels: Mapping[str, Array], center: Array) -> Posterior:
    """Combine each model's own `level` (NaN: no record), known up to variance `noise`, with its relatives.

    `center` is what is expected of each model before any result.
    """
    seen = np.flatnonzero(~np.isnan(level))
    count = len(level)
    stack = {**kernels, OWN: np.eye(count)}
    if not seen.size:
        prior = sum(START * kernel for kernel in stack.values())
        return Posterior(center, np.asarray(prior), {})
    variances = _learn(
        level[seen], noise[seen], {k: v[np.ix_(seen, seen)] for k, v in stack.items()}, center[seen]
    )
    prior = np.zeros((count, count))
    for name, variance in variances.items():
        prior += variance * stack[name]
    prior += COMMON
    among = prior[np.ix_(seen, seen)] + np.diag(noise[seen] + JITTER)
    gain = np.linalg.solve(among, prior[seen]).T
    mean = center + gain @ (level[seen] - center[seen])
    total = sum(variances.values())
    return Posterior(mean, prior - gain @ prior[seen], {k: v / total for k, v in variances.items()})


def _learn(level: Array, noise: Array, stack: Mapping[str, Array], center: Array) -> dict[str, float]:
    """Variances per trait that make the evidence most likely, by coordinate search."""
    if len(level) > SAMPLE:
        picked = np.random.default_rng(0).choice(len(level), SAMPLE, replace=False)
        level, noise, center = level[picked], noise[picked], center[picked]
        stack = {name: kernel[np.ix_(picked, picked)] for name, kernel in stack.items()}
    variances = dict.fromkeys(stack, START)
    cost = _surprise(level, noise, stack, variances, center)
    for _ in range(SWEEPS):
        before = cost
        for name in stack:
            for step in STEPS:
                trial = {**variances, name: float(np.clip(variances[name] * step, 1e-4, 2.5))}
                now = _surprise(level, noise, stack, trial, center)
                if now < cost:
                    variances, cost = trial, now
        if before - cost < 0.1:
            break
    return variances


def _surprise(
    level: Array, noise: Array, stack: Mapping[str, Array], variances: Mapping[str, float], center: Array
) -> float:
    """Negative log likelihood of the levels, with a mild prior on the variances."""
    among = np.diag(noise + JITTER) + COMMON
    for name, kernel in stack.items():
        among += variances[name] * kernel
    factor = np.linalg.cholesky(among)
    white = np.linalg.solve(factor, level - center)
    fit = 0.5 * float(white @ white) + float(np.log(np.diag(factor)).sum())
    return fit + 0.5 * sum(float(np.log(v / START)) ** 2 for v in variances.values()) / 9.0
