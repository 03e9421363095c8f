"""LLaMA-Factory: language and multimodal models for fine-tuning, with their Hugging Face and ModelScope ids."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from scripts.catalog.model import Record, author, mirror, record
from scripts.catalog.packages import Package
from scripts.catalog.reading import calls

PACKAGES = ("llamafactory",)
_FILE = "llamafactory/extras/constants.py"


def records(package: Package) -> Iterator[Record]:
    """One record for each model of each registered group."""
    for group in calls(package.tree(_FILE), "register_model_group"):
        named = {keyword.arg: keyword.value for keyword in group.keywords}
        multimodal = isinstance(flag := named.get("multimodal"), ast.Constant) and bool(flag.value)
        models = named.get("models")
        if isinstance(models, ast.Dict):
            for places in models.values:
                if isinstance(places, ast.Dict):
                    yield from _record(places, multimodal)


def _record(places: ast.Dict, multimodal: bool) -> Iterator[Record]:
    ids = {key.attr: value.value for key, value in zip(places.keys, places.values, strict=True)
           if isinstance(key, ast.Attribute) and isinstance(value, ast.Constant)}  # fmt: skip
    hub, scope = ids.get("DEFAULT"), ids.get("MODELSCOPE")
    id = hub or f"modelscope:{scope}"
    # a multimodal group is images, video or sound with text: which of them is not stated
    yield record(
        str(id),
        author=author(str(id)),
        task=None if multimodal else "text-generation",
        tags=["multimodal"] if multimodal else [],
        library="transformers",
        mirrors=mirror(str(scope)) if hub and scope else [],
    )
