"""ONNX models through onnxruntime, with the pre- and post-processing that their records name.

The record's (or the folder's) config names the adapter, `{"adapter": "onnx-fastestdet"}`, or the architecture,
`{"layout": "onnx", "architecture": "fastestdet"}`, and may hold
`model_file` (where the folder has several .onnx), `label_names`, and the keys of timm's `pretrained_cfg` (mean, std,
input_size).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zoohub.adapters.base import Model
from zoohub.adapters.data import Examples
from zoohub.adapters.images import Transform, read_image
from zoohub.adapters.inference import Plan
from zoohub.adapters.label_sets import names
from zoohub.adapters.results import Audio, Detection, Segment
from zoohub.adapters.sights import known_boxes
from zoohub.adapters.sound import read_audio
from zoohub.adapters.targets import Box
from zoohub.adapters.voices import Speaker
from zoohub.errors import MissingDependency, UnsupportedModel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class OnnxModel(Model):
    """A session over the folder's .onnx file; subclasses say what goes in and what comes out."""

    session: Any = None

    def open(self) -> None:
        """Start a session on the model's device."""
        import onnxruntime

        path = self.file()
        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 3
        wanted = ["CUDAExecutionProvider"] if self.device.startswith("cuda") else []
        present = onnxruntime.get_available_providers()
        providers = [name for name in [*wanted, "CPUExecutionProvider"] if name in present]
        try:
            self.session = onnxruntime.InferenceSession(str(path), settings, providers=providers)
        except Exception as error:
            raise UnsupportedModel(f"onnxruntime cannot load {path.name}: {str(error)[:200]}") from error
        self.labels = names(self.bundle.config.get("label_names"))

    def file(self) -> Path:
        """The one .onnx file of the folder, or the one that the config names.

        Raises:
            UnsupportedModel: there is none, or there are several and none is named.
        """
        named = self.bundle.config.get("model_file")
        found = [self.bundle.folder / named] if named else sorted(self.bundle.folder.rglob("*.onnx"))
        if len(found) != 1 or not found[0].is_file():
            names = ", ".join(path.name for path in found) or "none"
            raise UnsupportedModel(
                f"{self.id} needs one .onnx file; there is {names}.", 'Name it: config "model_file".'
            )
        return found[0]

    def run(self, **inputs: Any) -> list[Any]:
        """All outputs for named inputs."""
        outputs: list[Any] = self.session.run(None, inputs)
        return outputs

    @property
    def input_name(self) -> str:
        """The name of the first input."""
        return str(self.session.get_inputs()[0].name)


class OnnxImages(OnnxModel):
    """Image classification: normalized pixels `(n, 3, h, w)` in, scores `(n, classes)` out."""

    tasks = ("image-classification",)
    options = MappingProxyType({"top_k": 5})
    plan = Plan(items=8, window=128, workers=2)

    def open(self) -> None:
        """Also read the transform from the config."""
        super().open()
        self.transform = Transform.from_timm(self.bundle.config.get("pretrained_cfg", self.bundle.config))

    def prepare(self, item: Any) -> NDArray[np.uint8]:
        """The picture, resized and cropped."""
        return self.transform.read(item)

    def answer(self, samples: Sequence[Any], *, top_k: int = 5, **_: Any) -> Sequence[Any]:
        """A `Classification` for each picture; a session of fixed batch size 1 gets one at a time."""
        import numpy as np
        import torch

        from zoohub.adapters.heads import classification

        pixels = self.transform.batch(samples, "cpu", torch.float32).contiguous().numpy()
        fixed = isinstance(self.session.get_inputs()[0].shape[0], int)
        groups = [pixels[i : i + 1] for i in range(len(pixels))] if fixed else [pixels]
        scores = np.concatenate([self.run(**{self.input_name: group})[0] for group in groups])
        labels = self.labels or tuple(map(str, range(scores.shape[1])))
        return classification(torch.from_numpy(scores), labels, top_k)


class GridDetector(OnnxModel):
    """One-grid detectors of the FastestDet kind.

    Output `(1, 5 + classes, rows, columns)`: per cell an objectness in 0..1, the box (centre as tanh offset from
    the cell, size as sigmoid share of the image) and class scores in 0..1. Input is BGR in 0..1, stretched.
    Source: the FastestDet repository (dog-qiuqiu), BSD-3-Clause.
    """

    tasks = ("object-detection",)
    options = MappingProxyType({"threshold": 0.5, "overlap": 0.45})
    plan = Plan(items=1, window=64, workers=2)

    def prepare(self, item: Any) -> tuple[NDArray[np.float32], tuple[int, int]]:
        """Pixels `(1, 3, h, w)` and the size (width, height) of the picture as given."""
        import numpy as np

        picture = read_image(item)
        height, width = self.session.get_inputs()[0].shape[2:]
        small = np.asarray(picture.resize((width, height), 2))[..., ::-1].astype(np.float32) / np.float32(255)
        return np.ascontiguousarray(small.transpose(2, 0, 1))[None], picture.size

    def answer(
        self, samples: Sequence[Any], *, threshold: float = 0.5, overlap: float = 0.45, **_: Any
    ) -> Sequence[Any]:
        """The `Detection`s of each picture, best first."""
        return [self._found(self.run(**{self.input_name: pixels})[0][0], size, threshold, overlap)
                for pixels, size in samples]  # fmt: skip

    def judge(self, examples: Examples, **settings: Any) -> Sequence[Any]:
        """All boxes, down to those that say next to nothing: average precision is over all thresholds."""
        return super().judge(examples, **{"threshold": 0.01, **settings})

    def targets(self, examples: Examples) -> Sequence[list[Box]]:
        """The true boxes of each picture."""
        return known_boxes(examples, self.labels)

    def _found(self, grid: Any, size: tuple[int, int], threshold: float, overlap: float) -> list[Detection]:
        import numpy as np

        rows, columns = grid.shape[1:]
        classes = grid[5:]
        best = classes.argmax(0)
        score = grid[0] ** 0.6 * classes.max(0) ** 0.4
        y, x = np.nonzero(score > threshold)
        center_x = (np.tanh(grid[1, y, x]) + x) / columns
        center_y = (np.tanh(grid[2, y, x]) + y) / rows
        half_w, half_h = (1 / (1 + np.exp(-grid[3:5, y, x]))) / 2
        boxes = np.stack([center_x - half_w, center_y - half_h, center_x + half_w, center_y + half_h], 1)
        boxes = boxes.clip(0, 1) * np.array([size[0], size[1], size[0], size[1]])
        kept = suppress(boxes, score[y, x], best[y, x], overlap)
        return [Detection(self._name(int(best[y[i], x[i]])), float(score[y[i], x[i]]), tuple(boxes[i].tolist()))
                for i in kept]  # fmt: skip

    def _name(self, number: int) -> str:
        return self.labels[number] if number < len(self.labels) else str(number)


def suppress(boxes: Any, scores: Any, classes: Any, overlap: float) -> list[int]:
    """Non-maximum suppression within each class: the places of the boxes that stay, best first."""
    import torch
    from torchvision.ops import batched_nms

    if not len(boxes):
        return []
    kept = batched_nms(
        torch.from_numpy(boxes).float(), torch.from_numpy(scores).float(), torch.from_numpy(classes), overlap
    )
    places: list[int] = kept.tolist()
    return places


class SileroVad(OnnxModel):
    """Voice activity of the Silero kind: a probability for each 32 ms, joined into spans of speech.

    Options: `threshold` to begin a span (it ends 0.15 below), `min_speech` and `min_silence` in seconds, `pad` seconds
    around a span. Source of the rules: the silero-vad package (MIT).
    """

    tasks = ("voice-activity-detection",)
    options = MappingProxyType({"threshold": 0.5, "min_speech": 0.25, "min_silence": 0.1, "pad": 0.03})
    plan = Plan(items=16, window=64, workers=2)
    rate, step, context = 16_000, 512, 64

    def prepare(self, item: Any) -> NDArray[np.float32]:
        """One recording as samples at 16 kHz."""
        return read_audio(item, self.rate)

    def is_one(self, inputs: Any) -> bool:
        """A pair (samples, rate) is one recording."""
        pair = isinstance(inputs, tuple) and len(inputs) == 2 and isinstance(inputs[1], int)
        return pair or super().is_one(inputs)

    def answer(self, samples: Sequence[Any], **options: Any) -> Sequence[Any]:
        """The spans of speech of each recording, as `Segment`s labeled "speech"."""
        lengths = [len(sample) for sample in samples]
        return [self._spans(row[: -(-length // self.step)], length, **options)
                for row, length in zip(self._probabilities(samples), lengths, strict=True)]  # fmt: skip

    def _probabilities(self, samples: Sequence[Any]) -> NDArray[np.float32]:
        """Speech probability `(recordings, steps)`: all recordings at once, step by step."""
        import numpy as np

        steps = -(-max(map(len, samples)) // self.step)
        sound = np.zeros((len(samples), self.context + steps * self.step), np.float32)
        for row, sample in zip(sound, samples, strict=True):
            row[self.context : self.context + len(sample)] = sample
        state = np.zeros((2, len(samples), 128), np.float32)
        rate, found = np.array(self.rate, np.int64), []
        for begin in range(0, steps * self.step, self.step):
            piece = sound[:, begin : begin + self.context + self.step]
            probability, state = self.run(input=piece, state=state, sr=rate)
            found.append(probability)
        return np.concatenate(found, axis=1)

    def _spans(
        self, row: Any, length: int, *, threshold: float, min_speech: float, min_silence: float, pad: float
    ) -> list[Segment]:
        seconds = self.step / self.rate
        spans: list[list[float]] = []
        start: float | None = None
        quiet: float | None = None
        for place, value in enumerate(row.tolist()):
            now = place * seconds
            if value >= threshold:
                start, quiet = (now if start is None else start), None
            elif start is not None and value < threshold - 0.15:
                quiet = now if quiet is None else quiet
                if now + seconds - quiet >= min_silence:
                    spans.append([start, quiet])
                    start = quiet = None
        if start is not None:
            spans.append([start, length / self.rate])
        kept = [span for span in spans if span[1] - span[0] >= min_speech]
        end = length / self.rate
        return [
            Segment(round(max(0.0, a - pad), 3), round(min(end, b + pad), 3), label="speech") for a, b in kept
        ]


class HibariSpeech(Speaker, OnnxModel):
    """English text to speech with the model of the package `hibari-tts`, which brings the way from text to phonemes.

    Options: `speed` (1.0: its own), `seed` (the noise of the voice).
    """

    tasks = ("text-to-speech",)
    options = MappingProxyType({"speed": 1.0, "seed": 0})
    plan = Plan(items=1)

    def open(self) -> None:
        """Let the package read the file."""
        try:
            from hibari import Hibari
        except ImportError as error:
            raise MissingDependency("hibari-tts", "speech") from error
        self.voice = Hibari(model=str(self.file()))

    def answer(self, samples: Sequence[Any], *, speed: float = 1.0, seed: int = 0, **_: Any) -> Sequence[Any]:
        """An `Audio` at 24 kHz for each text."""
        return [Audio(self.voice(text, speed=speed, seed=seed), self.voice.sample_rate) for text in samples]
