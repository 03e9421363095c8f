"""How detectors and segmenters learn: true boxes and masks, brought to the form of transformers' own losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from zoohub.adapters import hf
from zoohub.adapters.base import Model
from zoohub.adapters.images import read_image
from zoohub.adapters.targets import boxes_of, grid_of
from zoohub.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from zoohub.adapters.data import Examples

IGNORED = 255  # a pixel of this number is of no class


class Learner(Model):
    """What both share: a fresh copy with a new head, and rows that are read when they are needed."""

    strategies: ClassVar[tuple[str, ...]] = ("lora", "full")
    lazy = True
    auto: ClassVar[str] = ""
    processor: Any = None

    def relabel(self, labels: Sequence[str]) -> Self:
        """The same weights with a new head for `labels`."""
        fresh = type(self)(self.bundle, self.task, device=self.device)
        fresh.module = hf.load(fresh, self.auto, labels=labels)
        fresh.processor = hf.image_processor(self.bundle.folder)
        fresh.labels = hf.labels(fresh.module.config)
        return fresh


class LearnsBoxes(Learner):
    """Detection: boxes in COCO's form, which the processor scales with the picture."""

    def target_labels(self, examples: Examples) -> tuple[str, ...]:
        """The names of the things; the model's own order where they are the same."""
        found = {box.label for target in examples.targets for box in boxes_of(target, self.labels)}
        if not found:
            raise DataError(f"{examples.name} has no box.", "A detector learns from things that are there.")
        return self.labels if found <= set(self.labels) else tuple(sorted(found))

    def learn(self, item: Any, target: Any) -> list[dict[str, Any]]:
        """One picture with its boxes as (x, y, width, height) and numbers of their classes."""
        boxes = [
            {"bbox": [left, top, right - left, bottom - top], "area": (right - left) * (bottom - top),
             "category_id": self.labels.index(label), "iscrowd": 0}
            for label, (left, top, right, bottom) in boxes_of(target, self.labels)
        ]  # fmt: skip
        return [{"image": read_image(item), "boxes": boxes}]

    def collate(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """`pixel_values`, `pixel_mask` where pictures differ in size, and `labels`, a dict a picture."""
        said = [{"image_id": place, "annotations": row["boxes"]} for place, row in enumerate(rows)]
        batch = self.processor(images=[row["image"] for row in rows], annotations=said, return_tensors="pt")
        return dict(batch)


class LearnsMasks(Learner):
    """Semantic segmentation: the number of each pixel's class."""

    def target_labels(self, examples: Examples) -> tuple[str, ...]:
        """The model's own names where there are as many classes in the masks, else their numbers."""
        top = max(self._highest(grid_of(target)) for target in examples.targets)
        reduced = bool(getattr(self.processor, "do_reduce_labels", False))
        numbers = range(int(reduced), top + 1)
        if len(numbers) < 2:
            raise DataError(f"The masks of {examples.name} hold one class only.", "Check the mask column.")
        return self.labels if len(numbers) == len(self.labels) else tuple(str(i) for i in numbers)

    def _highest(self, grid: NDArray[np.generic]) -> int:
        inside = grid[grid != IGNORED]
        return int(inside.max()) if inside.size else 0

    def learn(self, item: Any, target: Any) -> list[dict[str, Any]]:
        """One picture with its mask.

        Raises:
            DataError: they differ in size.
        """
        picture, mask = read_image(item), grid_of(target).astype("uint8")
        if (picture.height, picture.width) != mask.shape:
            raise DataError(
                f"A picture of {picture.width} x {picture.height} pixels has a mask of "
                f"{mask.shape[1]} x {mask.shape[0]}.",
                "Masks have the size of their pictures.",
            )
        return [{"image": picture, "mask": mask}]

    def collate(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """`pixel_values` and `labels` `(n, height, width)`."""
        import inspect

        given: dict[str, Any] = {"images": [row["image"] for row in rows], "return_tensors": "pt"}
        masks = [row["mask"] for row in rows]
        if "segmentation_maps" in inspect.signature(self.processor.preprocess).parameters:
            batch = self.processor(**given, segmentation_maps=masks)
            return {"pixel_values": batch["pixel_values"], "labels": batch["labels"].long()}
        pixels = self.processor(**given)["pixel_values"]
        return {"pixel_values": pixels, "labels": _resized(masks, tuple(pixels.shape[-2:]))}


def _resized(masks: Sequence[NDArray[np.uint8]], size: tuple[int, ...]) -> torch.Tensor:
    """Masks at `size`, each pixel taking the number of the nearest, for processors that know pictures only."""
    import torch

    scaled = [
        torch.nn.functional.interpolate(torch.from_numpy(mask)[None, None].float(), size=size, mode="nearest")
        for mask in masks
    ]
    return torch.cat(scaled)[:, 0].long()
