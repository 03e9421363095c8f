"""A bare state dict gets the folder that its library loads: configuration and tensor names.

What to make of it stands in the record's `config`:
    layout          "timm", "torchvision" or "transformers"
    architecture    the library's name of it, for example "mobilenetv2_100"
    input_size, mean, std, interpolation, crop_pct ...    what goes in (timm)
    transforms      the settings of torchvision's preset, the same
    num_classes     how many labels; labels: their names, or "imagenet-1k"
    convert.keys    "in-order": the tensors are those of the architecture, in its order, under other names
    pooling, normalize, embed_dim, max_tokens    how a text encoder makes one vector of a text
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


_MODES = {
    "mean": "mean_tokens", "cls": "cls_token", "max": "max_tokens", "lasttoken": "lasttoken",
    "weightedmean": "weightedmean_tokens", "mean_sqrt_len": "mean_sqrt_len_tokens",
}  # fmt: skip


def timm_folder(converted: Converted, config: Mapping[str, Any], target: Path) -> dict[str, bytes]:
    """Write the tensors to `target` under timm's names; returns the other files of the folder.

    Raises:
        WeightsError: number or shapes of the tensors are not those of the architecture.
    """
    architecture = config["architecture"]
    shapes, known = _architecture(architecture, int(config.get("num_classes", 1000)))
    names = _matched(converted, shapes, in_order=config.get("convert", {}).get("keys") == "in-order")
    if isinstance(names, str):
        raise WeightsError(f"The weights are not those of timm's {architecture}: {names}.")
    safetensors.rename(converted.path, target, names, {"format": "pt"})
    return {"config.json": _timm_config(config, known)}


def torchvision_files(config: Mapping[str, Any]) -> dict[str, bytes]:
    """config.json beside torchvision's tensors, which say neither their architecture nor what goes in."""
    keys = ("architecture", "num_classes", "transforms", "weights", "label_names")
    stated = {key: config[key] for key in keys if key in config}
    data = {"library": "torchvision", **stated}
    return {"config.json": json.dumps(data, indent=1, ensure_ascii=False).encode()}


def sentence_files(config: Mapping[str, Any]) -> dict[str, bytes]:
    """The files from which sentence-transformers knows how one vector is made of a text's tokens."""
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
    modules += [("2_Normalize", "Normalize")] if config.get("normalize") else []
    listed = [
        {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for at, (path, kind) in enumerate(modules)
    ]
    pooling = {
        "word_embedding_dimension": config["embed_dim"],
        f"pooling_mode_{_MODES[config['pooling']]}": True,
    }
    files: dict[str, Any] = {"modules.json": listed, "1_Pooling/config.json": pooling}
    if config.get("max_tokens"):
        files["sentence_bert_config.json"] = {"max_seq_length": config["max_tokens"], "do_lower_case": False}
    return {path: json.dumps(data, indent=1).encode() for path, data in files.items()}


def _matched(
    converted: Converted, shapes: Mapping[str, tuple[int, ...]], *, in_order: bool
) -> dict[str, str] | str:
    """Each of the tensors' names with its name in the architecture, or why there is none, in words."""
    ours = [name for name in converted.names if not name.endswith("num_batches_tracked")]
    theirs = [name for name in shapes if not name.endswith("num_batches_tracked")]
    if len(ours) != len(theirs):
        return f"{len(ours)} tensors for {len(theirs)}"
    names = dict(zip(ours, theirs, strict=True)) if in_order else {name: name for name in ours}
    for old, new in names.items():
        if new not in shapes or converted.shapes[old] != shapes[new]:
            return f"{old!r} does not fit {new!r}"
    return names


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
    labels = config.get("labels")
    if isinstance(labels, str):
        from timm.data import ImageNetInfo

        info = ImageNetInfo(labels)
        data["label_names"] = info.label_names()
        data["label_descriptions"] = info.label_descriptions(as_dict=True)
    elif labels:
        data["label_names"] = list(labels)
    stated = {key: config[key] for key in _INPUT if key in config}
    data["pretrained_cfg"] = {**known, **stated, "num_classes": classes}
    return json.dumps(data, indent=1, ensure_ascii=False).encode()
