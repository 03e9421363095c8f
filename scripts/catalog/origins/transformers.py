"""transformers: the default model of each pipeline, and the checkpoints that its documentation uses for a task."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from scripts.catalog.model import Record, author, record
from scripts.catalog.packages import Package
from scripts.catalog.reading import Reader

PACKAGES = ("transformers",)

_ID = r"[A-Za-z0-9_.\-]+/[A-Za-z0-9_.\-]+"
_EXAMPLE = re.compile(
    rf"\b[A-Z]\w*?(For[A-Z]\w*)\.from_pretrained\(\s*(?:(?:>>>|\.\.\.)\s*)?[\"']({_ID})[\"']"
)
_PIPELINE = re.compile(rf"pipeline\((?:task=)?[\"']([a-z0-9\-]+)[\"'],\s*(?:model=)?[\"']({_ID})[\"']")

# only heads that a checkpoint is published for; `ForMaskedLM` of a base checkpoint is what it was trained as
_HEADS = {
    "ForObjectDetection": "object-detection", "ForSemanticSegmentation": "image-segmentation",
    "ForUniversalSegmentation": "image-segmentation", "ForInstanceSegmentation": "image-segmentation",
    "ForDepthEstimation": "depth-estimation", "ForVideoClassification": "video-classification",
    "ForImageTextToText": "image-text-to-text", "ForCTC": "automatic-speech-recognition",
    "ForImageSuperResolution": "image-to-image", "ForTextToSpeech": "text-to-speech",
    "ForSpeechToText": "automatic-speech-recognition", "ForKeypointDetection": "keypoint-detection",
    "ForPoseEstimation": "keypoint-detection", "ForAudioClassification": "audio-classification",
    "ForMaskedLM": "fill-mask", "ForCausalLM": "text-generation",
}  # fmt: skip
_ALIASES = {"text-to-audio": "text-to-audio", "sentiment-analysis": "text-classification", "ner": "token-classification",
            "vqa": "visual-question-answering", "summarization": "summarization", "image-to-image": "image-to-image"}  # fmt: skip


def records(package: Package) -> Iterator[Record]:
    """Defaults with their revision first, then examples."""
    yield from defaults(package)
    for path in package.find(r"transformers/(models|pipelines)/.+\.py"):
        if "/convert_" in path:
            continue
        text = package.text(path)
        for head, name in _EXAMPLE.findall(text):
            if head in _HEADS and "tiny-random" not in name:
                yield _record(name, _HEADS[head])
        for task, name in _PIPELINE.findall(text):
            yield _record(name, _ALIASES.get(task, task))


def defaults(package: Package) -> Iterator[Record]:
    """The default model of each pipeline."""
    tree = package.tree("transformers/pipelines/__init__.py")
    reader = Reader(tree)
    tasks: dict[str, Any] = reader.names["SUPPORTED_TASKS"]
    for task, facts in tasks.items():
        for name in _models(facts.get("default", {})):
            yield _record(name, _ALIASES.get(task, task))


def _models(default: Any) -> Iterator[str]:
    """Model names in a pipeline's default, which nests by framework and by language pair."""
    match default:
        case (str(name), str(_)) if "/" in name:
            yield name
        case {**table}:
            for key, value in table.items():
                if key != "tf":
                    yield from _models(value)


def _record(name: str, task: str) -> Record:
    return record(name, author=author(name), task=task, library="transformers")
