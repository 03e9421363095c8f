"""One step that every source takes: what a record declares of its license, normalized."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from zoohub.cards.licenses import normalize
from zoohub.registry.records import ModelRecord


def licensed(record: ModelRecord) -> ModelRecord:
    """The record with `license` set from what it declares; unknown where nothing is recognized."""
    if not (record.license_raw or record.license_name or record.license_link):
        return record
    found = _normalized(record.license_raw, record.license_name, record.license_link)
    return record if found == record.license else replace(record, license=found)


@cache
def _normalized(raw: str | None, name: str | None, link: str | None) -> str:
    return normalize(raw, name=name, link=link).id
