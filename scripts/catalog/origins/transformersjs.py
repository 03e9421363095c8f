"""Transformers.js: ONNX conversions by task, as the package's own pipelines and examples name them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scripts.catalog.model import Record, author, record
from scripts.catalog.packages import Package

PACKAGES = ("npm:@huggingface/transformers",)

_EXAMPLE = re.compile(r"pipeline\('([a-z0-9\-]+)',\s*'([\w.\-]+/[\w.\-]+)'")
_DEFAULT = re.compile(r"'([a-z0-9\-]+)': \{[^{}]*?default: \{[^{}]*?model: '([\w.\-]+/[\w.\-]+)'", re.DOTALL)
_TASKS = {"background-removal": "image-segmentation", "text2text-generation": "text-generation"}


def records(package: Package) -> Iterator[Record]:
    """One record for each model that a pipeline names."""
    for path in package.find(r"src/pipelines(/[\w\-]+)?\.js"):
        text = package.text(path)
        for task, name in [*_DEFAULT.findall(text), *_EXAMPLE.findall(text)]:
            yield record(
                name,
                author=author(name),
                task=_TASKS.get(task, task),
                library="transformers.js",
                formats=["onnx"],
                tags=["onnx"],
            )
