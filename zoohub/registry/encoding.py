"""ModelRecord <-> row: validation of what comes in, and the packed document that is stored.

`doc` is the record as sparse JSON, deflated with a preset dictionary of the words that cards repeat:
130 bytes for a typical hub record instead of 420.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any

from zoohub.errors import InvalidModelId, InvalidRecord
from zoohub.registry.records import DEFAULT_SOURCE, SOURCES, ModelId, ModelRecord

MAX_DOC = 4 << 20  # bytes of JSON; a record beyond that is no model card but an accident or an attack
MAX_ITEMS = 20_000  # tags, languages, datasets ... of one record
LIKES_RANGE = 1 << 22  # popularity = (downloads + 1) * LIKES_RANGE + likes + 1, within 63 bits
_MOST = {"parameters": 2**62, "size": 2**62, "downloads": 2**40, "likes": LIKES_RANGE - 2}

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode

# Never change this text: every stored document is read with it. A new one needs a new first byte.
_DICTIONARY = (
    b'"],"tags":["biology","chemistry","climate","finance","legal","medical","music","art","code","moe","merge"'
    b',"mergekit","roleplay","uncensored","abliterated","heretic","dpo","orpo","grpo","sft","trl","unsloth","lora"'
    b',"peft","adapter","qlora","axolotl","llama-factory","generated_from_trainer","model-index","autotrain'
    b'_compatible","endpoints_compatible","region:us","region:eu","custom_code","4-bit","8-bit","awq","gptq","bit'
    b'sandbytes","compressed-tensors","fp8","nvfp4","exl2","exl3","mlx","gguf","imatrix","quantized","llama.cpp"'
    b',"ollama","onnx","openvino","coreml","tensorboard","jax","tf","pytorch","timm","diffusers","sentence-trans'
    b'formers","stable-diffusion","stable-diffusion-xl","flux","template:sd-lora","text-to-image","image-to-text'
    b'","image-classification","object-detection","image-segmentation","automatic-speech-recognition","text-to-s'
    b'peech","audio","whisper","wav2vec2","vision","reinforcement-learning","deep-reinforcement-learning","robotics'
    b'","lerobot","stable-baselines3","ml-agents","question-answering","translation","summarization","fill-mask"'
    b',"feature-extraction","sentence-similarity","token-classification","text-classification","text-generation-'
    b'inference","text-embeddings-inference","image-text-to-text","any-to-any","conversational","gemma","gemma2","gem'
    b'ma3","gemma3_text","gemma4","phi3","mistral","mixtral","llama","llama-2","llama-3","llama3.1","llama3.2","deep'
    b'seek","qwen","qwen2","qwen2.5","qwen2_5_vl","qwen3","qwen3_moe","qwen3_5","gpt2","t5","bert","roberta","distil'
    b'bert","xlm-roberta","vit","en","zh","de","fr","es","pt","it","ja","ko","ru","ar","hi","multilingual","arxiv:'
    b'2","dataset:","license:cc-by-nc-4.0","license:cc-by-4.0","license:other","license:openrail","license:creati'
    b'veml-openrail-m","license:llama3","license:gemma","license:mit","license:apache-2.0","base_model:adapter:'
    b'","base_model:merge:","base_model:finetune:","base_model:quantized:","base_model:","relation":"adapter"}]"merge'
    b'"}],"quantized"}],"finetune"}],"parameters":7000000000,"size":,"formats":["safetensors","gguf","pickle"],"file'
    b's":[{"path":"model.safetensors","sha256":"config.json","tokenizer.json"],"downloads":,"likes":0,"created":"2025-'
    b'","updated":"2026-08-22T01:01:43.000Z","gated":false,"gone":"2026-","metrics":[{"metric":"accuracy","value":0.9,"'
    b'task":"text-classification","dataset":"source":"license_link":"https://huggingface.co/","mirrors":["modelscope:'
    b'{"id":"source":"hub","revision":"name":"author":"task":"text-generation","tasks":["text-generation"],"library":'
    b'"transformers","license":"unknown","license":"mit","license_raw":"mit","license":"apache-2.0","license_raw":"ap'
    b'ache-2.0","license_evidence":[{"kind":"card","where":"README.md","text":"languages":["en"],"datasets":["base_mo'
    b'dels":[{"id":"meta-llama/Llama-3.1-8B-Instruct","Qwen/Qwen2.5-7B-Instruct","unsloth/","google/gemma-","mistralai/'
)[-4096:]
_WINDOW = -12  # raw deflate, 4 KiB: small to set up, and the dictionary fills it
_PRIMED = zlib.compressobj(1, zlib.DEFLATED, _WINDOW, 5, zlib.Z_DEFAULT_STRATEGY, _DICTIONARY)
_FORMAT = b"\x01"

_DEFAULTS: dict[str, Any] = {
    f.name: f.default if f.default is not MISSING else None for f in fields(ModelRecord) if f.name != "id"
}
_LISTS = ("tasks", "languages", "datasets", "formats", "tags", "mirrors")
_NESTED = {  # with what an entry must have
    "license_evidence": ("kind", str), "base_models": ("id", str), "files": ("path", str), "metrics": ("metric", str),
}  # fmt: skip
_PLAIN = tuple(name for name in _DEFAULTS if name not in (*_NESTED, "config"))
_NUMBERS = tuple(_MOST)
_TEXTS = tuple(name for name in _PLAIN if name not in (*_LISTS, *_NUMBERS, "gated"))
_NOTHING = tuple(_DEFAULTS[name] for name in _PLAIN)
# Read together, for speed: a bulk load passes here for every record.
_plain, _lists, _nested, _numbers, _texts = (
    attrgetter(*names) for names in (_PLAIN, _LISTS, _NESTED, _NUMBERS, _TEXTS)
)
# What nearly every hub id looks like; the parser judges the others.
_COMMON_ID = re.compile(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*/[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*")
_TEXT_TYPES = {str, type(None)}


def storable(text: str) -> str:
    """`text` without what a database refuses to store or compare: NUL and halves of surrogate pairs."""
    if text.isascii():
        return text.replace("\0", "")
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def key_of(record_id: str) -> str:
    """The spelling under which a model is looked up: lower case, but a folder's path as it is."""
    plain = storable(record_id)
    return plain if plain.startswith("folder:") else plain.lower()


def validated(record: ModelRecord) -> ModelRecord:
    """`record` itself.

    Raises:
        InvalidRecord: its id is no id, or a value is of the wrong kind, impossible or too large.
    """
    reason = _fault(record)
    if reason:
        raise InvalidRecord(str(record.id)[:200], reason)
    return record


def _fault(record: ModelRecord) -> str | None:
    if not set(map(type, _texts(record))) <= _TEXT_TYPES:
        wrong = next(name for name in _TEXTS if type(getattr(record, name)) not in _TEXT_TYPES)
        return f"{wrong} is {type(getattr(record, wrong)).__name__}, not a text"
    for name, value in zip(_NUMBERS, _numbers(record), strict=True):
        if value is not None and (type(value) is not int or not 0 <= value <= _MOST[name]):
            return f"{name} is {value!r:.40}, not a possible count"
    for name, items in zip(_LISTS, _lists(record), strict=True):
        if items and (len(items) > MAX_ITEMS or set(map(type, items)) != {str}):
            return f"it has {len(items)} {name}, or some that are no texts"
    for (name, (attribute, kind)), items in zip(_NESTED.items(), _nested(record), strict=True):
        for item in items:
            if not isinstance(getattr(item, attribute), kind):
                return f"an entry of {name} has no {attribute}"
    return _identity_fault(record)


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
        InvalidRecord: it does not fit into JSON (lone surrogates, infinite numbers) or is larger than `MAX_DOC`.
    """
    try:
        text = _encode(_sparse(record)).encode()
    except (ValueError, TypeError) as error:
        raise InvalidRecord(record.id, f"it cannot be stored: {error}") from error
    if len(text) > MAX_DOC:
        raise InvalidRecord(record.id, f"it takes {len(text)} bytes, more than {MAX_DOC}")
    deflate = _PRIMED.copy()
    return _FORMAT + deflate.compress(text) + deflate.flush()


def _sparse(record: ModelRecord) -> dict[str, Any]:
    data: dict[str, Any] = {"id": record.id}
    for name, value, nothing in zip(_PLAIN, _plain(record), _NOTHING, strict=True):
        if value is not None and value != nothing:
            data[name] = value  # noqa: PERF403 - goes on below
    for name, items in zip(_NESTED, _nested(record), strict=True):
        if items:
            data[name] = [_stated(item) for item in items]
    if record.config:
        data["config"] = dict(record.config)
    if data.get("name") == record.id.rsplit("/", 1)[-1]:
        del data["name"]
    return data


def _stated(item: Any) -> dict[str, Any]:
    return {slot: value for slot in item.__slots__ if (value := getattr(item, slot)) is not None}


def unpack(doc: bytes) -> ModelRecord:
    """The record of a document."""
    return ModelRecord.from_dict(unpack_dict(doc))


def unpack_dict(doc: bytes) -> Mapping[str, Any]:
    """The sparse dict of a document."""
    doc = bytes(doc)
    if doc[:1] != _FORMAT:
        raise InvalidRecord("?", "its stored document has an unknown format")
    data: dict[str, Any] = json.loads(zlib.decompressobj(_WINDOW, _DICTIONARY).decompress(doc[1:]))
    return data


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
