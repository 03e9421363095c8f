"""Xinference: language, multimodal, audio, image and video models with their Hugging Face and ModelScope ids."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from scripts.catalog.model import Record, author, count, languages, mirror, record
from scripts.catalog.packages import Package

PACKAGES = ("xinference",)

_ABILITIES = {
    "audio2text": "automatic-speech-recognition", "text2audio": "text-to-speech", "text2music": "text-to-audio",
    "speaker_embedding": "speaker-verification", "text2image": "text-to-image", "image2image": "image-to-image",
    "inpainting": "image-to-image", "ocr": "image-to-text", "text2video": "text-to-video",
    "image2video": "image-to-video", "firstlastframe2video": "image-to-video", "image2world": "image-to-video",
    "text2world": "text-to-video", "chat": "text-generation", "generate": "text-generation",
    "vision": "image-text-to-text", "audio": "audio-text-to-text", "omni": "any-to-any",
    "embed_vision": "image-feature-extraction", "docanalyze": "image-to-text",
}  # fmt: skip
_FORMATS = {"pytorch": "safetensors", "ggufv2": "gguf", "mlx": "mlx", "gptq": "gptq", "awq": "awq", "fp8": "fp8",
            "fp4": "fp4", "bnb": "bitsandbytes", "diffusers": "safetensors"}  # fmt: skip
_QUANTIZED = {"ggufv2", "gptq", "awq", "fp8", "fp4", "bnb", "mlx"}


def records(package: Package) -> Iterator[Record]:
    """One record for each repository of each specification; a quantized one names the plain one as its base."""
    for path in package.find(r"xinference/model/\w+/models/[^/]+\.json"):
        kind = path.split("/")[2]
        for family in json.loads(package.text(path)):
            yield from _family(family, kind)


def _family(family: dict[str, Any], kind: str) -> Iterator[Record]:
    specs = family.get("model_specs") or [family]
    for spec in specs:
        hub, scope = _source(spec, "huggingface"), _source(spec, "modelscope")
        for quantization in hub.get("quantizations") or scope.get("quantizations") or ["none"]:
            ids = [
                str(place.get("model_id") or "").replace("{quantization}", quantization)
                for place in (hub, scope)
            ]
            if ids[0] or ids[1]:
                yield _record(family, spec, kind, ids[0], ids[1], hub, _plain(specs, spec))


def _plain(specs: list[dict[str, Any]], spec: dict[str, Any]) -> str | None:
    """The unquantized repository of the same size, where the family has exactly one."""
    size = spec.get("model_size_in_billions")
    same = [_source(other, "huggingface").get("model_id") for other in specs
            if other.get("model_format") == "pytorch" and other.get("model_size_in_billions") == size]  # fmt: skip
    return same[0] if len(same) == 1 else None


def _source(spec: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = (spec.get("model_src") or {}).get(name) or {}
    return found


def _record(
    family: dict[str, Any],
    spec: dict[str, Any],
    kind: str,
    hub: str,
    scope: str,
    place: dict[str, Any],
    base: str | None,
) -> Record:
    id = hub or f"modelscope:{scope}"
    form = spec.get("model_format") or family.get("model_format") or ""
    revision = place.get("model_revision")
    quantized = form in _QUANTIZED and base and base != id
    return record(
        id,
        author=author(id),
        revision=revision if revision and len(revision) == 40 else None,
        languages=languages(family.get("model_lang") or family.get("language")),
        parameters=None if kind != "llm" else count(spec.get("model_size_in_billions"), 1e9),
        formats=[_FORMATS[form]] if form in _FORMATS else [],
        base_models=[{"id": base, "relation": "quantized"}] if quantized else [],
        mirrors=mirror(scope) if hub else [],
        description=family.get("model_description"),
        tags=sorted({kind, *(family.get("model_ability") or ())}),
        config=_config(family, spec),
        **_tasks(family, kind),
    )


def _config(family: dict[str, Any], spec: dict[str, Any]) -> Record:
    kept = {"context_length": family.get("context_length"), "embed_dim": family.get("dimensions"),
            "max_tokens": family.get("max_tokens"), "parameters_are_nominal": bool(spec.get("model_size_in_billions")),
            "active_parameters": count(spec.get("activated_size_in_billions"), 1e9)}  # fmt: skip
    return {key: value for key, value in kept.items() if value}


def _tasks(family: dict[str, Any], kind: str) -> Record:
    abilities = family.get("model_ability") or []
    named = list(dict.fromkeys(_ABILITIES[word] for word in abilities if word in _ABILITIES))
    if kind == "embedding":
        named = ["feature-extraction", *named, *(["sentence-similarity"] if not named else [])]
    if kind == "rerank":
        named = ["text-ranking"]
    first = next(
        (task for task in ("any-to-any", "image-text-to-text", "audio-text-to-text") if task in named), None
    )
    ordered = ([first] if first else []) + [task for task in named if task != first]
    return {"task": ordered[0], "tasks": ordered} if ordered else {}
