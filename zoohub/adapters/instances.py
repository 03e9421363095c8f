"""Segmentation into single things: the Mask2Former, MaskFormer and DETR kind, which answers with a mask a thing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from zoohub.adapters.data import Examples
from zoohub.adapters.images import size_of
from zoohub.adapters.outlines import runs_of
from zoohub.adapters.results import Failed, Mask
from zoohub.adapters.seeing import LearnsThings, seen_size
from zoohub.adapters.sights import Segmenter, require_known
from zoohub.adapters.targets import Thing, are_things, things_of
from zoohub.errors import UsageError

if TYPE_CHECKING:
    import torch

KINDS = ("instance", "panoptic", "semantic")
MOST = 100  # things of one picture that are looked at when they are measured, as COCO does
_ONE_A_QUERY = frozenset({"mask2former", "maskformer", "detr"})  # each query is one thing: a class and a mask


class InstanceSegmenter(LearnsThings, Segmenter):
    """One mask for each thing; or one for each class, as other segmenters give.

    Options: `kind` ("instance": things, which may overlap; "panoptic": things and what lies around them; "semantic":
    classes), `threshold` (how sure a thing must be; not for classes). Architectures other than those named above
    answer, and do not learn.
    """

    auto = "AutoModelForUniversalSegmentation"
    options: ClassVar[Mapping[str, Any]] = {"kind": "instance", "threshold": 0.5}

    def open(self) -> None:
        """Load module and processor from the folder."""
        super().open()
        if not self._one_a_query:
            self.strategies = ()  # type: ignore[misc]

    @property
    def _one_a_query(self) -> bool:
        return self.module.config.model_type in _ONE_A_QUERY

    def judge(self, examples: Examples, **settings: Any) -> Sequence[Any]:
        """Where the data have things: each as a `Thing`, the unsure ones too, for average precision is over all
        thresholds. Else the class of each pixel, which is what mIoU is about."""
        if not any(are_things(target) for target in examples.targets):
            return super().judge(examples, **{"kind": "semantic", **settings})
        chosen = {"kind": "instance", "threshold": 0.0, **settings}
        found = self.predict(iter(examples.inputs), **chosen)
        return [
            each if isinstance(each, Failed) else [_packed(mask) for mask in _surest(each)] for each in found
        ]

    def targets(self, examples: Examples) -> Sequence[Any]:
        """The true things of each picture, or the number of each pixel's class."""
        if not any(are_things(target) for target in examples.targets):
            return super().targets(examples)
        found = [things_of(target, size_of(item), self.labels) for item, target in examples]
        require_known({thing.label for things in found for thing in things}, self.labels)
        return found

    def seen(
        self, out: Any, sizes: Sequence[Any], batch: Mapping[str, Any], *, kind: str = "instance",
        threshold: float = 0.5, **_: Any,
    ) -> Sequence[Any]:  # fmt: skip
        """The `Mask`s of each picture, the largest first; of classes the score is 1, for the model says none.

        Raises:
            UsageError: a kind that does not exist.
        """
        if kind not in KINDS:
            raise UsageError(f"{kind!r} is no kind of segmentation.", f"There are: {', '.join(KINDS)}.")
        if kind == "instance" and self._one_a_query:
            return self._found(out, sizes, batch, threshold)
        sizes = list(sizes)
        if kind == "semantic":
            maps = self.processor.post_process_semantic_segmentation(out, target_sizes=sizes)
            return [_largest_first(self._classes(each)) for each in maps]
        post_process = getattr(self.processor, f"post_process_{kind}_segmentation")
        more: dict[str, Any] = {"label_ids_to_fuse": set()} if kind == "panoptic" else {}
        found = post_process(out, threshold=threshold, target_sizes=sizes, **more)
        return [_largest_first(self._segments(each)) for each in found]

    def _found(
        self, out: Any, sizes: Sequence[Any], batch: Mapping[str, Any], threshold: float
    ) -> list[list[Mask]]:
        """Things by their queries, as the architectures' authors evaluate them: masks are brought back to their picture
        without its padding, and a thing is as sure as its class times the mean of its pixels."""
        of_detr = hasattr(out, "pred_masks")
        scores = out.logits if of_detr else out.class_queries_logits
        masks = out.pred_masks if of_detr else out.masks_queries_logits
        areas = batch.get("pixel_mask", [None] * len(sizes))
        rows = zip(sizes, scores.float().softmax(-1)[..., :-1], masks.float(), areas, strict=True)
        return [_largest_first(self._of_queries(*row, threshold)) for row in rows]

    def _of_queries(
        self,
        size: tuple[int, int],
        scores: torch.Tensor,
        masks: torch.Tensor,
        area: torch.Tensor | None,
        threshold: float,
    ) -> list[Mask]:
        """The things of one picture: `scores` `(queries, classes)`, `masks` `(queries, height, width)` as logits."""
        import torch

        if area is not None:
            height, width = (
                max(1, round(mask * seen / whole))
                for mask, seen, whole in zip(masks.shape[-2:], seen_size(area), area.shape, strict=True)
            )
            masks = masks[:, :height, :width]
        best, places = scores.flatten().topk(min(MOST, scores.numel()))
        kept = best >= threshold
        found = []
        for score, place in zip(best[kept].tolist(), places[kept].tolist(), strict=True):
            query, label = divmod(place, scores.shape[1])
            whole = torch.nn.functional.interpolate(
                masks[query][None, None],
                size,
                mode="bilinear",
                align_corners=False,
            )[0, 0]
            inside = whole > 0
            sure = score * float(whole[inside].sigmoid().mean()) if inside.any() else 0.0
            if sure > 0 and sure >= threshold:
                found.append(Mask(self.labels[label], sure, inside.cpu().numpy()))
        return found

    def _classes(self, numbers: Any) -> list[Mask]:
        return [
            Mask(self.labels[i], 1.0, (numbers == i).cpu().numpy())
            for i in sorted(set(numbers.flatten().tolist()))
        ]

    def _segments(self, found: Mapping[str, Any]) -> list[Mask]:
        place = found["segmentation"]
        masks = [
            Mask(self.labels[thing["label_id"]], float(thing["score"]), (place == thing["id"]).cpu().numpy())
            for thing in found["segments_info"]
        ]
        return [mask for mask in masks if mask.mask.any()]  # one may lie wholly under a surer one


def _largest_first(masks: list[Mask]) -> list[Mask]:
    return sorted(masks, key=lambda mask: -int(mask.mask.sum()))


def _surest(masks: Sequence[Mask]) -> list[Mask]:
    return sorted(masks, key=lambda mask: -mask.score)[:MOST]


def _packed(mask: Mask) -> Thing:
    return Thing(mask.label, runs_of(mask.mask), mask.mask.shape, mask.score)
