"""What a model is found by: its record as a list of index tokens.

| token          | stands for                                                        |
|----------------|-------------------------------------------------------------------|
| `*`            | every model                                                       |
| `=bert`        | a word of the name                                                |
| `bert`         | a word of the author, of a tag of several words, of the description |
| `~ber`         | three letters in a row within a word of the name or author        |
| `情感`         | two neighboring (or one) Chinese or Japanese characters            |
| `kind:value`   | a facet, in lower case; `kind:unknown` where nothing is known      |
| `params:NN`    | parameters, in half octaves; `month:YYYYMM`: last update           |
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from math import log2

from zoohub import tasks
from zoohub.registry.encoding import epoch, key_of
from zoohub.registry.records import UNKNOWN, ModelRecord

VERSION = "1"  # a registry indexed by another version is indexed anew when it is next written

EVERY = "*"
FACETS = (
    "task", "modality", "license", "language", "library", "author", "dataset", "base", "relation", "tag", "source",
    "gated", "gone", "format",
)  # fmt: skip
MAX_WORDS = 400  # of tags and description together

_WORD = re.compile(r"[^\W_]+")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]+")
_OWN_FACET = ("license:", "dataset:")  # tags that say what a facet says; the facet's token serves for both


def fold(text: str) -> str:
    """The form in which texts are compared: no case, no width, no compatibility variants."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", text).casefold()


@lru_cache(maxsize=1 << 16)
def words(text: str) -> tuple[str, ...]:
    """The words of a text, folded, in order; runs of Chinese characters are one word."""
    parts: list[str] = []
    for word in _WORD.findall(fold(text)):
        if word.isascii():
            parts.append(word)
        else:
            parts.extend(part for part in _split_scripts(word) if part)
    return tuple(parts)


def _split_scripts(word: str) -> Iterable[str]:
    last = 0
    for run in _CJK.finditer(word):
        yield word[last : run.start()]
        yield run.group()
        last = run.end()
    yield word[last:]


def is_cjk(word: str) -> bool:
    """Whether a word (of `words`) is a run of Chinese or Japanese characters."""
    return not word.isascii() and _CJK.match(word) is not None


@lru_cache(maxsize=1 << 16)
def grams(word: str) -> tuple[str, ...]:
    """The tokens for looking inside a word: `~` and three letters, or pairs of Chinese characters."""
    if is_cjk(word):
        return tuple(word[i : i + 2] for i in range(len(word) - 1)) or (word,)
    return tuple({f"~{word[i : i + 3]}" for i in range(len(word) - 2)})


def facet(kind: str, value: str) -> str:
    """The token of a facet value."""
    return f"{kind}:{fold(value)[:200]}"


def params_bucket(parameters: int) -> int:
    """Half octaves: 7 billion falls into 65, 8 billion too."""
    return int(2 * log2(max(parameters, 1)))


@lru_cache(maxsize=1 << 12)
def month_token(updated: str | None) -> str:
    """The token of the month (UTC) of a date."""
    seconds = epoch(updated)
    return "month:unknown" if seconds is None else f"month:{datetime.fromtimestamp(seconds, UTC):%Y%m}"


def index_tokens(record: ModelRecord, license_id: str, groups: Iterable[str] = ()) -> set[str]:
    """All tokens of a record; `groups` are the license groups (commercial, permissive) that it is known to be in."""
    found = _text_tokens(record)
    found.update(_facet_tokens(record))
    found.add(facet("license", license_id))
    found.update(f"license:@{group}" for group in groups)
    return found


def _text_tokens(record: ModelRecord) -> set[str]:
    found = {EVERY}
    for word in words(record.name):
        found.add(f"={word}")
        found.update(grams(word))
        if is_cjk(word):
            found.update(word)
    for word in words(record.author or ""):
        found.add(word)
        found.update(grams(word))
    budget = MAX_WORDS
    for tag in record.tags:
        for token in _tag_tokens(tag):
            found.add(token)
            budget -= 1
        if budget < 0:
            break
    for word in words(record.description or "")[: max(budget, 0)] if record.description else ():
        found.add(word[:64])
        if is_cjk(word):
            found.update(word)
            found.update(grams(word))
    return found


@lru_cache(maxsize=1 << 16)
def _tag_tokens(tag: str) -> tuple[str, ...]:
    if tag.startswith("base_model:"):
        return ()
    if tag.startswith(_OWN_FACET):
        return (fold(tag)[:200],)
    parts = words(tag)
    found = [facet("tag", tag)]
    if len(parts) > 1:
        found.extend(part[:64] for part in parts)
    for part in parts:
        if is_cjk(part):
            found.extend(part)
            found.extend(grams(part))
    return tuple(found)


def _facet_tokens(record: ModelRecord) -> list[str]:
    found = [facet("task", task) for task in record.tasks] or ["task:unknown"]
    modalities = {tasks.modality(task) for task in record.tasks} - {None}
    found += [f"modality:{modality}" for modality in modalities] or ["modality:unknown"]
    found += [facet("language", language) for language in record.languages] or ["language:unknown"]
    found += [facet("format", format) for format in record.formats] or ["format:unknown"]
    found += [facet("dataset", dataset) for dataset in record.datasets]
    found.append(facet("library", record.library or UNKNOWN))
    found.append(facet("author", record.author or UNKNOWN))
    found.append(f"source:{record.source}")
    found.append(f"gated:{'unknown' if record.gated is None else 'yes' if record.gated else 'no'}")
    found.append("gone:yes" if record.gone else "gone:no")
    for base in record.base_models:
        found.append(f"base:{key_of(base.id)[:200]}")
        found.append(f"relation:{base.relation or UNKNOWN}")
    found.append(f"params:{params_bucket(record.parameters):02}" if record.parameters is not None else "params:unknown")
    found.append(month_token(record.updated))
    return found
