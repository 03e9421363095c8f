"""How good answers are: each task's metrics with a 95 % bootstrap interval.

Almost every metric is a function of sums over the examples: accuracy of (right, 1), macro F1 of counts per
class, word error rate of (errors, words), BLEU of n-gram counts. So an example is measured once, as a row of
such numbers, and a resample is a weighted sum of rows: a thousand of them cost one matrix product. Those that
order all examples together (average precision, equal error rate) take the weights themselves. Nothing is
downloaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from zoohub.errors import DataError
from zoohub.tasks import get as get_task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and the interval that holds it with 95 % probability, by resampling the examples."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"

    def __float__(self) -> float:
        return self.value


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The metrics of `n` examples, the task's main one first.

    `confusion` counts (true label, given label) where the task has one label an input; `labels` are its axes.
    `conditions` say what the figures depend on besides model and data, such as the recognizer that listened.
    """

    task: str
    n: int
    metrics: Mapping[str, Estimate]
    labels: tuple[str, ...] = ()
    confusion: Sequence[Sequence[int]] = ()
    skipped: tuple[str, ...] = field(default=())
    conditions: tuple[str, ...] = ()

    def __getitem__(self, metric: str) -> float:
        return self.metrics[metric].value

    @property
    def main(self) -> str:
        """The name of the task's main metric."""
        return next(iter(self.metrics))

    @property
    def value(self) -> float:
        """The main metric."""
        return self[self.main]

    def to_dict(self) -> dict[str, Any]:
        """Plain values: each metric with `value`, `low` and `high`."""
        shown = {
            name: {"value": round(e.value, 6), "low": round(e.low, 6), "high": round(e.high, 6)}
            for name, e in self.metrics.items()
        }
        plain: dict[str, Any] = {"task": self.task, "n": self.n, "metrics": shown}
        if self.confusion:
            plain |= {"labels": list(self.labels), "confusion": [list(row) for row in self.confusion]}
        if self.conditions:
            plain["conditions"] = list(self.conditions)
        return plain

    def __str__(self) -> str:
        under = f" ({', '.join(self.conditions)})" if self.conditions else ""
        return f"{self.task}, n={self.n}{under}: " + ", ".join(f"{k} {v}" for k, v in self.metrics.items())


class Metric(Protocol):
    """A value of `n` examples, of which each may count several times or not at all."""

    def __len__(self) -> int:
        """How many examples."""

    def of(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """How often each example counts `(r, n)` -> a value for each row `(r,)`."""


@dataclass(frozen=True, slots=True)
class Sums:
    """A metric as a function of sums: `rows` `(n, k)`, and `value` of sums `(..., k)` -> `(...)`."""

    rows: NDArray[np.float64]
    value: Callable[[NDArray[np.float64]], NDArray[np.float64]]

    def __len__(self) -> int:
        return len(self.rows)

    def of(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The value of each weighted sum of the rows."""
        return self.value(weights @ self.rows)


def measure(
    task: str, targets: Sequence[Any], results: Sequence[Any], labels: Sequence[str] = (), *, seed: int = 0
) -> Evaluation:
    """The metrics of `results` against `targets`.

    Raises:
        DataError: there is nothing to measure, or no metric for this task.
    """
    if not targets:
        raise DataError("There is nothing to evaluate on: no example is left.")
    measurer = _measurers().get(task)
    if measurer is None:
        main = getattr(get_task(task), "metric", "") or "none"
        raise DataError(f"zoohub has no metric for {task} (the field's own: {main}).")
    sums = measurer(targets, results, labels)
    metrics = {name: estimate(metric, seed) for name, metric in sums.items()}
    confusion = _confusion(targets, results, labels) if labels and _single(targets, results) else ()
    return Evaluation(task, len(targets), metrics, tuple(labels), confusion)


def estimate(metric: Metric, seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
    """The metric of all rows, and the 2.5 and 97.5 percentiles over resamples of the rows."""
    import numpy as np

    n = len(metric)
    value = float(metric.of(np.ones((1, n)))[0])
    draws = np.random.default_rng(seed)
    values: list[NDArray[np.float64]] = []
    for _ in range(0, resamples, 100):  # 100 at a time: the weights of a million rows stay below a gigabyte
        weights = draws.multinomial(n, np.full(n, 1 / n), size=100) if n < 5000 else _weights(draws, n)
        values.append(metric.of(np.asarray(weights, float)))
    low, high = np.nanpercentile(np.concatenate(values), [2.5, 97.5])
    return Estimate(value, float(low), float(high))


def _weights(draws: np.random.Generator, n: int) -> NDArray[Any]:
    """How often each row is drawn; independent Poisson counts are as good for many rows, and fast."""
    return draws.poisson(1.0, size=(100, n))


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    ratio: NDArray[np.float64] = np.divide(
        above, below, out=np.zeros_like(above, dtype=float), where=below != 0
    )
    return ratio


def mean_of(values: Sequence[float] | NDArray[Any]) -> Sums:
    """The mean of one number an example."""
    import numpy as np

    column = np.asarray(values, dtype=float)
    return Sums(np.stack([column, np.ones_like(column)], 1), lambda s: _ratio(s[..., 0], s[..., 1]))


def ratio_of(above: Sequence[float] | NDArray[Any], below: Sequence[float] | NDArray[Any]) -> Sums:
    """The sum of one number over the sum of another: errors over words."""
    import numpy as np

    return Sums(np.stack([np.asarray(above, float), np.asarray(below, float)], 1),
                lambda s: _ratio(s[..., 0], s[..., 1]))  # fmt: skip


def f1_of(right: NDArray[Any], given: NDArray[Any], true: NDArray[Any], *, macro: bool) -> Sums:
    """F1 from counts per example and class `(n, classes)`: the mean over classes, or over all items."""
    import numpy as np

    size = right.shape[1]

    def value(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        hit, said, there = sums[..., :size], sums[..., size : 2 * size], sums[..., 2 * size :]
        if not macro:
            return _ratio(2 * hit.sum(-1), (said + there).sum(-1))
        occurs = (said + there) > 0
        return _ratio(_ratio(2 * hit, said + there).sum(-1), occurs.sum(-1).astype(float))

    return Sums(np.concatenate([right, given, true], 1).astype(float), value)


# --- per task -------------------------------------------------------------------------------------


def _measurers() -> Mapping[
    str, Callable[[Sequence[Any], Sequence[Any], Sequence[str]], Mapping[str, Metric]]
]:
    from zoohub.adapters import measures, sight_measures, word_measures

    return {**measures.MEASURES, **sight_measures.MEASURES, **word_measures.MEASURES}


def _single(targets: Sequence[Any], results: Sequence[Any]) -> bool:
    return isinstance(targets[0], str) and hasattr(results[0], "label")


def _confusion(targets: Sequence[str], results: Sequence[Any], labels: Sequence[str]) -> list[list[int]]:
    place = {label: i for i, label in enumerate(labels)}
    table = [[0] * len(labels) for _ in labels]
    for target, result in zip(targets, results, strict=True):
        if target in place and result.label in place:
            table[place[target]][place[result.label]] += 1
    return table
