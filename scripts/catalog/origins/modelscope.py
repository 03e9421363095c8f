"""modelscope: the models that its own pipelines name, by task."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from scripts.catalog.model import Record, author, record
from scripts.catalog.packages import Package
from scripts.catalog.reading import Reader

PACKAGES = ("modelscope",)

_ID = re.compile(
    r"['\"]((?:damo|iic|speech_tts|ZhipuAI|Fengshenbang|PAI|langboat|AI-ModelScope)/[A-Za-z0-9_.\-]+)['\"]"
)

# ModelScope's task -> the vocabulary of this project; what has no counterpart stays without a task
_TASKS = {
    "image-classification": "image-classification image-multilabel-classification general-recognition "
        "animal-recognition daily-image-classification nsfw-content-moderation image-quality-assessment-mos "
        "face-liveness facial-expression-recognition image-color-classification",
    "object-detection": "image-object-detection face-detection human-detection card-detection domain-specific-object-"
        "detection face-human-hand-detection image-face-detection open-vocabulary-detection",
    "image-segmentation": "image-segmentation semantic-segmentation panoptic-segmentation portrait-matting "
        "universal-matting image-instance-segmentation image-human-parsing shop-segmentation "
        "text-driven-segmentation",
    "image-feature-extraction": "face-recognition image-reid-person product-retrieval-embedding",
    "depth-estimation": "image-depth-estimation",
    "keypoint-detection": "body-2d-keypoints body-3d-keypoints hand-2d-keypoints face-2d-keypoints "
        "human-wholebody-keypoint facial-landmark-confidence card-detection-correction",
    "image-to-image": "image-super-resolution image-denoising image-colorization image-color-enhancement "
        "image-portrait-enhancement image-style-transfer image-inpainting image-deblurring skin-retouching "
        "image-to-image-translation image-to-image-generation image-portrait-stylization image-fact-cartoon "
        "image-skychange colorization image-debanding image-restoration",
    "video-classification": "action-recognition video-category live-category",
    "image-to-text": "ocr-detection ocr-recognition image-captioning video-captioning table-recognition "
        "license-plate-detection",
    "automatic-speech-recognition": "auto-speech-recognition",
    "text-to-speech": "text-to-speech",
    "audio-classification": "keyword-spotting emotion-recognition speech-language-recognition",
    "voice-activity-detection": "voice-activity-detection",
    "speaker-verification": "speaker-verification speaker-diarization",
    "audio-to-audio": "acoustic-echo-cancellation acoustic-noise-suppression speech-separation "
        "audio-source-separation speech-super-resolution",
    "text-classification": "text-classification sentiment-classification nli sentence-classification "
        "text-error-classification domain-classification",
    "token-classification": "word-segmentation part-of-speech named-entity-recognition token-classification "
        "punctuation relation-extraction information-extraction",
    "translation": "translation competency-aware-translation",
    "summarization": "text-summarization extractive-summarization",
    "text-generation": "text-generation text2text-generation chat task-oriented-conversation code-generation "
        "text-error-correction code-translation",
    "fill-mask": "fill-mask",
    "feature-extraction": "sentence-embedding feature-extraction",
    "sentence-similarity": "sentence-similarity text-pair-classification",
    "text-ranking": "text-ranking",
    "zero-shot-classification": "zero-shot-classification",
    "question-answering": "machine-reading-comprehension document-segmentation-qa extractive-qa",
    "table-question-answering": "table-question-answering conversational-text-to-sql",
    "visual-question-answering": "visual-question-answering",
    "text-to-image": "text-to-image-synthesis",
    "text-to-video": "text-to-video-synthesis",
    "image-to-video": "image-to-video",
    "zero-shot-image-classification": "multi-modal-embedding generative-multi-modal-embedding multi-modal-similarity",
}  # fmt: skip
_BY_NAME = {name: task for task, names in _TASKS.items() for name in names.split()}


def records(package: Package) -> Iterator[Record]:
    """Default models first (the table states their task), then those that a pipeline's own text names."""
    names = _task_names(package)
    table = package.tree("modelscope/metainfo.py")
    for node in table.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DEFAULT_MODEL_FOR_PIPELINE":
            assert isinstance(node.value, ast.Dict)
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                if (
                    isinstance(key, ast.Attribute)
                    and isinstance(value, ast.Tuple)
                    and isinstance(value.elts[1], ast.Constant)
                ):
                    yield _record(str(value.elts[1].value), names.get(key.attr, ""))
    for path in package.find(r"modelscope/pipelines/\w+/\w+\.py"):
        for node in package.tree(path).body:
            if isinstance(node, ast.ClassDef):
                text = ast.get_docstring(node) or ""
                text += "".join(
                    ast.get_docstring(item) or "" for item in node.body if isinstance(item, ast.FunctionDef)
                )
                tasks = [names[attr] for d in node.decorator_list for attr in re.findall(r"Tasks\.(\w+)", ast.unparse(d))
                         if attr in names]  # fmt: skip
                for id in dict.fromkeys(_ID.findall(text)):
                    yield _record(id, tasks[0] if len(tasks) == 1 else "")


def _task_names(package: Package) -> dict[str, str]:
    """Attribute of `Tasks` -> the task's name."""
    names: dict[str, str] = {}
    for node in package.tree("modelscope/utils/constant.py").body:
        if isinstance(node, ast.ClassDef) and node.name.endswith("Tasks"):
            body = ast.Module(body=node.body, type_ignores=[])
            names |= {key: value for key, value in Reader(body).names.items() if isinstance(value, str)}
    return names


def _record(id: str, task: str) -> Record:
    words = re.split(r"[_\-/]", id.lower())
    language = (
        "zh" if {"chinese", "zh"} & set(words) or "zh-cn" in id else "en" if "english" in words else None
    )
    return record(
        f"modelscope:{id}",
        author=author(id),
        task=_BY_NAME.get(task),
        tags=[task] if task else [],
        library="modelscope",
        languages=[language] if language else [],
    )
