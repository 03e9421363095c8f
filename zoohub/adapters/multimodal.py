"""Pictures and words together: describe, ask, find what is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from zoohub.adapters import hf
from zoohub.adapters.base import Model, refuse
from zoohub.adapters.data import Examples
from zoohub.adapters.images import read_image
from zoohub.adapters.inference import Plan
from zoohub.adapters.results import Answer, Detection, Text
from zoohub.adapters.sights import known_boxes
from zoohub.adapters.speech import processor
from zoohub.adapters.targets import Box
from zoohub.errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image


class PictureReader(Model):
    """What the families with eyes share: `auto` is the transformers class, inputs are pictures or dicts with one."""

    auto: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ("image",)
    plan = Plan(items=4, window=32, workers=2)
    processor: Any

    def open(self) -> None:
        """Load module and processor from the folder."""
        self.module = hf.load(self, self.auto)
        self.processor = processor(self.bundle.folder)

    def prepare(self, item: Any) -> dict[str, Any]:
        """`{"image": picture, ...}`; a bare picture where the task needs no more."""
        if self.needs == ("image",) and not isinstance(item, Mapping):
            return {"image": read_image(item)}
        missing = [key for key in self.needs if not isinstance(item, Mapping) or item.get(key) in (None, "")]
        if missing:
            raise refuse(item, f"a dict with {' and '.join(self.needs)}")
        return {**item, "image": read_image(item["image"])}

    def is_one(self, inputs: Any) -> bool:
        """A dict is one input."""
        return isinstance(inputs, Mapping) or super().is_one(inputs)

    def tensors(self, batch: Any) -> dict[str, Any]:
        """A processed batch on the model's device, the floating tensors in its precision."""
        kind = next(self.module.parameters()).dtype
        return {
            name: value.to(self.device, kind) if value.is_floating_point() else value.to(self.device)
            for name, value in batch.items()
            if hasattr(value, "to")
        }

    def written(self, batch: Any, limit: int) -> list[str]:
        """What the model writes after a processed batch, the prompt left out."""
        inputs = self.tensors(batch)
        ids = self.module.generate(**inputs, max_new_tokens=limit, do_sample=False)
        prompt = inputs["input_ids"].shape[1] if "input_ids" in inputs and not self._encoder_decoder else 0
        texts: list[str] = self.processor.batch_decode(ids[:, prompt:], skip_special_tokens=True)
        return [text.strip() for text in texts]

    @property
    def _encoder_decoder(self) -> bool:
        return bool(getattr(self.module.config, "is_encoder_decoder", False))

    def write(self, folder: Path) -> None:
        """As transformers does."""
        self.module.save_pretrained(folder)
        self.processor.save_pretrained(folder)


class Captioner(PictureReader):
    """Image to text: captions and text recognition. Option: `max_new_tokens`."""

    auto = "AutoModelForImageTextToText"
    tasks = ("image-to-text",)
    options = MappingProxyType({"max_new_tokens": 64})

    def answer(self, samples: Sequence[Any], *, max_new_tokens: int = 64, **_: Any) -> Sequence[Any]:
        """A `Text` for each picture."""
        batch = self.processor(images=[sample["image"] for sample in samples], return_tensors="pt")
        return [Text(text) for text in self.written(batch, max_new_tokens)]


class Chat(PictureReader):
    """Image and text to text: `{"image", "text"}` in, the model's reply out, by its own chat template.

    Options: `max_new_tokens`, `system` (an instruction before the conversation).
    """

    auto = "AutoModelForImageTextToText"
    tasks = ("image-text-to-text",)
    needs = ("image", "text")
    options = MappingProxyType({"max_new_tokens": 256, "system": None})
    plan = Plan(items=1, window=8, workers=1)

    def answer(
        self, samples: Sequence[Any], *, max_new_tokens: int = 256, system: str | None = None, **_: Any
    ) -> Sequence[Any]:
        """A `Text` for each picture and question."""
        return [Text(self.written(self._asked(sample, system), max_new_tokens)[0]) for sample in samples]

    def _asked(self, sample: Mapping[str, Any], system: str | None) -> Any:
        template = getattr(self.processor, "chat_template", None)
        if not template:
            return self.processor(images=sample["image"], text=sample["text"], return_tensors="pt")
        from zoohub.weights import render_chat_template

        said = [{"type": "image"}, {"type": "text", "text": sample["text"]}]
        messages: list[dict[str, Any]] = [{"role": "user", "content": said}]
        if system:
            messages.insert(0, {"role": "system", "content": [{"type": "text", "text": system}]})
        prompt = render_chat_template(template, messages, add_generation_prompt=True)
        return self.processor(images=sample["image"], text=prompt, return_tensors="pt")


class VisualQuestions(PictureReader):
    """Visual question answering: `{"image", "question"}`. Models that choose among known answers give scores."""

    tasks = ("visual-question-answering",)
    needs = ("image", "question")
    options = MappingProxyType({"max_new_tokens": 32})
    auto = "AutoModelForVisualQuestionAnswering"

    def answer(self, samples: Sequence[Any], *, max_new_tokens: int = 64, **_: Any) -> Sequence[Any]:
        """An `Answer` for each question."""
        batch = self.processor(
            images=[sample["image"] for sample in samples],
            text=[sample["question"] for sample in samples],
            padding=True,
            truncation=True,
            return_tensors="pt",
        )
        if self.module.can_generate():
            return [Answer(text, 1.0) for text in self.written(batch, max_new_tokens)]
        scores = self.module(**self.tensors(batch)).logits.float().sigmoid()
        best = scores.max(-1)
        names = hf.labels(self.module.config)
        pairs = zip(best.values.tolist(), best.indices.tolist(), strict=True)
        return [Answer(names[place], score) for score, place in pairs]


class DocumentQuestions(PictureReader):
    """Questions to a page: `{"image", "question"}`, and for models that read words `"words"` and `"boxes"` (0..1000).

    Models of the Donut and Pix2Struct kind read the picture itself; those of the LayoutLM kind need the words.
    """

    tasks = ("document-question-answering",)
    needs = ("image", "question")
    options = MappingProxyType({"max_new_tokens": 64})
    auto = "AutoModelForDocumentQuestionAnswering"
    plan = Plan(items=1, window=16, workers=1)

    def open(self) -> None:
        """Models that write their answer load by another class than those that point to it."""
        writes = self.bundle.config.get("model_type") in {"vision-encoder-decoder", "pix2struct"}
        self.auto_used = "AutoModelForImageTextToText" if writes else self.auto
        self.module = hf.load(self, self.auto_used)
        self.processor = processor(self.bundle.folder)

    def answer(self, samples: Sequence[Any], *, max_new_tokens: int = 64, **_: Any) -> Sequence[Any]:
        """An `Answer` for each question."""
        return [self._one(sample, max_new_tokens) for sample in samples]

    def _one(self, sample: Mapping[str, Any], limit: int) -> Answer:
        if self.module.can_generate():
            prompt = f"<s_docvqa><s_question>{sample['question']}</s_question><s_answer>"
            batch = self.processor(
                images=sample["image"], text=prompt, add_special_tokens=False, return_tensors="pt"
            )
            text = self._generated(batch, limit)
            return Answer(text, 1.0)
        return self._pointed(sample)

    def _generated(self, batch: Any, limit: int) -> str:
        inputs = self.tensors(batch)
        prompt = inputs.pop("input_ids", inputs.pop("labels", None))
        ids = self.module.generate(
            pixel_values=inputs["pixel_values"],
            decoder_input_ids=prompt,
            max_new_tokens=limit,
            do_sample=False,
        )
        text: str = self.processor.batch_decode(ids[:, prompt.shape[1] :], skip_special_tokens=True)[0]
        return text.strip()

    def _pointed(self, sample: Mapping[str, Any]) -> Answer:
        words, boxes = sample.get("words"), sample.get("boxes")
        if not words or not boxes or len(words) != len(boxes):
            raise UsageError(
                f"{self.id} reads words, not pixels.",
                'Give "words" and as many "boxes" (left, top, right, bottom in 0..1000), e.g. from an OCR engine.',
            )
        batch = self.processor(
            sample["image"], sample["question"], list(words), boxes=list(boxes), truncation="only_second",
            return_tensors="pt",
        )  # fmt: skip
        outputs = self.module(**self.tensors(batch))
        places = [i for i, part in enumerate(batch.sequence_ids(0)) if part == 1]
        begin = outputs.start_logits[0].float().softmax(-1)[places]
        end = outputs.end_logits[0].float().softmax(-1)[places]
        joint = (begin[:, None] * end[None, :]).triu().tril(15)
        flat = int(joint.argmax())
        first, last = divmod(flat, len(places))
        word_ids = batch.word_ids(0)
        a, b = word_ids[places[first]], word_ids[places[last]]
        return Answer(" ".join(words[a : b + 1]), float(joint.max()), a, b + 1)


class NamedThings(PictureReader):
    """Zero-shot detection: `{"image", "labels"}`, or pictures with the option `labels`.

    Options: `labels` (what to look for), `threshold`.
    """

    auto = "AutoModelForZeroShotObjectDetection"
    tasks = ("zero-shot-object-detection",)
    options = MappingProxyType({"labels": None, "threshold": 0.1})

    def answer(
        self, samples: Sequence[Any], *, labels: Sequence[str] | None = None, threshold: float = 0.1, **_: Any
    ) -> Sequence[Any]:
        """The `Detection`s of each picture, best first."""
        return [self._found(sample["image"], sample.get("labels") or labels, threshold) for sample in samples]

    def judge(self, examples: Examples, **settings: Any) -> Sequence[Any]:
        """All boxes of the labels of the data, the unsure ones too."""
        names = sorted({box.label for boxes in self.targets(examples) for box in boxes})
        return super().judge(examples, **{"labels": names, "threshold": 0.0, **settings})

    def targets(self, examples: Examples) -> Sequence[list[Box]]:
        """The true boxes of each picture."""
        return known_boxes(examples, ())

    def _found(self, picture: Image, labels: Sequence[str] | None, threshold: float) -> list[Detection]:
        import torch

        if not labels or isinstance(labels, str):
            raise UsageError(
                "Zero-shot detection needs the names of what to look for.", 'labels=["cat", "dog"]'
            )
        names = list(labels)
        batch = self.processor(images=picture, text=[names], return_tensors="pt")
        outputs = self.module(**self.tensors(batch))
        size = torch.tensor([(picture.height, picture.width)])
        found = self.processor.post_process_grounded_object_detection(
            outputs=outputs, target_sizes=size, threshold=threshold, text_labels=[names]
        )[0]
        limits = torch.tensor([picture.width, picture.height, picture.width, picture.height])
        boxes = found["boxes"].cpu().clamp(min=0).minimum(limits).tolist()
        rows = zip(found["scores"].tolist(), boxes, found["text_labels"], strict=True)
        return sorted(
            (Detection(name, score, tuple(box)) for score, box, name in rows), key=lambda d: -d.score
        )
