"""ms-swift: language and multimodal models by architecture, with their ModelScope and Hugging Face ids."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from scripts.catalog.model import Record, author, mirror, record
from scripts.catalog.packages import Package
from scripts.catalog.reading import Reader, calls

PACKAGES = ("ms-swift",)

_KINDS = {"LLMModelType": "text-generation", "MLLMModelType": "image-text-to-text",
          "BertModelType": "fill-mask", "RMModelType": "text-classification"}  # fmt: skip
_TASK_TYPES = {"embedding": "feature-extraction", "reranker": "text-ranking", "generative_reranker": "text-ranking",
               "seq_cls": "text-classification", "prm": "text-classification"}  # fmt: skip


def records(package: Package) -> Iterator[Record]:
    """One record for each `Model(...)`, with the facts of the `ModelMeta` and `ModelGroup` around it."""
    for path in package.find(r"swift/model/models/\w+\.py"):
        tree = package.tree(path)
        reader = Reader(tree)
        for meta in calls(tree, "ModelMeta"):
            for group in calls(meta, "ModelGroup"):
                tags = [*_words(meta, "tags", reader), *_words(group, "tags", reader)]
                for model in calls(group, "Model"):
                    args, named = reader.arguments(model)
                    ids = dict(zip(("ms_model_id", "hf_model_id"), args, strict=False)) | named
                    yield from _record(meta, reader, tags, ids.get("ms_model_id"), ids.get("hf_model_id"))


def _words(call: ast.Call, name: str, reader: Reader) -> list[str]:
    value = next((reader.value(k.value) for k in call.keywords if k.arg == name), [])
    return [word for word in value or [] if isinstance(word, str)]


def _record(
    meta: ast.Call, reader: Reader, tags: list[str], scope: str | None, hub: str | None
) -> Iterator[Record]:
    id = hub or (f"modelscope:{scope}" if scope else "")
    if id:
        _, named = reader.arguments(meta)
        task = _task(meta, named.get("task_type"), tags)
        architectures = [name for name in named.get("architectures") or [] if isinstance(name, str)]
        yield record(
            id,
            author=author(id),
            task=task,
            library="transformers" if architectures else None,
            mirrors=mirror(scope) if hub else [],
            tags=sorted(set(tags)),
            config={"architectures": architectures} if architectures else {},
        )


def _task(meta: ast.Call, task_type: str | None, tags: list[str]) -> str | None:
    if task_type in _TASK_TYPES:
        return _TASK_TYPES[task_type]
    kind = meta.args[0] if meta.args else None
    owner = kind.value.id if isinstance(kind, ast.Attribute) and isinstance(kind.value, ast.Name) else ""
    if owner == "MLLMModelType":
        return _multimodal(set(tags), kind.attr if isinstance(kind, ast.Attribute) else "")
    return _KINDS.get(owner)


def _multimodal(tags: set[str], kind: str) -> str | None:
    """What the tags of a multimodal group say; None where they do not say it."""
    if "tts" in tags or kind.endswith("_tts"):
        return "text-to-speech"
    if kind.endswith("_asr"):
        return "automatic-speech-recognition"
    if "omni" in kind or {"audio", "vision"} <= tags:
        return "any-to-any"
    if "audio" in tags:
        return "audio-text-to-text"
    return "image-text-to-text" if not tags or tags & {"vision", "video"} else None
