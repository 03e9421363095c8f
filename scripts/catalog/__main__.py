"""`python -m scripts.catalog [ORIGIN ...]`: download, read, write zoohub/cards/catalog/."""

from __future__ import annotations

import argparse
import gzip
import io
import json
import tempfile
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from scripts.catalog import origins
from scripts.catalog.model import Record
from scripts.catalog.packages import Package, fetch
from zoohub import tasks
from zoohub.errors import ZooError
from zoohub.registry.records import ModelId, ModelRecord

TARGET = Path(__file__).parents[2] / "zoohub" / "cards" / "catalog"
ORIGINS = tuple(sorted(path.stem for path in Path(origins.__file__).parent.glob("[a-z]*.py")))


def main() -> None:
    """Build the named origins, or all of them."""
    parser = argparse.ArgumentParser(
        description="Rebuild the bundled catalog from the packages that state its facts."
    )
    parser.add_argument(
        "origin", nargs="*", choices=[*ORIGINS, []], help="the origins to rebuild (default: all)"
    )
    parser.add_argument("--downloads", type=Path, help="keep the downloaded packages here")
    options = parser.parse_args()
    TARGET.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for origin in options.origin or ORIGINS:
            build(origin, options.downloads or Path(scratch))


def build(origin: str, downloads: Path) -> None:
    """Write `<origin>.jsonl.gz` and the origin's entry of provenance.json."""
    module = import_module(f"scripts.catalog.origins.{origin}")
    packages = [fetch(name, downloads) for name in module.PACKAGES]
    rows, refused = merged(_stated(module, packages))
    (TARGET / f"{origin}.jsonl.gz").write_bytes(_compressed(rows))
    note = {"records": len(rows), "refused": refused, "what": (module.__doc__ or "").split("\n")[0],
            "packages": [package.provenance() for package in packages]}  # fmt: skip
    place = TARGET / "provenance.json"
    table: dict[str, Any] = json.loads(place.read_text("utf-8")) if place.exists() else {}
    table = dict(sorted((table | {origin: note}).items()))
    place.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(f"{origin}: {len(rows)} records, {len(refused)} refused {refused[:3] or ''}")


def _stated(module: Any, packages: list[Package]) -> Iterator[Record]:
    """The module's records, each with the package that states it (`READERS`: one reader for each package)."""
    readers = getattr(module, "READERS", None)
    sources = (
        zip(packages, readers, strict=True)
        if readers
        else [(packages[0], lambda _: module.records(*packages))]
    )
    for package, read in sources:
        stated = f"{package.metadata['name']} {package.metadata['version']}"
        for record in read(package):
            task = record.get("task")
            if task and tasks.get(task) is None:  # a task of the origin's own stays findable as a tag
                record["tags"] = [*record.get("tags", ()), record.pop("task")]
            yield {"origin": stated, **record}


def merged(records: Iterable[Record]) -> tuple[list[Record], list[str]]:
    """Records by id, sorted; a model that is listed twice is one, the first statement of a fact stands."""
    table: dict[str, Record] = {}
    refused: set[str] = set()
    for record in records:
        try:
            ModelId.parse(record["id"], folders=False)
            ModelRecord.from_dict(record)
        except ZooError:
            refused.add(record["id"])
            continue
        table[record["id"]] = record | table.get(record["id"], {})
    return [table[id] for id in sorted(table)], sorted(refused)


def _compressed(rows: list[Record]) -> bytes:
    """JSON lines, gzip without a date: the same facts give the same bytes."""
    lines = "".join(
        json.dumps(row, ensure_ascii=False, separators=(",", ":"), sort_keys=True) + "\n" for row in rows
    )
    out = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=0, compresslevel=9) as stream:
        stream.write(lines.encode())
    return out.getvalue()


if __name__ == "__main__":
    main()
