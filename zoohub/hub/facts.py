"""A repository of this hub, model or dataset, as the Hugging Face API describes it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from zoohub.hub.modelfacts import HOSTED, OWN, card_data, iso, record_tags
from zoohub.hub.repos import Commit, Repo
from zoohub.hub.trees import Entry, lfs_pointer
from zoohub.registry import ModelRecord


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
