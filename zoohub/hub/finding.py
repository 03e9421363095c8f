"""Finding models in the registry and writing them as JSON: the work behind `GET /api/models`.

It needs the registry alone, so that a process of its own may do it (see `searchers`).
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import Any

from zoohub.errors import UnknownLicense, UnknownTask
from zoohub.hub.modelfacts import COSTLY, HOSTED, OWN, expanded, registry_facts
from zoohub.registry import Query, Registry
from zoohub.registry.encoding import unpack

# Pages are read on until this many models were looked at, where a name may not be mirrored.
MAX_LOOKED_AT = 2000
KEPT_SIZE = 1024  # bytes of a stored record whose JSON is kept; larger ones would fill the memory

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
Found = tuple[list[bytes], str | None]  # models as JSON, and the cursor of what follows


@dataclass(frozen=True, eq=False)
class Shape:
    """What of a model's facts is told, and which models that are not of this hub may be named.

    `mirrored`: patterns of the names that may be mirrored; None where nothing is mirrored.
    """

    expand: tuple[str, ...]
    full: bool
    config: bool
    card: bool
    mirrored: tuple[str, ...] | None

    @staticmethod
    @lru_cache(maxsize=256)
    def of(*parts: Any) -> Shape:
        """The one object of this shape, which is then looked up by its identity."""
        return Shape(*parts)

    @property
    def parts(self) -> tuple[Any, ...]:
        """What `of` makes it of."""
        return self.expand, self.full, self.config, self.card, self.mirrored

    @cached_property
    def left_out(self) -> frozenset[str]:
        """The costly facts that are not told."""
        told = {"siblings": self.full, "config": self.config, "cardData": self.full or self.card}
        return frozenset(key for key in COSTLY if not (key in self.expand if self.expand else told[key]))

    def write(self, facts: Mapping[str, Any]) -> bytes:
        """A model's facts as JSON."""
        if self.expand:
            chosen = expanded(facts, self.expand)
        else:
            left_out = self.left_out
            chosen = {key: value for key, value in facts.items() if key not in left_out}
        return _encode(chosen).encode("utf-8", "replace")


def find(registry: Registry, wanted: Mapping[str, Any], shape: Shape) -> Found:
    """Models that a query (as the fields of `Query`) finds: this hub's own, and those that it may mirror."""
    if shape.mirrored is None:
        required = wanted.get("require", {})
        wanted = {**wanted, "require": {**required, "tag": (*required.get("tag", ()), HOSTED)}}
    else:
        wanted = {**wanted, "source": ("hub",)}
    try:
        return _find(registry, Query(**wanted), shape)
    except (UnknownTask, UnknownLicense):
        return [], None  # no model has what nobody knows


def _find(registry: Registry, query: Query, shape: Shape) -> Found:
    found: list[bytes] = []
    looked_at = 0
    while True:
        page = registry.search_documents(query, partial(_text, shape))
        for text in page:
            looked_at += 1
            if text is not None:
                found.append(text)
        if page.cursor is None or len(found) >= (query.limit or 0) or looked_at >= MAX_LOOKED_AT:
            return found, page.cursor
        query = replace(query, cursor=page.cursor)


def _text(shape: Shape, document: bytes) -> bytes | None:
    """A stored record as JSON; None for one that is not to be named."""
    return (_kept if len(document) <= KEPT_SIZE else _kept.__wrapped__)(shape, document)


@lru_cache(maxsize=8192)
def _kept(shape: Shape, document: bytes) -> bytes | None:
    record = unpack(document)
    if record.origin != OWN and (shape.mirrored is None or not fits(record.id, shape.mirrored)):
        return None
    return shape.write(registry_facts(record, shape.left_out))


def fits(name: str, patterns: Collection[str]) -> bool:
    """Whether one of the patterns, in any case, is that of a name."""
    return "*" in patterns or any(fnmatch.fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)
