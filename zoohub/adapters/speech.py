"""Speech recognition: the Whisper kind (writes text, token by token) and the CTC kind (labels each frame)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from zoohub.adapters import hf
from zoohub.adapters.base import Model
from zoohub.adapters.inference import Plan
from zoohub.adapters.results import Segment, Transcript
from zoohub.adapters.sound import read_audio, windows
from zoohub.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from zoohub.adapters.bundle import Bundle


class Recognizer(Model):
    """What both kinds share: sound in, text out."""

    tasks = ("automatic-speech-recognition",)
    strategies = ("lora", "full")
    lazy = True
    processor: Any

    @classmethod
    def variant(cls, bundle: Bundle) -> type[Model]:
        """CTC models say so in the name of their architecture; the others write as Whisper does."""
        names = bundle.config.get("architectures") or ()
        return Ctc if any(name.endswith("ForCTC") for name in names) else Whisper

    @property
    def rate(self) -> int:
        """Samples per second that the model hears."""
        return int(self.extractor.sampling_rate)

    @property
    def extractor(self) -> Any:
        """The feature extractor: samples -> what the module takes."""
        return self.processor.feature_extractor

    @property
    def tokenizer(self) -> Any:
        """The tokenizer of the text side."""
        return self.processor.tokenizer

    def prepare(self, item: Any) -> NDArray[np.float32]:
        """One recording as samples."""
        return read_audio(item, self.rate)

    def weigh(self, sample: Any) -> int:
        """Its length in samples."""
        return len(sample)

    def is_one(self, inputs: Any) -> bool:
        """A pair (samples, rate) and a `datasets` cell are one recording."""
        pair = isinstance(inputs, tuple) and len(inputs) == 2 and isinstance(inputs[1], int)
        return pair or super().is_one(inputs)

    def write(self, folder: Path) -> None:
        """As transformers does."""
        self.module.save_pretrained(folder)
        self.processor.save_pretrained(folder)

    def relabel(self, labels: Sequence[str]) -> Self:
        """A fresh copy; recognition has no labels."""
        fresh = type(self)(self.bundle, self.task, device=self.device)
        fresh.open()
        return fresh

    def _inputs(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Tensors on the model's device; the floating ones in its precision."""
        dtype = next(self.module.parameters()).dtype
        return {
            name: value.to(self.device, dtype) if value.is_floating_point() else value.to(self.device)
            for name, value in batch.items()
        }


class Whisper(Recognizer):
    """Encoder and decoder over 30 seconds of log-mel features; longer sound is followed window by window.

    Options: `language` (a code such as "en" or "zh"; None: heard from the sound), `timestamps` (True: segments,
    "word": one segment a word), `translate` (into English), `beams` (how many readings are followed at once: more is
    slower and at times better).
    """

    plan = Plan(items=8, window=64, workers=2)
    options = MappingProxyType({"language": None, "timestamps": False, "translate": False, "beams": 1})

    def open(self) -> None:
        """Through transformers' own classes; weights of half precision are widened on the CPU."""
        self.module = hf.load(self, "AutoModelForSpeechSeq2Seq")
        self.processor = processor(self.bundle.folder)

    @property
    def multilingual(self) -> bool:
        """Whether it knows more than English."""
        return bool(getattr(self.module.generation_config, "is_multilingual", False))

    def answer(
        self,
        samples: Sequence[Any],
        *,
        language: str | None = None,
        timestamps: bool | str = False,
        translate: bool = False,
        beams: int = 1,
        **_: Any,
    ) -> list[Transcript]:
        """One transcript a recording; recordings beyond 30 seconds are generated with time stamps, as Whisper needs.

        Short and long ones do not share a batch: a short one would be read otherwise than alone.
        """
        self._check(language, timestamps, translate)
        long = [len(sample) > self.extractor.n_samples for sample in samples]
        found: dict[int, Transcript] = {}
        for kind in (False, True):
            places = [place for place, each in enumerate(long) if each is kind]
            if places:
                batch = [samples[place] for place in places]
                made = self._written(batch, kind, language, timestamps, translate, beams)
                found |= dict(zip(places, made, strict=True))
        return [found[place] for place in range(len(samples))]

    def _written(
        self,
        samples: Sequence[Any],
        long: bool,
        language: str | None,
        timestamps: bool | str,
        translate: bool,
        beams: int,
    ) -> list[Transcript]:
        """Transcripts of recordings that are all short, or all long."""
        import torch

        batch = self._inputs(self._features(samples, long))
        settings: dict[str, Any] = {"return_timestamps": bool(timestamps) or long, "num_beams": beams}
        languages: list[str | None] = ["en"] * len(samples)
        if self.multilingual:
            languages = [language] * len(samples) if language else self._heard(batch["input_features"])
            settings |= {"language": languages, "task": "translate" if translate else "transcribe"}
        if timestamps == "word":
            settings |= {"return_token_timestamps": True, "num_frames": self._frames(samples)}
        with hf.quiet():
            made = self.module.generate(
                **batch, **settings, return_segments=True, return_dict_in_generate=False
            )
        rows = made["sequences"] if isinstance(made, Mapping) else made
        pieces = made["segments"] if isinstance(made, Mapping) else [[] for _ in samples]
        texts = self.tokenizer.batch_decode(torch.as_tensor(rows), skip_special_tokens=True)
        return [
            Transcript(text.strip(), tongue, self._segments(piece, timestamps))
            for text, tongue, piece in zip(texts, languages, pieces, strict=True)
        ]

    def _features(self, samples: Sequence[Any], long: bool) -> Mapping[str, Any]:
        extra = {"truncation": False, "padding": "longest"} if long else {}
        features: Mapping[str, Any] = self.extractor(
            list(samples),
            sampling_rate=self.rate,
            return_tensors="pt",
            return_attention_mask=True,
            **extra,
        )
        return features

    def _frames(self, samples: Sequence[Any]) -> list[int]:
        return [min(len(sample), self.extractor.n_samples) // self.extractor.hop_length for sample in samples]

    def _check(self, language: str | None, timestamps: bool | str, translate: bool) -> None:
        if timestamps not in (False, True, "word"):
            raise UsageError(f"timestamps={timestamps!r} is none of False, True, 'word'.")
        if not self.multilingual and (translate or language not in (None, "en")):
            raise UsageError(f"{self.id} knows English only.", "Leave out language and translate.")
        if language and self.multilingual:
            known = self.module.generation_config.lang_to_id
            if f"<|{language}|>" not in known:
                codes = ", ".join(sorted(name.strip("<|>") for name in known))
                raise UsageError(f"{self.id} knows no language {language!r}.", f"It knows: {codes}.")

    def _heard(self, features: Any) -> list[str | None]:
        """The language of each recording, from its first 30 seconds."""
        frames = self.extractor.nb_max_frames
        ids = self.module.detect_language(input_features=features[..., :frames]).tolist()
        return [self.tokenizer.convert_ids_to_tokens(id).strip("<|>") for id in ids]

    def _segments(self, pieces: Sequence[Any], timestamps: bool | str) -> tuple[Segment, ...]:
        if not timestamps:
            return ()
        if timestamps == "word":
            return tuple(word for piece in pieces for word in self._words(piece))
        return tuple(
            Segment(round(float(piece["start"]), 2), round(float(piece["end"]), 2), text)
            for piece in pieces
            if (text := self.tokenizer.decode(piece["tokens"], skip_special_tokens=True).strip())
        )

    def _words(self, piece: Any) -> list[Segment]:
        """Token times joined into words; a language without spaces gives one segment a token."""
        words: list[Segment] = []
        times = piece["token_timestamps"].tolist() if "token_timestamps" in piece else []
        special = set(self.tokenizer.all_special_ids)
        for token, time in zip(piece["tokens"].tolist(), times, strict=False):
            text = "" if token in special else self.tokenizer.decode([token], skip_special_tokens=True)
            if not text:
                continue
            if words and not text.startswith(" ") and text.isascii():
                last = words[-1]
                words[-1] = Segment(last.start, round(time, 2), last.text + text)
            else:
                words.append(
                    Segment(words[-1].end if words else float(piece["start"]), round(time, 2), text.strip())
                )
        return words

    def learn(self, item: Any, target: Any) -> list[dict[str, Any]]:
        """Log-mel features and the tokens of the text."""
        samples = self.prepare(item)[: self.extractor.n_samples]
        features = self._features([samples], long=False)["input_features"][0]
        limit = self.module.config.max_target_positions
        return [{"input_features": features, "labels": self.tokenizer(str(target)).input_ids[:limit]}]

    def collate(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Features stacked; labels padded with -100, without the start token that the model adds itself."""
        import torch

        start = self.module.config.decoder_start_token_id
        labels = [row["labels"][1:] if row["labels"][:1] == [start] else row["labels"] for row in rows]
        return {
            "input_features": torch.stack([row["input_features"] for row in rows]),
            "labels": padded(labels),
        }


class Ctc(Recognizer):
    """A label for each frame, repeats and blanks taken out; long sound is cut into overlapping windows.

    Option: `timestamps` (True or "word": one segment a word; for languages without spaces, a character).
    """

    plan = Plan(items=16, budget=16 * 16_000 * 20, window=128, workers=2)
    options = MappingProxyType({"timestamps": False})
    window_seconds, margin_seconds = 30, 3

    def open(self) -> None:
        """Through transformers' own classes."""
        self.module = hf.load(self, "AutoModelForCTC")
        self.processor = processor(self.bundle.folder)

    def answer(self, samples: Sequence[Any], *, timestamps: bool | str = False, **_: Any) -> list[Transcript]:
        """One transcript a recording."""
        size, margin = self.window_seconds * self.rate, self.margin_seconds * self.rate
        cuts = [list(windows(len(sample), size, margin)) for sample in samples]
        pieces = [
            sample[start:stop] for sample, own in zip(samples, cuts, strict=True) for start, stop, *_ in own
        ]
        frames = iter(self._frames(pieces))
        return [self._decode(self._joined(own, frames), timestamps) for own in cuts]

    def _frames(self, pieces: Sequence[Any]) -> list[Any]:
        """The best token of each frame of each piece, padding frames left out."""

        def best(group: Sequence[Any]) -> list[Any]:
            batch = self.extractor(list(group), sampling_rate=self.rate, padding=True, return_tensors="pt")
            rows = self.module(**self._inputs(batch)).logits.argmax(-1).cpu()
            return [row[: self._length(len(piece))] for row, piece in zip(rows, group, strict=True)]

        return in_groups(self.module.config, pieces, best)

    def _length(self, samples: int) -> int:
        import torch

        return int(self.module._get_feat_extract_output_lengths(torch.tensor(samples)))

    def _joined(self, cuts: Sequence[tuple[int, int, int, int]], frames: Any) -> list[int]:
        tokens: list[int] = []
        for start, stop, keep_from, keep_to in cuts:
            row = next(frames).tolist()
            per_frame = (stop - start) / max(len(row), 1)
            tokens += row[round((keep_from - start) / per_frame) : round((keep_to - start) / per_frame)]
        return tokens

    def _decode(self, tokens: Sequence[int], timestamps: bool | str) -> Transcript:
        if not timestamps:
            return Transcript(self.tokenizer.decode(tokens).strip())
        made = self.tokenizer.decode(tokens, output_word_offsets=True)
        segments = tuple(
            Segment(self._time(int(word["start_offset"])), self._time(int(word["end_offset"])), word["word"])
            for word in made.word_offsets
        )
        return Transcript(made.text.strip(), segments=segments)

    def _time(self, frame: int) -> float:
        """When a frame begins, in seconds."""
        return round(frame * float(self.module.config.inputs_to_logits_ratio) / self.rate, 2)

    def learn(self, item: Any, target: Any) -> list[dict[str, Any]]:
        """Samples as the module takes them, and the tokens of the text."""
        values = self.extractor(self.prepare(item), sampling_rate=self.rate).input_values[0]
        return [{"input_values": values, "labels": self.tokenizer(str(target)).input_ids}]

    def collate(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Samples padded with their mask; labels padded with -100."""
        batch = self.extractor.pad(
            [{"input_values": row["input_values"]} for row in rows], padding=True, return_tensors="pt"
        )
        return {**batch, "labels": padded([row["labels"] for row in rows])}


def in_groups(
    config: Any, sounds: Sequence[Any], answer: Callable[[Sequence[Any]], Sequence[Any]]
) -> list[Any]:
    """`answer` of all `sounds`, in groups that may share a batch.

    Models that normalize each channel over time (`feat_extract_norm="group"`) would count the padding in, so theirs
    are of equal length; the others mask the padding and take any.
    """
    if getattr(config, "feat_extract_norm", None) != "group":
        return list(answer(sounds))
    groups: dict[int, list[int]] = {}
    for place, sound in enumerate(sounds):
        groups.setdefault(len(sound), []).append(place)
    answers: list[Any] = [None] * len(sounds)
    for places in groups.values():
        for place, row in zip(places, answer([sounds[i] for i in places]), strict=True):
            answers[place] = row
    return answers


def processor(folder: Path) -> Any:
    """The processor of a folder: feature extractor, and tokenizer where it has one."""
    from transformers import AutoProcessor

    with hf.quiet():
        return AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def padded(rows: Sequence[Sequence[int]], fill: int = -100) -> Any:
    """Rows of token ids as one tensor, short ones filled up."""
    import torch

    width = max(len(row) for row in rows)
    return torch.tensor([list(row) + [fill] * (width - len(row)) for row in rows])
