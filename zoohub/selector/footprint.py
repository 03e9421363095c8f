"""What a model costs: memory and time of inference and of each way to fine-tune, as bands.

From the parameter count and the config alone; no weights are read and torch is not imported.

The time laws are in clock.py; their level is a guess until a real batch on the machine sets it (calibrate.py), and the
bands say so.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoohub.errors import SelectorError, UsageError
from zoohub.registry import ModelRecord
from zoohub.selector import backbones
from zoohub.selector.clock import clock

BYTES = {"fp32": 4, "bf16": 2, "fp16": 2, "int8": 1, "int4": 0.5}
CONTEXT = 0.75 * 2**30  # libraries, kernels and buffers of a process
ADAM = 12  # bytes per trained parameter: gradient and two moments in fp32
LORA_SHARE = 0.01  # of the parameters, rank 16 on all linear layers
BAND = 0.25  # half-width of the memory band
TOKENS = {"text": 128, "vision": 197, "speech": 1500, "multimodal": 256, "other": 128}
_SIZE = re.compile(r"\s*([\d.]+)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Shape:
    """What the cost depends on: parameters, hidden size, layers, tokens of one input."""

    parameters: int
    hidden: int
    layers: int
    tokens: int
    kv_share: float = 0.0  # key and value width as a share of the hidden size; 0: no cache
    kept: float = 0.0  # bytes that training keeps of one input in fp32, for a known network; 0: by the layers


@dataclass(frozen=True, slots=True)
class Band:
    """An estimate and the range it stands for: bytes or seconds."""

    low: float
    middle: float
    high: float


@dataclass(frozen=True, slots=True)
class Footprint:
    """Memory in bytes and time in seconds; time of inference is for one input."""

    strategy: str
    memory: Band
    seconds: Band


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether a model fits, and what would make it fit."""

    fits: bool
    sure: bool
    footprint: Footprint
    memory: float
    advice: tuple[str, ...]


def parse_memory(text: str | float) -> float:
    """8GB, 512 MiB or a number of bytes -> bytes.

    Raises:
        UsageError: it is no positive amount.
    """
    if isinstance(text, int | float):
        value = float(text)
    elif match := _SIZE.fullmatch(text):
        power = " kmgt".index(match[2].lower() or " ")
        value = float(match[1]) * (1024 if match[3] else 1000) ** power if match[1].count(".") < 2 else 0.0
    else:
        value = 0.0
    if not 0 < value < 1e18:
        raise UsageError(f"{text!r} is no amount of memory.", "Write it as 8GB, 512MiB or a number of bytes.")
    return value


def shape(record: ModelRecord, folder: Path | None = None, parameters: int | None = None) -> Shape | None:
    """The shape that record, config.json and safetensors headers state; None where no size is known."""
    config: Mapping[str, Any] = record.config
    count = record.parameters or parameters
    if folder is not None:
        file = folder / "config.json"
        if file.is_file():
            config = {**config, **json.loads(file.read_text(encoding="utf-8"))}
        count = count or sum(header_parameters(path) for path in folder.glob("*.safetensors")) or None
    if not count and record.size:
        count = int(record.size // 4)
    if not count:
        return None
    hidden = int(
        _first(config, "hidden_size", "d_model", "embed_dim", "dim", "n_embd") or _guess_hidden(count)
    )
    layers = int(
        _first(config, "num_hidden_layers", "n_layer", "num_layers", "encoder_layers")
        or max(2, round(count / (12 * hidden**2)))
    )
    from zoohub import tasks

    task = tasks.get(record.task) if record.task else None
    heads, groups = _first(config, "num_attention_heads"), _first(config, "num_key_value_heads")
    generates = record.task in ("text-generation", "image-text-to-text")
    kv = (groups / heads if groups and heads else 1.0) if generates else 0.0
    tokens = TOKENS[task.modality if task else "other"]
    network = backbones.of(record.id) if task and task.modality == "vision" and not config else None
    kept = network.kept(_pixels(record)) if network else 0.0
    return Shape(int(count), hidden, layers, 2048 if generates else tokens, kv, kept)


def _pixels(record: ModelRecord) -> float:
    """Pixels of an input: detectors and segmenters look at large pictures."""
    return 224.0**2 if record.task and "classification" in record.task else 800.0 * 1216


def header_parameters(path: Path) -> int:
    """Parameters that a safetensors file declares; only its header is read.

    Raises:
        SelectorError: the file has no valid header.
    """
    try:
        with path.open("rb") as file:
            length = struct.unpack("<Q", file.read(8))[0]
            if length > 100_000_000:
                raise ValueError("header too long")
            header: dict[str, dict[str, list[int]]] = json.loads(file.read(length))
        shapes: list[list[int]] = [entry["shape"] for name, entry in header.items() if name != "__metadata__"]
        return sum(_product(dims) for dims in shapes)
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise SelectorError(
            f"{path} has no valid safetensors header.", f"Check it: zoo check {path}"
        ) from error


def estimate(
    shape: Shape,
    strategy: str = "inference",
    *,
    precision: str = "fp32",
    batch: int = 16,
    samples: int = 0,
    epochs: int = 3,
) -> Footprint:
    """Memory and time of inference (one input) or of fine-tuning `samples` for `epochs` by `strategy`.

    Raises:
        UsageError: no such precision or strategy.
    """
    memory = memory_of(shape, strategy, precision=precision, batch=batch)
    watch, size, tokens = clock(), shape.parameters, shape.tokens
    if strategy in ("inference", "zero-shot"):
        return _band("inference", memory, watch.inference(size, tokens, 1), watch.band)
    if strategy == "probe":
        return _band(strategy, memory, watch.inference(size, tokens, samples), watch.band)
    share = 0.7 if strategy == "lora" else 1.0
    return _band(strategy, memory, share * watch.training(size, tokens, samples * epochs), watch.band)


def memory_of(shape: Shape, strategy: str, *, precision: str = "fp32", batch: int = 16) -> float:
    """Bytes that inference (one input) or fine-tuning takes.

    Raises:
        UsageError: no such precision or strategy.
    """
    if precision not in BYTES:
        raise UsageError(f"{precision!r} is no precision.", f"There are: {', '.join(BYTES)}")
    weights = shape.parameters * BYTES[precision]
    if strategy in ("inference", "zero-shot"):
        cache = 2 * shape.layers * shape.hidden * shape.kv_share * BYTES[precision] * shape.tokens
        return 1.2 * weights + cache + CONTEXT
    kept = batch * activations(shape, precision)
    if strategy == "probe":
        return 1.2 * weights + kept / shape.layers + CONTEXT
    if strategy == "lora":
        return 1.2 * weights + 16 * shape.parameters * LORA_SHARE + kept + CONTEXT
    if strategy in ("full", "probe-then-full", "setfit"):
        master = shape.parameters * (4 if precision in ("bf16", "fp16") else 0)
        return weights + master + ADAM * shape.parameters + kept + CONTEXT
    raise UsageError(
        f"{strategy!r} is no strategy.", "There are: inference, probe, setfit, lora, probe-then-full, full"
    )


def fit(
    shape: Shape,
    memory: float,
    strategy: str = "inference",
    *,
    precision: str = "fp32",
    batch: int = 16,
    samples: int = 0,
) -> Fit:
    """Whether `shape` fits into `memory` bytes, and what would make it fit, the mildest change first."""
    made = estimate(shape, strategy, precision=precision, batch=batch, samples=samples)
    fits = made.memory.middle <= memory
    advice = () if made.memory.high <= memory else tuple(_advice(shape, memory, strategy, precision, batch))
    sure = made.memory.high <= memory or made.memory.low > memory
    return Fit(fits, sure, made, memory, advice)


def _advice(shape: Shape, memory: float, strategy: str, precision: str, batch: int) -> list[str]:
    def works(s: str, p: str, b: int) -> bool:
        return estimate(shape, s, precision=p, batch=b).memory.high <= memory

    found = []
    training = strategy not in ("inference", "zero-shot")
    if training:
        smaller = next((b for b in (8, 4, 2, 1) if b < batch and works(strategy, precision, b)), None)
        if smaller:
            found.append(f"batch size {smaller} (with gradient accumulation)")
    for other in ("bf16",) if training else ("bf16", "int8", "int4"):
        if BYTES[other] < BYTES[precision] and works(strategy, other, batch):
            found.append(f"precision {other}")
            break
    if training:
        found += [f"strategy {s}" for s in ("lora", "probe") if s != strategy and works(s, precision, batch)]
    least = estimate(shape, strategy, precision=precision, batch=1).memory.high / 1e9
    return found or [f"a smaller model, or {least:.1f} GB"]


def activations(shape: Shape, precision: str) -> float:
    """Bytes kept for the backward pass of one input: about 34 values of 2 bytes per token, layer and unit."""
    width = 1.0 if BYTES[precision] <= 2 else 2.0
    if shape.kept:
        return shape.kept * width / 2.0
    tokens = min(shape.tokens, 512)
    return 34.0 * width * tokens * shape.hidden * shape.layers


def _band(strategy: str, memory: float, seconds: float, width: float) -> Footprint:
    return Footprint(
        strategy,
        Band(memory * (1 - BAND), memory, memory * (1 + BAND)),
        Band(seconds / width, seconds, seconds * width),
    )


def _first(config: Mapping[str, Any], *names: str) -> float | None:
    for name in names:
        value = config.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            return float(value)
    return None


def _guess_hidden(parameters: int) -> int:
    """Width of a usual transformer of so many parameters: 12 layers x 12 x width^2 at 85M."""
    return max(64, round(math.sqrt(parameters / 144) / 64) * 64)


def _product(dims: list[int]) -> int:
    result: int = 1
    for dim in dims:
        result *= int(dim)
    return result
