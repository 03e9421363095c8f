"""The bundled catalog as a source: facts that published packages state, one data file for each origin.

The files (`zoohub/cards/catalog/*.jsonl.gz`) hold what was stated, word for word; licenses are normalized
here, at load, so that a better license table betters the old catalog too.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import cache
from importlib.resources import files
from typing import Any

from zoohub.errors import SourceError
from zoohub.registry import sizes
from zoohub.registry.records import ModelRecord
from zoohub.registry.sources import Files, Page, Source, Wanted, source
from zoohub.registry.sources.licensed import licensed

PAGE = 1000

# Where two origins state one fact of one model, the earlier of these stands: those that curate their entries
# by hand and pin revisions come first.
_RANK = ("pypi", "mteb", "timm", "torchvision", "clip", "xinference", "swift")
_UNITED = (
    "tasks",
    "languages",
    "formats",
    "tags",
    "mirrors",
    "datasets",
    "license_evidence",
    "metrics",
    "base_models",
)

Row = dict[str, Any]


class CatalogSource(Source):
    """All records of the bundled catalog; the files of a model come from the source that its id names."""

    name = "catalog"

    def pages(self, wanted: Wanted | None = None, cursor: str | None = None) -> Iterator[Page]:
        """The catalog in steps of a thousand; the cursor is the number of records that are behind."""
        rows = [row for row in _merged() if wanted is None or _matches(row, wanted)]
        rows = rows[: wanted.limit] if wanted and wanted.limit is not None else rows
        for start in range(int(cursor or 0), len(rows), PAGE):
            part = tuple(_record(row) for row in rows[start : start + PAGE])
            yield Page(part, cursor=str(start + len(part)), total=len(rows))

    def open(self, record: ModelRecord) -> AbstractContextManager[Files]:
        """Open the model at the place that its id names."""
        if record.source == self.name:
            raise SourceError(f"{record.id} names no place that has its files.")
        return source(record.source).open(record)


def of_source(name: str, wanted: Wanted | None = None) -> Page:
    """The catalog's models whose files lie at the source `name`, as one page."""
    pages = CatalogSource().pages(wanted)
    found = tuple(record for page in pages for record in page.records if record.source == name)
    return Page(found, total=len(found))


def provenance() -> dict[str, Any]:
    """Origin -> which packages, versions and files its records rest on."""
    found: dict[str, Any] = json.loads(
        (files("zoohub.cards") / "catalog" / "provenance.json").read_text("utf-8")
    )
    return found


@cache
def twins() -> dict[str, tuple[str, ...]]:
    """ModelScope id -> ids of the same weights on the Hugging Face Hub, as the origins state them."""
    table: dict[str, list[str]] = {}
    for row in _merged():
        for mirror in row.get("mirrors", ()):
            if mirror.startswith("modelscope:") and ":" not in row["id"]:
                table.setdefault(mirror, []).append(row["id"])
    return {ident: tuple(hub) for ident, hub in table.items()}


def _matches(row: Row, wanted: Wanted) -> bool:
    tasks = {row.get("task"), *row.get("tasks", ())}
    return (not wanted.tasks or bool(tasks & set(wanted.tasks))) and (
        not wanted.authors or row.get("author") in wanted.authors
    )


@cache
def _merged() -> list[Row]:
    """Every row once, by id; what several origins state of one model is put together."""
    notes = provenance()
    table: dict[str, Row] = {}
    for origin in sorted(notes, key=lambda name: (_RANK.index(name) if name in _RANK else len(_RANK), name)):
        for row in _rows(origin):
            key = row["id"].lower()  # hubs know one model under one spelling, whatever the case
            known = table.get(key)
            table[key] = _united(known, row) if known else row
    return sorted(map(_sized, table.values()), key=lambda row: (-_standing(row), row["id"]))


def _standing(row: Row) -> int:
    """How much speaks for a model while nobody has counted its downloads: the order among equals.

    Weights that pip brings can be tried at once; several packages that name a model are as many users of it;
    and what is known of it can be judged. Models that exist for the tests of a library come last.
    """
    if any(word in row["id"].lower() for word in ("dummy", "tiny-random", "internal-testing", "-test")):
        return -1
    return int(
        8 * row["id"].startswith("pypi:")
        + 2 * min(row["origin"].count(",") + 1, 4)
        + 3 * bool(row.get("license_raw"))
        + 2 * bool(row.get("metrics"))
        + bool(row.get("parameters"))
        + bool(row.get("languages"))
    )


def _rows(origin: str) -> Iterator[Row]:
    packed = (files("zoohub.cards") / "catalog" / f"{origin}.jsonl.gz").read_bytes()
    return map(json.loads, gzip.decompress(packed).decode("utf-8").splitlines())


def _united(known: Row, more: Row) -> Row:
    """Facts of two origins: single facts of the first stand, lists are joined without repeating."""
    out = {**more, **known, "origin": f"{known['origin']}, {more['origin']}"}
    out["config"] = {**more.get("config", {}), **known.get("config", {})}
    for key in _UNITED:
        joined = [*known.get(key, ()), *more.get(key, ())]
        if joined:
            out[key] = [item for at, item in enumerate(joined) if item not in joined[:at]]
    if known.get("base_models") and more.get("base_models"):
        out["base_models"] = known["base_models"]
    return out


def _sized(row: Row) -> Row:
    """The row with the parameters that a published table states, where no origin does."""
    size = sizes.published().get(row["id"]) if not row.get("parameters") else None
    if size is None:
        return row
    return row | {"parameters": size.parameters, "origin": f"{row['origin']}; parameters: {size.source}"}


def _record(row: Row) -> ModelRecord:
    first = next(iter(row.get("tasks", ())), None)
    return licensed(ModelRecord.from_dict({"task": first, **row}))
