"""Models on this machine: transformers, timm, sentence-transformers and ONNX layouts, weights left unread."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

from zoohub.errors import InvalidRecord, SourceError
from zoohub.registry.records import ModelFile, ModelRecord
from zoohub.registry.sources import Page, Refusal, Source, Wanted, facts
from zoohub.registry.sources.card_record import with_card

CHUNK = 1 << 20
LARGEST_HEADER = 100 << 20  # the format's own limit
LARGEST_CONFIG = 16 << 20
MOST_FILES = 2000
DEEPEST = 12
PAGE = 100

_SIGNS = ("config.json", "modules.json", "model_index.json")
_SUFFIXES = {".safetensors": "safetensors", ".onnx": "onnx", ".gguf": "gguf", ".bin": "pytorch",
             ".pth": "pytorch", ".pt": "pytorch"}  # fmt: skip

# What the last part of a transformers class name says the model does.
_HEADS = (
    ("ForSequenceClassification", "text-classification"), ("ForTokenClassification", "token-classification"),
    ("ForQuestionAnswering", "question-answering"), ("ForMaskedLM", "fill-mask"),
    ("ForCausalLM", "text-generation"),
    ("ForImageClassification", "image-classification"), ("ForObjectDetection", "object-detection"),
    ("ForSemanticSegmentation", "image-segmentation"), ("ForUniversalSegmentation", "image-segmentation"),
    ("ForInstanceSegmentation", "image-segmentation"), ("DetrForSegmentation", "image-segmentation"),
    ("ForDepthEstimation", "depth-estimation"), ("ForVideoClassification", "video-classification"),
    ("ForAudioClassification", "audio-classification"), ("ForCTC", "automatic-speech-recognition"),
    ("ForSpeechSeq2Seq", "automatic-speech-recognition"), ("ForXVector", "speaker-verification"),
    ("WhisperForConditionalGeneration", "automatic-speech-recognition"), ("MarianMTModel", "translation"),
    ("ForImageTextToText", "image-text-to-text"), ("VitsModel", "text-to-speech"),
    ("ForTextToSpeech", "text-to-speech"), ("CLIPModel", "zero-shot-image-classification"),
)  # fmt: skip


class FolderSource(Source):
    """All models below a folder; each is a record of its own, with its path as id."""

    name = "folder"
    authority = True

    def __init__(self, root: str | os.PathLike[str] = ".") -> None:
        self.root = Path(os.path.abspath(os.path.expanduser(root)))

    @property
    def place(self) -> str:
        """The folder."""
        return str(self.root)

    def owns(self, record: ModelRecord) -> bool:
        """Whether the record is of a model below this folder."""
        return record.source == self.name and self.root in (
            Path(record.model_id.name),
            *Path(record.model_id.name).parents,
        )

    def pages(self, wanted: Wanted | None = None, cursor: str | None = None) -> Iterator[Page]:
        """Every model of the tree, in the order of its path; the cursor is the last path that is behind.

        Raises:
            SourceError: there is no such folder.
        """
        if not self.root.is_dir():
            raise SourceError(f"There is no folder {str(self.root)!r}.")
        wanted = wanted or Wanted()
        found = [path for path in model_folders(self.root) if cursor is None or str(path) > cursor]
        for start in range(0, len(found), PAGE):
            part = found[start : start + PAGE]
            page = _read(part)
            records = [
                record for record in page.records if not wanted.tasks or set(record.tasks) & set(wanted.tasks)
            ]
            yield Page(tuple(records), page.refused, str(part[-1]), len(found))

    @contextmanager
    def open(self, record: ModelRecord) -> Iterator[FolderFiles]:
        """Open the files of the folder that the record's id names.

        Raises:
            SourceError: the folder is gone.
        """
        root = Path(record.model_id.name)
        if not root.is_dir():
            raise SourceError(f"There is no folder {str(root)!r}.")
        yield FolderFiles(root, tuple(ModelFile(name, size) for name, size in files_of(root)))


class FolderFiles:
    """Files of one folder; there is one revision, what lies there now."""

    def __init__(self, root: Path, files: tuple[ModelFile, ...]) -> None:
        self.revision: str | None = None
        self.files = files
        self.git_oids: dict[str, str] = {}
        self._root = root

    def chunks(self, file: ModelFile, start: int = 0) -> Iterator[bytes]:
        """The bytes of one file from `start` on."""
        try:
            with (self._root / file.path).open("rb") as stream:
                stream.seek(start)
                while piece := stream.read(CHUNK):
                    yield piece
        except OSError as error:
            raise SourceError(f"{file.path} cannot be read: {error.strerror or error}.") from error


def model_folders(root: Path) -> Iterator[Path]:
    """The folders that hold a model, sorted by path; what lies inside a model is part of it."""
    for folder, subfolders, names in os.walk(root):
        subfolders.sort()
        here = Path(folder)
        if _is_model(names):
            subfolders.clear()
            yield here
        elif len(here.relative_to(root).parts) >= DEEPEST:
            subfolders.clear()
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]


def _is_model(names: list[str]) -> bool:
    weights = any(Path(name).suffix in (".safetensors", ".onnx", ".gguf") for name in names)
    return weights or (
        any(sign in names for sign in _SIGNS) and any(Path(n).suffix in _SUFFIXES for n in names)
    )


def _read(folders: list[Path]) -> Page:
    records, refused = [], []
    for path in folders:
        try:
            records.append(record_of(path))
        except InvalidRecord as error:
            refused.append(Refusal(error.ident, error.reason))
    return Page(tuple(records), tuple(refused))


def record_of(folder: str | os.PathLike[str]) -> ModelRecord:
    """The record of the model in one folder: from its configuration, its safetensors headers and its card.

    Raises:
        InvalidRecord: the folder's files contradict themselves or cannot be read.
    """
    path = Path(os.path.abspath(folder))
    ident = f"folder:{path}"
    try:
        record = described(path, ModelRecord(id=ident, source="folder"))
    except (ValueError, OSError, RecursionError) as error:
        raise facts.refused(ident, error) from error
    return record


def described(path: Path, record: ModelRecord) -> ModelRecord:
    """`record` with what the files in a folder state."""
    from dataclasses import replace

    files = files_of(path)
    names = {name for name, _ in files}
    config = _json(path / "config.json") if "config.json" in names else {}
    task, library, kept = _layout(config, names)
    parameters = _parameters(path, [name for name in names if name.endswith(".safetensors")])
    record = replace(
        record,
        task=task,
        library=library,
        parameters=parameters,
        size=sum(size for _, size in files),
        formats=tuple(
            sorted({_SUFFIXES[Path(name).suffix] for name in names if Path(name).suffix in _SUFFIXES})
        ),
        files=tuple(ModelFile(name, size) for name, size in files),
        config=kept,
    )
    return with_card(record, path / "README.md") if "README.md" in names else record


def files_of(root: Path) -> list[tuple[str, int]]:
    """(path, size) of the plain files of a model, sorted; hidden files are not part of it."""
    found: list[tuple[str, int]] = []
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            place = Path(folder) / name
            if not name.startswith(".") and place.is_file():
                found.append((place.relative_to(root).as_posix(), place.stat().st_size))
                if len(found) > MOST_FILES:
                    raise ValueError(f"more than {MOST_FILES:,} files")
    return found


def _json(path: Path) -> Mapping[str, Any]:
    if path.stat().st_size > LARGEST_CONFIG:
        raise ValueError(f"{path.name} is larger than {LARGEST_CONFIG >> 20} MiB")
    data = json.loads(path.read_bytes())
    if not isinstance(data, Mapping):
        raise ValueError(f"{path.name} is no JSON object")
    return data


def _layout(config: Mapping[str, Any], names: set[str]) -> tuple[str | None, str | None, dict[str, Any]]:
    """Task, library and what an adapter needs, from the layout of the folder."""
    architectures = list(facts.words(config.get("architectures")))
    kept: dict[str, Any] = {
        "architectures": architectures,
        "model_type": facts.text(config.get("model_type"), 100),
    }
    kept["auto_map"] = isinstance(config.get("auto_map"), Mapping) or None
    task, library = None, "transformers" if architectures or config.get("model_type") else None
    if isinstance(config.get("architecture"), str):
        library, task = (
            "timm",
            "image-classification" if config.get("num_classes") else "image-feature-extraction",
        )
        kept |= {"layout": "timm", "architecture": facts.text(config["architecture"], 200)}
    elif "modules.json" in names:
        library, task = "sentence-transformers", "sentence-similarity"
    elif "model_index.json" in names:
        library = "diffusers"
    elif architectures:
        task = next((task for head, task in _HEADS for name in architectures if name.endswith(head)), None)
        task = _sensed(task, config)
    elif any(name.endswith(".onnx") for name in names):
        library, kept["layout"] = library or "onnx", "onnx"
    return task, library, {key: value for key, value in kept.items() if value}


def _sensed(task: str | None, config: Mapping[str, Any]) -> str | None:
    """The task of a model whose class name says text, while its config says that it hears or sees.

    A speech encoder has strided convolutions over samples; a page reader has positions in two dimensions; a model with
    patches that answers questions sees the picture; a detector that reads looks for what is named.
    """
    if task == "text-classification" and "conv_stride" in config:
        return "audio-classification"
    if task == "question-answering" and "max_2d_position_embeddings" in config:
        return "document-question-answering"
    if task == "question-answering" and "patch_size" in config:
        return "visual-question-answering"
    if task == "object-detection" and "text_config" in config:
        return "zero-shot-object-detection"
    return task


def _parameters(root: Path, names: list[str]) -> int | None:
    """The number of values in the safetensors files, from their headers; None where there are none."""
    shards = [name for name in names if "/" not in name] or names
    return sum(count_parameters(root / name) for name in shards) or None


def count_parameters(path: Path) -> int:
    """The number of values that a safetensors file says it holds; the weights are not read.

    Raises:
        ValueError: it has no header that can be true.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= min(size - 8, LARGEST_HEADER):
            raise ValueError(f"{path.name} is no safetensors file")
        header = json.loads(stream.read(length))
    if not isinstance(header, dict):
        raise ValueError(f"{path.name} has no safetensors header")
    shapes = [
        row.get("shape") for name, row in header.items() if name != "__metadata__" and isinstance(row, dict)
    ]
    total = sum(
        prod(shape) for shape in shapes if isinstance(shape, list) and all(isinstance(n, int) for n in shape)
    )
    found = facts.count(total, facts.MOST_PARAMETERS, "number of parameters")
    return found or 0
