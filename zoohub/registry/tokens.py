"""What a model is found by: its record as a list of index tokens.

| token          | stands for                                                        |
|----------------|-------------------------------------------------------------------|
| `*`            | every model                                                       |
| `=bert`        | a word of the name                                                |
| `bert`         | a word of the author, of a tag of several words, of the description |
| `~ber`         | three letters in a row within a word of the name or author        |
| `#0f3`         | two words in a row, as one of 4,096 numbers: narrows down phrases   |
| `情感`         | two neighboring (or one) Chinese or Japanese characters            |
| `kind:value`   | a facet, in lower case; `kind:unknown` where nothing is known      |
| `params:NNN`   | parameters in half octaves; `count:` and 19 digits: exactly       |
| `month:YYYYMM` | month of the last update (UTC); `day:YYYYMMDD`, `hour:YYYYMMDDHH` |
| `likes:NNNNNN` | likes: exactly where they are few, beyond in steps of an eighth    |

Records share most of their facts (a tag, a word of the name). Laying out an index gathers who has which fact, and
makes tokens of each fact once.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from math import log2
from typing import Any, TypeAlias
from zlib import crc32

from zoohub import tasks
from zoohub.registry.encoding import epoch, key_of, storable
from zoohub.registry.records import DEFAULT_SOURCE, UNKNOWN

VERSION = "5"  # a registry indexed by another version is indexed anew when it is next written

EVERY = "*"
LAST = "\U0010ffff"  # sorts after every character that a token holds
FACETS = (
    "task", "modality", "license", "language", "library", "author", "dataset", "base", "relation", "tag", "source",
    "gated", "gone", "format",
)  # fmt: skip
MAX_WORDS = 400  # of tags and description together

_WORD = re.compile(r"[^\W_]+")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]+")
_OF_AUTHORS = (
    DEFAULT_SOURCE,
    "folder",
)  # sources whose ids begin with the author or a path, not a collection
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


def word_token(word: str) -> str:
    """The token of a word in tags, description or author; the sign before it keeps it apart from facets."""
    return f"+{word[:64]}"


MOST_PARAMETERS = 2**62


def params_bucket(parameters: int) -> int:
    """Half octaves: 7 billion falls into 65, 8 billion too."""
    return int(2 * log2(max(parameters, 1)))


def least_in(bucket: int) -> int:
    """The smallest number of parameters that falls into a bucket."""
    number = max(round(2 ** (bucket / 2)) - 2, 0)
    while params_bucket(number) < bucket:
        number += 1
    return number if bucket else 0


def count_token(parameters: int) -> str:
    """The token of an exact number of parameters; sorts as the number does."""
    return f"count:{parameters:019}"


def likes_token(likes: int) -> str:
    """The token of a number of likes; sorts as the number does, and equal tokens are within an eighth."""
    shift = max(likes.bit_length() - 8, 0)
    return f"likes:{likes >> shift << shift:07}"


def pair_tokens(words: Sequence[str]) -> list[str]:
    """The tokens of each two words in a row; other pairs share them."""
    numbers = [_word_number(word) for word in words]
    return [_PAIRS[(first * 31 + second) & 0xFFF] for first, second in pairwise(numbers)]


_PAIRS = [f"#{number:03x}" for number in range(1 << 12)]


@lru_cache(maxsize=1 << 15)
def _word_number(word: str) -> int:
    return crc32(word.encode()) >> 8


@lru_cache(maxsize=1 << 12)
def date_tokens(updated: str | None) -> tuple[str, ...]:
    """The tokens of the month, the day and the hour (UTC) of a date."""
    seconds = epoch(updated)
    if seconds is None:
        return ("month:unknown",)
    return tuple(f"{datetime.fromtimestamp(seconds, UTC):month:%Y%m day:%Y%m%d hour:%Y%m%d%H}".split())


Maker: TypeAlias = Callable[[Any], Iterable[str]]


def index_tokens(doc: Mapping[str, Any], license_id: str, groups: Sequence[str] = ()) -> set[str]:
    """All tokens of a record's sparse dict; `groups` are the license groups that it is known to be in."""
    units = index_units(doc, license_id, groups)
    return {token for make, facts in units for fact in facts for token in make(fact)}


def index_units(
    doc: Mapping[str, Any], license_id: str, groups: Sequence[str] = ()
) -> list[tuple[Maker, Sequence[Any]]]:
    """The facts that the tokens of a record are made of, with what makes tokens of each; see `index_tokens`."""
    get = doc.get
    namespace, _, own = doc["id"].rpartition("/")
    words = split(own)
    pairs = pair_tokens([*_last_word(namespace), *words])  # phrases may reach from the author into the name
    if name := get("name"):
        words = split(name)
        pairs += pair_tokens(words)
    tags = get("tags", ())
    units: list[tuple[Maker, Sequence[Any]]] = [
        (_name_tokens, words),
        (_itself, pairs),
        (_tag_tokens, tags[:MAX_WORDS]),
        (_author_tokens, (get("author"),)),
        (date_tokens, (_to_the_hour(get("updated")),)),
        (_params_tokens, (get("parameters"),)),
        (_likes_tokens, (get("likes"),)),
        (_shared_tokens, ((
            tuple(get("tasks", ())), tuple(get("languages", ())), tuple(get("formats", ())), get("library"),
            get("source"), get("gated"), get("gone") is not None, license_id, tuple(groups),
        ),)),
    ]  # fmt: skip
    if get("source", DEFAULT_SOURCE) not in _OF_AUTHORS:
        units.append((_home_tokens, (namespace.rpartition(":")[2],)))
    if datasets := get("datasets"):
        units.append((_dataset_tokens, datasets))
    if bases := get("base_models"):
        units.append((_base_tokens, [(base["id"], base.get("relation")) for base in bases]))
    if (description := get("description")) and len(tags) < MAX_WORDS:
        units.append((_description_tokens, ((description, MAX_WORDS - len(tags)),)))
    return units


@lru_cache(maxsize=1 << 14)
def _last_word(namespace: str) -> tuple[str, ...]:
    return tuple(split(namespace)[-1:])


def _itself(token: str) -> tuple[str]:
    return (token,)


@lru_cache(maxsize=1 << 15)
def _name_tokens(word: str) -> tuple[str, ...]:
    return (f"={word}", *grams(word), *(word if is_cjk(word) else ()))


@lru_cache(maxsize=1 << 14)
def _author_tokens(author: str | None) -> tuple[str, ...]:
    if not author:
        return (facet("author", UNKNOWN),)
    return (facet("author", author), *_home_tokens(author))


@lru_cache(maxsize=1 << 12)
def _home_tokens(home: str) -> tuple[str, ...]:
    """The tokens of what stands before the name: the author, and the collection of a source that has such."""
    parts = split(home)
    return (
        *map(word_token, parts),
        *pair_tokens(parts),
        *(gram for word in parts for gram in grams(word)),
    )


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


def _description_tokens(described: tuple[str, int]) -> Iterable[str]:
    description, budget = described
    return _word_tokens(split(description)[:budget])


def _word_tokens(parts: Sequence[str]) -> Iterable[str]:
    yield from pair_tokens(parts)
    for part in parts:
        yield word_token(part)
        if is_cjk(part):
            yield from part
            yield from grams(part)


def _dataset_tokens(dataset: str) -> tuple[str]:
    return (facet("dataset", dataset),)


@lru_cache(maxsize=1 << 14)
def _base_tokens(base: tuple[str, str | None]) -> tuple[str, str]:
    id, relation = base
    return (f"base:{key_of(id)[:200]}", f"relation:{relation or UNKNOWN}")


def _params_tokens(parameters: int | None) -> tuple[str, ...]:
    if parameters is None:
        return ("params:unknown",)
    return (f"params:{params_bucket(parameters):03}", count_token(parameters))


def _likes_tokens(likes: int | None) -> tuple[str]:
    return ("likes:unknown" if likes is None else likes_token(likes),)


def _to_the_hour(updated: str | None) -> str | None:
    """A date in UTC without minutes and seconds, so that it repeats; other dates as they are."""
    return (
        f"{updated[:13]}Z"
        if updated and len(updated) > 19 and updated[10] == "T" and updated[-1] == "Z"
        else updated
    )


@lru_cache(maxsize=1 << 13)
def _shared_tokens(facts: tuple[Any, ...]) -> tuple[str, ...]:
    """The tokens of facets with few values; whole combinations of them repeat, so they are made once."""
    own_tasks, languages, formats, library, source, gated, gone, license_id, groups = facts
    modalities = {tasks.modality(task) for task in own_tasks} - {None}
    found = [EVERY]
    found += [facet("task", task) for task in own_tasks] or ["task:unknown"]
    found += [f"modality:{modality}" for modality in modalities] or ["modality:unknown"]
    found += [facet("language", language) for language in languages] or ["language:unknown"]
    found += [facet("format", each) for each in formats] or ["format:unknown"]
    found.append(facet("library", library or UNKNOWN))
    found.append(f"source:{source or DEFAULT_SOURCE}")
    found.append(f"gated:{'unknown' if gated is None else 'yes' if gated else 'no'}")
    found.append("gone:yes" if gone else "gone:no")
    found.append(facet("license", license_id))
    found += [f"license:@{group}" for group in groups]
    return tuple(found)
