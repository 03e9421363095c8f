"""Sound beyond words: which kind of sound it is, and text spoken aloud."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from zoohub.adapters import hf
from zoohub.adapters.base import Model, refuse
from zoohub.adapters.data import Examples
from zoohub.adapters.heads import capture_input, classification, last_linear
from zoohub.adapters.inference import Plan
from zoohub.adapters.results import Audio
from zoohub.adapters.sound import read_audio
from zoohub.adapters.speech import in_groups
from zoohub.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


class Sounds(Model):
    """What the families that listen share: one recording in, prepared by the model's own feature extractor."""

    auto: ClassVar[str]
    lazy = True
    embeds = True
    plan = Plan(items=16, budget=16 * 16_000 * 10, window=128, workers=2)
    extractor: Any

    def open(self) -> None:
        """Load module and feature extractor from the folder."""
        self._open(None)

    def _open(self, labels: Sequence[str] | None) -> None:
        from transformers import AutoFeatureExtractor

        self.module = hf.load(self, self.auto, labels=labels)
        self.extractor = AutoFeatureExtractor.from_pretrained(self.bundle.folder, local_files_only=True)

    def prepare(self, item: Any) -> NDArray[np.float32]:
        """One recording as samples."""
        return read_audio(item, int(self.extractor.sampling_rate))

    def weigh(self, sample: Any) -> int:
        """Its length in samples."""
        return len(sample)

    def is_one(self, inputs: Any) -> bool:
        """A pair (samples, rate) is one recording."""
        pair = isinstance(inputs, tuple) and len(inputs) == 2 and isinstance(inputs[1], int)
        return pair or super().is_one(inputs)

    def inputs(self, samples: Sequence[Any]) -> dict[str, Any]:
        """A batch as the module takes it, on its device; padding is masked where the model knows masks."""
        kind = next(self.module.parameters()).dtype
        batch = self.extractor(
            list(samples),
            sampling_rate=self.extractor.sampling_rate,
            padding=self._padding(),
            return_tensors="pt",
        )
        return {
            name: value.to(self.device, kind) if value.is_floating_point() else value.to(self.device)
            for name, value in batch.items()
        }

    def _padding(self) -> bool | str:
        fixed = self.extractor.model_input_names[0] == "input_features"
        return "max_length" if fixed else True

    def write(self, folder: Path) -> None:
        """As transformers does."""
        self.module.save_pretrained(folder)
        self.extractor.save_pretrained(folder)


class SoundClassifier(Sounds):
    """Audio classification: commands, music, noises, emotions, languages."""

    auto = "AutoModelForAudioClassification"
    tasks = ("audio-classification",)
    strategies = ("probe", "lora", "probe-then-full", "full")
    options = MappingProxyType({"top_k": 5})

    def _open(self, labels: Sequence[str] | None) -> None:
        super()._open(labels)
        self.labels = hf.labels(self.module.config)

    def answer(self, samples: Sequence[Any], *, top_k: int = 5, **_: Any) -> Sequence[Any]:
        """A `Classification` for each recording."""

        def best(group: Sequence[Any]) -> Sequence[Any]:
            return classification(self.module(**self.inputs(group)).logits, self.labels, top_k)

        return in_groups(self.module.config, samples, best)

    def features(self, samples: Sequence[Any]) -> NDArray[np.float32]:
        """What the classifier hears of each recording, `(n, d)`."""
        import numpy as np

        def heard(group: Sequence[Any]) -> Sequence[Any]:
            batch = self.inputs(group)
            return list(capture_input(self.head(), lambda: self.module(**batch)).float().cpu().numpy())

        rows: NDArray[np.float32] = np.stack(in_groups(self.module.config, samples, heard))
        return rows

    def head(self) -> Any:
        """The linear layer whose outputs are the classes."""
        return last_linear(self.module, len(self.labels))

    def relabel(self, labels: Sequence[str]) -> Self:
        """The same weights with a new last layer for `labels`."""
        fresh = type(self)(self.bundle, self.task, device=self.device)
        fresh._open(labels)
        return fresh

    def learn(self, item: Any, target: Any) -> list[dict[str, Any]]:
        """One recording with the number of its class."""
        return [{"samples": self.prepare(item), "label": self.labels.index(target)}]

    def collate(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The module's inputs and `labels` `(n,)`."""
        import torch

        batch = self.inputs([row["samples"] for row in rows])
        return {**batch, "labels": torch.tensor([row["label"] for row in rows])}


class Speaker(Model):
    """What the families that speak share: a text in, and figures by a recognizer that writes down what it hears."""

    def prepare(self, item: Any) -> str:
        """A text that is not empty."""
        if not isinstance(item, str) or not item.strip():
            raise refuse(item, "a text")
        return item

    def judge(
        self, examples: Examples, *, recognizer: str | Path | Model | None = None, **settings: Any
    ) -> Sequence[Any]:
        """What the recognizer hears of the texts. Its own errors count too, so compare by one recognizer only.

        Raises:
            UsageError: no recognizer is named.
        """
        from zoohub.adapters.loading import load

        if recognizer is None:
            raise UsageError(
                "Speech is measured by the words that a recognizer hears, and none is named.",
                "evaluate(data, recognizer='openai/whisper-base'), or zoo evaluate --option recognizer=...",
            )
        if not isinstance(recognizer, Model):
            recognizer = load(recognizer, task="automatic-speech-recognition", device=self.device)
        spoken = self.predict(iter(examples.inputs), **settings)  # one at a time: sound is large
        heard = recognizer.predict(spoken, strict=settings.get("strict", True))
        return list(heard)

    def targets(self, examples: Examples) -> Sequence[Any]:
        """The texts themselves."""
        return examples.inputs

    def conditions(self, *, recognizer: str | Path | Model | None = None, **_: Any) -> tuple[str, ...]:
        """Who listened."""
        return (f"heard by {recognizer.id if isinstance(recognizer, Model) else recognizer}",)


class Speech(Speaker):
    """Text to speech through the waveform models of transformers (VITS and MMS, Bark, MusicGen).

    Options: `seed` makes a reading repeatable; `speed` is the pace of VITS models (1.0: their own).
    """

    tasks = ("text-to-speech", "text-to-audio")
    options = MappingProxyType({"seed": 0, "speed": 1.0})
    plan = Plan(items=1)

    def open(self) -> None:
        """Load module and processor from the folder."""
        self.module = hf.load(self, "AutoModelForTextToWaveform")
        self.tokenizer = hf.tokenizer(self.bundle.folder)

    @property
    def rate(self) -> int:
        """Samples per second of the sound that it makes."""
        config = self.module.config
        rate = getattr(config, "sampling_rate", None) or getattr(
            self.module.generation_config, "sample_rate", None
        )
        return int(rate or config.audio_encoder.sampling_rate)

    def answer(self, samples: Sequence[Any], *, seed: int = 0, speed: float = 1.0, **_: Any) -> Sequence[Any]:
        """An `Audio` for each text."""
        return [Audio(self._spoken(text, seed, speed), self.rate) for text in samples]

    def _spoken(self, text: str, seed: int, speed: float) -> Any:
        import torch

        batch = self.tokenizer(text, return_tensors="pt").to(self.device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if self.module.can_generate():
                wave = self.module.generate(**batch, do_sample=True)
            else:
                self.module.speaking_rate = speed
                wave = self.module(**batch).waveform
        samples: torch.Tensor = wave.detach().float().reshape(-1).cpu()
        return samples.numpy()

    def write(self, folder: Path) -> None:
        """As transformers does."""
        self.module.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
