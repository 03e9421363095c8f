"""Segmentation into single things: the Mask2Former, MaskFormer and DETR kind, which answers with a mask a thing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from zoohub.adapters.data import Examples
from zoohub.adapters.results import Mask
from zoohub.adapters.sights import Segmenter
from zoohub.errors import UsageError

KINDS = ("instance", "panoptic", "semantic")


class InstanceSegmenter(Segmenter):
    """One mask for each thing; or one for each class, as other segmenters give.

    Options: `kind` ("instance": things; "panoptic": things and what lies around them; "semantic": classes),
    `threshold` (how sure a thing must be; not for classes).
    """

    strategies = ()
    auto = "AutoModelForUniversalSegmentation"
    options: ClassVar[Mapping[str, Any]] = {"kind": "instance", "threshold": 0.5}

    def judge(self, examples: Examples, **settings: Any) -> Sequence[Any]:
        """The class of each pixel, which is what mIoU is about."""
        return super().judge(examples, **{"kind": "semantic", **settings})

    def answer(
        self, samples: Sequence[Any], *, kind: str = "instance", threshold: float = 0.5, **_: Any
    ) -> Sequence[Any]:
        """The `Mask`s of each picture, the largest first; of classes the score is 1, for the model says none.

        Raises:
            UsageError: a kind that does not exist.
        """
        if kind not in KINDS:
            raise UsageError(f"{kind!r} is no kind of segmentation.", f"There are: {', '.join(KINDS)}.")
        out, sizes = self.outputs(samples)
        if kind == "semantic":
            maps = self.processor.post_process_semantic_segmentation(out, target_sizes=sizes)
            return [_largest_first(self._classes(each)) for each in maps]
        post_process = getattr(self.processor, f"post_process_{kind}_segmentation")
        found = post_process(out, threshold=threshold, target_sizes=sizes)
        return [_largest_first(self._things(each)) for each in found]

    def _classes(self, numbers: Any) -> list[Mask]:
        return [
            Mask(self.labels[i], 1.0, (numbers == i).cpu().numpy())
            for i in sorted(set(numbers.flatten().tolist()))
        ]

    def _things(self, found: Mapping[str, Any]) -> list[Mask]:
        place = found["segmentation"]
        masks = [
            Mask(self.labels[thing["label_id"]], float(thing["score"]), (place == thing["id"]).cpu().numpy())
            for thing in found["segments_info"]
        ]
        return [mask for mask in masks if mask.mask.any()]  # one may lie wholly under a surer one


def _largest_first(masks: list[Mask]) -> list[Mask]:
    return sorted(masks, key=lambda mask: -int(mask.mask.sum()))
