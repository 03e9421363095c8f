"""Which of a model's files a pull brings: the weights in a safe format, and what is needed to use them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from zoohub.registry import ModelFile

PICKLES = (
    ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill", ".th", ".mar",
)  # fmt: skip
OTHER_WEIGHTS = (
    ".h5", ".keras", ".msgpack", ".ot", ".gguf", ".ggml", ".tflite", ".pb", ".mlmodel", ".llamafile",
    ".nemo", ".pte", ".caffemodel", ".params", ".pdparams",
)  # fmt: skip
WEIGHT_SUFFIXES = (".safetensors", ".onnx", *PICKLES)
_ONNX_DATA = (".onnx", ".onnx_data", ".onnx.data", ".onnx_data_1")
_HELPERS = (
    ".json", ".jsonl", ".txt", ".md", ".model", ".jinja", ".yaml", ".yml", ".vocab", ".bpe", ".tiktoken",
    ".spm", ".toml", ".cfg", ".csv", ".tsv", ".dic", ".mvn", ".npy", ".npz",
)  # fmt: skip
_LEGAL = (
    "license", "licence", "notice", "copying", "readme", "use_policy", "copyright", "authors", "citation",
)  # fmt: skip
_CODE = (".py",)


@dataclass(frozen=True, slots=True)
class Selection:
    """The files that a pull takes, those it converts, and those it leaves, with the reason."""

    take: tuple[ModelFile, ...]
    convert: tuple[ModelFile, ...]
    leave: tuple[tuple[ModelFile, str], ...]

    @property
    def size(self) -> int:
        """Bytes to fetch, as far as stated."""
        return sum(file.size or 0 for file in (*self.take, *self.convert))


def select(
    files: Sequence[ModelFile],
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    code: bool = False,
    curated: bool = False,
) -> Selection:
    """Choose among `files`.

    Safetensors are taken where there are any, else ONNX, else the pickles are proposed for conversion.
    `include` and `exclude` are shell patterns on the whole path and replace that choice; `code` takes the
    Python files too. Of `curated` files, which the catalog lists one by one, all are taken. A pickle is only
    ever proposed for conversion.
    """
    reasons = {} if include or curated else _choose(files, code)
    take: list[ModelFile] = []
    convert: list[ModelFile] = []
    leave: list[tuple[ModelFile, str]] = []
    for file in files:
        if include and not _matches(file.path, include):
            leave.append((file, "not included"))
        elif _matches(file.path, exclude):
            leave.append((file, "excluded"))
        elif reason := reasons.get(file.path):
            leave.append((file, reason))
        elif is_pickle(file.path):
            convert.append(file)
        elif include and _suffix(file.path) in _CODE and not code:
            leave.append((file, "code, taken only for a trusted revision"))
        else:
            take.append(file)
    return Selection(tuple(take), tuple(convert), tuple(leave))


def is_pickle(path: str) -> bool:
    """A name under which pickles are found (the content decides later)."""
    return _suffix(path) in PICKLES and not _lower(path).endswith(_ONNX_DATA)


def _choose(files: Sequence[ModelFile], code: bool) -> dict[str, str]:
    """Reasons to leave a file, by path."""
    paths = [file.path for file in files]
    tensors = [path for path in paths if _suffix(path) == ".safetensors"]
    # a folder of tensors serves; the same weights in other formats or precisions beside it are left
    doubles = {path for path in tensors if _is_double(path, tensors)}
    has_onnx = any(_suffix(path) == ".onnx" for path in paths)
    reasons: dict[str, str] = {}
    for path in paths:
        suffix, low = _suffix(path), _lower(path)
        if suffix == ".safetensors":
            reason = "the same weights again" if path in doubles else ""
        elif low.endswith(_ONNX_DATA) or low.startswith(("onnx/", "openvino/")):
            reason = "safetensors are there" if tensors else ""
        elif is_pickle(path):
            reason = "a safe format is there" if tensors or has_onnx else _no_weights(low)
        elif suffix in OTHER_WEIGHTS:
            reason = "its format is not on the allowlist"
        elif suffix in _CODE:
            reason = "" if code else "code, taken only for a trusted revision"
        elif suffix in _HELPERS or _name(path).lower().startswith(_LEGAL):
            reason = ""
        else:
            reason = "not needed to use the model"
        if reason:
            reasons[path] = reason
    return reasons


def _is_double(path: str, tensors: Iterable[str]) -> bool:
    folder, name = _parent(path), _name(path)
    beside = {_name(other) for other in tensors if _parent(other) == folder}
    if name.startswith("consolidated"):
        return any(other.startswith("model") for other in beside)
    plain = name.split(".")
    return len(plain) == 3 and plain[1] in ("fp16", "bf16", "fp32") and f"{plain[0]}.safetensors" in beside


def _no_weights(low: str) -> str:
    """Pickles beside a training run that are no weights."""
    name = _name(low)
    noise = ("training_args", "optimizer", "scheduler", "rng_state", "scaler", "trainer_state")
    return "left from training, no weights" if name.startswith(noise) else ""


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(path, pattern + "*" if pattern.endswith("/") else pattern) for pattern in patterns)


def _suffix(path: str) -> str:
    return PurePosixPath(path.lower()).suffix


def _lower(path: str) -> str:
    return path.lower()


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _parent(path: str) -> str:
    return path.rpartition("/")[0]
