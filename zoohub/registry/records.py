"""ModelRecord, the one record that every source yields and every search returns; ModelId, its name.

A model is called `[source:]namespace/name[@revision]`. The source `hub` is the default and is left
out of the canonical spelling; a path is the source `folder`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from zoohub.errors import AmbiguousModel, InvalidModelId

UNKNOWN = "unknown"
DEFAULT_SOURCE = "hub"
SOURCES = ("hub", "modelscope", "pypi", "timm", "torchvision", "openvino", "onnx", "web", "folder")
RELATIONS = ("finetune", "adapter", "quantized", "merge", "distilled")

_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9._+\-]*[A-Za-z0-9_+\-])?"
_NAME = re.compile(rf"(?:{_PART}/)?{_PART}")
_REVISION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/+\-]{0,253}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class ModelId:
    """A parsed model id. `str()` gives the canonical spelling, without the default source."""

    source: str
    name: str
    revision: str | None = None

    def __str__(self) -> str:
        return self.key + (f"@{self.revision}" if self.revision else "")

    @property
    def key(self) -> str:
        """The id without its revision: what `ModelRecord.id` holds."""
        return self.name if self.source == DEFAULT_SOURCE else f"{self.source}:{self.name}"

    @property
    def namespace(self) -> str | None:
        """The part before the slash; None for bare names and folders."""
        return None if self.source == "folder" or "/" not in self.name else self.name.split("/")[0]

    @classmethod
    def parse(cls, text: str, *, folders: bool = True) -> ModelId:
        """Read a model id.

        With `folders`, a text that begins like a path (`.`, `/`, `~`, a drive) is a folder, and one
        that reads as a hub id while a folder of that name stands here is refused as ambiguous.

        Raises:
            InvalidModelId: the text is no id; AmbiguousModel: it is a hub id and a folder at once.
        """
        text = text.strip()
        if not text:
            raise InvalidModelId(text, "it is empty")
        source, colon, rest = text.partition(":")
        if colon and source == "folder":
            return cls("folder", _folder(rest, text))
        if _looks_like_path(text):
            return cls("folder", _folder(text, text))
        if colon and source not in SOURCES:
            raise InvalidModelId(text, f"{source!r} is no source (there are {', '.join(SOURCES)})")
        body, at, revision = (rest if colon else text).partition("@")
        if not _NAME.fullmatch(body) or ".." in body or "--" in body or len(body) > 200:
            raise InvalidModelId(text, "a name has letters, digits, '.', '_', '-', and at most one '/'")
        if at and not (_REVISION.fullmatch(revision) and ".." not in revision):
            raise InvalidModelId(text, f"{revision!r} is no revision")
        if folders and not colon and not at and os.path.isdir(body):
            raise AmbiguousModel(text, [f"hub:{body}", f"./{body}"])
        return cls(source if colon else DEFAULT_SOURCE, body, revision or None)


def _looks_like_path(text: str) -> bool:
    return text.startswith((".", "/", "~", "\\")) or (len(text) > 2 and text[1:3] in (":\\", ":/"))


def _folder(path: str, text: str) -> str:
    if not path or "\0" in path:
        raise InvalidModelId(text, "the path is empty or holds a NUL")
    return os.path.abspath(os.path.expanduser(path))


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model: path relative to its root with '/', size in bytes, SHA-256 as hex."""

    path: str
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class BaseModel:
    """An edge of the lineage: this model was made from `id` by `relation` (None: not stated)."""

    id: str
    relation: str | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    """A published result, with where it was published."""

    metric: str
    value: float
    task: str | None = None
    dataset: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class LicenseEvidence:
    """What a license statement rests on.

    kind: `card` (the tag in the card), `file` (a license text in the repository), `package` (the metadata
    of the package that carries it), `origin` (stated by the catalog's origin), `base` (derived); `where`: file
    or address; `text`: the words as found.
    """

    kind: str
    where: str
    text: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class ModelRecord:
    """All that is known of one model. Unknown is None, empty, or "unknown" for the license; never guessed.

    `license_raw` is what was declared (`license_name` and `license_link` go with `other`), `license` its
    normalized id; `code_license` is that of the code, kept apart. `parameters` is a count, `size` is in
    bytes, dates are ISO 8601 in UTC, `mirrors` are ids of the same weights elsewhere, and `config` holds what an
    adapter needs beyond the files (architecture, input size, mean, labels ...).
    """

    id: str
    source: str = DEFAULT_SOURCE
    revision: str | None = None
    name: str = ""
    author: str | None = None
    task: str | None = None
    tasks: tuple[str, ...] = ()
    library: str | None = None
    license: str = UNKNOWN
    license_raw: str | None = None
    license_name: str | None = None
    license_link: str | None = None
    license_evidence: tuple[LicenseEvidence, ...] = ()
    code_license: str | None = None
    languages: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    base_models: tuple[BaseModel, ...] = ()
    parameters: int | None = None
    size: int | None = None
    formats: tuple[str, ...] = ()
    files: tuple[ModelFile, ...] = ()
    downloads: int | None = None
    likes: int | None = None
    created: str | None = None
    updated: str | None = None
    gated: bool | None = None
    gone: str | None = None
    metrics: tuple[Metric, ...] = ()
    tags: tuple[str, ...] = ()
    mirrors: tuple[str, ...] = ()
    description: str | None = None
    origin: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name:
            plain = self.id.partition(":")[2] if self.source != DEFAULT_SOURCE else self.id
            object.__setattr__(self, "name", plain.rstrip("/").rsplit("/", 1)[-1])
        if self.task and self.task not in self.tasks:
            object.__setattr__(self, "tasks", (self.task, *self.tasks))

    def __repr__(self) -> str:
        """What is stated, long values cut short: a record is printed more often than it is copied."""
        import reprlib

        short = reprlib.Repr()
        short.maxtuple, short.maxdict, short.maxstring, short.maxother = 4, 4, 60, 60
        stated = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _TOLD_BY_ID}
        known = [
            f"{name}={short.repr(value)}" for name, value in stated.items() if value not in (None, (), {})
        ]
        return f"ModelRecord({', '.join([repr(self.id), *known])})"

    @property
    def model_id(self) -> ModelId:
        """The parsed id, with the revision where one is known."""
        if self.source == "folder":
            return ModelId("folder", self.id.removeprefix("folder:"))
        parsed = ModelId.parse(self.id, folders=False)
        return replace(parsed, revision=self.revision)

    def to_dict(self, *, sparse: bool = False) -> dict[str, Any]:
        """A dict of plain values, in the order of the fields; with `sparse`, without what is not known."""
        data = asdict(self)
        for key, value in data.items():
            if isinstance(value, tuple):
                data[key] = list(value)
        if sparse:
            data = {key: value for key, value in data.items() if value not in (None, [], {}, "")}
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ModelRecord:
        """The inverse of `to_dict`, sparse or not. An unknown key is a TypeError."""
        if not data.keys() <= _FIELDS:
            raise TypeError(f"unknown keys in a model record: {', '.join(sorted(set(data) - _FIELDS))}")
        values: dict[str, Any] = dict(data)
        for key, value in data.items():
            if key in _LISTS:
                values[key] = tuple(value or ())
            elif key in _NESTED:
                values[key] = tuple(_build(_NESTED[key], item) for item in value or ())
        return cls(**values)


_FIELDS = frozenset(f.name for f in fields(ModelRecord))
_TOLD_BY_ID = ("id", "source", "name", "author")
_NESTED: dict[str, type] = {
    "license_evidence": LicenseEvidence,
    "base_models": BaseModel,
    "files": ModelFile,
    "metrics": Metric,
}
_LISTS = frozenset(("tasks", "languages", "datasets", "formats", "tags", "mirrors"))


def _build(kind: type, item: Any) -> Any:
    return item if isinstance(item, kind) else kind(**item)


def to_dicts(records: Iterable[ModelRecord]) -> list[dict[str, Any]]:
    """Plain dicts, one a record: what `pandas.DataFrame` takes."""
    return [record.to_dict() for record in records]
