"""GPUStack: models that it deploys, with license, size and their Hugging Face and ModelScope ids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from scripts.catalog.model import Record, author, count, license_facts, mirror, record
from scripts.catalog.packages import Package

# The later release lists each model by itself; the earlier one knows models that the later no longer has.
PACKAGES = ("gpustack", "gpustack==0.6.2")

_CATALOG = "gpustack/assets/model-catalog.yaml"
_ON_MODELSCOPE = "gpustack/assets/model-catalog-modelscope.yaml"
_TASKS = {
    "llm": "text-generation", "embedding": "feature-extraction", "reranker": "text-ranking", "image": "text-to-image",
    "speech_to_text": "automatic-speech-recognition", "text_to_speech": "text-to-speech",
}  # fmt: skip
_UNITS = {"M": 1e6, None: 1e9, "T": 1e12}
_PLAIN = {"BF16", "FP16", "FP32"}


def _records(package: Package) -> Iterator[Record]:
    """One record for each repository of each model; a quantized one names the plain one as its base."""
    twins = _twins(package)
    for model in _models(package, _CATALOG):
        specs = {
            spec["huggingface_repo_id"]: spec for spec in model["specs"] if "huggingface_repo_id" in spec
        }
        plain = [id for id, spec in specs.items() if spec.get("quantization") in _PLAIN]
        for id in specs:
            if "{" not in id:
                base = plain[0] if len(plain) == 1 and id not in plain else None
                yield _record(model, id, base, twins.get(_short(id)))


def _models(package: Package, name: str) -> Iterator[dict[str, Any]]:
    """The entries that stand for one model: a license of a family need not be that of each of its sizes."""
    read = yaml.safe_load(package.text(name))
    for model in read["model_sets"] if isinstance(read, dict) else read:
        sizes = model.get("sizes") or [model.get("size")]
        if len(sizes) == 1 and len(model.get("licenses") or ()) == 1:
            yield {**model, "size": sizes[0], "specs": model.get("specs") or model.get("templates") or []}


def _twins(package: Package) -> dict[str, str]:
    """Name of a repository -> its id on ModelScope."""
    specs = [spec for model in _models(package, _ON_MODELSCOPE) for spec in model["specs"]]
    ids = [spec["model_scope_model_id"] for spec in specs if spec.get("model_scope_model_id")]
    return {_short(id): id for id in ids}


def _short(id: str) -> str:
    return id.rsplit("/", 1)[-1].lower()


def _record(model: dict[str, Any], id: str, base: str | None, twin: str | None) -> Record:
    sees = "vision" in (model.get("capabilities") or ())
    kind = model["categories"][0]
    return record(
        id,
        author=author(id),
        task="image-text-to-text" if sees and kind == "llm" else _TASKS.get(kind),
        parameters=count(model["size"], _UNITS[model.get("size_unit")]),
        formats=["gguf"] if _short(id).endswith("gguf") else [],
        base_models=[{"id": base, "relation": "quantized"}] if base else [],
        mirrors=mirror(twin),
        description=model.get("description"),
        **license_facts(model["licenses"][0], _CATALOG),
    )


READERS = (_records, _records)
