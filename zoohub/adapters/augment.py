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

    count, _, height, width = pixels.shape
    mirrored = torch.rand(count) < 0.5
    down, right = max(1, height // SHIFT), max(1, width // SHIFT)
    tops = torch.randint(0, 2 * down + 1, (count,)).tolist()
    lefts = torch.randint(0, 2 * right + 1, (count,)).tolist()
    larger = torch.nn.functional.pad(pixels, (right, right, down, down), mode="reflect")
    moved = torch.stack([
        one[:, top : top + height, left : left + width]
        for one, top, left in zip(larger, tops, lefts, strict=True)
    ])  # fmt: skip
    return torch.where(mirrored.to(pixels.device)[:, None, None, None], moved.flip(3), moved)
