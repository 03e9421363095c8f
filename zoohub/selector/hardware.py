"""The machine at hand: cores, memory, GPU - read from the system, without torch."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Machine:
    """`memory` in bytes (None: not known); of the GPU with most memory, `gpu` is the name, None without one."""

    cores: int
    memory: float | None = None
    gpu: str | None = None
    gpu_memory: float | None = None

    @property
    def training_memory(self) -> float | None:
        """The memory in which a model would be trained."""
        return self.gpu_memory if self.gpu else self.memory

    def __str__(self) -> str:
        def size(value: float | None) -> str:
            return f", {value / 2**30:.0f} GiB" if value else ""

        cpu = f"{self.cores} cores{size(self.memory)}"
        return f"{self.gpu}{size(self.gpu_memory)}; {cpu}" if self.gpu else f"{cpu}, no GPU"


@cache
def machine() -> Machine:
    """What this machine has."""
    name, memory = _gpu()
    return Machine(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
                   _memory(), name, memory)  # fmt: skip


def _memory() -> float | None:
    """Bytes of main memory, or fewer where the process may only use part of it (control groups)."""
    try:
        total = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (ValueError, OSError, AttributeError):
        return None
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(file).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit():
            total = min(total, float(text))
    return total


def _gpu() -> tuple[str | None, float | None]:
    """Name and bytes of the NVIDIA GPU with most memory; asked for only where the driver is there."""
    if not Path("/proc/driver/nvidia").exists() and not Path("/dev/nvidia0").exists():
        return None, None
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "NVIDIA GPU", None
    try:
        done = subprocess.run(
            [tool, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"],
            capture_output=True, text=True, timeout=5, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return "NVIDIA GPU", None
    return largest(done.stdout)


def largest(listing: str) -> tuple[str | None, float | None]:
    """The GPU with most memory in the lines `name, MiB` of nvidia-smi."""
    found: tuple[str | None, float | None] = (None, None)
    for line in listing.splitlines():
        name, _, amount = line.rpartition(",")
        if name.strip() and amount.strip().isdigit() and float(amount) * 2**20 > (found[1] or 0.0):
            found = (name.strip(), float(amount) * 2**20)
    return found
