"""timm: image backbones with input size, normalization and hub id."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from scripts.catalog.model import Record, license_facts, record
from scripts.catalog.packages import Package
from scripts.catalog.reading import Reader, calls

PACKAGES = ("timm",)

_KEEP = (
    "input_size", "num_classes", "mean", "std", "interpolation", "crop_pct", "crop_mode", "pool_size", "first_conv",
    "classifier", "fixed_input_size", "test_input_size", "custom_load", "hf_hub_filename",
)  # fmt: skip


def records(package: Package) -> Iterator[Record]:
    """One record for each pretrained entry that has weights somewhere."""
    constants = Reader(package.tree("timm/data/constants.py")).names
    for path in package.find(r"timm/models/[a-z]\w*\.py"):
        tree = package.tree(path)
        reader = Reader(tree, constants)
        own = _own_licenses(tree)
        for call in calls(tree, "generate_default_cfgs"):
            for name, config in (reader.value(call.args[0]) or {}).items():
                where = path if name in own else f"{path} (default of the family)"
                if isinstance(config, dict) and (found := _record(str(name), config, where)):
                    yield found


def _own_licenses(tree: ast.Module) -> set[str]:
    """The entries that state a license themselves, rather than by the defaults of their family."""
    return {
        str(key.value)
        for table in ast.walk(tree) if isinstance(table, ast.Dict)
        for key, entry in zip(table.keys, table.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(entry, ast.Call)
        and any(keyword.arg == "license" for keyword in entry.keywords)
    }  # fmt: skip


def _record(name: str, config: dict[str, Any], where: str) -> Record | None:
    name = name.rstrip("*").rstrip(".")
    hub, url = config.get("hf_hub_id"), config.get("url")
    if not hub and not url:
        return None
    architecture, _, tag = name.partition(".")
    id = f"{hub}{name}" if hub and hub.endswith("/") else hub or f"timm:{name}"
    classes = config.get("num_classes")
    kept = {key: config[key] for key in _KEEP if config.get(key) is not None}
    place = {"urls": {url.rsplit("/", 1)[-1]: url}} if url and not hub else {}
    return record(
        id,
        author=id.split("/")[0] if "/" in id else None,
        task="image-feature-extraction" if classes == 0 else "image-classification",
        tasks=[] if classes == 0 else ["image-classification", "image-feature-extraction"],
        library="timm",
        description=config.get("description"),
        datasets=_datasets(tag),
        tags=["vision", *(f"arxiv:{paper}" for paper in _papers(config.get("paper_ids")))],
        config={"layout": "timm", "architecture": architecture, **kept, **place},
        **license_facts(config.get("license"), where),
    )


def _papers(ids: str | tuple[str, ...] | None) -> list[str]:
    listed = [ids] if isinstance(ids, str) else list(ids or ())
    return [str(paper).removeprefix("arXiv:") for paper in listed]


_DATASETS = {"in1k": "imagenet-1k", "in12k": "imagenet-12k", "in21k": "imagenet-21k", "in22k": "imagenet-22k",
             "laion2b": "laion-2b", "laion400m": "laion-400m", "datacomp1b": "datacomp-1b", "webli": "webli",
             "inat21": "inaturalist-2021", "lvd142m": "lvd-142m", "lvd1689m": "lvd-1689m", "yfcc15m": "yfcc-15m",
             "merged38m": "merged-38m", "dfn5b": "dfn-5b", "dfn2b": "dfn-2b", "openai": "openai-wit"}  # fmt: skip


def _datasets(tag: str) -> list[str]:
    """The data sets that the tag of a timm model names by timm's own convention."""
    return [name for part in tag.split("_") if (name := _DATASETS.get(part))]
