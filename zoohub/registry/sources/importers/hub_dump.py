"""Dumps of the Hugging Face Hub: `list_models` as JSON (lines), or one JSON for each model, in a tar too."""

from __future__ import annotations

import gzip
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from zoohub.errors import SourceError
from zoohub.registry.records import ModelRecord
from zoohub.registry.sources import facts
from zoohub.registry.sources.hub import LARGEST_RECORD, OFFICIAL
from zoohub.registry.sources.hub_record import from_hub
from zoohub.registry.sources.importers.reading import FileSource, Make

TITLE = "a dump of the Hub (list_models as .json or .jsonl; a folder or tar with one JSON for each model)"

_TARS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
_LINES = (".jsonl", ".jsonl.gz", ".ndjson")


def matches(path: Path) -> bool:
    """By its name, and a folder by its first JSON file."""
    if path.is_dir():
        return next(path.rglob("*.json"), None) is not None
    return path.name.endswith((*_TARS, *_LINES, ".json", ".json.gz"))


def reads(path: Path) -> FileSource:
    """The models of the dump: the Hub's own words, which overrule what others say."""
    return FileSource("hub-dump", partial(_rows, path), authority=True)


def _rows(path: Path) -> Iterable[Make]:
    for name, content in _contents(path):
        if len(content) > LARGEST_RECORD:
            yield partial(_refuse, name, f"its description has {len(content) >> 20} MiB")
        else:
            yield partial(_record, name, content)


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """(where, JSON text) of each model."""
    if path.is_dir():
        yield from ((str(file.relative_to(path)), file.read_bytes()) for file in sorted(path.rglob("*.json"))
                    if file.name != "index.json")  # fmt: skip
    elif path.name.endswith(_TARS):
        yield from _members(path)
    elif path.name.endswith(_LINES):
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            yield from ((f"line {at}", line) for at, line in enumerate(stream, 1) if line.strip())
    else:
        yield from _list(path)


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Members are read one after the other and never unpacked to disk, so that their names can do no harm."""
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if (
                    member.isfile()
                    and member.name.endswith(".json")
                    and not member.name.endswith("index.json")
                ):
                    stream = archive.extractfile(member)
                    if stream:
                        yield member.name, stream.read(LARGEST_RECORD + 1)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise SourceError(f"{path.name} is no whole tar file: {error}.") from error


def _list(path: Path) -> Iterator[tuple[str, bytes]]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path.name} is no JSON: {error}.") from error
    for at, item in enumerate(data if isinstance(data, list) else [data]):
        yield f"entry {at}", json.dumps(item).encode()


def _refuse(name: str, reason: str) -> ModelRecord:
    raise facts.refused(name, reason)


def _record(name: str, content: bytes) -> ModelRecord:
    try:
        item = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise facts.refused(name, "no JSON") from error
    if not isinstance(item, Mapping):
        raise facts.refused(name, "no JSON object")
    return replace(from_hub(_as_api(item) if "downloads_30d" in item else _plain(item)), origin=OFFICIAL)


def _as_api(item: Mapping[str, Any]) -> dict[str, Any]:
    """The layout of one JSON for each model (schema 1), spelled as the Hub's API spells it."""
    count = item.get("parameters")
    base = item.get("base_model")
    kinds = {str(tag).split(":")[1] for tag in item.get("tags") or () if str(tag).startswith("base_model:")}
    known = [kind for kind in sorted(kinds) if facts.relation(kind)]
    return {
        "id": item.get("id"),
        "author": item.get("author"),
        "pipeline_tag": item.get("pipeline_tag"),
        "library_name": item.get("library"),
        "tags": [*(item.get("tags") or ()), *(item.get("formats") or ())],
        "downloads": item.get("downloads_30d"),
        "likes": item.get("likes"),
        "createdAt": item.get("created_at"),
        "lastModified": item.get("updated_at"),
        "gated": item.get("gated"),
        "safetensors": {"total": count} if count else None,
        "usedStorage": item.get("storage_bytes") or None,
        "cardData": {"license": item.get("license"), "language": item.get("languages"), "base_model": base,
                     "base_model_relation": known[0] if len(known) == 1 else None},
    }  # fmt: skip


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    """`ModelInfo` as Python writes it (snake case) or as the API does."""
    names = {"last_modified": "lastModified", "created_at": "createdAt", "card_data": "cardData",
             "model_index": "model-index", "used_storage": "usedStorage"}  # fmt: skip
    return {names.get(key, key): value for key, value in item.items()}
