"""What a model answers: small typed values, the same in every family, each with `to_dict()`.

One input gives one result. Tasks that find several things in one input (boxes, masks, spans, ranked texts)
give a list of them, which may be empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Result:
    """Base of all results."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold; empty fields are left out."""
        pairs = ((f.name, plain(getattr(self, f.name))) for f in fields(self))
        return {name: value for name, value in pairs if value is not None and value != []}


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: results and arrays become dicts and lists, floats lose noise digits."""
    if isinstance(value, Result):
        return value.to_dict()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, float):
        return round(value, 6)
    return value.tolist() if hasattr(value, "tolist") else value


@dataclass(frozen=True, slots=True)
class Label(Result):
    """A name and how sure the model is of it, in 0..1."""

    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Classification(Result):
    """The best label with its score, and in `labels` the best `top_k`, best first.

    Where several labels may hold at once, `labels` has those above the threshold and may be empty.
    """

    label: str
    score: float
    labels: tuple[Label, ...] = ()

    def __iter__(self) -> Iterator[Label]:
        return iter(self.labels)


@dataclass(frozen=True, slots=True)
class Detection(Result):
    """A thing in an image: `box` is (left, top, right, bottom) in pixels of the image as given."""

    label: str
    score: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Mask(Result):
    """The pixels of one class or one thing: `mask` is bool `(height, width)` of the image as given."""

    label: str
    score: float
    mask: NDArray[np.bool_]

    def to_dict(self) -> dict[str, Any]:
        """Label, score, size, area in pixels, and the mask as run lengths (row by row, off-runs first)."""
        import numpy as np

        flat = np.concatenate([[False], self.mask.ravel(), [not self.mask.ravel()[-1]]])
        ends = np.flatnonzero(flat[1:] != flat[:-1])
        runs = np.diff(np.concatenate([[0], ends]))
        return {
            "label": self.label,
            "score": plain(self.score),
            "size": list(self.mask.shape),
            "area": int(self.mask.sum()),
            "runs": runs.tolist(),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Depth(Result):
    """How far each pixel is, float32 `(height, width)`; the unit is the model's own (often relative)."""

    depth: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Segment(Result):
    """A stretch of sound, in seconds, with what was said or which label holds."""

    start: float
    end: float
    text: str = ""
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Transcript(Result):
    """What was said; `segments` where times were asked for."""

    text: str
    language: str | None = None
    segments: tuple[Segment, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Audio(Result):
    """Sound: float32 samples in -1..1, `(n,)`, at `rate` per second."""

    samples: NDArray[np.float32]
    rate: int

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / self.rate

    def save(self, path: str | Path) -> None:
        """Write a sound file; the format follows the name (.wav, .flac)."""
        import soundfile

        soundfile.write(str(path), self.samples, self.rate)

    def to_dict(self) -> dict[str, Any]:
        """Rate and length; the samples themselves belong in a sound file."""
        return {"rate": self.rate, "seconds": round(self.seconds, 3)}


@dataclass(frozen=True, slots=True)
class Text(Result):
    """Written by the model: a translation, a summary, an answer in words, a continuation."""

    text: str
    finished: bool = True


@dataclass(frozen=True, slots=True)
class Span(Result):
    """A stretch of a text: `text` is `given[start:end]`, in characters."""

    label: str
    score: float
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Answer(Result):
    """An answer found in a text; empty (and false) where the text holds none."""

    text: str
    score: float
    start: int = -1
    end: int = -1

    def __bool__(self) -> bool:
        return bool(self.text)


@dataclass(frozen=True, slots=True, eq=False)
class Embedding(Result):
    """A vector, float32 `(d,)`."""

    vector: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Similarity(Result):
    """How alike two things are, as cosine in -1..1."""

    score: float


@dataclass(frozen=True, slots=True)
class Ranked(Result):
    """One of several texts, with its place in the list as given; results come best first."""

    text: str
    score: float
    index: int


@dataclass(frozen=True, slots=True)
class Failed(Result):
    """In place of a result where an input could not be read and `strict` was off."""

    error: str
    input: str = field(default="")

    def __bool__(self) -> bool:
        return False
