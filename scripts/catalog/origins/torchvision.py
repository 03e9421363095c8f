"""torchvision: classification, detection and segmentation weights with published metrics and sizes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from scripts.catalog.model import Record, record
from scripts.catalog.packages import Package
from scripts.catalog.reading import UNREAD, Reader, called

PACKAGES = ("torchvision",)

_TASKS = {"": "image-classification", "quantization": "image-classification", "detection": "object-detection",
          "segmentation": "image-segmentation", "video": "video-classification"}  # fmt: skip


def records(package: Package) -> Iterator[Record]:
    """One record for each member of each `..._Weights` enumeration."""
    constants = Reader(package.tree("torchvision/models/_meta.py")).names
    constants |= {"IMAGENET_MEAN": (0.485, 0.456, 0.406), "IMAGENET_STD": (0.229, 0.224, 0.225)}
    for path in package.find(r"torchvision/models/(\w+/)?[a-z]\w*\.py"):
        folder = path.split("/")[2] if path.count("/") == 3 else ""
        tree = package.tree(path)
        reader = Reader(tree, constants)
        builders = _builders(tree)
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and node.name.endswith("_Weights") and folder in _TASKS:
                yield from _enumeration(node, reader, builders.get(node.name), _TASKS[folder], path)


def _builders(tree: ast.Module) -> dict[str, str]:
    """Weights class -> the function that builds its architecture, as its decorator or annotation says."""
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and any(
            "register_model" in ast.unparse(d) for d in node.decorator_list
        ):
            for arg in (*node.args.args, *node.args.kwonlyargs):
                if arg.arg == "weights" and arg.annotation is not None:
                    for name in ast.walk(arg.annotation):
                        if isinstance(name, ast.Name) and name.id.endswith("_Weights"):
                            found.setdefault(name.id, node.name)
    return found


def _enumeration(
    node: ast.ClassDef, reader: Reader, builder: str | None, task: str, path: str
) -> Iterator[Record]:
    for item in node.body:
        if (
            isinstance(item, ast.Assign)
            and isinstance(item.value, ast.Call)
            and called(item.value) == "Weights"
        ):
            [target] = item.targets
            if isinstance(target, ast.Name) and builder:
                _, facts = reader.arguments(item.value)
                transforms = next(k.value for k in item.value.keywords if k.arg == "transforms")
                yield _record(builder, target.id, facts, _preset(transforms, reader), task, path)


def _preset(node: ast.expr, reader: Reader) -> dict[str, Any]:
    """The arguments of `partial(ImageClassification, crop_size=224, ...)` and the preset's name."""
    if not isinstance(node, ast.Call):
        return {"preset": ast.unparse(node)}
    _, facts = reader.arguments(node)
    interpolation = next((ast.unparse(k.value).rsplit(".", 1)[-1].lower() for k in node.keywords
                          if k.arg == "interpolation"), None)  # fmt: skip
    named = {"interpolation": interpolation} if interpolation else {}
    return {"preset": ast.unparse(node.args[0]) if node.args else ""} | facts | named


def _record(
    builder: str, member: str, facts: dict[str, Any], preset: dict[str, Any], task: str, path: str
) -> Record:
    url, meta = facts.get("url"), facts.get("meta") or {}
    classes = meta.get("categories")
    size = meta.get("_file_size")
    link = meta.get("license")
    config = {
        "layout": "torchvision",
        "architecture": builder,
        "weights": member,
        "num_classes": len(classes) if isinstance(classes, list | tuple) else None,
        "backend": meta.get("backend"),
        "unquantized": meta.get("unquantized") if meta.get("unquantized") is not UNREAD else None,
        "transforms": preset,
        "urls": {url.rsplit("/", 1)[-1]: url} if url else {},
    }
    return record(
        f"torchvision:{builder}/{member}",
        name=f"{builder} {member}",
        author="torchvision",
        task=task,
        tasks=[task, "image-feature-extraction"] if task == "image-classification" else [task],
        library="torchvision",
        parameters=meta.get("num_params"),
        size=round(size * 1024 * 1024) if size else None,
        formats=["pytorch"],
        metrics=_metrics(meta.get("_metrics") or {}, task, path),
        description=" ".join(meta["_docs"].split()) if isinstance(meta.get("_docs"), str) else None,
        code_license="bsd-3-clause",
        license_link=link,
        license_evidence=[{"kind": "origin", "where": path, "text": link}] if link else [],
        tags=["vision"],
        config={key: value for key, value in config.items() if value not in (None, {}, "")},
    )


def _metrics(tables: dict[str, Any], task: str, path: str) -> list[Record]:
    return [
        {"metric": metric, "value": float(value), "task": task, "dataset": dataset, "source": path}
        for dataset, row in tables.items() if isinstance(row, dict)
        for metric, value in row.items() if isinstance(value, int | float)
    ]  # fmt: skip
