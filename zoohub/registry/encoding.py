"""ModelRecord <-> row: validation of what comes in, and the packed document that is stored.

`doc` is the record as sparse JSON, deflated with a preset dictionary of what records repeat (`records.zdict`, made
by scripts/record_dictionary.py): 140 bytes for a typical hub record instead of 570.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from datetime import UTC, datetime
from functools import cache, lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any

from zoohub.errors import InvalidModelId, InvalidRecord, RegistryError
from zoohub.registry.records import DEFAULT_SOURCE, SOURCES, ModelId, ModelRecord

MAX_DOC = 4 << 20  # bytes of JSON; a record beyond that is no model card but an accident or an attack
MAX_ITEMS = 20_000  # tags, languages, datasets ... of one record
LIKES_RANGE = 1 << 22  # popularity = (downloads + 1) * LIKES_RANGE + likes + 1, within 63 bits
_MOST = {"parameters": 2**62, "size": 2**62, "downloads": 2**40, "likes": LIKES_RANGE - 2}

_decode = json.JSONDecoder().raw_decode
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode

DICTIONARY_BYTES = 1 << 14
WINDOW, LEVEL, MEMORY = -14, 6, 5  # raw deflate with a window that the dictionary fills, and small to set up
_FORMAT = b"\x02"  # of documents that are read with this dictionary

_DEFAULTS: dict[str, Any] = {
    f.name: f.default if f.default is not MISSING else None for f in fields(ModelRecord) if f.name != "id"
}
_LISTS = ("tasks", "languages", "datasets", "formats", "tags", "mirrors")
_NESTED = {  # with what an entry must have
    "license_evidence": ("kind", str), "base_models": ("id", str), "files": ("path", str), "metrics": ("metric", str),
}  # fmt: skip
_PLAIN = tuple(name for name in _DEFAULTS if name not in (*_NESTED, "config"))
# name, its default, what a value must be: a text, texts, or a count up to so many; `gated` may be anything
_TEXTS = "texts"
_RULES: tuple[tuple[str, Any, Any], ...] = tuple(
    (name, _DEFAULTS[name], _MOST.get(name, _TEXTS if name in _LISTS else None if name == "gated" else str))
    for name in _PLAIN
)
# Read together, for speed: a bulk load passes here for every record.
_plain, _nested = attrgetter(*_PLAIN), attrgetter(*_NESTED)
# What nearly every hub id looks like; the parser judges the others.
_COMMON_ID = re.compile(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*/[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*")


def storable(text: str) -> str:
    """`text` without what a database refuses to store or compare: NUL and halves of surrogate pairs."""
    if text.isascii():
        return text.replace("\0", "")
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def key_of(record_id: str) -> str:
    """The spelling under which a model is looked up: lower case, but a folder's path as it is."""
    plain = storable(record_id)
    return plain if plain.startswith("folder:") else plain.lower()


def hash_of(record_id: str) -> int:
    """64 bits, signed, of the key of an id. Two ids may share them: whoever looks up by it compares the ids."""
    from hashlib import blake2b

    digest = blake2b(key_of(record_id).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _identity_fault(record: ModelRecord) -> str | None:
    if record.source == DEFAULT_SOURCE and len(record.id) <= 200 and _COMMON_ID.fullmatch(record.id):
        return None
    if record.source not in SOURCES:
        return f"{record.source!r} is no source"
    if record.source == "folder":
        return None if record.id.startswith("folder:") and "\0" not in record.id else "its id is no folder id"
    try:
        parsed = ModelId.parse(record.id, folders=False)
    except InvalidModelId as error:
        return error.message
    if parsed.source != record.source:
        return f"its id belongs to the source {parsed.source!r}, not {record.source!r}"
    return None


def pack(record: ModelRecord) -> bytes:
    """The document of a record.

    Raises:
        InvalidRecord: see `as_json`.
    """
    return deflated(as_json(record))


def as_json(record: ModelRecord) -> bytes:
    """The sparse JSON of a record; it begins with the id.

    Raises:
        InvalidRecord: its id is no id, a value is of the wrong kind, impossible or too large, it does not fit into JSON
            (lone surrogates, infinite numbers), or is larger than `MAX_DOC`.
    """
    if fault := _identity_fault(record):
        raise InvalidRecord(str(record.id)[:200], fault)
    stated = _sparse(record)
    try:
        text = _encode(stated).encode()
    except (ValueError, TypeError) as error:
        raise InvalidRecord(record.id, f"it cannot be stored: {error}") from error
    if len(text) > MAX_DOC:
        raise InvalidRecord(record.id, f"it takes {len(text)} bytes, more than {MAX_DOC}")
    return text


def deflated(text: bytes) -> bytes:
    """The document of a record's JSON."""
    deflate = _primed().copy()
    return _FORMAT + deflate.compress(text) + deflate.flush()


def deflated_all(texts: list[bytes]) -> list[bytes]:
    """The documents of several records' JSON."""
    return [deflated(text) for text in texts]


@cache
def _primed() -> zlib._Compress:
    return zlib.compressobj(LEVEL, zlib.DEFLATED, WINDOW, MEMORY, zlib.Z_DEFAULT_STRATEGY, _dictionary())


@cache
def _dictionary() -> bytes:
    return (Path(__file__).parent / "records.zdict").read_bytes()


def _sparse(record: ModelRecord) -> dict[str, Any]:
    """What a record states, checked."""
    data: dict[str, Any] = {"id": record.id}
    for value, (name, nothing, rule) in zip(_plain(record), _RULES, strict=True):
        if value is None or value == nothing:
            continue
        if type(value) is not rule and (fault := _value_fault(name, value, rule)):
            raise InvalidRecord(record.id, fault)
        data[name] = value
    for items, (name, (attribute, kind)) in zip(_nested(record), _NESTED.items(), strict=True):
        if items:
            if not all(isinstance(getattr(item, attribute), kind) for item in items):
                raise InvalidRecord(record.id, f"an entry of {name} has no {attribute}")
            data[name] = [_stated(item) for item in items]
    if record.config:
        data["config"] = dict(record.config)
    if data.get("name") == record.id.rsplit("/", 1)[-1]:
        del data["name"]
    return data


def _value_fault(name: str, value: Any, rule: Any) -> str | None:
    """What is wrong with a value that is not of the type that its rule names."""
    if rule is str:
        return f"{name} is {type(value).__name__}, not a text"
    if rule is _TEXTS:
        right = len(value) <= MAX_ITEMS and set(map(type, value)) == {str}
        return None if right else f"it has {len(value)} {name}, or some that are no texts"
    right = rule is None or (type(value) is int and 0 <= value <= rule)
    return None if right else f"{name} is {value!r:.40}, not a possible count"


def _stated(item: Any) -> dict[str, Any]:
    return {slot: value for slot in item.__slots__ if (value := getattr(item, slot)) is not None}


def unpack(doc: bytes) -> ModelRecord:
    """The record of a document."""
    return ModelRecord.from_dict(unpack_dict(doc))


def unpack_dict(doc: bytes) -> Mapping[str, Any]:
    """The sparse dict of a document."""
    data: dict[str, Any]
    data, _ = _decode(_inflated(doc).decode())
    return data


def key_in(doc: bytes) -> str:
    """The key (see `key_of`) of a document's record, without reading the rest."""
    return key_of(_id_in(doc))


def _id_in(doc: bytes) -> str:
    text = _inflated(doc)
    end = text.index(b'"', 7)  # behind {"id":"
    if text.find(b"\\", 7, end) < 0:
        return text[7:end].decode()
    return str(json.loads(text)["id"])


def _inflated(doc: bytes) -> bytes:
    if doc[:1] != _FORMAT:
        raise RegistryError(
            "The registry holds documents of an unknown format: another version of zoohub wrote it.",
            "Use that version, or move the file away (`zoo db info` names it) and sync again.",
        )
    return zlib.decompressobj(WINDOW, _dictionary()).decompress(memoryview(doc)[1:])


@lru_cache(maxsize=4096)
def epoch(date: str | None) -> int | None:
    """Seconds since 1970 of an ISO 8601 date, which is in UTC where it does not say; None if it is no date."""
    if not date:
        return None
    try:
        moment = datetime.fromisoformat(date)
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def popularity(doc: Mapping[str, Any]) -> int:
    """The key of the popularity order: downloads first, likes among equals; models without figures last."""
    downloads, likes = doc.get("downloads", -1), doc.get("likes", -1)
    return int((downloads + 1) * LIKES_RANGE + likes + 1)


def with_license(record: ModelRecord, license: str) -> ModelRecord:
    """`record` with its license normalized."""
    return replace(record, license=license)
