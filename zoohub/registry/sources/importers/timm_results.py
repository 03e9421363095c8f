"""timm's results-*.csv: accuracy, parameters and image size of its models on ImageNet and its variants."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from zoohub.errors import InvalidModelId
from zoohub.registry.records import Metric, ModelId, ModelRecord
from zoohub.registry.sources import facts
from zoohub.registry.sources.importers.reading import FileSource, Make

TITLE = "a timm results table (results-imagenet.csv)"

_DATASETS = {"imagenet": "imagenet-1k", "imagenet-real": "imagenet-real", "imagenet-a": "imagenet-a",
             "imagenet-a-clean": "imagenet-a-clean", "imagenet-r": "imagenet-r",
             "imagenet-r-clean": "imagenet-r-clean",
             "imagenetv2-matched-frequency": "imagenet-v2", "sketch": "imagenet-sketch"}  # fmt: skip


def matches(path: Path) -> bool:
    """A csv with the columns `model`, `top1` and `param_count`."""
    if not path.is_file() or path.suffix != ".csv":
        return False
    with path.open(encoding="utf-8", errors="replace") as stream:
        return {"model", "top1", "param_count"} <= set(stream.readline().strip().split(","))


def reads(path: Path) -> FileSource:
    """The metrics of the table; they are added to what is known of the models."""
    return FileSource("timm-results", partial(_rows, path))


def _rows(path: Path) -> Iterable[Make]:
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            yield partial(_record, row, path.name)


def _record(row: Mapping[str, str], file: str) -> ModelRecord:
    ident = f"timm/{row.get('model', '')}"
    dataset = _DATASETS.get(file.removeprefix("results-").removesuffix(".csv"), file.removesuffix(".csv"))
    try:
        ModelId.parse(ident, folders=False)
        millions = float(row["param_count"].replace(",", "")) if row.get("param_count") else None
        return ModelRecord(
            id=ident,
            author="timm",
            task="image-classification",
            library="timm",
            parameters=facts.count(millions and millions * 1e6, facts.MOST_PARAMETERS, "parameters"),
            metrics=tuple(
                Metric(name, float(row[column]), "image-classification", dataset, file)
                for name, column in (("accuracy", "top1"), ("top-5 accuracy", "top5")) if row.get(column)
            ),
            config={"layout": "timm", "architecture": row["model"].partition(".")[0]},
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, InvalidModelId) as error:
        raise facts.refused(ident, error) from error
