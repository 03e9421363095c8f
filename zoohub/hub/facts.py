"""A model or dataset as the Hugging Face API describes it, from a repository or from the registry."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from zoohub.hub.repos import Commit, Repo
from zoohub.hub.trees import Entry, lfs_pointer
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


def registry_facts(record: ModelRecord) -> dict[str, Any]:
    """A model that the registry knows and this hub does not hold."""
    return {
        "_id": record.id, "id": record.id, "modelId": record.id, "author": record.author,
        "sha": record.revision, "private": False, "gated": record.gated or False, "disabled": False,
        "downloads": record.downloads or 0,
        "likes": record.likes or 0, "lastModified": record.updated, "createdAt": record.created,
        "library_name": record.library, "pipeline_tag": record.task, "tags": record_tags(record),
        "cardData": card_data(record), "config": dict(record.config), "trendingScore": 0,
        "siblings": [{"rfilename": file.path} for file in record.files],
        **({"safetensors": {"parameters": {}, "total": record.parameters}} if record.parameters else {}),
    }  # fmt: skip


def repo_record(repo: Repo) -> ModelRecord | None:
    """The record that the last push to `main` was parsed into."""
    return ModelRecord.from_dict(json.loads(repo.record)) if repo.record else None


def hosted_record(repo: Repo, head: Commit) -> ModelRecord:
    """What the registry is to know of a public model of this hub."""
    record = current_record(repo, head)
    return replace(record, tags=(*record.tags, HOSTED), origin=OWN)


def current_record(repo: Repo, head: Commit) -> ModelRecord:
    """What is known of a model of this hub, as its last push and its repository say."""
    record = repo_record(repo) or ModelRecord(id=repo.name)
    return replace(
        record, id=repo.name, name=repo.name.rsplit("/", 1)[-1], author=repo.namespace or None,
        revision=head.oid, gated=bool(repo.gated), downloads=repo.downloads, created=iso(repo.created),
        updated=iso(repo.updated),
    )  # fmt: skip


def repo_facts(
    repo: Repo,
    commit: Commit | None,
    files: Iterable[tuple[str, Entry]] | None = None,
    *,
    blobs: bool = False,
) -> dict[str, Any]:
    """A repository of this hub; `files` are listed where given, with sizes and hashes if `blobs`."""
    record = repo_record(repo)
    facts: dict[str, Any] = {
        "_id": f"{repo.id:024x}", "id": repo.name, "author": repo.namespace or None,
        "sha": commit.oid if commit else None, "private": repo.private, "gated": repo.gated or False,
        "disabled": bool(repo.blocked), "downloads": repo.downloads, "likes": 0, "trendingScore": 0,
        "lastModified": iso(repo.updated), "createdAt": iso(repo.created), "tags": [], "cardData": {},
    }  # fmt: skip
    if repo.type == "model":
        facts |= {"modelId": repo.name, "config": {}}
    if record is not None:
        facts |= {
            "tags": record_tags(record),
            "cardData": card_data(record),
            "description": record.description,
        }
        if repo.type == "model":
            facts |= {
                "library_name": record.library,
                "pipeline_tag": record.task,
                "config": dict(record.config),
            }
            if record.parameters and "safetensors" in record.formats:
                facts["safetensors"] = {"parameters": {}, "total": record.parameters}
    if files is not None:
        listed = list(files)
        facts["siblings"] = [sibling(path, entry, blobs=blobs) for path, entry in listed]
        facts["usedStorage"] = sum(entry.size for _, entry in listed)
    return facts


def sibling(path: str, entry: Entry, *, blobs: bool) -> dict[str, Any]:
    """A file as `siblings` lists it."""
    facts: dict[str, Any] = {"rfilename": path}
    if blobs:
        facts |= {"blobId": entry.oid, "size": entry.size}
        if entry.lfs:
            pointer = len(lfs_pointer(entry.sha256 or "0" * 64, entry.size))
            facts["lfs"] = {"sha256": entry.sha256, "size": entry.size, "pointerSize": pointer}
    return facts


def expanded(facts: Mapping[str, Any], wanted: Sequence[str]) -> dict[str, Any]:
    """Only the keys that `expand` names, beside the id."""
    keys = {key for key in wanted if key in EXPANDABLE}
    chosen = {key: value for key, value in facts.items() if key in keys or key in ("_id", "id", "modelId")}
    if "childrenModelCount" in keys:
        chosen.setdefault("childrenModelCount", 0)
    return chosen
