"""How detectors and segmenters learn: true boxes and masks, brought to the form of transformers' own losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from zoohub.adapters import hf
from zoohub.adapters.base import Model
from zoohub.adapters.images import read_image, size_of
from zoohub.adapters.targets import are_things, boxes_of, grid_of, things_of
from zoohub.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from zoohub.adapters.data import Examples
    from zoohub.adapters.targets import Thing

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

    def class_numbers(self, grid: NDArray[np.generic]) -> NDArray[np.generic]:
        """The number of each pixel's class, counted as the model's own processor counts them."""
        reduced = getattr(self.processor, "do_reduce_labels", False)
        return grid.astype(int) - 1 if reduced else grid  # then 0 is the background, which is not learned

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


class LearnsThings(LearnsMasks):
    """Single things with a mask each, or, where the data have a class a pixel, each class as one thing."""

    def target_labels(self, examples: Examples) -> tuple[str, ...]:
        """The names of the things; the model's own order where they are the same."""
        if not any(are_things(target) for target in examples.targets):
            return super().target_labels(examples)
        found = {thing.label for pair in examples for thing in self._things(*pair)}
        if not found:
            raise DataError(
                f"{examples.name} has no thing.", "A segmenter learns from things that are there."
            )
        return self.labels if found <= set(self.labels) else tuple(sorted(found))

    def _things(self, item: Any, target: Any) -> list[Thing]:
        return things_of(target, size_of(item), self.labels)

    def learn(self, item: Any, target: Any) -> list[dict[str, Any]]:
        """One picture with a mask a thing, bool `(height, width)`, and the numbers of their classes."""
        import numpy as np

        if not are_things(target):
            (row,) = super().learn(item, target)
            numbers = self.class_numbers(row["mask"])
            classes = [i for i in np.unique(numbers).tolist() if 0 <= i < len(self.labels)]
            return [{"image": row["image"], "masks": [numbers == i for i in classes], "classes": classes}]
        things = self._things(item, target)
        classes = [self.labels.index(thing.label) for thing in things]
        return [{"image": read_image(item), "masks": [thing.mask for thing in things], "classes": classes}]

    def collate(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """`pixel_values`, `pixel_mask`, and masks with classes as the architecture's own loss takes them."""
        import torch

        batch = dict(self.processor(images=[row["image"] for row in rows], return_tensors="pt"))
        whole = batch["pixel_values"].shape[-2:]
        seen = batch.get("pixel_mask", torch.ones(len(rows), *whole))
        masks = [_beneath(row["masks"], area) for row, area in zip(rows, seen, strict=True)]
        classes = [torch.tensor(row["classes"], dtype=torch.long) for row in rows]
        if self.module.config.model_type != "detr":
            return {**batch, "mask_labels": masks, "class_labels": classes}
        pairs = zip(masks, classes, strict=True)
        return {**batch, "labels": [{"masks": m, "class_labels": c, "boxes": _around(m)} for m, c in pairs]}


def seen_size(area: torch.Tensor) -> tuple[int, int]:
    """(height, width) of the part of a padded picture `(height, width)` that is no padding."""
    return int(area.any(1).sum()), int(area.any(0).sum())


def _beneath(masks: Sequence[NDArray[np.bool_]], area: torch.Tensor) -> torch.Tensor:
    """Masks brought to where their resized and padded picture lies: float `(things, height, width)`."""
    import torch

    height, width = seen_size(area)
    placed = torch.zeros(len(masks), *area.shape)
    if masks:
        placed[:, :height, :width] = _resized(
            [mask.astype("uint8") for mask in masks], (height, width)
        ).float()
    return placed


def _around(masks: torch.Tensor) -> torch.Tensor:
    """The boxes of masks `(things, height, width)` as (middle x, middle y, width, height), shares of the whole."""
    import torch

    height, width = masks.shape[-2:]
    boxes = torch.zeros(len(masks), 4)
    for box, mask in zip(boxes, masks, strict=True):
        y, x = torch.nonzero(mask, as_tuple=True)
        if len(y):
            left, right, top, bottom = (
                x.min() / width,
                (x.max() + 1) / width,
                y.min() / height,
                (y.max() + 1) / height,
            )
            box[:] = torch.stack([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top])
    return boxes


def _resized(masks: Sequence[NDArray[np.uint8]], size: tuple[int, ...]) -> torch.Tensor:
    """Masks at `size`, each pixel taking the number of the nearest, for processors that know pictures only."""
    import torch

    scaled = [
        torch.nn.functional.interpolate(torch.from_numpy(mask)[None, None].float(), size=size, mode="nearest")
        for mask in masks
    ]
    return torch.cat(scaled)[:, 0].long()
