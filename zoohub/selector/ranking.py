"""The ranker: from published results and metadata to expected standing, for models with and without records.

1. Each result becomes a utility of its percentile rank: -log(1.05 - rank), the scale on which the top
   counts as it does for who picks one model (the weighted Kendall tau weighs ranks so, too).
2. A model's own level is its mean over contexts, weighted by what they say of the asked conditions
   (relevance.py).
3. Levels are shrunk towards relatives, and models without a record are placed among theirs (prior.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoohub.selector import relevance
from zoohub.selector.board import Board, Context
from zoohub.selector.prior import posterior
from zoohub.selector.traits import Traits, expected, kernels

Array = NDArray[np.float64]

TOP = 1.05  # keeps the best utility finite; larger is flatter at the top
CENTER = 0.86  # mean utility over uniform ranks
# Part of the scatter of a model's utilities that counts as doubt about its own mean, hence as pull towards
# its
# relatives. Chosen on the published tables: more costs weighted tau where every model has many records.
DOUBT = 0.02
ENOUGH = 1e-9


def utility(ranks: Array) -> Array:
    """Utility of a percentile rank in 0..1."""
    result: Array = -np.log(TOP - ranks)
    return result


def percentile(utilities: Array) -> Array:
    """The inverse of `utility`, kept within 0..1."""
    result: Array = np.clip(TOP - np.exp(-utilities), 0.0, 1.0)
    return result


@dataclass(frozen=True)
class Ranking:
    """Expected utility of `models` under the asked conditions.

    `mean` and `covariance` describe the models' levels, `scatter` is the variance of one result around
    each level, `records` the number of own results behind each model, `weights` those of the board's
    contexts and
    `shares` the part of the variation that each trait explains.
    """

    models: tuple[str, ...]
    mean: Array
    covariance: Array
    scatter: Array
    records: Array
    weights: Array
    shares: Mapping[str, float]

    def order(self) -> list[int]:
        """Positions of the models, the best first; equals keep their order."""
        return [int(i) for i in np.argsort(-self.mean, kind="stable")]


def rank(board: Board, traits: Mapping[str, Traits], target: Context, candidates: Sequence[str]) -> Ranking:
    """Expected standing of `candidates` under the conditions `target`, from the results on `board`.

    Models of the board that are no candidates take part as relatives.
    """
    weights = relevance.weights(board.contexts, target) if board.contexts else np.zeros(0)
    position = {model: i for i, model in enumerate(board.models)}
    everyone = [*board.models, *(model for model in candidates if model not in position)]
    level, doubt, scatter = levels(board.ranks, weights, [context.dataset for context in board.contexts])
    extra = len(everyone) - len(board.models)
    found = posterior(
        np.concatenate([level, np.full(extra, np.nan)]),
        DOUBT * np.concatenate([doubt, np.zeros(extra)]),
        kernels(everyone, traits),
        CENTER + expected(everyone, traits),
    )
    everyones = np.concatenate([scatter, np.full(extra, DEFAULT_SCATTER)])
    places = {model: i for i, model in enumerate(everyone)}
    picked = np.array([places[model] for model in candidates], dtype=int)
    counts = np.concatenate([(~np.isnan(board.ranks)).sum(axis=1), np.zeros(extra, dtype=int)])
    return Ranking(
        tuple(candidates),
        found.mean[picked],
        found.covariance[np.ix_(picked, picked)],
        everyones[picked],
        counts[picked],
        weights,
        found.shares,
    )


def levels(ranks: Array, weights: Array, datasets: Sequence[str]) -> tuple[Array, Array, Array]:
    """Each model's weighted mean utility (NaN: no record), its variance, and the variance of one result.

    The variance of one result is pooled over models of about the same level (one model alone has too few
    results): utilities of the best scatter more than those of the middle. Results on one data set at several
    sizes count as one when it comes to doubt.
    """
    known = ~np.isnan(ranks)
    utilities = np.where(known, utility(np.where(known, ranks, 0.5)), 0.0)
    spread = np.where(known, weights, 0.0)
    total = spread.sum(axis=1)
    have = total > ENOUGH
    level = np.full(len(ranks), np.nan)
    level[have] = (utilities * spread).sum(axis=1)[have] / total[have]
    effective = np.zeros(len(ranks))
    per_dataset = spread @ (np.array(datasets)[:, None] == np.array(sorted(set(datasets)))[None, :])
    effective[have] = total[have] ** 2 / (per_dataset[have] ** 2).sum(axis=1)
    away = (spread * (utilities - np.nan_to_num(level)[:, None]) ** 2).sum(axis=1)
    scatter = np.full(len(ranks), DEFAULT_SCATTER)
    if (effective > 1.05).any():
        place = np.argsort(np.argsort(np.nan_to_num(level, nan=CENTER))) / len(level)
        near = np.exp(-0.5 * ((place[:, None] - place[None, :]) / NEAR) ** 2) * (effective > 1.05)
        free = np.where(effective > 1.05, total * (1.0 - 1.0 / np.maximum(effective, 1.05)), 0.0)
        scatter = (near @ away + FAITH * DEFAULT_SCATTER) / (near @ free + FAITH)
    return level, scatter / np.maximum(effective, ENOUGH), scatter


DEFAULT_SCATTER = 0.4  # of utilities, where no model has two results: half the variance of all utilities
NEAR = 0.1  # models within this share of the order are of about the same level
FAITH = 0.5  # weight of the default scatter, in contexts
