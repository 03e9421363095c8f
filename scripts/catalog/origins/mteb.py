"""mteb: text and image embedding models with revision, parameters, languages and license."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from scripts.catalog.model import Record, author, count, license_facts, record
from scripts.catalog.packages import Package
from scripts.catalog.reading import Reader, calls

PACKAGES = ("mteb", "pycountry")

_FORMATS = {"safetensors": "safetensors", "ONNX": "onnx", "GGUF": "gguf", "PyTorch": "pytorch"}


def records(package: Package, languages: Package) -> Iterator[Record]:
    """One record for each model with open weights; a proprietary service is no model that can be had."""
    codes = _codes(languages)
    shared = _shared(package)
    for path in package.find(r"mteb/models/model_implementations/\w+\.py"):
        tree = package.tree(path)
        reader = Reader(tree, shared)
        for call in calls(tree, "ModelMeta"):
            _, facts = reader.arguments(call)
            if isinstance(facts.get("name"), str) and facts.get("open_weights") is True:
                yield _record(facts, codes, path)


def _shared(package: Package) -> dict[str, Any]:
    """Constants that the files import from one another (lists of languages and of training data)."""
    names: dict[str, Any] = {}
    for path in package.find(r"mteb/models/model_implementations/\w+\.py"):
        names |= {
            key: value for key, value in Reader(package.tree(path)).names.items() if isinstance(value, list)
        }
    return names


def _codes(package: Package) -> dict[str, str]:
    """ISO 639-3 -> the two-letter code where there is one."""
    table = json.loads(package.bytes("pycountry/databases/iso639-3.json"))["639-3"]
    macro = {
        "cmn": "zh",
        "arb": "ar",
        "pes": "fa",
        "zsm": "ms",
        "ekk": "et",
        "lvs": "lv",
        "azj": "az",
        "uzn": "uz",
        "khk": "mn",
        "npi": "ne",
        "ory": "or",
        "plt": "mg",
        "als": "sq",
        "swh": "sw",
        "ydd": "yi",
        "nob": "nb",
    }
    return {row["alpha_3"]: row["alpha_2"] for row in table if "alpha_2" in row} | macro


# What the package states otherwise than the model's own card (as seen on the hub).
_CARD = "the model's own card, as seen on the hub"
_MISTAKEN = {"facebook/seamless-m4t-v2-large": "cc-by-nc-4.0"}


def _record(facts: dict[str, Any], codes: dict[str, str], path: str) -> Record:
    id = facts["name"]
    license = _MISTAKEN.get(id) or facts.get("license")
    address = isinstance(license, str) and "://" in license
    raw = None if address else license
    frameworks = facts.get("framework") or []
    base = facts.get("adapted_from")
    return record(
        id,
        author=author(id),
        revision=facts.get("revision"),
        library="sentence-transformers" if "Sentence Transformers" in frameworks else None,
        parameters=count(facts.get("n_parameters")),
        formats=sorted({_FORMATS[name] for name in frameworks if name in _FORMATS}),
        languages=sorted(
            {codes.get(code[:3], code[:3]) for code in facts.get("languages") or [] if isinstance(code, str)}
        ),
        base_models=[{"id": base}] if isinstance(base, str) and "/" in base else [],
        created=facts.get("release_date"),
        tags=sorted(
            {
                *(f"modality:{word}" for word in facts.get("modalities") or []),
                *(facts.get("model_type") or []),
            }
        ),
        config=_config(facts),
        license_link=license if address else None,
        **_tasks(facts),
        **(
            license_facts(raw, _CARD if id in _MISTAKEN else path)
            or _link_evidence(license if address else None, path)
        ),
    )


def _link_evidence(link: str | None, path: str) -> Record:
    return {"license_evidence": [{"kind": "origin", "where": path, "text": link}]} if link else {}


def _config(facts: dict[str, Any]) -> Record:
    kept = {"embed_dim": facts.get("embed_dim"), "max_tokens": facts.get("max_tokens")}
    return {key: value for key, value in kept.items() if isinstance(value, int | float)}


def _tasks(facts: dict[str, Any]) -> Record:
    """What the model's type and modalities say it does."""
    kinds, modes = facts.get("model_type") or ["dense"], set(facts.get("modalities") or ["text"])
    if "cross-encoder" in kinds:
        return {"task": "text-ranking"}
    if modes >= {"text", "image"}:
        return {"task": "feature-extraction",
                "tasks": ["feature-extraction", "image-feature-extraction", "visual-document-retrieval"]
                if "late-interaction" in kinds else ["feature-extraction", "image-feature-extraction"]}  # fmt: skip
    if "text" in modes:
        return {"task": "feature-extraction", "tasks": ["feature-extraction", "sentence-similarity"]}
    # mteb measures the features of models that were published for something else; another origin may say for what
    return {"tasks": ["image-feature-extraction" if "image" in modes else "feature-extraction"]}
