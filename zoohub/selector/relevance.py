"""Which published comparisons say most about the one that is asked for.

The percentile ranks in two contexts c, d are modelled to correlate as loading_c x loading_d x K(c, d):
K falls off with each difference between the conditions (task, domain, language, training size,
classes, strategy), a loading says how far a context agrees with the others at all (a broken run
agrees with none). Prior rates come from measured tables, and the evidence at hand corrects them
(ridge towards the prior). The weights are the kriging weights of that model: they favor near contexts
and count near-copies of one another once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoohub.selector.board import Board, Context

Array = NDArray[np.float64]

# how fast agreement falls: exp(-rate x difference), per unit of `differences`
PRIOR_RATES = {
    "task": 0.7,  # another task
    "domain": 0.5,  # another domain; half of it where only the finer part differs
    "language": 0.3,
    "strategy": 0.3,  # rankings under LoRA, probe and full training agree at tau 0.44-0.76
    "size": 0.35,  # per factor 10 of training samples: 200 against 1.6M agree at tau 0.1-0.2
    "classes": 0.25,  # per factor 10 of classes
}
PRIOR_LOADING = 0.8
LOADING_WEIGHT = 2.0  # contexts' worth of faith in the prior loading
RATE_WEIGHT = 1.0  # of the prior rates, in units of the mean squared misfit of one pair
UNKNOWN = 0.5  # of a category's difference where one side is not known
GRID = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Relevance:
    """Fitted agreement of contexts: rates per difference (in the order of PRIOR_RATES) and loadings."""

    rates: Array
    loadings: Array

    def weights(self, board: Board, target: Context) -> tuple[Array, Array]:
        """Kriging weights of the board's columns for `target`, and the expected correlation with each."""
        among = self._kernel(differences(board.contexts, board.contexts))
        to = self._kernel(differences([target], board.contexts))[0]
        model = np.outer(self.loadings, self.loadings) * among
        np.fill_diagonal(model, 1.0)
        expected = PRIOR_LOADING * self.loadings * to
        return nonnegative(model, expected), expected

    def _kernel(self, apart: Array) -> Array:
        kernel: Array = np.exp(-np.tensordot(self.rates, apart, axes=1))
        return kernel


def fit(board: Board) -> Relevance:
    """Learn rates and loadings from how the board's own columns agree."""
    apart = differences(board.contexts, board.contexts)
    observed, overlap = correlations(board.ranks)
    rates, loadings = np.array(list(PRIOR_RATES.values())), np.full(len(board.contexts), PRIOR_LOADING)
    faith = np.where(np.isnan(observed), 0.0, overlap / (overlap + 10.0))
    np.fill_diagonal(faith, 0.0)
    observed = np.nan_to_num(observed)
    prior = rates.copy()
    for _ in range(3):
        loadings = _fit_loadings(observed, faith, np.exp(-np.tensordot(rates, apart, axes=1)), loadings)
        rates = _fit_rates(observed, faith, apart, loadings, rates, prior)
    return Relevance(rates, loadings)


def _fit_loadings(observed: Array, faith: Array, kernel: Array, loadings: Array) -> Array:
    for _ in range(10):
        reach = kernel * loadings
        up = (faith * observed * reach).sum(axis=1) + LOADING_WEIGHT * PRIOR_LOADING * PRIOR_LOADING**2
        down = (faith * reach**2).sum(axis=1) + LOADING_WEIGHT * PRIOR_LOADING**2
        loadings = 0.5 * loadings + 0.5 * np.clip(up / down, 0.05, 0.97)
    return loadings


def _fit_rates(
    observed: Array, faith: Array, apart: Array, loadings: Array, rates: Array, prior: Array
) -> Array:
    scale = np.outer(loadings, loadings)

    def misfit(trial: Array) -> float:
        expected = scale * np.exp(-np.tensordot(trial, apart, axes=1))
        loss = float((faith * (observed - expected) ** 2).sum())
        return loss / 0.05 / 2 + RATE_WEIGHT * float((np.log((trial + 0.02) / (prior + 0.02)) ** 2).sum())

    rates = rates.copy()
    for index in range(len(rates)):
        if not apart[index].any():
            continue
        trials = [np.where(np.arange(len(rates)) == index, prior * factor, rates) for factor in GRID]
        rates = min(trials, key=misfit)
    return rates


def differences(left: Sequence[Context], right: Sequence[Context]) -> Array:
    """How the conditions differ, one (left x right) layer per name in PRIOR_RATES."""
    layers = [
        _unlike([c.task for c in left], [c.task for c in right]),
        _paths_unlike([c.domain for c in left], [c.domain for c in right]),
        _unlike([c.language for c in left], [c.language for c in right]),
        _unlike([c.strategy for c in left], [c.strategy for c in right]),
        _decades([c.n_train for c in left], [c.n_train for c in right]),
        _decades([c.n_classes for c in left], [c.n_classes for c in right]),
    ]
    return np.stack(layers)


def _unlike(left: Sequence[str | None], right: Sequence[str | None]) -> Array:
    codes = {name: i for i, name in enumerate(dict.fromkeys([*left, *right])) if name is not None}
    a = np.array([codes.get(name, -1) if name is not None else -1 for name in left])[:, None]
    b = np.array([codes.get(name, -1) if name is not None else -1 for name in right])[None, :]
    both_unknown = (a < 0) & (b < 0)
    result: Array = np.where((a < 0) | (b < 0), UNKNOWN, (a != b).astype(float))
    result[both_unknown] = 0.0
    return result


def _paths_unlike(left: Sequence[str | None], right: Sequence[str | None]) -> Array:
    """Domains are paths such as natural/animals: 1 where the first part differs, 1/2 where only the rest does."""
    first = _unlike([p and p.partition("/")[0] for p in left], [p and p.partition("/")[0] for p in right])
    return 0.5 * first + 0.5 * _unlike(left, right)


def _decades(left: Sequence[float | None], right: Sequence[float | None]) -> Array:
    a = np.array([np.log10(max(x, 1.0)) if x is not None else np.nan for x in left])[:, None]
    b = np.array([np.log10(max(x, 1.0)) if x is not None else np.nan for x in right])[None, :]
    gap = np.abs(a - b)
    return np.where(np.isnan(a) & np.isnan(b), 0.0, np.where(np.isnan(gap), UNKNOWN, gap))


def correlations(ranks: Array) -> tuple[Array, Array]:
    """Correlation of each pair of columns over the rows known in both, and the number of those rows."""
    known = ~np.isnan(ranks)
    filled = np.where(known, ranks - 0.5, 0.0)
    mask = known.astype(float)
    count = mask.T @ mask
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.T @ mask / count
        spread = (filled**2).T @ mask / count - mean**2
        joint = filled.T @ filled / count - mean * mean.T
        result = joint / np.sqrt(spread * spread.T)
    result[(count < 3) | ~(spread > 1e-12) | ~(spread.T > 1e-12)] = np.nan
    return result, count


def nonnegative(model: Array, expected: Array, rounds: int = 100) -> Array:
    """Minimize w'Mw - 2 e'w over w >= 0 by coordinate descent (a negative vote is never robust)."""
    weights = np.maximum(expected, 0.0) / max(len(expected), 1)
    for _ in range(rounds):
        before = weights.copy()
        for i in range(len(weights)):
            rest = expected[i] - model[i] @ weights + model[i, i] * weights[i]
            weights[i] = max(0.0, rest / model[i, i])
        if np.abs(weights - before).max() < 1e-5:
            break
    return weights
