"""Pictures shown a little differently each time they are trained on, so that they are not learned by heart."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

SHIFT = 8  # a picture is moved by up to its size divided by this


def augmented(pixels: torch.Tensor) -> torch.Tensor:
    """Half of the pictures `(n, 3, h, w)` mirrored left to right, each moved a little, by torch's own random numbers.

    What a move uncovers is filled with the mirrored edge.
    """
    import torch
    from torchvision.transforms import v2

    height, width = pixels.shape[-2:]
    around = [max(1, width // SHIFT), max(1, height // SHIFT)]
    show = v2.Compose([
        v2.RandomCrop((height, width), padding=around, padding_mode="reflect"), v2.RandomHorizontalFlip(),
    ])  # fmt: skip
    return torch.stack([show(one) for one in pixels])
