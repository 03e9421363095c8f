"""Detection, segmentation, depth and zero-shot labels of pictures, through transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from zoohub.adapters import hf
from zoohub.adapters.base import Model
from zoohub.adapters.data import Examples, some
from zoohub.adapters.heads import classification
from zoohub.adapters.images import read_image
from zoohub.adapters.inference import Plan
from zoohub.adapters.results import Depth, Detection, Mask
from zoohub.adapters.seeing import LearnsBoxes, LearnsMasks
from zoohub.adapters.sight_measures import ALIGNMENTS, aligned
from zoohub.adapters.targets import Box, boxes_of, grid_of
from zoohub.errors import DataError, InputError, UsageError

if TYPE_CHECKING:
    from zoohub.adapters.bundle import Bundle


class Sights(Model):
    """What these tasks share: pictures go through the model's own processor, answers back to their size."""

    auto: ClassVar[str] = ""
    plan = Plan(items=4, window=64, workers=2)
    processor: Any = None

    def open(self) -> None:
        """Load module and processor from the folder."""
        self.module = hf.load(self, self.auto)
        self.processor = hf.image_processor(self.bundle.folder)
        self.labels = hf.labels(self.module.config) if self.auto != "AutoModelForDepthEstimation" else ()

    def prepare(self, item: Any) -> Any:
        """The picture, upright and in RGB."""
        return read_image(item)

    def answer(self, samples: Sequence[Any], **options: Any) -> Sequence[Any]:
        """One answer a picture. Only pictures that come to one size share a batch: padding would change the answers."""
        import torch

        ready = [self.tensors(sample) for sample in samples]
        alike: dict[Any, list[int]] = {}
        for place, batch in enumerate(ready):
            alike.setdefault(batch["pixel_values"].shape, []).append(place)
        found: list[Any] = [None] * len(samples)
        for places in alike.values():
            batch = {name: torch.cat([ready[i][name] for i in places]) for name in ready[places[0]]}
            sizes = [(samples[i].height, samples[i].width) for i in places]
            for place, answer in zip(
                places, self.seen(self.module(**batch), sizes, batch, **options), strict=True
            ):
                found[place] = answer
        return found

    def seen(
        self, out: Any, sizes: Sequence[tuple[int, int]], batch: Mapping[str, Any], **options: Any
    ) -> Sequence[Any]:
        """The answers for a batch, out of what the module says of it; `sizes` are (height, width) of the pictures."""
        raise NotImplementedError

    def tensors(self, picture: Any) -> dict[str, Any]:
        """A picture as the module takes it, as a batch of one."""
        batch = self.processor(images=[picture], return_tensors="pt")
        kind = next(self.module.parameters()).dtype
        return {
            name: value.to(self.device, kind) if value.is_floating_point() else value.to(self.device)
            for name, value in batch.items()
            if hasattr(value, "to")
        }

    def write(self, folder: Path) -> None:
        """As `save_pretrained` does."""
        self.module.save_pretrained(folder)
        self.processor.save_pretrained(folder)


class Detector(LearnsBoxes, Sights):
    """Boxes around things."""

    tasks = ("object-detection",)
    auto = "AutoModelForObjectDetection"
    options: ClassVar[Mapping[str, Any]] = {"threshold": 0.5}

    def judge(self, examples: Examples, **settings: Any) -> Sequence[Any]:
        """All boxes, the unsure ones too: average precision is over all thresholds."""
        return super().judge(examples, **{"threshold": 0.0, **settings})

    def targets(self, examples: Examples) -> Sequence[list[Box]]:
        """The true boxes of each picture."""
        return known_boxes(examples, self.labels)

    def seen(
        self, out: Any, sizes: Sequence[Any], batch: Mapping[str, Any], *, threshold: float = 0.5, **_: Any
    ) -> Sequence[Any]:
        """The `Detection`s of each picture, the surest first."""
        found = self.processor.post_process_object_detection(out, threshold=threshold, target_sizes=sizes)
        return [self._detections(each) for each in found]

    def _detections(self, found: Mapping[str, Any]) -> list[Detection]:
        rows = zip(found["scores"].tolist(), found["labels"].tolist(), found["boxes"].tolist(), strict=True)
        made = [Detection(self.labels[label], score, tuple(box)) for score, label, box in rows]
        return sorted(made, key=lambda detection: -detection.score)


def known_boxes(examples: Examples, labels: Sequence[str]) -> list[list[Box]]:
    """The true boxes of each picture, their labels among `labels` (any, where there are none).

    Raises:
        DataError: there are others; the message names them.
    """
    found = [boxes_of(target, labels) for target in examples.targets]
    if labels:
        require_known({box.label for boxes in found for box in boxes}, labels)
    return found


def require_known(found: set[str], labels: Sequence[str]) -> None:
    """Refuse labels of the data that the model cannot give.

    Raises:
        DataError: there are some; the message names them.
    """
    if strange := sorted(found - set(labels)):
        raise DataError(
            f"The model does not know {len(strange)} of the labels: {some(strange)}.",
            f"It knows: {some(labels, 8)}. Fine-tune it on your labels first.",
        )


class Segmenter(LearnsMasks, Sights):
    """The class of each pixel: one mask for each class that is there."""

    tasks = ("image-segmentation",)
    auto = "AutoModelForSemanticSegmentation"

    @classmethod
    def variant(cls, bundle: Bundle) -> type[Model]:
        """Models of single things say so in the name of their architecture."""
        from zoohub.adapters.instances import InstanceSegmenter

        names = tuple(bundle.config.get("architectures") or ())
        of_things = ("ForUniversalSegmentation", "ForInstanceSegmentation", "DetrForSegmentation")
        return InstanceSegmenter if any(name.endswith(of_things) for name in names) else cls

    def targets(self, examples: Examples) -> Sequence[Any]:
        """The number of each pixel's class `(height, width)`, counted as the model's own processor counts them."""
        return [self.class_numbers(grid_of(target)) for target in examples.targets]

    def seen(self, out: Any, sizes: Sequence[Any], batch: Mapping[str, Any], **_: Any) -> Sequence[Any]:
        """The `Mask`s of each picture, the largest first; the score is the mean over its pixels."""
        import torch

        results = []
        for logits, size in zip(out.logits.float(), sizes, strict=True):
            full = torch.nn.functional.interpolate(
                logits[None], size=size, mode="bilinear", align_corners=False
            )[0]
            scores, classes = full.softmax(0).max(0)
            masks = [
                Mask(self.labels[i], float(scores[classes == i].mean()), (classes == i).cpu().numpy())
                for i in sorted(set(classes.flatten().tolist()))
            ]
            results.append(sorted(masks, key=lambda mask: -int(mask.mask.sum())))
        return results


class DepthSeer(Sights):
    """How far each pixel is.

    Models of relative depth say which pixel is nearer than which, by inverse depth of unknown scale and shift.
    `evaluate(align=...)` fits what is unknown to the true depth of each picture first: "disparity" (scale and shift of
    inverse depth), "affine" (of depth), "scale" (ratio of medians), "none", or "auto": "disparity" for models that are
    known to be of that kind, else "none".
    """

    tasks = ("depth-estimation",)
    auto = "AutoModelForDepthEstimation"
    _relative = frozenset({"dpt", "depth_anything"})

    def judge(self, examples: Examples, *, align: str = "auto", **settings: Any) -> Sequence[Any]:
        """Depths that are aligned with the true ones where the model's own are relative."""
        way = self._alignment(align)
        found = super().judge(examples, **settings)
        if way == "none":
            return found
        return [
            Depth(aligned(each.depth, true, way)) if isinstance(each, Depth) else each
            for each, true in zip(found, self.targets(examples), strict=True)
        ]

    def conditions(self, *, align: str = "auto", **_: Any) -> tuple[str, ...]:
        """How depths were aligned."""
        way = self._alignment(align)
        return () if way == "none" else (f"aligned by {way}",)

    def _alignment(self, align: str) -> str:
        if align not in ("auto", "none", *ALIGNMENTS):
            raise UsageError(
                f"There is no alignment {align!r}.", f"There are: auto, none, {', '.join(ALIGNMENTS)}."
            )
        if align != "auto":
            return align
        config = self.module.config
        metric = getattr(config, "depth_estimation_type", "relative") == "metric"
        return "disparity" if config.model_type in self._relative and not metric else "none"

    def targets(self, examples: Examples) -> Sequence[Any]:
        """The true depth of each pixel."""
        return [grid_of(target) for target in examples.targets]

    def seen(self, out: Any, sizes: Sequence[Any], batch: Mapping[str, Any], **_: Any) -> Sequence[Any]:
        """A `Depth` for each picture, in its size."""
        import torch

        results = []
        for depth, size in zip(out.predicted_depth.float(), sizes, strict=True):
            full = torch.nn.functional.interpolate(
                depth[None, None], size=size, mode="bicubic", align_corners=False
            )
            results.append(Depth(full[0, 0].cpu().numpy()))
        return results


class ZeroShotImages(Sights):
    """Labels that were never trained, compared with the picture in one space: `labels=[...]`."""

    tasks = ("zero-shot-image-classification",)
    auto = "AutoModelForZeroShotImageClassification"
    options: ClassVar[Mapping[str, Any]] = {"labels": (), "template": "a photo of {}."}
    embeds = True

    def open(self) -> None:
        """Load module, tokenizer and processor from the folder."""
        super().open()
        self.labels = ()
        self.tokenizer = hf.tokenizer(self.bundle.folder)

    def answer(
        self, samples: Sequence[Any], *, labels: Sequence[str] = (), template: str = "{}", **_: Any
    ) -> Sequence[Any]:
        """How well each label fits."""
        if not labels:
            raise InputError("Zero-shot classification needs labels.", "Give them: labels=['cat', 'dog'].")
        texts = self.tokenizer(
            [template.format(label) for label in labels], padding=True, return_tensors="pt"
        )
        pixels = self.processor(images=list(samples), return_tensors="pt")["pixel_values"].to(self.device)
        out = self.module(
            **{name: value.to(self.device) for name, value in texts.items()}, pixel_values=pixels
        )
        return classification(out.logits_per_image, list(labels), len(labels))

    def judge(self, examples: Examples, **settings: Any) -> Sequence[Any]:
        """Answers among the labels of the data, where no others are named."""
        return super().judge(examples, **{"labels": examples.labels, **settings})

    def features(self, samples: Sequence[Any]) -> Any:
        """The pictures in the space that they share with texts."""
        pixels = self.processor(images=list(samples), return_tensors="pt")["pixel_values"].to(self.device)
        found = self.module.get_image_features(pixel_values=pixels)
        return getattr(found, "pooler_output", found).float().cpu().numpy()

    def write(self, folder: Path) -> None:
        """As `save_pretrained` does."""
        super().write(folder)
        self.tokenizer.save_pretrained(folder)
