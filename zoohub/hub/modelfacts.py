"""A model of the registry as the Hugging Face API describes it. Needs neither database nor server."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from zoohub.registry import ModelRecord

# `expand` of the Hugging Face API -> keys of the answer.
EXPANDABLE = frozenset({
    "author", "baseModels", "cardData", "children", "childrenModelCount", "citation", "config",
    "createdAt", "description", "disabled", "downloads", "downloadsAllTime", "evalResults", "gated",
    "gguf", "inference", "inferenceProviderMapping", "lastModified", "library_name", "likes",
    "mainSize", "mask_token", "model-index", "paperswithcode_id", "pipeline_tag", "private",
    "resourceGroup", "safetensors", "sha", "siblings", "spaces", "tags", "transformersInfo",
    "trendingScore", "usedStorage", "widgetData", "xetEnabled",
})  # fmt: skip
# What the registry's records of this hub's own models carry: a tag that search finds them by, and an origin that
# tells them from a record of elsewhere whose author thought of the same tag.
HOSTED = "@hosted"
OWN = "zoohub://here"


def iso(seconds: float | None) -> str | None:
    """A time as the Hugging Face API writes it."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def record_tags(record: ModelRecord) -> list[str]:
    """The tags of the Hugging Face hub: those of the card, and those made from other fields."""
    tags = [tag for tag in record.tags if tag != HOSTED]
    tags += [item for item in (record.library, *record.formats, *record.tasks) if item]
    tags += [*record.languages, *(f"dataset:{name}" for name in record.datasets)]
    for base in record.base_models:
        tags.append(f"base_model:{base.id}")
        if base.relation:
            tags.append(f"base_model:{base.relation}:{base.id}")
    if record.license_raw or record.license != "unknown":
        tags.append(f"license:{record.license_raw or record.license}")
    return list(dict.fromkeys(tags))


def card_data(record: ModelRecord) -> dict[str, Any]:
    """What the card's metadata would say, from the fields of a record."""
    data: dict[str, Any] = {
        "license": record.license_raw or (record.license if record.license != "unknown" else None),
        "license_name": record.license_name, "license_link": record.license_link,
        "pipeline_tag": record.task, "library_name": record.library, "language": list(record.languages),
        "datasets": list(record.datasets), "tags": [tag for tag in record.tags if tag != HOSTED],
        "base_model": [base.id for base in record.base_models],
    }  # fmt: skip
    return {key: value for key, value in data.items() if value}


# What a list leaves out unless it is asked for; each takes a while to make.
COSTLY: Mapping[str, Callable[[ModelRecord], Any]] = {
    "cardData": card_data,
    "config": lambda record: dict(record.config),
    "siblings": lambda record: [{"rfilename": file.path} for file in record.files],
}


def registry_facts(record: ModelRecord, without: Collection[str] = ()) -> dict[str, Any]:
    """A model that the registry knows and this hub does not hold, `without` some of the `COSTLY` facts."""
    return {
        "_id": record.id, "id": record.id, "modelId": record.id, "author": record.author,
        "sha": record.revision, "private": False, "gated": record.gated or False, "disabled": False,
        "downloads": record.downloads or 0,
        "likes": record.likes or 0, "lastModified": record.updated, "createdAt": record.created,
        "library_name": record.library, "pipeline_tag": record.task, "tags": record_tags(record),
        "trendingScore": 0, **{key: make(record) for key, make in COSTLY.items() if key not in without},
        **({"safetensors": {"parameters": {}, "total": record.parameters}} if record.parameters else {}),
    }  # fmt: skip


def expanded(facts: Mapping[str, Any], wanted: Sequence[str]) -> dict[str, Any]:
    """Only the keys that `expand` names, beside the id."""
    keys = {key for key in wanted if key in EXPANDABLE}
    chosen = {key: value for key, value in facts.items() if key in keys or key in ("_id", "id", "modelId")}
    if "childrenModelCount" in keys:
        chosen.setdefault("childrenModelCount", 0)
    return chosen
