"""Facts that ship with zoohub: what is public of well-known data sets, and published results by task.

`facts/datasets.csv` describes data sets; `facts/<task>.csv.gz` holds results. Each file
names the source of each row; `facts/README.md` states the licenses.
"""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import NamedTuple

from zoohub import tasks
from zoohub.registry import ModelRecord, sizes
from zoohub.selector.board import Context

FOLDER = resources.files("zoohub.selector") / "facts"
_PLAIN = re.compile(r"[^a-z0-9]+")
_SIZE_IN_NAME = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)([mb])(?![a-z0-9])")


class DatasetFacts(NamedTuple):
    """What is public of a data set; None where it is not one number."""

    task: str | None
    n_train: float | None
    n_classes: float | None
    language: str | None
    domain: str | None


@cache
def datasets() -> dict[str, DatasetFacts]:
    """Plain name (lower case, letters and digits) -> facts, aliases included."""
    found = {}
    with (FOLDER / "datasets.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            facts = DatasetFacts(
                row["task"] or None,
                float(row["n_train"]) if row["n_train"] else None,
                float(row["n_classes"]) if row["n_classes"] else None,
                row["language"] or None,
                row["domain"] or None,
            )
            for name in row["names"].split("|"):
                found[plain(name)] = facts
    return found


def plain(name: str) -> str:
    """A data set's name without case, owner and punctuation: `HF/CIFAR-100` -> `cifar100`."""
    return _PLAIN.sub("", name.rsplit("/", 1)[-1].lower())


def complete(context: Context) -> Context:
    """The context with what is public of its data set, where the result itself does not say."""
    facts = datasets().get(plain(context.dataset))
    if facts is None:
        return context
    return replace(
        context,
        n_train=context.n_train if context.n_train is not None else facts.n_train,
        n_classes=context.n_classes if context.n_classes is not None else facts.n_classes,
        language=context.language or facts.language,
        domain=context.domain or facts.domain,
    )


def size(record: ModelRecord) -> int | None:
    """Parameters of a model: as its record says, else a published table, else its name (`nllb-200-1.3B`)."""
    return record.parameters or published_size(record.id) or _named_size(record)


def published_size(model: str) -> int | None:
    """Parameters of a model as a published table states them."""
    found = sizes.published().get(model)
    return found.parameters if found else None


def needs_code(record: ModelRecord) -> bool:
    """Whether the model runs code of its own, as its config or a tag says."""
    return bool(record.config.get("auto_map")) or "custom_code" in record.tags


def _named_size(record: ModelRecord) -> int | None:
    """What the name says; names of vision models count training images instead (`datacomp-1b`)."""
    known = tasks.get(record.task) if record.task else None
    if known is None or known.modality not in ("text", "speech"):
        return None
    match = _SIZE_IN_NAME.search(record.id.rsplit("/", 1)[-1].lower())
    return int(float(match[1]) * (1e9 if match[2] == "b" else 1e6)) if match else None
