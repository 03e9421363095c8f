"""Configuration files: readable within limits, and do they ask for code that is not the library's own?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from zoohub.weights.formats.safetensors import Malformed
from zoohub.weights.names import problem

MAX_JSON = 256 << 20  # bytes: the largest tokenizers take some tens of MB
MAX_YAML = 4 << 20
MAX_DEPTH = 100

_LIBRARIES = frozenset({
    "transformers", "diffusers", "timm", "torch", "torchvision", "peft", "sentence_transformers",
    "onnxruntime", "optimum", "tokenizers",
})  # fmt: skip
# keys of a configuration whose value, if there is one, makes a library import code of the repository
_CODE_KEYS = ("auto_map", "custom_pipelines", "custom_generate")
_KERNEL_KEYS = (
    "attn_implementation", "_attn_implementation", "_attn_implementation_internal",
    "_experts_implementation", "kernel_config", "hub_kernel",
)  # fmt: skip
_FILE_KEYS = ("transformers_weights", "weight_map", "external_data")


def read_json(path: Path) -> Any:
    """Parse a JSON file within limits.

    Raises:
        Malformed: too large, too deep, no UTF-8, no JSON.
    """
    size = path.stat().st_size
    if size > MAX_JSON:
        raise Malformed(f"it is larger than {MAX_JSON >> 20} MiB")
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except RecursionError as error:
        raise Malformed("it is nested too deep") from error
    except UnicodeDecodeError as error:
        raise Malformed("it is no UTF-8") from error
    except ValueError as error:
        raise Malformed(f"it is no JSON ({str(error)[:100]})") from error
    return data


def read_yaml(text: str) -> Any:
    """Parse YAML of strangers: plain values only, no aliases, limited in size and depth.

    Raises:
        Malformed: with the reason.
    """
    import yaml

    if len(text) > MAX_YAML:
        raise Malformed(f"it is larger than {MAX_YAML >> 20} MiB")
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise Malformed("it uses aliases, with which a small file can hold a huge one")
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > MAX_DEPTH:
                raise Malformed("it is nested too deep")
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Malformed(f"it is no plain YAML ({str(error).splitlines()[0][:100]})") from error


def code_reasons(path: str, data: Any) -> list[str]:
    """What in the configuration file `path` (relative, with content `data`) asks to run code, in words."""
    name = PurePosixPath(path).name
    reasons = [reason for key, value in _walk(data) if (reason := _key_reason(key, value))]
    if name == "modules.json" and isinstance(data, list):
        foreign = [str(module.get("type"))[:80] for module in data if _foreign_module(module)]
        reasons += [f"module of type {kind!r}" for kind in foreign]
    if name == "model_index.json" and isinstance(data, dict):
        reasons += [f"component {key!r} comes from {str(value[0])[:80]!r}" for key, value in data.items()
                    if _foreign_component(key, value)]  # fmt: skip
    if name == "adapter_config.json" and isinstance(data, dict):
        mapping = data.get("auto_mapping")
        library = mapping.get("parent_library") if isinstance(mapping, dict) else None
        if library and str(library).split(".")[0] not in _LIBRARIES:
            reasons.append(f"its base class lies in the package {str(library)[:80]!r}")
    return list(dict.fromkeys(reasons))


def file_reasons(data: Any) -> list[str]:
    """File names in a configuration that leave the model's folder, in words."""
    reasons = []
    for key, value in _walk(data):
        if key in _FILE_KEYS:
            names = value.values() if isinstance(value, dict) else [value]
            reasons += [f"{key} names {str(name)[:80]!r}: {trouble}" for name in set(map(str, names))
                        if name and (trouble := problem(name))]  # fmt: skip
    return reasons


def _walk(data: Any) -> Iterator[tuple[str, Any]]:
    """Every key of every object, at any depth."""
    stack = [data]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            yield from item.items()
            stack.extend(value for value in item.values() if isinstance(value, dict | list))
        elif isinstance(item, list) and not _is_plain(item):
            stack.extend(value for value in item if isinstance(value, dict | list))


def _is_plain(items: list[Any]) -> bool:
    return not items or isinstance(items[0], str | int | float)


def _key_reason(key: str, value: Any) -> str | None:
    if key in _CODE_KEYS and value:
        named = value if isinstance(value, str) else ", ".join(map(str, value)) if _is_listing(value) else ""
        return f"{key}: {named[:120]}".rstrip(": ")
    if key in _KERNEL_KEYS:
        words = value.values() if isinstance(value, dict) else [value]
        foreign = next((word for word in words if isinstance(word, str) and "/" in word), None)
        return f"{key} names the repository {foreign[:80]!r}" if foreign else None
    if key == "trust_remote_code" and value:
        return "it asks for trust_remote_code"
    return None


def _is_listing(value: Any) -> bool:
    return isinstance(value, dict | list)


def _foreign_module(module: Any) -> bool:
    known = ("sentence_transformers.", "pylate.")
    return isinstance(module, dict) and not str(module.get("type", "")).startswith(known)


def _foreign_component(key: str, value: Any) -> bool:
    return (
        not key.startswith("_")
        and isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and value[0].split(".")[0] not in _LIBRARIES
    )
