"""The evidence rehearses the question: each data set is left out in turn and predicted from the others.

That shows how sure a forecast may be: at which place the best model really stood, and where in the predicted
distribution of scores the true ones fell. Both are cheap: the weights of all left-out contexts follow
from one matrix inverse (the precision matrix of a Gaussian process holds its leave-one-out predictions).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoohub.selector import relevance, units
from zoohub.selector.board import Board
from zoohub.selector.ranking import HOPE, levels, mixed, own_levels, spreads
from zoohub.selector.utility import percentile

Array = NDArray[np.float64]

CONTEXTS = 100  # that are rehearsed at most, spread evenly
MODELS = 400  # that take part at most, the best documented
DRAWS = 64  # of a score's distribution
GRID = 101  # percentile ranks at which each context's scores are tabled
COMPARED = 3  # models that make a comparison
COLLECTION = 0.2  # of all contexts that near-copies of one data set hold at most
CREDIT = 5.0  # trials that speak for a chance as it was said
SURE = 0.005  # no chance is surer than that
FEWEST = 4  # data sets from which a rehearsal says anything


@dataclass(frozen=True)
class Rehearsal:
    """One entry a rehearsed context: `places` of the true best in the hopeful order, as a share of the
    models; `falls`, where the true scores fell in their predicted distributions (0..1), one array each; `near`, how
    likely the first was said to be as good as the best but for noise, and whether it was. `trials` counts the contexts,
    parts of one collection as one."""

    places: Array
    falls: tuple[Array, ...]
    near: Array
    trials: float

    def front(self, covered: float) -> float:
        """The share of the models, the most hopeful, that holds the best in `covered` of new contexts: the order
        statistic of conformal prediction for so many independent trials."""
        ordered = np.sort(self.places)
        place = math.ceil(covered * (self.trials + 1) / self.trials * len(ordered) - 1e-9)
        return float(ordered[min(place, len(ordered)) - 1])

    def ends(self, covered: float) -> tuple[float, float]:
        """The quantiles of a predicted distribution between which `covered` of the true scores lie."""
        falls = np.concatenate(self.falls)
        weights = np.concatenate([np.full(len(fall), 1.0 / len(fall)) for fall in self.falls])
        order = np.argsort(falls)
        share = np.cumsum(weights[order]) / weights.sum()
        tail = (1.0 - covered) / 2
        low, high = np.searchsorted(share, (tail, 1.0 - tail))
        return float(falls[order][low]), float(falls[order][min(high, len(falls) - 1)])

    def odds(self, said: Array) -> Array:
        """Chances to be near the best, their odds moved as those of the first ones had to be in the rehearsal; CREDIT
        trials speak for what was said."""
        expected, was = self.near.mean(axis=0)
        met = (self.trials * was + CREDIT * expected) / (self.trials + CREDIT)
        moved: Array = 1.0 / (1.0 + np.exp(_logit(expected) - _logit(met) - _logit(said)))
        return moved


def rehearse(board: Board) -> Rehearsal | None:
    """Predict each data set of `board` from the others; None where there are too few."""
    board = _documented(board)
    names = np.array(_families([context.dataset for context in board.contexts]))
    if len(set(names.tolist())) < FEWEST:
        return None
    weights = _left_out(board, names)
    utilities = board.utilities
    known = ~np.isnan(utilities)
    level = own_levels(utilities, weights)
    _, _, scatter = levels(utilities, np.ones(len(names)), names.tolist())
    tables = np.stack([_table(board.values[:, column]) for column in range(len(names))])
    random = np.random.default_rng(0)
    places, falls, near = [], [], []
    for column in np.unique(np.linspace(0, len(names) - 1, CONTEXTS).round().astype(int)):
        rows = np.flatnonzero(known[:, column] & ~np.isnan(level[:, column]))
        if len(rows) < COMPARED:
            continue
        truth, expected = board.values[rows, column], level[rows, column]
        others = np.where(names == names[column], np.nan, utilities[rows])
        hope = expected + HOPE * spreads(others)
        best = hope[truth >= truth.max()].max()
        places.append(float((hope >= best).sum()) / len(rows))
        drawn = random.choice(len(names), size=DRAWS, p=weights[column] / weights[column].sum())
        noise = np.sqrt(scatter[rows])[:, None] * random.standard_normal((len(rows), DRAWS))
        met = expected[:, None] + noise - board.lifts[drawn]
        standing = (percentile(met) * (GRID - 1)).round().astype(int)
        scores = tables[drawn[None, :], standing]
        falls.append((scores < truth[:, None]).mean(axis=1))
        margin = units.margin(board.contexts[column].metric, truth, board.contexts[column].n_train)
        first = expected.argmax()
        near.append(
            ((scores.max(axis=0) - scores[first] <= margin).mean(), truth.max() - truth[first] <= margin)
        )
    if len(places) < FEWEST:
        return None
    parts = len({context.dataset for context in board.contexts}) / len(set(names.tolist()))
    return Rehearsal(np.array(places), tuple(falls), np.array(near, dtype=float), len(places) / parts)


def _families(names: list[str]) -> list[str]:
    """Parts of one collection (m4/yearly, m4/monthly) are near-copies and are left out together - unless a name
    before the stroke stands for a whole benchmark (vtab/...), which shows in how much it holds."""
    families = [name.partition("/")[0] for name in names]
    most = max(Counter(families).values()) if families else 0
    return families if most <= len(names) * COLLECTION else names


def _documented(board: Board) -> Board:
    """The board of the MODELS with most results, where these can be compared; ranks stay those among all."""
    counts = (~np.isnan(board.ranks)).sum(axis=1)
    keep = np.sort(np.argsort(-counts, kind="stable")[:MODELS])
    fewer = board.rows(keep)
    return fewer.only(np.flatnonzero((~np.isnan(fewer.ranks)).sum(axis=0) >= COMPARED))


def _left_out(board: Board, names: NDArray[np.str_]) -> Array:
    """(contexts x contexts) weights by which the others predict each context; its own data set has none."""
    among = relevance.BASE * relevance.among(board.contexts)
    np.fill_diagonal(among, 1.0)
    precision = np.linalg.inv(among)
    weights = np.maximum(-precision / np.diag(precision)[:, None], 0.0)
    other = names[:, None] != names[None, :]
    alike = np.where(other, relevance.alike_among(board.contexts), 0.0)
    found: Array = mixed(np.where(other, weights, 0.0), alike)
    return found


def _table(values: Array) -> Array:
    known = np.sort(values[~np.isnan(values)])
    found: Array = np.interp(np.linspace(0.0, 1.0, GRID), (np.arange(known.size) + 0.5) / known.size, known)
    return found


def _logit(share: Array | float) -> Array:
    kept: Array = np.clip(share, SURE, 1.0 - SURE)
    logit: Array = np.log(kept / (1.0 - kept))
    return logit
