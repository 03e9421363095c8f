"""Helpers that turn stated facts into the sparse records of the catalog."""

from __future__ import annotations

from typing import Any

Record = dict[str, Any]

_CHINESE = {"zh", "zh-cn", "chinese", "cmn", "zho"}


def record(id: str, **facts: Any) -> Record:
    """A sparse record: what is not stated is left out."""
    source, colon, _ = id.partition(":")
    out: Record = {"id": id}
    if colon:
        out["source"] = source
    return out | {key: value for key, value in facts.items() if value not in (None, "", [], {}, (), 0)}


def license_facts(raw: str | None, where: str, **more: Any) -> Record:
    """`license_raw` and its evidence, where an origin states the license of the weights."""
    if not raw or raw.lower() in {"unknown", "not specified", "none"}:
        return {}
    return {"license_raw": raw, "license_evidence": [{"kind": "origin", "where": where, "text": raw}], **more}


def author(id: str) -> str | None:
    """The namespace of an id."""
    name = id.partition(":")[2] or id
    return name.split("/")[0] if "/" in name else None


def mirror(modelscope_id: str | None) -> list[str]:
    """A ModelScope id as a mirror."""
    return [f"modelscope:{modelscope_id}"] if modelscope_id else []


def count(number: float | int | str | None, unit: float = 1) -> int | None:
    """A whole number of at least one, or None."""
    try:
        value = round(float(str(number).replace("_", ".")) * unit) if number is not None else 0
    except ValueError:
        return None
    return value if value > 0 else None


def languages(words: list[str] | None) -> list[str]:
    """Language codes as they are, with the spellings of Chinese made one."""
    return sorted({"zh" if word.lower() in _CHINESE else word for word in words or ()})
