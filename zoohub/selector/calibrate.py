"""One real batch: trains a network of a model's shape with random weights and compares it with the estimate."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from zoohub.errors import SelectorError
from zoohub.selector import clock
from zoohub.selector.footprint import Shape, activations
from zoohub.selector.hardware import machine

BATCH = 8
STEPS = 3  # after one that warms up; the fastest counts
LARGEST = 200_000_000  # parameters of the network that is built; larger shapes get fewer layers


@dataclass(frozen=True, slots=True)
class Calibration:
    """What one step of training took, per input; `memory` in bytes of weights, optimizer and activations.

    `expected_seconds` and `expected_memory` are the estimates before; `level` is kept for the next ones.
    """

    device: str
    seconds: float
    expected_seconds: float
    memory: float | None
    expected_memory: float
    level: float


def calibrate(shape: Shape) -> Calibration:
    """Train a few batches at `shape` (random weights) and keep the machine's level for all later estimates.

    Raises:
        SelectorError: torch is not installed.
    """
    if find_spec("torch") is None:
        raise SelectorError("A calibrating run needs torch.", "pip install 'zoohub[models]'")
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    hidden, layers = _built(shape)
    tokens = min(shape.tokens, 512)
    heads = next(h for h in (12, 8, 6, 4, 2, 1) if hidden % h == 0)
    layer = torch.nn.TransformerEncoderLayer(hidden, heads, 4 * hidden, batch_first=True, dropout=0.0)
    network = torch.nn.TransformerEncoder(layer, layers, enable_nested_tensor=False).to(device)
    parameters = sum(p.numel() for p in network.parameters())
    before = _used(torch, device)
    optimizer = torch.optim.AdamW(network.parameters())
    inputs = torch.randn(BATCH, tokens, hidden, device=device)
    seconds = min(_step(torch, network, optimizer, inputs, device) for _ in range(STEPS + 1)) / BATCH
    used = _used(torch, device)
    here = machine()
    expected = clock.Clock(here).training(parameters, tokens, 1.0)
    level = seconds / expected
    clock.remember(level, here)
    built = Shape(parameters, hidden, layers, tokens)
    memory = used - before if used is not None and before is not None and used > before else None
    return Calibration(
        device, seconds, expected, memory, 12.0 * parameters + BATCH * activations(built, "fp32"), level
    )


def _built(shape: Shape) -> tuple[int, int]:
    """Hidden size and layers of the network that stands for the shape."""
    hidden = max(64, shape.hidden - shape.hidden % 12)
    return hidden, max(1, min(shape.layers, LARGEST // (12 * hidden * hidden) or 1))


def _step(torch: Any, network: Any, optimizer: Any, inputs: Any, device: str) -> float:
    began = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    network(inputs).square().mean().backward()
    optimizer.step()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def _used(torch: Any, device: str) -> float | None:
    """Bytes used at most so far: of the GPU's memory, or of the process."""
    if device == "cuda":
        return float(torch.cuda.max_memory_allocated())
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
