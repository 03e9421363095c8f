"""Two statements about one model made one record: who may overrule whom, and what is only added."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from zoohub.registry.records import UNKNOWN, ModelRecord

# Where a newer statement says nothing, the older one stands: a hub does not know what a catalog was told of.
_KEPT = (
    "author", "task", "library", "languages", "datasets", "parameters", "size", "formats", "files", "metrics",
    "created", "updated", "downloads", "likes", "description", "code_license", "gated", "revision",
    "base_models", "tags",
)  # fmt: skip
_LICENSE = ("license", "license_raw", "license_name", "license_link", "license_evidence")
# A hub that falls silent on these takes the statement back; it does not merely leave it out.
_TAKEN_BACK = {"gated", "base_models", "downloads", "likes", "tags", "files", "revision"}


def overruled(old: ModelRecord, new: ModelRecord) -> ModelRecord:
    """`new` comes from the model's own home: what it states counts, what it never states stays."""
    kept = _silent(old, new, [key for key in _KEPT if key not in _TAKEN_BACK])
    if _license_is_silent(new) and not any(item.kind in ("card", "file") for item in old.license_evidence):
        kept |= {key: getattr(old, key) for key in _LICENSE}
    return replace(new, **kept, **_joined(old, new))


def filled(old: ModelRecord, new: ModelRecord) -> ModelRecord:
    """`old` with what only `new` states: for sources that know a model from hearsay."""
    at_home = "://" in (old.origin or "")  # what its hub does not say of it is not to be had from hearsay
    added = _silent(new, old, [key for key in _KEPT if not (at_home and key in _TAKEN_BACK)])
    if _license_is_silent(old):
        added |= {key: getattr(new, key) for key in _LICENSE}
    metrics = tuple(dict.fromkeys((*old.metrics, *new.metrics)))
    return replace(old, **(added | {"metrics": metrics}), **_joined(new, old))


def _silent(giver: ModelRecord, taker: ModelRecord, keys: Iterable[str]) -> dict[str, Any]:
    """What `taker` does not state and `giver` does."""
    found = {key: getattr(giver, key) for key in keys if not _states(taker, key) and _states(giver, key)}
    if "task" in found:
        found["tasks"] = tuple(dict.fromkeys((*giver.tasks, *taker.tasks)))
    return found


def _states(record: ModelRecord, key: str) -> bool:
    value = getattr(record, key)
    return value is not None and value != ()


def _license_is_silent(record: ModelRecord) -> bool:
    declared = record.license_raw or record.license_name or record.license_link or record.license_evidence
    return not declared and record.license == UNKNOWN


def _joined(less: ModelRecord, more: ModelRecord) -> dict[str, Any]:
    """Mirrors and configuration of both; where they differ, `more` counts."""
    return {
        "mirrors": tuple(dict.fromkeys((*more.mirrors, *less.mirrors))),
        "config": {**less.config, **more.config},
    }
