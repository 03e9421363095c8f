"""Ultralytics: detection, segmentation, pose and classification weights of the YOLO family, by file name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scripts.catalog.model import Record, record
from scripts.catalog.packages import Package
from scripts.catalog.reading import Reader

PACKAGES = ("ultralytics",)
_FILE = "ultralytics/utils/downloads.py"

# The package's own suffixes, the most telling first; a name without one detects objects.
_SUFFIXES = (
    ("-cls", "image-classification"), ("-sem", "image-segmentation"), ("-pose", "keypoint-detection"),
    ("-depth", "depth-estimation"), ("-reid", "image-feature-extraction"), ("world", "zero-shot-object-detection"),
    ("yoloe", "zero-shot-object-detection"), ("-seg", "image-segmentation"), ("sam", "mask-generation"),
)  # fmt: skip


def records(package: Package) -> Iterator[Record]:
    """One record for each published file."""
    names = Reader(package.tree(_FILE)).names
    release = re.search(r'release(?:: str)?\s*=\s*"(v[\d.]+)"', package.text(_FILE))
    assert release, "the release that the weights are fetched from is not stated where it was"
    base = f"https://github.com/{names['GITHUB_ASSETS_REPO']}/releases/download/{release[1]}"
    for name in names["GITHUB_ASSETS_NAMES"]:
        stem, _, suffix = name.rpartition(".")
        if suffix not in ("pt", "onnx"):
            continue
        yield record(
            f"web:ultralytics/{stem}",
            author="ultralytics",
            task=next((task for word, task in _SUFFIXES if word in stem.lower()), "object-detection"),
            library="ultralytics",
            formats=["onnx" if suffix == "onnx" else "pytorch"],
            code_license="agpl-3.0" if "AGPL-3.0" in package.metadata["license"] else None,
            config={"layout": "ultralytics", "urls": {name: f"{base}/{name}"}},
        )
