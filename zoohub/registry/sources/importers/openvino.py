"""Open Model Zoo: a tree of `model.yml`, each with description, task, license link and pinned files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from zoohub.cards.plainyaml import load
from zoohub.errors import InvalidModelId
from zoohub.registry.records import LicenseEvidence, ModelFile, ModelId, ModelRecord
from zoohub.registry.sources import facts
from zoohub.registry.sources.importers.reading import FileSource, Make
from zoohub.registry.sources.licensed import licensed

TITLE = "an Open Model Zoo tree (model.yml)"

_TASKS = {
    "action_recognition": "video-classification", "classification": "image-classification",
    "colorization": "image-to-image", "detection": "object-detection",
    "face_recognition": "image-feature-extraction",
    "feature_extraction": "image-feature-extraction", "head_pose_estimation": "keypoint-detection",
    "human_pose_estimation": "keypoint-detection", "image_inpainting": "image-to-image",
    "image_processing": "image-to-image", "image_translation": "image-to-image",
    "instance_segmentation": "image-segmentation", "machine_translation": "translation",
    "monocular_depth_estimation": "depth-estimation", "named_entity_recognition": "token-classification",
    "noise_suppression": "audio-to-audio", "object_attributes": "image-classification",
    "optical_character_recognition": "image-to-text", "place_recognition": "image-feature-extraction",
    "question_answering": "question-answering", "semantic_segmentation": "image-segmentation",
    "sound_classification": "audio-classification", "speech_recognition": "automatic-speech-recognition",
    "style_transfer": "image-to-image", "text_to_speech": "text-to-speech",
    "time_series": "time-series-forecasting",
}  # fmt: skip


def matches(path: Path) -> bool:
    """A `model.yml`, or a folder with one somewhere below."""
    return path.name == "model.yml" or (path.is_dir() and next(path.rglob("model.yml"), None) is not None)


def reads(path: Path) -> FileSource:
    """The models of the tree."""
    return FileSource("openvino", partial(_rows, path))


def _rows(path: Path) -> Iterable[Make]:
    for file in [path] if path.is_file() else sorted(path.rglob("model.yml")):
        yield partial(_record, file)


def _record(file: Path) -> ModelRecord:
    name = file.parent.name
    ident = f"openvino:{name}"
    try:
        data = load(file.read_text("utf-8"))
        if not isinstance(data, Mapping):
            raise ValueError("no mapping")
        ModelId.parse(ident, folders=False)
        return licensed(_of(ident, file, data))
    except (ValueError, OSError, InvalidModelId) as error:
        raise facts.refused(ident, error) from error


def _of(ident: str, file: Path, data: Mapping[str, Any]) -> ModelRecord:
    stated = [
        row
        for row in data.get("files") or ()
        if isinstance(row, Mapping) and isinstance(row.get("name"), str)
    ]
    files = tuple(ModelFile(row["name"], _size(row), _sha256(row)) for row in stated)
    link = facts.text(data.get("license"), 400)
    urls = {row["name"]: url for row in stated if (url := _url(row.get("source")))}
    known = [file.size for file in files if file.size is not None]
    return ModelRecord(
        id=ident,
        source="openvino",
        task=_TASKS.get(str(data.get("task_type"))),
        library="openvino",
        license_link=link,
        license_evidence=(LicenseEvidence("origin", file.name, link),) if link else (),
        size=sum(known) if known and len(known) == len(files) else None,
        formats=facts.words(data.get("framework")),
        files=files,
        tags=facts.words(data.get("task_type")),
        description=facts.text(data.get("description"), 1000),
        origin="Open Model Zoo",
        config={"urls": urls} if urls else {},
    )


def _size(row: Mapping[str, Any]) -> int | None:
    return facts.count(row.get("size"), facts.MOST_BYTES, "file size")


def _sha256(row: Mapping[str, Any]) -> str | None:
    """Digests of 64 digits are SHA-256; a record has no place for the longer ones of later releases."""
    for key in ("sha256", "checksum"):
        if re.fullmatch(r"[0-9a-f]{64}", str(row.get(key, ""))):
            return str(row[key])
    return None


def _url(source: object) -> str | None:
    address = source.get("url") if isinstance(source, Mapping) else source
    return address if isinstance(address, str) and address.startswith(("https://", "http://")) else None
