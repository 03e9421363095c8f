"""A pickle becomes safetensors: in a child process that may do nothing else, and checked afterwards."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from zoohub.errors import MissingDependency, UnsafeFile, WeightsError
from zoohub.weights import children
from zoohub.weights.formats import safetensors

_SPARE_MEMORY = 1 << 30  # bytes beyond four times the pickle


@dataclass(frozen=True, slots=True)
class Converted:
    """What a conversion wrote: `names` in the order of the pickle, with dtype and shape; `left_out` names of
    entries that are no tensors; `guards` what held the child process."""

    path: Path
    names: tuple[str, ...]
    shapes: Mapping[str, tuple[int, ...]]
    left_out: tuple[str, ...]
    guards: tuple[str, ...]


def convert(pickle: Path, output: Path, *, name: str = "") -> Converted:
    """Write the tensors of `pickle` (a PyTorch file) to `output` as safetensors; the pickle stays as it is.

    The child reads with `weights_only=True`, has no network, may start no program, and is limited in memory,
    time and the size of what it writes. `name` is what messages call the pickle.

    Raises:
        MissingDependency: torch is not installed; UnsafeFile: the pickle holds more than tensors, or
        does not finish within the limits; WeightsError: the result differs from what was read.
    """
    for package in ("torch", "safetensors"):
        if find_spec(package) is None:
            raise MissingDependency(package, "models")
    name = name or pickle.name
    size = pickle.stat().st_size
    with tempfile.TemporaryDirectory(prefix="zoo-convert-") as scratch:
        answer = _run(pickle.resolve(), output.resolve(), scratch, size, name)
    if error := answer.get("error"):
        output.unlink(missing_ok=True)
        if "No space left" in error:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(output))
        raise UnsafeFile(
            f"{name} cannot be converted: {error}.",
            "Look what it imports: zoo check FILE. Ask its author for safetensors.",
        )
    described = {entry[0]: (tuple(entry[2]), str(entry[3])) for entry in answer["tensors"]}
    _verify(output, described, name)
    return Converted(
        output,
        tuple(described),
        {key: shape for key, (shape, _) in described.items()},
        tuple(answer["left_out"]),
        tuple(answer["guards"]),
    )


def _run(pickle: Path, output: Path, scratch: str, size: int, name: str) -> dict[str, Any]:
    memory = 4 * size + _SPARE_MEMORY
    seconds = 60 + size // (20 << 20)
    command = children.command("convert_pickle", pickle, output, memory, seconds, 2 * size + (1 << 20))
    try:
        done = subprocess.run(
            command, cwd=scratch, env=children.environment(scratch), stdin=subprocess.DEVNULL,
            capture_output=True, timeout=3 * seconds, check=False,
        )  # fmt: skip
        answer = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return {"error": f"it did not finish in {3 * seconds} seconds"}
    except ValueError:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        return {"error": f"the process ended with code {done.returncode} {' '.join(last)[:200]}".rstrip()}
    if not isinstance(answer, dict):
        raise WeightsError(f"The conversion of {name} gave no answer.")
    return answer


def _verify(output: Path, described: Mapping[str, tuple[tuple[int, ...], str]], name: str) -> None:
    """What lies in the file is what the child read: each name, shape and the SHA-256 of its bytes."""
    try:
        header = safetensors.read(output)
        found = {tensor.name: tensor for tensor in header.tensors}
        if set(found) != set(described):
            raise safetensors.Malformed("its tensors differ")
        for key, (shape, sha256) in described.items():
            digest = hashlib.sha256()
            for piece in safetensors.tensor_bytes(output, header, found[key]):
                digest.update(piece)
            if found[key].shape != shape or digest.hexdigest() != sha256:
                raise safetensors.Malformed(f"tensor {key!r} differs")
    except (OSError, safetensors.Malformed) as error:
        output.unlink(missing_ok=True)
        raise WeightsError(
            f"The conversion of {name} went wrong: {error}. Its result was not kept."
        ) from error
