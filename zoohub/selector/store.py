"""Evidence: where it comes from (bundled facts, the registry, cards) and the csv files that carry it."""

from __future__ import annotations

import csv
import gzip
import io
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, fields, replace
from pathlib import Path

from zoohub import tasks
from zoohub.errors import DataError, UnknownTask
from zoohub.registry import Evidence, ModelRecord, Registry
from zoohub.registry.evidence import is_loss
from zoohub.selector import units
from zoohub.selector.facts import FOLDER

COLUMNS = tuple(field.name for field in fields(Evidence))
DATASET = COLUMNS.index("dataset")
NEEDED = ("model", "task", "dataset", "metric", "value")
EXTRA = "more"  # where the reader puts values beyond the header
_TRUE, _FALSE = {"1", "true", "yes"}, {"0", "false", "no"}


def bundled(task: str) -> list[Evidence]:
    """The published results of a task that ship with zoohub."""
    return [_trusted(row) for row in _rows_of(task)]


def _rows_of(task: str) -> Iterator[list[str]]:
    file = FOLDER / f"{task}.csv.gz"
    if file.is_file():
        rows = csv.reader(io.StringIO(gzip.decompress(file.read_bytes()).decode("utf-8")))
        next(rows)
        yield from rows


def _trusted(row: list[str]) -> Evidence:
    """A row of our own files, in the order of COLUMNS, unchecked: tens of thousands are read for one
    answer."""
    model, task, dataset, metric, value, up, n_train, n_classes, language, domain, strategy, seeds, source = (
        row
    )
    return Evidence(
        model,
        task,
        dataset,
        metric,
        float(value),
        up == "1",
        int(n_train) if n_train else None,
        int(n_classes) if n_classes else None,
        language or None,
        domain or None,
        strategy or None,
        int(seeds) if seeds else None,
        source,
    )


def gather(registry: Registry, task: str) -> list[Evidence]:
    """All evidence of a task: bundled, then what the registry holds (own runs, imports)."""
    return [*bundled(task), *_of_embeddings(task), *map(units.canonical, registry.evidence(task=task))]


def _of_embeddings(task: str) -> Iterator[Evidence]:
    """Results of embeddings (MTEB) that are results of this task, too: similarity is measured on embeddings, and
    classes are told apart by a linear probe on them."""
    if task == "sentence-similarity":
        for row in _rows_of("feature-extraction"):
            yield replace(_trusted(row), task=task)
    if task == "text-classification":
        for row in _rows_of("feature-extraction"):
            if row[DATASET].endswith("Classification"):
                yield replace(_trusted(row), task=task, metric="accuracy", strategy="probe")


def of_card(record: ModelRecord, task: str) -> Iterator[Evidence]:
    """What a model's own card claims about the task: a dataset, a metric and a finite value."""
    people = any(
        metric.metric == "kp_map" for metric in record.metrics
    )  # keypoints: its boxes are of people alone
    for metric in record.metrics:
        if metric.dataset and metric.task in (None, task) and math.isfinite(metric.value):
            dataset = f"{metric.dataset} people" if people else metric.dataset
            up, source = not is_loss(metric.metric), metric.source or "card"
            yield units.canonical(
                Evidence(record.id, task, dataset, metric.metric, metric.value, up, source=source)
            )


def read_csv(path: Path) -> list[Evidence]:
    """Read evidence from a csv file with a header; `model, task, dataset, metric, value` are needed.

    Raises:
        DataError: it is no such table, a column is missing, unknown or there twice, a task is unknown, a value is no
        finite number, or there are no rows; the message names the line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, restkey=EXTRA)
            _check_header(tuple(reader.fieldnames or ()), path)
            rows = list(_parse(reader, str(path)))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path} is no csv file in UTF-8: {error}.", f"Its columns: {', '.join(COLUMNS)}"
        ) from error
    if not rows:
        raise DataError(f"{path} holds no results, only a header.", "Add a line a result.")
    return rows


def _check_header(found: tuple[str, ...], path: Path) -> None:
    missing = [name for name in NEEDED if name not in found]
    unknown = [name for name in found if name not in COLUMNS]
    twice = [name for name, count in Counter(found).items() if count > 1]
    if missing:
        what = f"lacks {', '.join(missing)}; found: {', '.join(found) or 'nothing'}"
    elif unknown:
        what = f"has unknown columns: {', '.join(unknown)}"
    elif twice:
        what = f"has {twice[0]} twice"
    else:
        return
    raise DataError(f"{path} {what}.", f"Columns: {', '.join(COLUMNS)} (needed: {', '.join(NEEDED)})")


def write_csv(rows: Iterable[Evidence], path: Path) -> int:
    """Write evidence as csv that `read_csv` reads; returns how many."""
    count = 0
    with path.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            writer.writerow(["" if v is None else int(v) if isinstance(v, bool) else v for v in astuple(row)])
            count += 1
    return count


def _parse(rows: Iterable[Mapping[str, str]], where: str) -> Iterator[Evidence]:
    for line, row in enumerate(rows, start=2):
        place = f"{where}, line {line}"
        if empty := [name for name in NEEDED if not row.get(name)]:
            raise DataError(f"{place}: {empty[0]} is empty.")
        if EXTRA in row:
            raise DataError(
                f"{place} has more values than the header has columns.", 'Quote values with commas: "a, b"'
            )
        yield Evidence(
            row["model"],
            _task(row["task"], place),
            row["dataset"],
            row["metric"],
            _number(row["value"], "value", place),
            _flag(row.get("higher_is_better"), row["metric"], place),
            _count(row, "n_train", place),
            _count(row, "n_classes", place),
            row.get("language") or None,
            row.get("domain") or None,
            row.get("strategy") or None,
            _count(row, "seeds", place),
            row.get("source") or "import",
        )


def _task(text: str, place: str) -> str:
    try:
        return tasks.resolve(text).id
    except UnknownTask as error:
        raise DataError(f"{place}: {error.message}", error.remedy) from error


def _number(text: str, name: str, place: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{place}: {name} is {text!r}, no finite number.")
    return value


def _count(row: Mapping[str, str], name: str, place: str) -> int | None:
    text = row.get(name)
    if not text:
        return None
    value = _number(text, name, place)
    if value < 0:
        raise DataError(f"{place}: {name} is {text!r}, a count cannot be negative.")
    return round(value)


def _flag(text: str | None, metric: str, place: str) -> bool:
    """Whether more is better: as the row says, else as the metric's name tells (wer, loss: less is)."""
    if not text:
        return not is_loss(metric)
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise DataError(f"{place}: higher_is_better is {text!r}, neither true nor false.")
    return word in _TRUE
