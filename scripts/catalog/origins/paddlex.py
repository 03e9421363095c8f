"""PaddleX: vision, OCR, speech and time-series models of PaddlePaddle, on the Hub and on ModelScope under one name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from scripts.catalog.model import Record, mirror, record
from scripts.catalog.packages import Package
from scripts.catalog.reading import Reader

PACKAGES = ("paddlex",)
_LIST = "paddlex/inference/utils/official_models.py"
_BASE = "https://paddle-model-ecology.bj.bcebos.com/paddlex/official_inference_model/paddle3.0.0"

_TASKS = {
    "image-classification": "doc_text_orientation image_classification image_multilabel_classification "
        "pedestrian_attribute_recognition table_classification textline_orientation vehicle_attribute_recognition",
    "object-detection": "face_detection human_detection layout_analysis layout_detection mainbody_detection "
        "object_detection rotated_object_detection seal_text_detection small_object_detection table_cells_detection "
        "text_detection vehicle_detection",
    "zero-shot-object-detection": "open_vocabulary_detection",
    "mask-generation": "open_vocabulary_segmentation",
    "image-feature-extraction": "face_feature image_feature",
    "image-to-text": "formula_recognition table_structure_recognition text_recognition",
    "image-segmentation": "instance_segmentation semantic_segmentation",
    "keypoint-detection": "keypoint_detection",
    "image-to-image": "image_unwarping",
    "image-text-to-text": "doc_vlm chart_parsing",
    "automatic-speech-recognition": "multilingual_speech_recognition",
    "text-to-speech": "text_to_speech_acoustic text_to_speech_vocoder",
    "time-series-forecasting": "ts_forecast",
    "video-classification": "video_classification",
}  # fmt: skip
_BY_MODULE = {module: task for task, modules in _TASKS.items() for module in modules.split()}


def records(package: Package) -> Iterator[Record]:
    """One record for each official model; its task is the module whose folder holds its configuration.

    The package fetches its OCR models from the Hub and ModelScope, and the others from its own address.
    """
    modules = {
        PurePosixPath(path).stem: path.split("/")[3]
        for path in package.find(r"paddlex/configs/modules/\w+/.+\.yaml")
    }
    names = Reader(package.tree(_LIST)).names
    for name in names["ALL_MODELS"]:
        module = modules.get(name, "")
        shared = name in names["OCR_MODELS"]
        file = f"{name}.tar" if name.startswith("whisper_") else f"{name}_infer.tar"
        yield record(
            f"PaddlePaddle/{name}" if shared else f"web:paddlex/{name}",
            author="PaddlePaddle",
            task=_BY_MODULE.get(module),
            library="paddle",
            mirrors=mirror(f"PaddlePaddle/{name}") if shared else [],
            tags=[module.replace("_", "-")] if module else [],
            config={"layout": "paddle"} | ({} if shared else {"urls": {file: f"{_BASE}/{file}"}}),
        )
