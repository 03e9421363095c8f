"""Conditions that bind multimodal models only, as the European clause of Llama 3.2: which models they bind.

A license with such a condition travels through the lineage together with a mark that says what kind of model
brings it. What is not known counts as bound, for review.
"""

from __future__ import annotations

from functools import cache

from zoohub import tasks
from zoohub.cards.licenses import UNKNOWN, License, get
from zoohub.errors import UnknownLicense
from zoohub.registry import ModelRecord

MULTIMODAL, TEXT = "multimodal", "text"
_MARK = "#"
_HINTS = ("vision", "multimodal", "mllama")  # a name or tag that has one doubts a task of text


def kind(record: ModelRecord) -> str:
    """multimodal, text, or unknown where tasks, name and tags do not tell."""
    found = {tasks.modality(task) for task in record.tasks}
    if MULTIMODAL in found:
        return MULTIMODAL
    doubted = any(hint in word.lower() for word in (record.name, *record.tags) for hint in _HINTS)
    return TEXT if found == {TEXT} and not doubted else UNKNOWN


def own(license: str, kind: str) -> frozenset[str]:
    """What a model of a kind brings into its lineage: its license, with a mark where the kind matters."""
    return frozenset((license, f"{license}{_MARK}{kind}") if matters(license) else (license,))


@cache
def licenses(brought: frozenset[str]) -> frozenset[str]:
    """The licenses of what was brought, without the marks."""
    return frozenset(each for each in brought if _MARK not in each)


def kept(brought: frozenset[str], licenses: set[str]) -> frozenset[str]:
    """What was brought of some licenses only, with their marks."""
    return frozenset(each for each in brought if each.partition(_MARK)[0] in licenses)


def is_multimodal(license: str, brought: frozenset[str]) -> bool | None:
    """Whether a license came with a multimodal model; None where that is not known of all that brought it."""
    kinds = {each.partition(_MARK)[2] for each in brought if each.startswith(f"{license}{_MARK}")}
    return True if MULTIMODAL in kinds else False if kinds == {TEXT} else None


@cache
def matters(license: str) -> bool:
    """Whether a license has a condition for multimodal models only."""
    try:
        entry: License = get(license)
    except UnknownLicense:
        return False
    return any(condition.only == MULTIMODAL for condition in entry.conditions)
