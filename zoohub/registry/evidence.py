"""Evidence: what fine-tuning a model on a data set gave, measured here or published; the selector learns from it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields

from zoohub.errors import InvalidRecord
from zoohub.registry.database import Connection


@dataclass(frozen=True, slots=True)
class Evidence:
    """One result. `n_train` and `n_classes` describe the data, `seeds` counts the runs that `value` is the mean of."""

    model: str
    task: str
    dataset: str
    metric: str
    value: float
    higher_is_better: bool = True
    n_train: int | None = None
    n_classes: int | None = None
    language: str | None = None
    domain: str | None = None
    strategy: str | None = None
    seeds: int | None = None
    source: str = "measured"


LOSSES = ("loss", "wer", "cer", "error", "perplexity", "mae", "rmse", "mase", "absrel", "eer")


def is_loss(metric: str) -> bool:
    """Whether less of a metric is better, by its name."""
    return any(word in metric.lower() for word in LOSSES)


_COLUMNS = tuple(f.name for f in fields(Evidence))


def add(connection: Connection, items: Iterable[Evidence]) -> int:
    """Append results; returns how many.

    Raises:
        InvalidRecord: a value is no finite number.
    """
    items = list(items)
    for item in items:
        if not math.isfinite(item.value):
            raise InvalidRecord(
                item.model, f"{item.metric} on {item.dataset} is {item.value}, no finite number"
            )
    rows = [
        tuple(int(value) if isinstance(value, bool) else value for value in astuple(item)) for item in items
    ]
    with connection.write():
        connection.insert("evidence", _COLUMNS, rows)
    return len(rows)


def find(connection: Connection, task: str | None, model: str | None) -> list[Evidence]:
    """Results of a task or of a model, oldest first."""
    conditions = [
        (f"{name} = ?", value) for name, value in (("task", task), ("model", model)) if value is not None
    ]
    where = f"WHERE {' AND '.join(sql for sql, _ in conditions)}" if conditions else ""
    rows = connection.rows(
        f"SELECT {', '.join(_COLUMNS)} FROM evidence {where} ORDER BY pk",  # noqa: S608  # names
        [value for _, value in conditions],
    )
    return [
        Evidence(**{**dict(zip(_COLUMNS, row, strict=True)), "higher_is_better": bool(row[5])})
        for row in rows
    ]
