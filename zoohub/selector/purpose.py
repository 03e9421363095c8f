"""What a model is made for, as far as its record and its name tell: its languages, its topic."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from zoohub.registry import ModelRecord

OF_ALL = ("multilingual", "mul")
MANY = ("multilingual", "nllb", "m2m100", "mbart", "xlm", "mt5", "labse", "whisper")
# formats without adapters
UNREAD = frozenset(("gguf", "mlx", "tflite", "coreml", "paddle", "nemo", "flax", "keras"))
# libraries whose folders are mostly loaded by another that has adapters
ALSO_CALLED = dict.fromkeys(("sentence-transformers", "open_clip", "peft", "safetensors"), "transformers")
# words in names that tell a language; codes such as `it` and `is`, which are words, too, do not
_TOLD = {
    "en": ("en", "english"),
    "zh": ("zh", "chinese", "cn"),
    "ja": ("ja", "japanese"),
    "ko": ("ko", "korean"),
    "ru": ("ru", "russian"),
    "ar": ("ar", "arabic"),
    "fr": ("fr", "french"),
    "de": ("de", "german"),
    "es": ("es", "spanish"),
    "pt": ("pt", "portuguese"),
    "it": ("italian",),
    "hi": ("hindi",),
    "tr": ("turkish",),
    "vi": ("vietnamese",),
    "th": ("thai",),
    "nl": ("dutch",),
    "pl": ("polish",),
}
_PAIR = re.compile(r"([a-z]{2})2([a-z]{2})")


@dataclass(frozen=True, slots=True)
class Topic:
    """What a task is asked for, where a model that is used as it is must have learned just that."""

    name: str
    words: tuple[str, ...]

    def meets(self, record: ModelRecord) -> bool:
        """Whether the name speaks of it."""
        name = record.id.rsplit("/", 1)[-1].lower()
        return any(word in name for word in self.words)


TOPICS = {
    "face": Topic("face", ("face", "人脸")),
    "人脸": Topic("face", ("face", "人脸")),
    "sentiment": Topic("sentiment", ("sentiment", "sst", "polarity", "情感")),
    "情感": Topic("sentiment", ("sentiment", "sst", "polarity", "情感")),
}


def topic(asked: str) -> Topic | None:
    """The topic that the wording of a task names: face recognition, 情感分析."""
    return next((found for word, found in TOPICS.items() if word in asked.lower()), None)


def foreign(record: ModelRecord, tasks: Sequence[str]) -> bool:
    """Whether zoohub can load no model of that library for the `tasks`; where the library is unknown, the format of
    the weights tells, and where that is unknown, it may."""
    if "adapter" in record.config:
        return False
    if not record.library:
        return bool(record.formats) and UNREAD.issuperset(record.formats)
    served = _served(ALSO_CALLED.get(record.library, record.library))
    return served.isdisjoint((*tasks, *record.tasks))


@cache
def _served(library: str) -> frozenset[str]:
    from zoohub.adapters.table import served_tasks

    return frozenset(served_tasks(library))


def speaks(record: ModelRecord, language: str) -> bool:
    """Whether the record states the language, or else the name tells it.

    A model that states none is taken to be English, as most such are.
    """
    if record.languages:
        return any(one == language or one in OF_ALL for one in record.languages)
    words = re.split(r"[^a-z0-9]+", record.id.lower())
    if named := _named(words):
        return language in named
    if language == "en":
        return True
    # what was tuned or distilled from a model of many languages has its name, and mostly speaks one
    one = "distil" in words or any(base.relation == "finetune" for base in record.base_models)
    return not one and any(many in word for word in words for many in MANY)


def made_for(record: ModelRecord, language: str) -> bool:
    """Whether the model is of this language alone, not one that speaks several or does not say."""
    spoken = record.languages or _named(re.split(r"[^a-z0-9]+", record.id.lower()))
    return set(spoken) == {language}


def _named(words: Sequence[str]) -> set[str]:
    """The languages that the words of a name tell."""
    pairs = {code for word in words for match in _PAIR.finditer(word) for code in match.groups()}
    return {code for code, told in _TOLD.items() if pairs & {code} or set(words) & set(told)}
