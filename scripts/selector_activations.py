"""Builds zoohub/selector/facts/activations.csv: parameters and layer outputs of untrained networks.

python scripts/selector_activations.py     (needs the extra models)
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import timm
import torch

FILE = Path(__file__).resolve().parents[1] / "zoohub" / "selector" / "facts" / "activations.csv"
NAMES = [
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x4d",
    "resnext101_64x4d", "res2net50_26w_4s", "res2net101_26w_4s", "hrnet_w18", "hrnet_w32", "hrnet_w40",
    "hrnet_w48", "regnetx_004", "regnetx_006", "regnetx_008", "regnetx_016", "regnetx_032", "regnetx_040",
    "regnety_032", "convnext_tiny", "convnext_small", "convnext_base", "convnext_large",
    "swin_tiny_patch4_window7_224", "swin_small_patch4_window7_224", "swin_base_patch4_window7_224",
    "swin_large_patch4_window7_224", "resnest50d", "resnest101e", "mobilenetv2_100",
    "mobilenetv3_large_100", "efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3",
    "efficientnet_b4", "vgg16", "darknet53", "cspdarknet53", "pvt_v2_b0", "pvt_v2_b1", "pvt_v2_b2",
    "densenet121", "densenet169", "densenet201", "inception_v3",
]  # fmt: skip


def main() -> None:
    with FILE.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(("name", "parameters", "outputs"))
        for name in NAMES:
            writer.writerow((re.sub(r"_patch4_window7_224$", "", name), *counts(name)))


def counts(name: str) -> tuple[int, int]:
    """Parameters, and numbers that all layers put out for one picture of 224 x 224."""
    network = timm.create_model(name, pretrained=False).eval()
    found = 0

    def count(_: Any, __: Any, output: Any) -> None:
        nonlocal found
        found += output.numel() if isinstance(output, torch.Tensor) else 0

    for module in network.modules():
        if not list(module.children()) and not isinstance(module, torch.nn.Identity | torch.nn.Dropout):
            module.register_forward_hook(count)
    with torch.inference_mode():
        network(torch.zeros(1, 3, 224, 224))
    return sum(p.numel() for p in network.parameters()), found


if __name__ == "__main__":
    main()
