"""ModelRecord <-> row: validation of what comes in, and the packed document that is stored.

`doc` is the record as sparse JSON, compressed by Zstandard with a dictionary of what records repeat (`records.zdict`,
made by scripts/record_dictionary.py): 140 bytes for a typical hub record instead of 580.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from functools import cache, cached_property, lru_cache
from hashlib import blake2b
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import zstandard

from zoohub.errors import InvalidModelId, InvalidRecord, RegistryError
from zoohub.registry.records import DEFAULT_SOURCE, SOURCES, ModelId, ModelRecord

MAX_DOC = 4 << 20  # bytes of JSON; a record beyond that is no model card but an accident or an attack
MAX_ITEMS = 20_000  # tags, languages, datasets ... of one record
LIKES_RANGE = 1 << 22  # popularity = (downloads + 1) * LIKES_RANGE + likes + 1, within 63 bits
_MOST = {"parameters": 2**62, "size": 2**62, "downloads": 2**40, "likes": LIKES_RANGE - 2}

_decode = json.JSONDecoder().raw_decode
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode

LEVEL = 3
_FORMAT = (
    b"\x03"  # of documents that are read with this dictionary; it stands where a frame's magic number would
)

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
    return _hash(key_of(record_id))


def _hash(key: str) -> int:
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big", signed=True)


Facts: TypeAlias = tuple[Any, ...]  # the id, the values of _PLAIN, the lists of _NESTED, the config


class Packed(NamedTuple):
    """A record as it is stored: its key (see `key_of`), the hash of it, the document, and what stands in columns."""

    key: str
    hash: int
    doc: bytes
    figures: tuple[int | None, ...]  # downloads, likes, updated, parameters
    bases: dict[int, str | None]  # hash of a base -> relation
    revision: str | None


def facts(record: ModelRecord, license: str | None = None) -> Facts:
    """What a record states, as plain values that another process can be given; with its license normalized, if given.

    Raises:
        InvalidRecord: an entry of a list is of the wrong kind.
    """
    plain, nested = _plain(record), _nested(record)
    if license is not None and license != record.license:
        plain = (*plain[:_LICENSE], license, *plain[_LICENSE + 1 :])
    if any(nested):
        nested = tuple(
            [
                _entries(items, name, record.id) if items else ()
                for items, name in zip(nested, _NESTED, strict=True)
            ]
        )
    return (record.id, *plain, *nested, dict(record.config))


_LICENSE = _PLAIN.index("license")


def _entries(items: Iterable[Any], name: str, id: str) -> list[dict[str, Any]]:
    attribute, kind = _NESTED[name]
    entries = []
    for item in items:
        if not isinstance(getattr(item, attribute), kind):
            raise InvalidRecord(id, f"an entry of {name} has no {attribute}")
        entries.append({slot: value for slot in item.__slots__ if (value := getattr(item, slot)) is not None})
    return entries


def pack(record: ModelRecord) -> bytes:
    """The document of a record.

    Raises:
        InvalidRecord: see `as_json`.
    """
    return packed(facts(record)).doc


def packed(stated: Facts) -> Packed:
    """A record by its facts, ready to be stored.

    Raises:
        InvalidRecord: see `as_json`.
    """
    doc = compressed(_as_json(stated))
    key = key_of(stated[0])
    downloads, likes, updated, parameters, revision = _in_columns(stated)
    bases = edges(stated[_BASES]) if stated[_BASES] else {}
    return Packed(key, _hash(key), doc, (downloads, likes, epoch(updated), parameters), bases, revision)


def packed_all(several: list[Facts]) -> list[tuple[Any, ...]]:
    """Several records, each as the values of `Packed`; of one that is refused: its id and the reason."""
    done: list[tuple[Any, ...]] = []
    for stated in several:
        try:
            done.append(tuple(packed(stated)))
        except InvalidRecord as refusal:
            done.append((refusal.ident, refusal.reason))
    return done


def edges(bases: Iterable[Mapping[str, Any]]) -> dict[int, str | None]:
    """Hash of a base -> relation, of the entries of `base_models`."""
    return {_base_hash(base["id"]): base.get("relation") for base in bases}


@lru_cache(maxsize=1 << 14)
def _base_hash(id: str) -> int:
    return hash_of(id)


def as_json(record: ModelRecord) -> bytes:
    """The sparse JSON of a record; it begins with the id.

    Raises:
        InvalidRecord: its id is no id, a value is of the wrong kind, impossible or too large, it does not fit into JSON
            (lone surrogates, infinite numbers), or is larger than `MAX_DOC`.
    """
    return _as_json(facts(record))


def _as_json(stated: Facts) -> bytes:
    id = stated[0]
    if fault := _identity_fault(id, stated[_SOURCE]):
        raise InvalidRecord(str(id)[:200], fault)
    try:
        text = _encode(_sparse(stated)).encode()
    except (ValueError, TypeError) as error:
        raise InvalidRecord(id, f"it cannot be stored: {error}") from error
    if len(text) > MAX_DOC:
        raise InvalidRecord(id, f"it takes {len(text)} bytes, more than {MAX_DOC}")
    return text


def _identity_fault(id: str, source: str) -> str | None:
    if source == DEFAULT_SOURCE and len(id) <= 200 and _COMMON_ID.fullmatch(id):
        return None
    if source not in SOURCES:
        return f"{source!r} is no source"
    if source == "folder":
        return None if id.startswith("folder:") and "\0" not in id else "its id is no folder id"
    try:
        parsed = ModelId.parse(id, folders=False)
    except InvalidModelId as error:
        return error.message
    if parsed.source != source:
        return f"its id belongs to the source {parsed.source!r}, not {source!r}"
    return None


def _sparse(stated: Facts) -> dict[str, Any]:
    """What is known of a record, checked."""
    id = stated[0]
    data: dict[str, Any] = {"id": id}
    for value, (name, nothing, rule) in zip(stated[1:], _RULES, strict=False):
        if value is None or value == nothing:
            continue
        if type(value) is not rule and (fault := _value_fault(name, value, rule)):
            raise InvalidRecord(id, fault)
        data[name] = value
    data |= {name: value for value, name in zip(stated[len(_PLAIN) + 1 :], _BESIDES, strict=True) if value}
    if data.get("name") == id.rsplit("/", 1)[-1]:
        del data["name"]
    return data


_BESIDES = (*_NESTED, "config")
_SOURCE = 1 + _PLAIN.index("source")
_BASES = 1 + len(_PLAIN) + list(_NESTED).index("base_models")
_in_columns = itemgetter(
    *(1 + _PLAIN.index(name) for name in ("downloads", "likes", "updated", "parameters", "revision"))
)


def _value_fault(name: str, value: Any, rule: Any) -> str | None:
    """What is wrong with a value that is not of the type that its rule names."""
    if rule is str:
        return f"{name} is {type(value).__name__}, not a text"
    if rule is _TEXTS:
        right = len(value) <= MAX_ITEMS and set(map(type, value)) == {str}
        return None if right else f"it has {len(value)} {name}, or some that are no texts"
    right = rule is None or (type(value) is int and 0 <= value <= rule)
    return None if right else f"{name} is {value!r:.40}, not a possible count"


def unpack(doc: bytes) -> ModelRecord:
    """The record of a document."""
    return ModelRecord.from_dict(unpack_dict(doc))


def unpack_dict(doc: bytes) -> Mapping[str, Any]:
    """The sparse dict of a document."""
    return dict_of(decompressed(doc))


def dict_of(text: bytes) -> Mapping[str, Any]:
    """The sparse dict of a record's JSON."""
    data: dict[str, Any]
    data, _ = _decode(text.decode())
    return data


def key_in(doc: bytes) -> str:
    """The key (see `key_of`) of a document's record, without reading the rest."""
    return key_of(id_of(decompressed(doc)))


def id_of(text: bytes) -> str:
    """The id in a record's JSON, without reading the rest."""
    end = text.index(b'"', 7)  # behind {"id":"
    if text.find(b"\\", 7, end) < 0:
        return text[7:end].decode()
    return str(json.loads(text)["id"])


def compressed(text: bytes) -> bytes:
    """The document of a record's JSON."""
    return _FORMAT + _codec.compressor.compress(text)


def decompressed(doc: bytes) -> bytes:
    """The JSON of a document.

    Raises:
        RegistryError: it is of another format, or damaged.
    """
    if doc[:1] != _FORMAT:
        raise RegistryError(
            "The registry holds documents of an unknown format: another version of zoohub wrote it.",
            "Use that version, or move the file away (`zoo db info` names it) and sync again.",
        )
    try:
        return _codec.decompressor.decompress(memoryview(doc)[1:])
    except zstandard.ZstdError as error:
        raise RegistryError(
            "The registry holds a damaged document.",
            "Restore a copy of the database, or sync into a new one.",
        ) from error


class _Codec(threading.local):
    """What compresses and decompresses; each thread has its own, for one does one thing at a time."""

    @cached_property
    def compressor(self) -> zstandard.ZstdCompressor:
        parameters = zstandard.ZstdCompressionParameters.from_level(
            LEVEL, format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_dict_id=False, write_content_size=True
        )
        return zstandard.ZstdCompressor(dict_data=_dictionary(), compression_params=parameters)

    @cached_property
    def decompressor(self) -> zstandard.ZstdDecompressor:
        return zstandard.ZstdDecompressor(dict_data=_dictionary(), format=zstandard.FORMAT_ZSTD1_MAGICLESS)


_codec = _Codec()


@cache
def _dictionary() -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict((Path(__file__).parent / "records.zdict").read_bytes())


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
