"""Known image networks: how many numbers their layers put out, which is what training has to keep.

`facts/activations.csv` counts parameters and layer outputs at 224 x 224 (scripts/selector_activations.py). The
constants of `detector_memory` are fitted to training memory that mmdet publishes (benchmarks/footprint.py).
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache

from zoohub.selector.facts import FOLDER

GIB = 2**30
SIDE = 224 * 224  # pixels at which outputs are counted
KEPT = 0.67  # of the layer outputs, bytes that training keeps: in-place layers share, frozen stages keep none
BASE = 1.1 * GIB  # of a detector: weights, optimizer, neck, libraries
DETECTED = 2 * 800 * 1216  # pixels of the usual batch of a detector on one GPU
MASKS, STAGES = (
    0.89 * GIB,
    1.15 * GIB,
)  # of a head for masks, of a cascade's further heads, at DETECTED pixels

# how names spell networks; the first match in a name counts
_SPELLED = (
    (r"x101.{0,3}64x4d", "resnext101_64x4d"), (r"x101.{0,3}32x[48]d", "resnext101_32x4d"),
    (r"x50.{0,3}32x4d", "resnext50_32x4d"), (r"r2.?101|res2net.?101", "res2net101_26w_4s"),
    (r"r2.?50|res2net.?50", "res2net50_26w_4s"), (r"resnest.?101|(?<!\w)s101", "resnest101e"),
    (r"resnest.?50|(?<!\w)s50", "resnest50d"), (r"hrnet\w*[-_]w(18|32|40|48)", "hrnet_w{}"),
    (r"regnetx-400", "regnetx_004"), (r"regnetx-800", "regnetx_008"), (r"regnetx-1\.6", "regnetx_016"),
    (r"regnetx-3\.2", "regnetx_032"), (r"regnetx-4", "regnetx_040"), (r"regnet([xy]_\d{3})", "regnet{}"),
    (r"convnext[-_]t", "convnext_tiny"), (r"convnext[-_]s", "convnext_small"), (r"convnext[-_]b", "convnext_base"),
    (r"convnext[-_]l", "convnext_large"), (r"swin[-_]t", "swin_tiny"), (r"swin[-_]s", "swin_small"),
    (r"swin[-_]b", "swin_base"), (r"swin[-_]l", "swin_large"),
    (r"(?:resnet-?|(?<![a-z0-9])r)(18|34|50|101|152)(?!\d)", "resnet{}"),
    (r"efficientnet[-_](b[0-4])", "efficientnet_{}"), (r"mobilenet_?v2", "mobilenetv2_100"),
    (r"mobilenet_?v3.large", "mobilenetv3_large_100"), (r"densenet(121|169|201)", "densenet{}"),
    (r"cspdarknet", "cspdarknet53"), (r"darknet53|(?<!\w)d53", "darknet53"), (r"vgg-?16|ssd\d00", "vgg16"),
    (r"pvt_?v2[-_](b[012])", "pvt_v2_{}"), (r"inception[-_]v3", "inception_v3"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Backbone:
    """A network: its parameters, and the numbers its layers put out for one picture of 224 x 224."""

    name: str
    parameters: int
    outputs: int

    def kept(self, pixels: float, width: float = 4.0) -> float:
        """Bytes that training keeps of one picture of `pixels` at `width` bytes a number."""
        return KEPT * width * self.outputs * pixels / SIDE


@cache
def known() -> dict[str, Backbone]:
    """Name -> network."""
    with (FOLDER / "activations.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    return {r["name"]: Backbone(r["name"], int(r["parameters"]), int(r["outputs"])) for r in rows}


def of(model: str) -> Backbone | None:
    """The network that a model's name spells, or None."""
    name = model.rsplit("/", 1)[-1].lower()
    found = [(match.start(), place, match, spelled) for place, (pattern, spelled) in enumerate(_SPELLED)
             if (match := re.search(pattern, name))]  # fmt: skip
    if not found:
        return None
    _, _, match, spelled = min(found, key=lambda one: one[:2])
    return known().get(spelled.format(*match.groups()))


def detector_memory(
    model: str, *, batch: int = 2, pixels: float = 800 * 1216, half: bool = False
) -> float | None:
    """Bytes of training a detector whose name spells its network; None where it does not."""
    network = of(model)
    if network is None:
        return None
    share = batch * pixels / DETECTED
    masks = bool(re.search(r"mask|htc|solo|point_rend", model))
    stages = bool(re.search(r"cascade|htc|detectors", model))
    heads = (MASKS * masks + STAGES * stages) * share
    return BASE + batch * network.kept(pixels, 2.0 if half else 4.0) + heads
