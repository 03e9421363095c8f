"""One step that every source takes: what a record declares of its license, read by the license knowledge base."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from zoohub.cards.licenses import normalize
from zoohub.registry.records import ModelRecord


def licensed(record: ModelRecord) -> ModelRecord:
    """The record with `license` set from what it declares; unknown where nothing is declared or recognized."""
    if not (record.license_raw or record.license_name or record.license_link):
        return record
    id = _normalized(record.license_raw, record.license_name, record.license_link)
    return record if id == record.license else replace(record, license=id)


@cache
def _normalized(raw: str | None, name: str | None, link: str | None) -> str:
    return normalize(raw, name=name, link=link).id
