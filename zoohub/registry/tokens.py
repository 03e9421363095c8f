"""What a model is found by: its record as a list of index tokens.

| token          | stands for                                                        |
|----------------|-------------------------------------------------------------------|
| `*`            | every model                                                       |
| `=bert`        | a word of the name                                                |
| `bert`         | a word of the author, of a tag of several words, of the description |
| `~ber`         | three letters in a row within a word of the name or author        |
| `情感`         | two neighboring (or one) Chinese or Japanese characters            |
| `kind:value`   | a facet, in lower case; `kind:unknown` where nothing is known      |
| `params:NNN`   | parameters in half octaves; `count:` and 19 digits: exactly       |
| `month:YYYYMM` | month of the last update; `day:YYYYMMDD`: its day (UTC)           |
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from math import log2
from typing import Any

from zoohub import tasks
from zoohub.registry.encoding import epoch, key_of, storable
from zoohub.registry.records import DEFAULT_SOURCE, UNKNOWN

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
    plain = storable(text)
    return plain.lower() if plain.isascii() else unicodedata.normalize("NFKC", plain).casefold()


def split(text: str) -> list[str]:
    """The words of a text, folded, in order; runs of Chinese characters are one word."""
    found: list[str] = _WORD.findall(fold(text))
    if text.isascii():
        return found
    parts: list[str] = []
    for word in found:
        if word.isascii():
            parts.append(word)
        else:
            parts.extend(part for part in _split_scripts(word) if part)
    return parts


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


def grams(word: str) -> tuple[str, ...]:
    """The tokens for looking inside a word: `~` and three letters, or pairs of Chinese characters."""
    if is_cjk(word):
        return tuple(word[i : i + 2] for i in range(len(word) - 1)) or (word,)
    return tuple([f"~{word[i : i + 3]}" for i in range(len(word) - 2)])


def facet(kind: str, value: str) -> str:
    """The token of a facet value."""
    return f"{kind}:{fold(value)[:200]}"


MOST_PARAMETERS = 2**62


def params_bucket(parameters: int) -> int:
    """Half octaves: 7 billion falls into 65, 8 billion too."""
    return int(2 * log2(max(parameters, 1)))


def count_token(parameters: int) -> str:
    """The token of an exact number of parameters; sorts as the number does."""
    return f"count:{parameters:019}"


@lru_cache(maxsize=1 << 12)
def date_tokens(updated: str | None) -> tuple[str, ...]:
    """The tokens of the month and the day (UTC) of a date."""
    seconds = epoch(updated)
    if seconds is None:
        return ("month:unknown",)
    return tuple(f"{datetime.fromtimestamp(seconds, UTC):month:%Y%m day:%Y%m%d}".split())


def index_tokens(doc: Mapping[str, Any], license_id: str, groups: Sequence[str] = ()) -> set[str]:
    """All tokens of a record's sparse dict; `groups` are the license groups that it is known to be in."""
    found = _text_tokens(doc)
    get = doc.get
    tags = get("tags", ())
    budget = MAX_WORDS - len(tags)
    for tag in tags[:MAX_WORDS]:
        found.update(_tag_tokens(tag))
    if (description := get("description")) and budget > 0:
        found.update(_description_tokens(description, budget))
    found.update(_shared_tokens(
        (*get("tasks", ()), *get("languages", ()), *get("formats", ())),
        len(get("tasks", ())), len(get("languages", ())),
        get("library"), get("source"), get("gated"), get("gone") is not None, license_id, *groups,
    ))  # fmt: skip
    found.add(facet("author", get("author") or UNKNOWN))
    for dataset in get("datasets", ()):
        found.add(facet("dataset", dataset))
    for base in get("base_models", ()):
        found.add(f"base:{key_of(base['id'])[:200]}")
        found.add(f"relation:{base.get('relation') or UNKNOWN}")
    parameters = get("parameters")
    if parameters is None:
        found.add("params:unknown")
    else:
        found.update((f"params:{params_bucket(parameters):03}", count_token(parameters)))
    found.update(date_tokens(get("updated")))
    return found


def _text_tokens(doc: Mapping[str, Any]) -> set[str]:
    found = {EVERY}
    name = doc.get("name") or doc["id"].rsplit("/", 1)[-1]
    for word in split(name):
        found.update(_name_tokens(word))
    if author := doc.get("author"):
        found.update(_author_tokens(author))
    return found


@lru_cache(maxsize=1 << 15)
def _name_tokens(word: str) -> tuple[str, ...]:
    return (f"={word}", *grams(word), *(word if is_cjk(word) else ()))


@lru_cache(maxsize=1 << 14)
def _author_tokens(author: str) -> tuple[str, ...]:
    parts = split(author)
    return (*parts, *(gram for word in parts for gram in grams(word)))


@lru_cache(maxsize=1 << 15)
def _tag_tokens(tag: str) -> tuple[str, ...]:
    if tag.startswith("base_model:"):
        return ()
    if tag.startswith(_OWN_FACET):
        return (fold(tag)[:200],)
    parts = split(tag)
    return (
        facet("tag", tag),
        *_word_tokens(parts if len(parts) > 1 else [part for part in parts if is_cjk(part)]),
    )


def _description_tokens(description: str, budget: int) -> Iterable[str]:
    return _word_tokens(split(description)[:budget])


def _word_tokens(parts: Iterable[str]) -> Iterable[str]:
    for part in parts:
        yield part[:64]
        if is_cjk(part):
            yield from part
            yield from grams(part)


@lru_cache(maxsize=1 << 13)
def _shared_tokens(
    several: tuple[str, ...], tasks_until: int, languages: int, library: str | None, source: str | None,
    gated: bool | None, gone: bool, license_id: str, *groups: str,
) -> tuple[str, ...]:  # fmt: skip
    """The tokens of facets with few values; whole combinations of them repeat, so they are made once."""
    own_tasks = several[:tasks_until]
    modalities = {tasks.modality(task) for task in own_tasks} - {None}
    found = [facet("task", task) for task in own_tasks] or ["task:unknown"]
    found += [f"modality:{modality}" for modality in modalities] or ["modality:unknown"]
    found += [facet("language", one) for one in several[tasks_until : tasks_until + languages]] or [
        "language:unknown"
    ]
    found += [facet("format", one) for one in several[tasks_until + languages :]] or ["format:unknown"]
    found.append(facet("library", library or UNKNOWN))
    found.append(f"source:{source or DEFAULT_SOURCE}")
    found.append(f"gated:{'unknown' if gated is None else 'yes' if gated else 'no'}")
    found.append("gone:yes" if gone else "gone:no")
    found.append(facet("license", license_id))
    found += [f"license:@{group}" for group in groups]
    return tuple(found)
