"""How long work takes on a machine: a law for CPUs, one for GPUs, and the level that a real batch set.

On a CPU time follows the operations. On a GPU it follows a law fitted (least absolute error) to 2,130 published
runs of fine-tuning of image models: twice the parameters take 1.4 times as long.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from zoohub import settings
from zoohub.selector.hardware import Machine, machine

CPU_FLOPS = 25e9  # useful floating-point operations per second and core, fp32
GPU_SAMPLES = 120.0  # per second, trained of an anchor model, before anything was measured
ANCHOR_PARAMETERS, ANCHOR_TOKENS, ANCHOR_SAMPLES = 86e6, 197.0, 10_000.0
PARAMETERS, SAMPLES, TOKENS = 0.52, 0.95, 0.92  # exponents of the GPU's law
CPU_BAND, GPU_BAND, CALIBRATED_BAND = 2.0, 4.0, 1.35  # factor either way


@dataclass(frozen=True, slots=True)
class Clock:
    """The time law of one machine; `level` is measured over foreseen time, None where nothing was measured."""

    machine: Machine
    level: float | None = None

    @property
    def band(self) -> float:
        """The factor by which the truth may lie above or below."""
        if self.level is not None:
            return CALIBRATED_BAND
        return GPU_BAND if self.machine.gpu else CPU_BAND

    def training(self, parameters: float, tokens: float, samples: float) -> float:
        """Seconds of forward and backward passes of `samples` inputs (all epochs together)."""
        if samples <= 0:
            return 0.0
        level = self.level or 1.0
        if self.machine.gpu:
            return level * gpu_law(parameters, tokens, samples)
        return level * 6.0 * parameters * tokens * samples / (CPU_FLOPS * self.machine.cores)

    def inference(self, parameters: float, tokens: float, samples: float) -> float:
        """Seconds of forward passes: a third of the training's."""
        return self.training(parameters, tokens, samples) / 3.0


def gpu_law(parameters: float, tokens: float, samples: float) -> float:
    """Seconds of training on a GPU of usual speed."""
    size = (parameters / ANCHOR_PARAMETERS) ** PARAMETERS * (tokens / ANCHOR_TOKENS) ** TOKENS
    anchor = ANCHOR_SAMPLES / GPU_SAMPLES
    return float(anchor * size * (samples / ANCHOR_SAMPLES) ** SAMPLES)


def clock() -> Clock:
    """The clock of this machine, with the level that `zoo fit --calibrate` measured, if it did."""
    here = machine()
    try:
        levels = json.loads((settings.home() / "machine.json").read_text(encoding="utf-8"))
        level = levels.get(_name(here))
    except (OSError, ValueError, AttributeError):
        level = None
    return Clock(here, level if isinstance(level, float) and 1e-4 < level < 1e4 else None)


def remember(level: float, here: Machine) -> None:
    """Keep the measured level of a machine."""
    file = settings.home() / "machine.json"
    try:
        levels = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        levels = {}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({**levels, _name(here): level}, indent=2) + "\n", encoding="utf-8")


def _name(here: Machine) -> str:
    return here.gpu or f"{here.cores} cores"
