"""Plain, bounded values out of what strangers wrote: the pieces from which every source makes a record."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from zoohub.errors import InvalidRecord, UsageError
from zoohub.registry.records import RELATIONS, UNKNOWN, BaseModel, Metric, ModelId

LONGEST_TEXT = 4000
LONGEST_WORD = 200
MOST_WORDS = 5000
MOST_PARAMETERS = 10**14
MOST_BYTES = 10**16

_BAD = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def text(value: object, longest: int = LONGEST_TEXT) -> str | None:
    """A text without control and direction characters, cut at `longest`; None for anything else."""
    if not isinstance(value, str):
        return None
    plain = value[: 2 * longest]
    if not plain.isascii() or not plain.isprintable():
        plain = "".join(" " if unicodedata.category(char) in _BAD else char for char in plain)
    return " ".join(plain.split())[:longest] or None


def words(value: object) -> tuple[str, ...]:
    """A list of short texts (or one text) without repetition.

    Raises:
        ValueError: more than `MOST_WORDS`.
    """
    items = [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else []
    if len(items) > MOST_WORDS:
        raise ValueError(f"{len(items):,} entries in one list (at most {MOST_WORDS:,} are kept)")
    found = (text(str(item) if isinstance(item, int | float) else item, LONGEST_WORD) for item in items)
    return tuple(dict.fromkeys(word for word in found if word))


def count(value: object, most: int, what: str) -> int | None:
    """A whole number from 0 to `most`; None where it is not stated.

    Raises:
        ValueError: a number that cannot be.
    """
    if value is None or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value <= most:  # NaN fails too
        raise ValueError(f"impossible {what}: {value:.6g}")
    return int(value)


def when(value: object) -> str | None:
    """A time as ISO 8601 in UTC, from ISO text or seconds since 1970; None where it is none."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            moment = datetime.fromtimestamp(value / 1000 if value > 1e11 else value, UTC)
        else:
            moment = datetime.fromisoformat(str(value).strip().replace("Z", "+00:00"))
    except (ValueError, OverflowError, OSError):
        return None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def model_ids(value: object, base: str | None = None) -> tuple[str, ...]:
    """The ids among what a card calls its base model; free text and links that hold no id are left out."""
    found = []
    for word in words(value):
        name = re.sub(r"^https?://(huggingface\.co|hf\.co)/", "", word).strip("/")
        key = _key(name)
        if key is not None and key != base:
            found.append(key)
    return tuple(dict.fromkeys(found))


def _key(name: str) -> str | None:
    """The canonical spelling of an id of some hub; None for a text that is none."""
    try:
        parsed = ModelId.parse(name, folders=False)
    except UsageError:
        return None
    return None if parsed.source == "folder" else parsed.key


def relation(value: object) -> str | None:
    """One of the known relations to a base model, or None."""
    word = str(value).lower() if value else ""
    word = {"distill": "distilled", "distillation": "distilled", "quantization": "quantized"}.get(word, word)
    return word if word in RELATIONS else None


def license_word(value: object) -> str | None:
    """The license as declared; a list of licenses is joined as a choice."""
    if isinstance(value, list | tuple):
        return " or ".join(words(value)) or None
    word = text(value, LONGEST_WORD)
    return None if word and word.lower() == UNKNOWN else word


def base_models(ids: Iterable[str], how: object) -> tuple[BaseModel, ...]:
    """Edges of one relation."""
    kind = relation(how)
    return tuple(BaseModel(ident, kind) for ident in ids)


def metrics(index: object) -> tuple[Metric, ...]:
    """The results of a card's `model-index`, those that are numbers."""
    found: list[Metric] = []
    for model in index if isinstance(index, list) else ():
        for result in _list(model, "results"):
            task = text(_value(result, "task", "type"), LONGEST_WORD)
            dataset = text(
                _value(result, "dataset", "name") or _value(result, "dataset", "type"), LONGEST_WORD
            )
            source = text(_value(result, "source", "url"), LONGEST_WORD)
            for row in _list(result, "metrics"):
                name = (
                    text(row.get("type") or row.get("name"), LONGEST_WORD)
                    if isinstance(row, Mapping)
                    else None
                )
                value = _number(row.get("value")) if name else None
                if name and value is not None:
                    found.append(Metric(name, value, task, dataset, source or "card"))
    return tuple(found[:200])


def _list(item: object, key: str) -> list[Any]:
    value = item.get(key) if isinstance(item, Mapping) else None
    return value if isinstance(value, list) else []


def _value(item: object, *path: str) -> object:
    for key in path:
        item = item.get(key) if isinstance(item, Mapping) else None
    return item


def _number(value: object) -> float | None:
    try:
        number = (
            float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
        )
    except (ValueError, OverflowError):
        return None
    return number if number is not None and abs(number) < 1e12 else None


def refused(ident: object, reason: object) -> InvalidRecord:
    """The refusal of one record."""
    return InvalidRecord(text(ident, LONGEST_WORD) or "?", text(str(reason), 300) or "unreadable")
