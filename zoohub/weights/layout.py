"""A bare state dict gets the folder that its library loads: configuration and tensor names.

What to make of it stands in the record's `config`:
    layout          "timm" | "transformers"
    architecture    timm: the model's name, for example "mobilenetv2_100"
    pretrained_cfg  timm: input_size, mean, std, interpolation, crop_pct ...
    num_classes     timm: how many labels; 1000 of ImageNet get their names
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoohub.errors import MissingDependency, WeightsError
from zoohub.weights.convert import Converted
from zoohub.weights.formats import safetensors

WEIGHTS = "model.safetensors"
_INPUT = (
    "input_size", "interpolation", "crop_pct", "crop_mode", "mean", "std", "pool_size", "first_conv",
    "classifier",
)  # fmt: skip


def timm_folder(converted: Converted, config: Mapping[str, Any], target: Path) -> dict[str, bytes]:
    """Write the tensors to `target` under timm's names; returns the other files of the folder.

    The tensors are matched in order by shape: the architectures are the same, only the names differ.

    Raises:
        WeightsError: number or shapes of the tensors are not those of the architecture.
    """
    architecture = config["architecture"]
    shapes, known = _architecture(architecture, int(config.get("num_classes", 1000)))
    ours = [name for name in converted.names if not name.endswith("num_batches_tracked")]
    theirs = [name for name in shapes if not name.endswith("num_batches_tracked")]
    names = dict(zip(ours, theirs, strict=False))
    wrong = next((old for old, new in names.items() if converted.shapes[old] != shapes[new]), None)
    if len(ours) != len(theirs) or wrong:
        detail = (
            f"{len(ours)} tensors for {len(theirs)}"
            if wrong is None
            else f"{wrong!r} does not fit {names[wrong]!r}"
        )
        raise WeightsError(f"The weights are not those of timm's {architecture}: {detail}.")
    safetensors.rename(converted.path, target, names, {"format": "pt"})
    return {"config.json": _timm_config(config, known)}


def _architecture(name: str, classes: int) -> tuple[dict[str, tuple[int, ...]], dict[str, Any]]:
    """Names and shapes of the architecture's tensors, in its order, and what it says of its input."""
    try:
        import timm
        import torch
    except ImportError as error:
        raise MissingDependency("timm", "models") from error
    try:
        with torch.device("meta"):
            model = timm.create_model(name, pretrained=False, num_classes=classes)
    except RuntimeError as error:
        raise WeightsError(
            f"timm knows no architecture {name!r} ({error}).", "pip install --upgrade timm"
        ) from error
    known = {key: model.pretrained_cfg[key] for key in _INPUT if model.pretrained_cfg.get(key) is not None}
    return {key: tuple(value.shape) for key, value in model.state_dict().items()}, known


def _timm_config(config: Mapping[str, Any], known: Mapping[str, Any]) -> bytes:
    """timm's config.json. What the record leaves open about the input is that of the architecture."""
    classes = int(config.get("num_classes", 1000))
    data: dict[str, Any] = {"architecture": config["architecture"], "num_classes": classes}
    labels = config.get("labels") or config.get("label_names")
    if labels:
        data["label_names"] = list(labels)
    elif classes == 1000:
        from timm.data import ImageNetInfo

        info = ImageNetInfo("imagenet-1k")
        data["label_names"] = info.label_names()
        data["label_descriptions"] = info.label_descriptions(as_dict=True)
    data["pretrained_cfg"] = {**known, "num_classes": classes, **config.get("pretrained_cfg", {})}
    return json.dumps(data, indent=1, ensure_ascii=False).encode()
