"""Reads tables of published results for the selector's benchmarks: finds the columns, turns rows into
evidence."""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path
from typing import Any

from zoohub.registry import Evidence
from zoohub.selector.traits import Traits

VALUES = (
    "acc",
    "value",
    "score",
    "main_score",
    "accuracy",
    "acc1",
    "lp_acc1",
    "miou",
    "map",
    "f1",
    "test_loss",
    "loss",
    "mase",
    "crps",
    "wer",
    "error",
    "rmse",
    "perplexity",
)
LOWER = ("loss", "wer", "mase", "crps", "error", "rmse", "perplexity", "mae", "cer")
MODELS = ("model", "name", "method", "model_id", "id")
SIZES = ("n_train", "n_train_total", "n", "k_shot", "k_per_class", "n_samples", "train_size")
PARAMETERS = (
    "params",
    "parameters",
    "n_parameters",
    "number_of_parameters",
    "num_parameters",
    "params (m)",
    "param_count",
    "size",
    "model size (b)",
)
BASES = ("base_model", "base", "base_models")
IGNORED = {"revision", "seed", "seed_dir", "model_link", "code_link", "labels", "last_modified", "tokenizer"}


def number(text: Any) -> float | None:
    """A finite number, or None."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def read(path: Path) -> list[dict[str, str]]:
    """Rows of a csv file."""
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def first(columns: list[str], wanted: tuple[str, ...]) -> str | None:
    """The first of `wanted` that is a column, case ignored."""
    lower = {column.lower(): column for column in columns}
    return next((lower[name] for name in wanted if name in lower), None)


def evidence(rows: list[dict[str, str]], value: str | None = None, task: str = "") -> list[Evidence]:
    """Long tables (a row per model and dataset) and wide ones (a column per dataset, such as `AMI WER`)."""
    columns = list(rows[0])
    model = first(columns, MODELS)
    if model is None:
        raise SystemExit(f"no column of model names: found {', '.join(columns)}")
    if "dataset" not in columns:
        return _wide(rows, model, task)
    value = value or first(columns, VALUES)
    if value is None:
        raise SystemExit(f"no column of results: found {', '.join(columns)}; name it with --value")
    size, found = first(columns, SIZES), []
    for row in rows:
        result = number(row[value])
        if result is not None and row[model]:
            found.append(
                Evidence(
                    model=row[model],
                    task=row.get("task") or task,
                    dataset=row["dataset"],
                    metric=value,
                    value=result,
                    higher_is_better=not _is_lower(value),
                    n_train=_size(row, size),  # type: ignore[arg-type]
                    n_classes=number(row.get("n_classes")),  # type: ignore[arg-type]
                    language=row.get("language") or None,
                    domain=row.get("domain") or None,
                    strategy=row.get("strategy") or None,
                    source=row.get("source") or "table",
                )
            )
    return found


def _is_lower(name: str) -> bool:
    return any(word in name.lower() for word in LOWER)


def _size(row: dict[str, str], column: str | None) -> float | None:
    if column is not None:
        value = number(row[column])
        return value if value is None or value >= 0 else 1e5  # -1 is the whole set in few-shot tables
    share = re.match(r"[\d.]+", row.get("fraction") or "")  # shares of one set: only their ratios matter
    return 1000.0 * float(share.group()) if share else None


def _wide(rows: list[dict[str, str]], model: str, task: str) -> list[Evidence]:
    columns = [c for c in rows[0] if re.search(r" (WER|CER|ACC|F1)$", c) and not c.lower().startswith("av")]
    return [
        Evidence(row[model], task, column, column.rsplit(" ", 1)[-1].lower(), result, not _is_lower(column))
        for row in rows
        for column in columns
        if (result := number(row[column])) is not None
    ]


def traits(rows: list[dict[str, str]]) -> dict[str, Traits]:
    """Model metadata: parameters, named numbers, and categories that several models share."""
    if not rows:
        return {}
    columns = list(rows[0])
    model = first(columns, ("model", *MODELS)) or columns[0]
    size = first(columns, PARAMETERS)
    numbers, kinds = [], []
    for column in columns:
        values = [row[column] for row in rows if row[column]]
        if column in (model, size) or column.lower() in IGNORED:
            continue
        distinct = len(set(values))
        if values and all(number(v) is not None for v in values):
            numbers.append(column)
        elif 1 < distinct <= max(60, 0.3 * len(values)):
            kinds.append(column)
    return {
        row[model]: Traits(
            _positive(row, size),
            {c: v for c in numbers if (v := number(row[c])) is not None},
            {c: row[c] for c in kinds if row[c]},
        )
        for row in rows
    }


def _positive(row: dict[str, str], size: str | None) -> float | None:
    value = number(row[size]) if size else None
    if value is None or value <= 0:
        return None
    scale = {"(m)": 1e6, "(b)": 1e9}.get((size or "").lower()[-3:], 1.0)
    return value * scale


def bases(rows: list[dict[str, str]]) -> dict[str, str | None]:
    """Model -> the model it was made from, where a column says so."""
    column = first(list(rows[0]), BASES) if rows else None
    model = first(list(rows[0]), MODELS) if rows else None
    return {row[model]: row[column] or None for row in rows} if column and model else {}
