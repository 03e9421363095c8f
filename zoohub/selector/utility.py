"""The scale on which standings are averaged, and what makes comparisons of different models commensurable.

A percentile rank becomes a utility: half straight and half on a scale on which the top counts more, as it does for
who picks one model. Ranks say nothing of whom they were won against: a comparison of strong models lifts all that take
part.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

TOP = 1.05  # keeps the best utility finite; larger is flatter at the top
CENTER = 0.86  # mean utility over uniform ranks
STRAIGHT = 2.5  # of the straight half: both halves then vary alike over uniform ranks
PASSES = 5  # of levels and lifts, each from the other; more changes little
AVERAGE = 1.0  # results as those of an average model that each model is credited with, when others are measured by it


def utility(ranks: Array) -> Array:
    """Utility of a percentile rank in 0..1; NaN stays NaN."""
    result: Array = 0.5 * (CENTER + STRAIGHT * (ranks - 0.5)) - 0.5 * np.log(TOP - ranks)
    return result


_GRID = np.linspace(0.0, 1.0, 1001)
_UTILITIES = utility(_GRID)


def percentile(utilities: Array) -> Array:
    """The inverse of `utility`, kept within 0..1."""
    result: Array = np.interp(utilities, _UTILITIES, _GRID)
    return result


def lifts(ranks: Array) -> Array:
    """How far those that take part in each context (column; NaN: does not take part) stand above all models, as
    a utility. Zero where all take part everywhere."""
    known = ~np.isnan(ranks)
    above = np.where(known, utility(ranks) - CENTER, 0.0)
    results, among = known.sum(axis=1), np.maximum(known.sum(axis=0), 1)
    found = np.zeros(ranks.shape[1])
    if known.all() or not known.any():
        return found
    for _ in range(PASSES):
        level = ((above + found) * known).sum(axis=1) / (results + AVERAGE)
        found = known.T @ level / among - level[results > 0].mean()
    return found
