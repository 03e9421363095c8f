"""The ONNX model hub's ONNX_HUB_MANIFEST.json: name, path, digest, opset and tags of each model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from zoohub import tasks
from zoohub.errors import InvalidModelId, SourceError
from zoohub.registry.records import ModelFile, ModelId, ModelRecord
from zoohub.registry.sources import facts
from zoohub.registry.sources.importers.reading import FileSource, Make

TITLE = "an ONNX hub manifest (ONNX_HUB_MANIFEST.json)"

_TASKS = {"classification": "image-classification", "object detection segmentation": "object-detection",
          "machine comprehension": "question-answering", "super resolution": "image-to-image",
          "style transfer": "image-to-image", "body analysis": "image-classification"}  # fmt: skip


def matches(path: Path) -> bool:
    """A JSON list whose entries have `model` and `model_path`."""
    if not path.is_file() or path.suffix != ".json":
        return False
    with path.open("rb") as stream:
        head = stream.read(4096)
    return head.lstrip().startswith(b"[") and b'"model_path"' in head


def reads(path: Path) -> FileSource:
    """The models of the manifest."""
    return FileSource("onnx", partial(_rows, path))


def _rows(path: Path) -> Iterable[Make]:
    try:
        data = json.loads(path.read_bytes())
    except ValueError as error:
        raise SourceError(f"{path.name} is no JSON.") from error
    for item in data if isinstance(data, list) else ():
        yield partial(_record, item)


def _record(item: object) -> ModelRecord:
    if not isinstance(item, Mapping) or not isinstance(item.get("model_path"), str):
        raise facts.refused("?", "no entry of a manifest")
    place = item["model_path"]
    stem = re.sub(r"[^A-Za-z0-9._+]+", "-", place.rsplit("/", 1)[-1].removesuffix(".onnx")).strip("-.")
    ident = f"onnx:{stem}"
    try:
        ModelId.parse(ident, folders=False)
        return _of(ident, place, item)
    except (ValueError, InvalidModelId) as error:
        raise facts.refused(ident, error) from error


def _of(ident: str, place: str, item: Mapping[str, Any]) -> ModelRecord:
    meta = item.get("metadata")
    meta = meta if isinstance(meta, Mapping) else {}
    tags = facts.words(meta.get("tags"))
    task = next((found for tag in tags if (found := _task(tag))), None)
    digest = str(meta.get("model_sha", ""))
    size = facts.count(meta.get("model_bytes"), facts.MOST_BYTES, "size in bytes")
    file = ModelFile(
        place.rsplit("/", 1)[-1], size, digest if re.fullmatch(r"[0-9a-f]{64}", digest) else None
    )
    return ModelRecord(
        id=ident,
        source="onnx",
        task=task,
        library="onnx",
        size=size,
        formats=("onnx",),
        files=(file,),
        tags=tags,
        description=facts.text(item.get("model"), 200),
        origin="ONNX model hub",
        config={"layout": "onnx", "opset": item.get("opset_version"), "path": place},
    )


def _task(tag: str) -> str | None:
    found = tasks.match(tag)
    return _TASKS.get(tag.lower()) or (found.id if found else None)
