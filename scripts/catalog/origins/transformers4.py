"""transformers 4.39: the last release that lists the published checkpoints of each architecture."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from scripts.catalog.model import Record, author, record
from scripts.catalog.origins.transformers import defaults
from scripts.catalog.packages import Package
from scripts.catalog.reading import Reader

PACKAGES = ("transformers==4.39.3",)

# What an architecture does is read from the library's own tables, the most telling of them first.
_TABLES = (
    ("MODEL_FOR_TABLE_QUESTION_ANSWERING_MAPPING_NAMES", "table-question-answering"),
    ("MODEL_FOR_ZERO_SHOT_OBJECT_DETECTION_MAPPING_NAMES", "zero-shot-object-detection"),
    ("MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES", "zero-shot-image-classification"),
    ("MODEL_FOR_MASK_GENERATION_MAPPING_NAMES", "mask-generation"),
    ("MODEL_FOR_TEXT_TO_SPECTROGRAM_MAPPING_NAMES", "text-to-speech"),
    ("MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES", "object-detection"),
    ("MODEL_FOR_UNIVERSAL_SEGMENTATION_MAPPING_NAMES", "image-segmentation"),
    ("MODEL_FOR_DEPTH_ESTIMATION_MAPPING_NAMES", "depth-estimation"),
    ("MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES", "video-classification"),
    ("MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES", "automatic-speech-recognition"),
    ("MODEL_FOR_CTC_MAPPING_NAMES", "automatic-speech-recognition"),
    ("MODEL_FOR_VISION_2_SEQ_MAPPING_NAMES", "image-to-text"),
    ("MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES", "image-classification"),
    ("MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES", "audio-classification"),
    ("MODEL_FOR_VISUAL_QUESTION_ANSWERING_MAPPING_NAMES", "visual-question-answering"),
    ("MODEL_FOR_MASKED_LM_MAPPING_NAMES", "fill-mask"),
    ("MODEL_FOR_CAUSAL_LM_MAPPING_NAMES", "text-generation"),
)
_BY_TYPE = {"marian": "translation", "fsmt": "translation", "m2m_100": "translation", "nllb_moe": "translation",
            "pegasus": "summarization", "vits": "text-to-speech", "bark": "text-to-speech", "musicgen": "text-to-audio",
            "dpr": "feature-extraction", "trocr": "image-to-text", "llava": "image-text-to-text",
            "idefics": "image-text-to-text"}  # fmt: skip
# A published name that says what the checkpoint was fine-tuned for outweighs its architecture.
_BY_NAME = ((r"-(finetuned|distilled)-squad|-squad2?$", "question-answering"), (r"-finetuned-conll", "token-classification"),
            (r"-finetuned-(sst|mrpc)|-mnli", "text-classification"), (r"-finetuned-wikisql|-wtq|-tabfact", ""),
            (r"-finetuned-ade|-panoptic|-cityscapes", "image-segmentation"), (r"wmt\d\d|opus-mt|many-to-many", "translation"),
            (r"-cnn|-xsum", "summarization"), (r"superb-sid|superb-sv", "speaker-verification"),
            (r"superb-(ks|er|ic)", "audio-classification"))  # fmt: skip
_STATED = {"_CHECKPOINT_FOR_QA": "question-answering", "_IMAGE_CLASS_CHECKPOINT": "image-classification",
           "_CHECKPOINT_FOR_SEQUENCE_CLASSIFICATION": "text-classification",
           "_CHECKPOINT_FOR_TOKEN_CLASSIFICATION": "token-classification", "_SEQ_CLASS_CHECKPOINT": "audio-classification",
           "_XVECTOR_CHECKPOINT": "speaker-verification"}  # fmt: skip
_ID = re.compile(r"[A-Za-z0-9_.\-]+/[A-Za-z0-9_.\-]+")


def records(package: Package) -> Iterator[Record]:
    """Checkpoints that the package states a task for, then pipeline defaults, then the lists by architecture."""
    types = _types(package)
    files = package.find(r"transformers/models/\w+/modeling_(?!tf_|flax_)\w+\.py")
    constants = {path: Reader(package.tree(path)).names for path in files}
    for path, names in constants.items():
        for constant, task in _STATED.items():
            if isinstance(name := names.get(constant), str) and _ID.fullmatch(name) and not _odd(name):
                yield _record(name, task, path)
    yield from defaults(package)
    for path, names in constants.items():
        kind = path.split("/")[2]
        for constant, listed in names.items():
            if constant.endswith("_PRETRAINED_MODEL_ARCHIVE_LIST") and isinstance(listed, list):
                for name in listed:
                    if isinstance(name, str) and _ID.fullmatch(name) and not _odd(name):
                        yield _record(name, _task(name, kind, types), path)


def _odd(name: str) -> bool:
    return "tiny-random" in name or name.startswith(("hf-internal-testing/", "patrickvonplaten/"))


def _types(package: Package) -> dict[str, str]:
    """Model type -> task, by the first table that lists it."""
    tree = package.tree("transformers/models/auto/modeling_auto.py")
    rows: dict[str, set[str]] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and node.value.args:
            pairs = Reader(tree).value(node.value.args[0])
            rows[ast.unparse(node.targets[0])] = {pair[0] for pair in pairs or () if isinstance(pair, tuple)}
    found = dict(_BY_TYPE)
    for table, task in _TABLES:
        for kind in rows.get(table, ()):
            found.setdefault(kind.replace("-", "_"), task)
    return found


def _task(name: str, kind: str, types: dict[str, str]) -> str:
    by_name = next((task for pattern, task in _BY_NAME if re.search(pattern, name)), None)
    return types.get(kind, "") if by_name is None else by_name


def _record(name: str, task: str, path: str) -> Record:
    kind = path.split("/")[2]
    return record(
        name, author=author(name), task=task, library="transformers", tags=[kind], config={"model_type": kind}
    )
