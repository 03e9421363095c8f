"""The board: published results as percentile ranks, models x contexts, with what is not known left empty.

A context is one comparison under equal conditions: a dataset with its metric, training size and
strategy. Ranks, not values, are compared across contexts: one failed run ruins a mean of z-scores and
moves a mean of ranks by at most one place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from zoohub.registry import Evidence
from zoohub.selector import utility

Array = NDArray[np.float64]

LEAK_MARGIN = 0.05  # of a score in 0..1
LEAK_SEEDS = 4.0  # standard deviations of seed noise

# standard deviation of a fine-tuning result over seeds, as a fraction of 1: measured on six base
# models x 36 data sets x 20 seeds (IBM model-recycling); training size -> s.d.
_SEED_NOISE = ((1_000, 0.056), (5_000, 0.020), (20_000, 0.008), (100_000, 0.007), (float("inf"), 0.005))
UNKNOWN_SIZE_NOISE = 0.010


def seed_noise(n_train: float | None) -> float:
    """Standard deviation over seeds of a score in 0..1 after training on `n_train` samples."""
    if n_train is None:
        return UNKNOWN_SIZE_NOISE
    return next(noise for size, noise in _SEED_NOISE if n_train <= size)


@dataclass(frozen=True, slots=True)
class Context:
    """The conditions of one comparison; None is not known."""

    dataset: str
    task: str | None = None
    metric: str | None = None
    n_train: float | None = None
    n_classes: float | None = None
    language: str | None = None
    domain: str | None = None
    strategy: str | None = None


@dataclass(frozen=True)
class Board:
    """Results of `models` (rows) in `contexts` (columns).

    `values` are scores as published, seeds averaged, turned so that higher is better; `ranks` are
    percentile ranks within the column in (0, 1); NaN where there is no record. `lifts` say how far the models of each
    column stand above all, as a utility.
    """

    models: tuple[str, ...]
    contexts: tuple[Context, ...]
    values: Array
    ranks: Array
    lifts: Array

    @classmethod
    def build(cls, rows: Iterable[Evidence]) -> Board:
        """Gather evidence; several records of one model in one context are averaged by their seeds."""
        models: dict[str, int] = {}
        places: dict[tuple[object, ...], int] = {}
        contexts: list[Context] = []
        total: dict[tuple[int, int], tuple[float, float]] = {}
        last: tuple[object, ...] = ()
        column = -1
        for row in rows:
            told = (row.dataset, row.task, row.metric, row.n_train, row.strategy,
                    row.n_classes, row.language, row.domain)  # fmt: skip
            if told != last:  # rows of one context mostly follow each other
                last = told
                column = places.setdefault(told[:5], len(places))
                if column == len(contexts):
                    contexts.append(context_of(row))
                else:
                    contexts[column] = _merged(contexts[column], row)
            place = (models.setdefault(row.model, len(models)), column)
            value = row.value if row.higher_is_better else -row.value
            sum_, seeds = total.get(place, (0.0, 0.0))
            count = float(row.seeds or 1)
            total[place] = (sum_ + count * value, seeds + count)
        values = np.full((len(models), len(contexts)), np.nan)
        for place, (sum_, seeds) in total.items():
            values[place] = sum_ / seeds
        return cls.of(tuple(models), contexts, values)

    @classmethod
    def of(cls, models: Sequence[str], contexts: Sequence[Context], values: Array) -> Board:
        """A board from a matrix of values (higher is better)."""
        ranks = percentiles(values)
        return cls(tuple(models), tuple(contexts), values, ranks, utility.lifts(ranks))

    @property
    def utilities(self) -> Array:
        """What each result is worth among all models, not only among those of its column; NaN where there is none."""
        return utility.utility(self.ranks) + self.lifts

    def only(self, columns: Sequence[int] | NDArray[np.intp]) -> Board:
        """The board of these columns."""
        picked = tuple(self.contexts[i] for i in columns)
        return Board(
            self.models, picked, self.values[:, columns], self.ranks[:, columns], self.lifts[columns]
        )

    def rows(self, kept: Sequence[int] | NDArray[np.intp]) -> Board:
        """The board of these models; ranks and lifts stay those among all."""
        models = tuple(self.models[i] for i in kept)
        return Board(models, self.contexts, self.values[kept], self.ranks[kept], self.lifts)

    def without_models(self, hidden: Sequence[bool] | NDArray[np.bool_]) -> Board:
        """The board as if the `hidden` rows had no record at all; they remain as empty rows."""
        values = self.values.copy()
        values[np.asarray(hidden)] = np.nan
        return Board.of(self.models, self.contexts, values)

    def mask_leaks(self, bases: Mapping[str, str | None]) -> tuple[Board, int]:
        """Leave out records that are too good to be true, and say how many.

        A model made from another (`bases`: model -> its base) that beats the best base model of the
        column by more than max(5 points, 4 s.d. of seed noise) has most likely seen the test data.
        """
        roots = {base for base in bases.values() if base}
        is_base = np.array([model in roots for model in self.models])
        derived = np.array([bool(bases.get(model)) and model not in roots for model in self.models])
        if not is_base.any():
            return self, 0
        values, masked = self.values.copy(), 0
        for column, context in enumerate(self.contexts):
            known = values[is_base, column]
            if np.isnan(known).all():
                continue
            scale = 100.0 if np.nanmax(np.abs(values[:, column])) > 1.5 else 1.0
            limit = np.nanmax(known) + scale * max(LEAK_MARGIN, LEAK_SEEDS * seed_noise(context.n_train))
            leaks = derived & (values[:, column] > limit)
            values[leaks, column] = np.nan
            masked += int(leaks.sum())
        return Board.of(self.models, self.contexts, values), masked


def context_of(row: Evidence) -> Context:
    """The conditions under which the result is comparable with others."""
    return Context(
        row.dataset, row.task, row.metric, row.n_train, row.n_classes, row.language, row.domain, row.strategy
    )


def _merged(context: Context, row: Evidence) -> Context:
    """What describes the data counts where any record of the comparison states it."""
    if context.n_classes and context.language and context.domain:
        return context
    n_classes, language = context.n_classes or row.n_classes, context.language or row.language
    domain = context.domain or row.domain
    if (n_classes, language, domain) == (context.n_classes, context.language, context.domain):
        return context
    return replace(context, n_classes=n_classes, language=language, domain=domain)


def percentiles(values: Array) -> Array:
    """Percentile ranks of each column: (rank - 1/2) / count, ties share their mean; NaN stays NaN."""
    ranks = np.full(values.shape, np.nan)
    for column in range(values.shape[1]):
        known = np.flatnonzero(~np.isnan(values[:, column]))
        if known.size:
            ranks[known, column] = (mean_ranks(values[known, column]) - 0.5) / known.size
    return ranks


def mean_ranks(values: Array) -> Array:
    """Ranks 1..n, lowest value first, ties share their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    means: Array = last - (counts - 1) / 2.0
    return means[inverse]
