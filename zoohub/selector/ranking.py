"""The ranker: from published results and metadata to expected standing, for models with and without records.

1. Each result becomes a utility of its percentile rank, lifted by how strong the models are that it was compared with
   (utility.py).
2. A model's own level is its mean over contexts: half the plain mean over contexts of like size and strategy, which
   nothing beats where little is known of a data set, and half a mean weighted by what each context says of the
   asked conditions (relevance.py).
3. Levels are shrunk towards relatives, and models without a record are placed among theirs (prior.py).
4. The first place goes to the leader that is also steady: among the front, the best lower bound of the
   rank over data sets. A model that is mostly first and sometimes far behind costs more than it brings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoohub.selector import relevance
from zoohub.selector.board import Board, Context
from zoohub.selector.prior import posterior
from zoohub.selector.traits import Traits, expected, kernels
from zoohub.selector.utility import CENTER, percentile

Array = NDArray[np.float64]

PLAIN = 0.5  # share of the plain mean over like contexts in a model's level
FRONT = 10  # models among which the steadiest may take the lead, at most
FRONT_SHARE = 0.2  # and at most this share of all
BEHIND = 0.1  # of the ranks, by which the steadiest may stand behind the first
CAUTION = 0.3  # standard deviations of its rank over data sets that a leader loses
SUPPOSED = 0.5  # results that a model is credited with, at its expected rank, when its steadiness is judged
# Part of the scatter of a model's utilities that counts as doubt about its own mean, hence as pull towards its
# relatives. Chosen on the published tables: more costs weighted tau where every model has many records.
DOUBT = 0.02
HOPE = 1.0  # standard deviations of its own results by which a model counts as better when it may be the best
USUAL = 3.0  # results with which the scatter of all models counts in that of one
DEFAULT_SCATTER = 0.4  # of utilities, where no model has two results: half the variance of all utilities
NEAR = 0.1  # models within this share of the order are of about the same level
FAITH = 0.5  # weight of the default scatter, in contexts
ENOUGH = 1e-9  # weight from which a mean is one


@dataclass(frozen=True)
class Ranking:
    """Expected utility of `models` under the asked conditions.

    `mean` and `covariance` describe the models' levels, `scatter` is the variance of one result around
    each level, pooled over models of like level, `spread` the standard deviation of each model's own results,
    `records` their number, `weights` say how much each of the board's contexts tells of the asked conditions,
    `shares` the part of the variation that each trait explains; `leader` is the position of the model that is
    named first. `plain` and `own` are the means of a model's own results, over all alike and as they tell of the
    asked conditions (NaN: none): what moved the model on the way to `mean`.
    """

    models: tuple[str, ...]
    mean: Array
    covariance: Array
    scatter: Array
    spread: Array
    records: Array
    weights: Array
    shares: Mapping[str, float]
    plain: Array
    own: Array
    leader: int | None = None

    def order(self) -> list[int]:
        """Positions of the models, the leader first, then by mean; equals keep their order."""
        return [int(i) for i in np.argsort(-self.standing(), kind="stable")]

    def hopeful(self) -> list[int]:
        """Positions of the models, those first that may be the best on a new data set: high or uneven ones."""
        return [int(i) for i in np.argsort(-(self.standing() + HOPE * self.spread), kind="stable")]

    def standing(self) -> Array:
        """The means, the leader's raised above all others."""
        if self.leader is None:
            return self.mean
        standing = self.mean.copy()
        standing[self.leader] = standing.max() + 1e-6
        return standing


def rank(board: Board, traits: Mapping[str, Traits], target: Context, candidates: Sequence[str]) -> Ranking:
    """Expected standing of `candidates` under the conditions `target`, from the results on `board`.

    Models of the board that are no candidates take part as relatives.
    """
    weights = relevance.weights(board.contexts, target) if board.contexts else np.zeros(0)
    alike = relevance.alike(board.contexts, target) if board.contexts else weights
    position = {model: i for i, model in enumerate(board.models)}
    everyone = [*board.models, *(model for model in candidates if model not in position)]
    level, doubt, scatter = levels(
        board.utilities, mixed(weights, alike), [c.dataset for c in board.contexts]
    )
    extra = len(everyone) - len(board.models)
    found = posterior(
        np.concatenate([level, np.full(extra, np.nan)]),
        DOUBT * np.concatenate([doubt, np.zeros(extra)]),
        kernels(everyone, traits),
        CENTER + expected(everyone, traits, popular=not board.contexts),
    )
    everyones = np.concatenate([scatter, np.full(extra, DEFAULT_SCATTER)])
    spread = spreads(np.concatenate([board.utilities, np.full((extra, len(board.contexts)), np.nan)]))
    plain = own_levels(board.utilities, np.ones(len(board.contexts)))
    own, plain = (np.concatenate([one, np.full(extra, np.nan)]) for one in (level, plain))
    places = {model: i for i, model in enumerate(everyone)}
    picked = np.array([places[model] for model in candidates], dtype=int)
    counts = np.concatenate([(~np.isnan(board.ranks)).sum(axis=1), np.zeros(extra, dtype=int)])
    return Ranking(
        tuple(candidates),
        found.mean[picked],
        found.covariance[np.ix_(picked, picked)],
        everyones[picked],
        spread[picked],
        counts[picked],
        weights,
        found.shares,
        plain[picked],
        own[picked],
        _steadiest(found.mean[picked], picked, board, alike),
    )


def mixed(weights: Array, alike: Array) -> Array:
    """Weights of contexts in a model's level: half of it the mean over contexts of like size and strategy (`alike`),
    half what the contexts say."""
    if not weights.size:
        return weights
    plain = alike / alike.sum(axis=-1, keepdims=True)
    total = weights.sum(axis=-1, keepdims=True)
    told = np.where(total > 0, weights / np.where(total > 0, total, 1.0), plain)
    both: Array = PLAIN * plain + (1.0 - PLAIN) * told
    return both


def _steadiest(mean: Array, rows: NDArray[np.intp], board: Board, alike: Array) -> int | None:
    """Of the front by `mean`, the model with the best lower bound of its rank over data sets.

    A data set at six sizes counts as one; sizes and strategies like the asked ones count more. Half a result more
    is supposed at the model's expected rank with the scatter of the whole front: a single result proves no
    steadiness.
    """
    standing = percentile(mean)
    front = np.argsort(-mean, kind="stable")[: min(FRONT, math.ceil(FRONT_SHARE * len(mean)))]
    front = front[standing[front] >= standing[front[:1]] - BEHIND]
    known = front[rows[front] < len(board.models)]
    if not known.size or not board.contexts:
        return None
    ranks = board.ranks[rows[known]]
    shared = np.array([context.dataset for context in board.contexts])
    _, place = np.unique(shared, return_inverse=True)
    weights = np.where(np.isnan(ranks), 0.0, alike / np.bincount(place)[place])
    count = weights.sum(axis=1)
    total, values = np.maximum(count, ENOUGH), np.nan_to_num(ranks)
    middle = (weights * values).sum(axis=1) / total
    spread = (weights * (values - middle[:, None]) ** 2).sum(axis=1)
    usual = spread.sum() / max(count.sum(), ENOUGH)
    middle = (count * middle + SUPPOSED * standing[known]) / (count + SUPPOSED)
    bound = middle - CAUTION * np.sqrt((spread + SUPPOSED * usual) / (count + SUPPOSED))
    return int(known[np.argmax(bound)]) if count.any() else None


def spreads(utilities: Array) -> Array:
    """Standard deviation of each model's utilities over contexts, drawn towards that of all models."""
    known = ~np.isnan(utilities)
    count = known.sum(axis=1)
    mean = np.nansum(utilities, axis=1) / np.maximum(count, 1)
    away = np.where(known, (utilities - mean[:, None]) ** 2, 0.0).sum(axis=1)
    free = np.maximum(count - 1, 0)
    usual = away.sum() / free.sum() if free.any() else DEFAULT_SCATTER
    found: Array = np.sqrt((away + USUAL * usual) / (free + USUAL))
    return found


def own_levels(utilities: Array, weights: Array) -> Array:
    """Each model's mean utility by the weights of its contexts, one column for each row of weights; NaN: no record."""
    total = ~np.isnan(utilities) @ weights.T
    level: Array = np.nan_to_num(utilities) @ weights.T / np.maximum(total, ENOUGH)
    return np.where(total > ENOUGH, level, np.nan)


def levels(utilities: Array, weights: Array, datasets: Sequence[str]) -> tuple[Array, Array, Array]:
    """Each model's weighted mean utility (NaN: no record), its variance, and the variance of one result.

    The variance of one result is pooled over models of about the same level (one model alone has too few
    results): utilities of the best scatter more than those of the middle. Results on one data set at several
    sizes count as one when it comes to doubt.
    """
    level = own_levels(utilities, weights)
    spread = np.where(np.isnan(utilities), 0.0, weights)
    total = spread.sum(axis=1)
    have = total > ENOUGH
    effective = np.zeros(len(utilities))
    per_dataset = spread @ (np.array(datasets)[:, None] == np.array(sorted(set(datasets)))[None, :])
    effective[have] = total[have] ** 2 / (per_dataset[have] ** 2).sum(axis=1)
    away = np.nansum(spread * (utilities - level[:, None]) ** 2, axis=1)
    scatter = np.full(len(utilities), DEFAULT_SCATTER)
    if (effective > 1.05).any():
        place = np.argsort(np.argsort(np.nan_to_num(level, nan=CENTER))) / len(level)
        near = np.exp(-0.5 * ((place[:, None] - place[None, :]) / NEAR) ** 2) * (effective > 1.05)
        free = np.where(effective > 1.05, total * (1.0 - 1.0 / np.maximum(effective, 1.05)), 0.0)
        scatter = (near @ away + FAITH * DEFAULT_SCATTER) / (near @ free + FAITH)
    return level, scatter / np.maximum(effective, ENOUGH), scatter
