"""A model's files on disk, with what is known of them: their library and their task."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoohub.adapters.table import adapters, served_tasks
from zoohub.errors import UnsupportedModel, UsageError
from zoohub.registry import ModelRecord


@dataclass(frozen=True, slots=True)
class Bundle:
    """A folder of files and its record; `config` is the folder's config.json over the record's `config`."""

    folder: Path
    record: ModelRecord
    library: str
    config: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path, record: ModelRecord) -> Bundle:
        """Read the folder's config and find out which library it belongs to.

        Raises:
            UnsupportedModel: the folder holds nothing that a known library loads.
        """
        own = read_json(folder / "config.json")
        config = {**record.config, **own}
        return cls(folder, record, _library(folder, own, record), config)

    @property
    def adapter(self) -> str | None:
        """The adapter that the record asks for: by name, or by its layout and architecture."""
        if named := self.config.get("adapter"):
            return str(named)
        own = f"{self.config.get('layout')}-{self.config.get('architecture')}"
        return own if own in adapters() else None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; empty where there is no file.

    Raises:
        UnsupportedModel: the file is there and holds no JSON object.
    """
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UnsupportedModel(f"{path} is no JSON: {error}.") from error
    if not isinstance(value, dict):
        raise UnsupportedModel(f"{path} holds no JSON object.")
    return value


def _library(folder: Path, config: Mapping[str, Any], record: ModelRecord) -> str:
    if (folder / "adapter_config.json").is_file():
        return "peft"
    if config.get("library") == "torchvision":
        return "torchvision"
    if "pretrained_cfg" in config or ("architecture" in config and "model_type" not in config):
        return "timm"
    if "model_type" in config:
        return "transformers"
    if record.library in {"timm", "torchvision", "onnx", "transformers"}:
        return record.library
    if any(folder.glob("**/*.onnx")):
        return "onnx"
    if record.config.get("layout") == "pytorch":
        return "pytorch"
    raise UnsupportedModel(
        f"{folder} is no model that a known library loads.",
        "It needs a config.json of transformers or timm, or an .onnx file.",
    )


_BY_SUFFIX = {
    "ForImageClassification": ("image-classification",),
    "ForImageClassificationWithTeacher": ("image-classification",),
    "ForObjectDetection": ("object-detection",),
    "ForSemanticSegmentation": ("image-segmentation",),
    "ForInstanceSegmentation": ("image-segmentation",),
    "ForUniversalSegmentation": ("image-segmentation",),
    "DetrForSegmentation": ("image-segmentation",),
    "ForDepthEstimation": ("depth-estimation",),
    "ForZeroShotImageClassification": ("zero-shot-image-classification",),
    "ForSequenceClassification": ("text-classification",),
    "ForTokenClassification": ("token-classification",),
    "ForQuestionAnswering": ("question-answering",),
    "ForMaskedLM": ("fill-mask",),
    "ForCausalLM": ("text-generation",),
    "LMHeadModel": ("text-generation",),
    "MTModel": ("translation",),
    "ForSpeechSeq2Seq": ("automatic-speech-recognition",),
    "ForCTC": ("automatic-speech-recognition",),
    "ForAudioClassification": ("audio-classification",),
    "ForXVector": ("speaker-verification",),
    "ForTextToSpeech": ("text-to-speech",),
    "ForVisionQuestionAnswering": ("visual-question-answering",),
    "ForDocumentQuestionAnswering": ("document-question-answering",),
    "ForConditionalGeneration": ("summarization", "translation"),
}
_BY_TYPE = {
    "whisper": ("automatic-speech-recognition",),
    "speech_to_text": ("automatic-speech-recognition",),
    "moonshine": ("automatic-speech-recognition",),
    "vits": ("text-to-speech",),
    "speecht5": ("text-to-speech",),
    "bark": ("text-to-speech",),
    "marian": ("translation",),
    "m2m_100": ("translation",),
    "nllb-moe": ("translation",),
    "pegasus": ("summarization",),
    "clip": ("zero-shot-image-classification",),
    "chinese_clip": ("zero-shot-image-classification",),
    "siglip": ("zero-shot-image-classification",),
    "siglip2": ("zero-shot-image-classification",),
    "altclip": ("zero-shot-image-classification",),
    "owlvit": ("zero-shot-object-detection",),
    "owlv2": ("zero-shot-object-detection",),
    "grounding-dino": ("zero-shot-object-detection",),
    "vision-encoder-decoder": ("image-to-text",),
    "blip": ("image-to-text",),
    "git": ("image-to-text",),
    "vilt": ("visual-question-answering",),
}


def infer_task(bundle: Bundle) -> str:
    """The task a model serves: what its record says, else what its architecture is made for.

    Raises:
        UsageError: it may serve several and none is stated; the message lists them.
        UnsupportedModel: nothing says what it is for.
    """
    served = served_tasks(bundle.library)
    stated = [task for task in bundle.record.tasks if task in served or bundle.adapter]
    if stated:
        return stated[0]
    possible = _possible(bundle)
    if len(possible) == 1:
        return possible[0]
    if possible:
        raise UsageError(
            f"{bundle.record.id} can serve {' or '.join(possible)}.",
            f"Say which: task={possible[0]!r} (--task {possible[0]}).",
        )
    raise UnsupportedModel(
        f"{bundle.record.id} does not say which task it is for.",
        f"Give task=...; {bundle.library} models are served for {', '.join(served)}.",
    )


def _possible(bundle: Bundle) -> tuple[str, ...]:
    if bundle.library in {"timm", "torchvision"}:
        classes = bundle.config.get(
            "num_classes", bundle.config.get("pretrained_cfg", {}).get("num_classes", 1)
        )
        return ("image-classification",) if classes else ("image-feature-extraction",)
    model_type = bundle.config.get("model_type", "")
    if model_type in _BY_TYPE:
        return _BY_TYPE[model_type]
    for name in bundle.config.get("architectures") or ():
        for suffix, tasks in _BY_SUFFIX.items():
            if name.endswith(suffix):
                return _seen(bundle, tasks)
        if name.endswith(("Model", "Encoder")):
            return ("image-feature-extraction",) if _is_vision(bundle) else ("feature-extraction",)
    return ()


def _seen(bundle: Bundle, tasks: tuple[str, ...]) -> tuple[str, ...]:
    """What an ending means where the model hears sound, reads pages, or has eyes."""
    if "conv_stride" in bundle.config and tasks == ("text-classification",):
        return ("audio-classification",)
    if "max_2d_position_embeddings" in bundle.config and tasks == ("question-answering",):
        return ("document-question-answering",)
    has_eyes = "vision_config" in bundle.config
    return ("image-text-to-text",) if has_eyes and "summarization" in tasks else tasks


def _is_vision(bundle: Bundle) -> bool:
    return "image_size" in bundle.config or "num_channels" in bundle.config
