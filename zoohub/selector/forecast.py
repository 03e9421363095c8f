"""From expected standing to what a person asks: which is best, how good, how sure - by simulation.

Each draw takes one level for every model, scatters the results around it, and reads them as scores in
one of the published contexts, the nearest most often. P(best), regret, the score's interval and
the tie-set come from the same draws, so that they do not contradict each other. The rehearsal
(rehearsal.py) then sets which quantiles bound the interval, grows the tie-set and lowers the chance to be near the best
where the draws are too sure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoohub.selector import units
from zoohub.selector.board import Board
from zoohub.selector.ranking import Ranking
from zoohub.selector.rehearsal import Rehearsal, rehearse
from zoohub.selector.utility import percentile

Array = NDArray[np.float64]

DRAWS = 2000
HELD = 0.9  # of the draws, the tie-set holds the best
HELD_UNREHEARSED = 0.97  # the same where the evidence has too few data sets to test that
COVERED = 0.8  # of new results, the interval holds; of new data sets, the tie-set holds the best
LIMIT = 128  # models that are simulated; those behind them have no chance worth a number


@dataclass(frozen=True)
class Forecast:
    """For the first models of `order`: P(best), P(nearly best), expected score, its 80 % interval, expected regret;
    the tie-set.

    `everyone` is the whole order, `order` what was simulated of it, and `tie_set` holds the positions of the models
    between which the evidence cannot choose, in that order, too.
    `near` is the share of draws in which a model comes within `margin` of the best, a score that noise between
    seeds brings or takes. `typical` is the score at the expected level, without chance.
    Scores are of `metric`, which the contexts that tell most have, higher is better; NaN and None without evidence.
    """

    order: tuple[int, ...]
    everyone: tuple[int, ...]
    best: Array
    near: Array
    score: Array
    low: Array
    high: Array
    regret: Array
    typical: Array
    tie_set: tuple[int, ...]
    margin: float
    metric: str | None = None


def forecast(ranking: Ranking, board: Board, n_train: float | None = None, *, seed: int = 0) -> Forecast:
    """Simulate results of the best models of `ranking`; scores are read from the contexts of `board`. `n_train` samples
    tell how far seeds alone move a score."""
    everyone = ranking.order()
    order = everyone[:LIMIT]
    random = np.random.default_rng(seed)
    draws = _draw(ranking, order, random)
    winners = np.bincount(draws.argmax(axis=1), minlength=len(order)) / DRAWS
    metric, weights = _of_one_metric(ranking.weights, board)
    scores = _scores(draws, board, weights, random)
    rehearsed = rehearse(board)
    if scores is None:
        nothing = np.full(len(order), np.nan)
        near = score = low = high = regret = typical = nothing
        margin = math.nan
    else:
        score = scores.mean(axis=0)
        low, high = np.quantile(scores, _ends(weights, rehearsed), axis=0)
        typical = _typical(ranking.mean[order], board, weights)
        behind = scores.max(axis=1, keepdims=True) - scores
        regret = behind.mean(axis=0)
        margin = units.margin(metric, score, n_train)
        near = (behind <= margin).mean(axis=0)
        if rehearsed is not None:
            near = np.maximum(rehearsed.odds(near), winners)
    return Forecast(
        tuple(order),
        tuple(everyone),
        winners,
        near,
        score,
        low,
        high,
        regret,
        typical,
        _tie_set(winners, everyone, ranking, rehearsed),
        margin,
        metric,
    )


def _of_one_metric(weights: Array, board: Board) -> tuple[str | None, Array]:
    """The metric of the contexts that tell most, and the weights of those alone: 0.9 accuracy and 35 mAP have no
    mean."""
    if not weights.sum() > 0:
        return None, weights
    metrics = np.array([context.metric or "" for context in board.contexts])
    names, place = np.unique(metrics, return_inverse=True)
    chosen = names[int(np.bincount(place, weights).argmax())]
    return str(chosen), np.where(metrics == chosen, weights, 0.0)


def _draw(ranking: Ranking, order: list[int], random: np.random.Generator) -> Array:
    """(DRAWS x models) utilities: levels from the posterior, each result scattered around its own."""
    covariance = ranking.covariance[np.ix_(order, order)]
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    levels = ranking.mean[order] + random.standard_normal((DRAWS, len(order))) @ root.T
    noise = np.sqrt(ranking.scatter[order]) * random.standard_normal(levels.shape)
    drawn: Array = levels + noise
    return drawn


def _scores(utilities: Array, board: Board, weights: Array, random: np.random.Generator) -> Array | None:
    """Read utilities as scores of published contexts, drawn by their weight; None without contexts."""
    if not weights.sum() > 0:
        return None
    drawn = random.choice(len(weights), size=len(utilities), p=weights / weights.sum())
    scores = np.empty(utilities.shape)
    for column in np.unique(drawn):
        rows = drawn == column
        scores[rows] = _read(utilities[rows], board, column)
    return scores


def _ends(weights: Array, rehearsed: Rehearsal | None) -> tuple[float, float]:
    """The quantiles between which COVERED of *new* results lie: as rehearsed, or order statistics of k + 1."""
    if rehearsed is not None:
        return rehearsed.ends(COVERED)
    effective = max(float(weights.sum() ** 2 / (weights**2).sum()), 2.0)
    tail = (1.0 - COVERED) / 2
    low = max((tail * (effective + 1.0) - 1.0) / (effective - 1.0), 0.0)
    return (low + tail) / 2, 1.0 - (low + tail) / 2


def _typical(utilities: Array, board: Board, weights: Array) -> Array:
    """Scores of these utilities, averaged over the contexts by weight."""
    total = np.zeros(len(utilities))
    for column in np.flatnonzero(weights > 0):
        total += weights[column] * _read(utilities, board, int(column))
    mean: Array = total / weights.sum()
    return mean


def _read(utilities: Array, board: Board, column: int) -> Array:
    """The scores of these utilities in one context: what stands there at their percentile ranks."""
    values = board.values[:, column]
    known = np.sort(values[~np.isnan(values)])
    standings = percentile(utilities - board.lifts[column])
    found: Array = np.interp(standings, (np.arange(known.size) + 0.5) / known.size, known)
    return found


def _tie_set(
    winners: Array, everyone: list[int], ranking: Ranking, rehearsed: Rehearsal | None
) -> tuple[int, ...]:
    """The first, and the most hopeful models: as many as held the best in COVERED of the rehearsed data sets, and at
    least as many as hold it in HELD of the draws."""
    likely = np.cumsum(np.sort(winners)[::-1])
    count = int(np.argmax(likely >= min(HELD if rehearsed else HELD_UNREHEARSED, likely[-1]))) + 1
    if rehearsed is not None:
        documented = int((ranking.records > 0).sum())
        count = max(count, math.ceil(rehearsed.front(COVERED) * documented - 1e-9))
    chosen = {everyone[0], *ranking.hopeful()[:count]}
    return tuple(i for i in everyone if i in chosen)
