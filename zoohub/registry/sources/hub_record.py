"""What the Hub's API (or a dump of it) says of a model -> ModelRecord."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from zoohub import tasks
from zoohub.errors import InvalidModelId, InvalidRecord
from zoohub.registry.records import BaseModel, LicenseEvidence, ModelFile, ModelId, ModelRecord
from zoohub.registry.sources import facts
from zoohub.registry.sources.licensed import licensed

MOST_FILES = 2000

# Tags that the Hub derives from the card: they are fields of the record, not tags of their own.
_DERIVED = ("license:", "base_model:", "dataset:", "region:", "language:")
_WEIGHTS = {
    ".safetensors": "safetensors", ".onnx": "onnx", ".gguf": "gguf", ".bin": "pytorch", ".pt": "pytorch",
    ".pth": "pytorch", ".h5": "keras", ".keras": "keras", ".msgpack": "flax", ".tflite": "tflite",
    ".mlmodel": "coreml", ".pdparams": "paddle", ".nemo": "nemo",
}  # fmt: skip
_FORMAT_TAGS = (
    "safetensors",
    "onnx",
    "gguf",
    "mlx",
    "gptq",
    "awq",
    "pytorch",
    "jax",
    "tf",
    "coreml",
    "openvino",
)


def from_hub(item: object) -> ModelRecord:
    """The record of one model as `GET /api/models` describes it.

    Raises:
        InvalidRecord: no id, an impossible size, or lists that are too long.
    """
    if not isinstance(item, Mapping):
        raise facts.refused("?", "no JSON object")
    ident = item.get("id") or item.get("modelId")
    try:
        return licensed(_record(_checked_id(ident), item))
    except InvalidRecord:
        raise
    except (ValueError, TypeError, AttributeError, InvalidModelId) as error:
        raise facts.refused(ident, error) from error


def _checked_id(ident: object) -> str:
    if not isinstance(ident, str):
        raise facts.refused(ident, "no id")
    try:
        parsed = ModelId.parse(ident, folders=False)
    except Exception as error:
        raise facts.refused(ident, "its id is no model id") from error
    if parsed.source != "hub" or parsed.revision:
        raise facts.refused(ident, "its id is no id of the Hub")
    return parsed.key


def _record(ident: str, item: Mapping[str, Any]) -> ModelRecord:
    card = item.get("cardData")
    card = card if isinstance(card, Mapping) else {}
    tags = facts.words(item.get("tags"))
    files = _files(item.get("siblings"))
    raw = facts.license_word(card.get("license")) or facts.license_word(_first_tag(tags, "license:"))
    return ModelRecord(
        id=ident,
        revision=facts.text(item.get("sha"), 64),
        author=facts.text(item.get("author"), 100) or (ident.split("/")[0] if "/" in ident else None),
        task=_task(item.get("pipeline_tag") or card.get("pipeline_tag")),
        library=facts.text(item.get("library_name") or card.get("library_name"), 60),
        license_raw=raw,
        license_name=facts.text(card.get("license_name"), 200),
        license_link=facts.text(card.get("license_link"), 400),
        license_evidence=(LicenseEvidence("card", "README.md", raw),) if raw else (),
        languages=facts.words(card.get("language")) or _tags_of(tags, "language:"),
        datasets=_tags_of(tags, "dataset:") or facts.words(card.get("datasets")),
        base_models=_base_models(ident, item, card, tags),
        parameters=_parameters(item),
        size=facts.count(item.get("usedStorage"), facts.MOST_BYTES, "size in bytes"),
        formats=_formats(files, tags),
        files=files,
        downloads=facts.count(item.get("downloads"), 10**12, "number of downloads"),
        likes=facts.count(item.get("likes"), 10**10, "number of likes"),
        created=facts.when(item.get("createdAt")),
        updated=facts.when(item.get("lastModified")),
        gated=bool(item["gated"]) if item.get("gated") is not None else None,
        metrics=facts.metrics(item.get("model-index") or card.get("model-index")),
        tags=tuple(tag for tag in tags if not tag.startswith(_DERIVED)),
        config=_config(item.get("config")),
    )


def _task(value: object) -> str | None:
    found = tasks.match(value) if isinstance(value, str) else None
    return found.id if found else None


def _first_tag(tags: tuple[str, ...], prefix: str) -> str | None:
    return next((tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix)), None)


def _tags_of(tags: tuple[str, ...], prefix: str) -> tuple[str, ...]:
    return tuple(tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix))


def _base_models(
    ident: str, item: Mapping[str, Any], card: Mapping[str, Any], tags: tuple[str, ...]
) -> tuple[BaseModel, ...]:
    """The Hub's own reading of the lineage where it is given, else its tags, else the card."""
    stated = item.get("baseModels")
    if isinstance(stated, Mapping) and isinstance(stated.get("models"), list):
        ids = [model.get("id") for model in stated["models"] if isinstance(model, Mapping)]
        return facts.base_models(facts.model_ids(ids, ident), stated.get("relation"))
    edges: dict[str, str | None] = {}
    for tag in _tags_of(tags, "base_model:"):
        kind, colon, name = tag.partition(":")
        relation = facts.relation(kind) if colon else None
        for base in facts.model_ids(name if colon and relation else tag, ident):
            edges[base] = relation or edges.get(base)
    if not edges:
        relation = facts.relation(card.get("base_model_relation"))
        edges = dict.fromkeys(facts.model_ids(card.get("base_model"), ident), relation)
    return tuple(BaseModel(base, relation) for base, relation in edges.items())


def _parameters(item: Mapping[str, Any]) -> int | None:
    for key in ("safetensors", "gguf"):
        stated = item.get(key)
        if isinstance(stated, Mapping) and stated.get("total") is not None:
            found = facts.count(stated["total"], facts.MOST_PARAMETERS, "number of parameters")
            if found:
                return found
    return None


def _files(siblings: object) -> tuple[ModelFile, ...]:
    """Up to `MOST_FILES` files, weights first where there are more."""
    found = [row for row in siblings if isinstance(row, Mapping)] if isinstance(siblings, list) else []
    if len(found) > MOST_FILES:
        found.sort(key=lambda row: _suffix(str(row.get("rfilename"))) not in _WEIGHTS)
    files = (_file(row) for row in found[:MOST_FILES])
    return tuple(file for file in files if file is not None)


def _file(row: Mapping[str, Any]) -> ModelFile | None:
    name = row.get("rfilename")
    if not isinstance(name, str) or not name or len(name) > 1000:
        return None
    lfs = row.get("lfs")
    lfs = lfs if isinstance(lfs, Mapping) else {}
    size = row.get("size") if row.get("size") is not None else lfs.get("size")
    digest = lfs.get("sha256")
    known = digest if isinstance(digest, str) and re.fullmatch(r"[0-9a-f]{64}", digest) else None
    return ModelFile(name, facts.count(size, facts.MOST_BYTES, "file size"), known)


def _suffix(name: str) -> str:
    return "." + name.rsplit(".", 1)[-1].lower() if "." in name else ""


def _formats(files: tuple[ModelFile, ...], tags: tuple[str, ...]) -> tuple[str, ...]:
    by_file = {_WEIGHTS[suffix] for file in files if (suffix := _suffix(file.path)) in _WEIGHTS}
    by_tag = {tag for tag in tags if tag in _FORMAT_TAGS}
    return tuple(sorted(by_file | by_tag))


def _config(config: object) -> dict[str, Any]:
    """What decides how a model is loaded, and whether it wants to run code of its own."""
    if not isinstance(config, Mapping):
        return {}
    kept: dict[str, Any] = {
        "architectures": list(facts.words(config.get("architectures"))),
        "model_type": facts.text(config.get("model_type"), 100),
        "auto_map": isinstance(config.get("auto_map"), Mapping) or None,
    }
    quantization = config.get("quantization_config")
    if isinstance(quantization, Mapping):
        kept["quantization"] = facts.text(quantization.get("quant_method"), 60)
    return {key: value for key, value in kept.items() if value}
