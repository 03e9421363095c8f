"""OpenMMLab: classification, detection, segmentation, pose, OCR, video and restoration models with metrics."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from scripts.catalog.model import Record, record
from scripts.catalog.packages import Package

PACKAGES = ("mmpretrain", "mmdet", "mmsegmentation", "mmpose", "mmocr", "mmaction2", "mmagic")

_TASKS = {
    "image classification": "image-classification", "multi-label classification": "image-classification",
    "object detection": "object-detection", "semi-supervised object detection": "object-detection",
    "rotated object detection": "object-detection", "region proposal": "object-detection",
    "text detection": "object-detection", "instance segmentation": "image-segmentation",
    "semantic segmentation": "image-segmentation", "panoptic segmentation": "image-segmentation",
    "body 2d keypoint": "keypoint-detection", "hand 2d keypoint": "keypoint-detection",
    "face 2d keypoint": "keypoint-detection", "facial 2d keypoint": "keypoint-detection",
    "wholebody 2d keypoint": "keypoint-detection", "animal 2d keypoint": "keypoint-detection",
    "fashion 2d keypoint": "keypoint-detection", "body 3d keypoint": "keypoint-detection",
    "hand 3d keypoint": "keypoint-detection", "human 2d keypoint": "keypoint-detection",
    "text recognition": "image-to-text", "image caption": "image-to-text",
    "action recognition": "video-classification", "skeleton-based action recognition": "video-classification",
    "image super-resolution": "image-to-image", "denoising": "image-to-image", "image denoising": "image-to-image",
    "deblurring": "image-to-image", "deraining": "image-to-image", "inpainting": "image-to-image",
    "image2image": "image-to-image", "colorization": "image-to-image", "image restoration": "image-to-image",
    "jpeg compression artifact reduction": "image-to-image", "video super-resolution": "video-to-video",
    "video interpolation": "video-to-video", "unconditional gans": "unconditional-image-generation",
    "text2image": "text-to-image", "text2video": "text-to-video",
    "visual question answering": "visual-question-answering", "image retrieval": "image-feature-extraction",
    "image-to-text retrieval": "image-feature-extraction", "text-to-image retrieval": "image-feature-extraction",
}  # fmt: skip


def _metafiles(package: Package) -> Iterator[Record]:
    """One record for each model of each metafile that has weights."""
    for path in package.find(r"mm\w+/\.mim/configs/.+\.ya?ml"):
        content = yaml.load(package.text(path), Loader=yaml.CSafeLoader)
        models = content.get("Models") if isinstance(content, dict) else content
        for model in models if isinstance(models, list) else ():
            if isinstance(model, dict) and str(model.get("Weights", "")).startswith("http"):
                yield _record(model, package.metadata["name"].lower(), path)


def _record(model: dict[str, Any], project: str, path: str) -> Record:
    results = model.get("Results") or []
    results = [row for row in (results if isinstance(results, list) else [results]) if isinstance(row, dict)]
    meta = model.get("Metadata") or {}
    named = [
        _TASKS[task.lower()]
        for row in results
        if isinstance(task := row.get("Task"), str) and task.lower() in _TASKS
    ]
    data = meta.get("Training Data") if isinstance(meta, dict) else None
    parameters = meta.get("Parameters") if isinstance(meta, dict) else None
    weights = str(model["Weights"])
    name = re.sub(r"[^A-Za-z0-9._+\-]+", "-", str(model["Name"]).strip()).strip("-.")
    return record(
        f"web:{project}/{re.sub('-{2,}', '-', name)}",
        author="openmmlab",
        task=named[0] if named else None,
        tasks=list(dict.fromkeys(named)),
        library=project,
        parameters=parameters if isinstance(parameters, int) and parameters > 1000 else None,
        formats=["pytorch"],
        datasets=[str(item) for item in (data if isinstance(data, list) else [data]) if item],
        metrics=[metric for row in results for metric in _metrics(row, path)],
        tags=sorted({str(row["Task"]).lower() for row in results if isinstance(row.get("Task"), str)}),
        config={"config": model.get("Config"), "urls": {weights.rsplit("/", 1)[-1]: weights}},
    )


def _metrics(row: dict[str, Any], path: str) -> Iterator[Record]:
    table = row.get("Metrics")
    task = _TASKS.get(str(row.get("Task", "")).lower())
    for metric, value in (table if isinstance(table, dict) else {}).items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            stated = {
                "metric": str(metric),
                "value": float(value),
                "task": task,
                "dataset": row.get("Dataset"),
            }
            yield {
                key: fact
                for key, fact in (stated | {"source": path}).items()
                if isinstance(fact, str | float)
            }


READERS = (_metafiles,) * len(PACKAGES)
