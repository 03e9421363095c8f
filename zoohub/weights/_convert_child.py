"""The child process that opens a pickle: run as a script of its own, it imports nothing of zoohub.

    python -I _convert_child.py PICKLE OUTPUT MEMORY_BYTES CPU_SECONDS FILE_BYTES

It gives up its rights first (network, new programs, memory, time), then reads the pickle with torch's
`weights_only` reader, and writes the tensors as safetensors. On stdout: one JSON object, either
{"tensors": [[name, dtype, shape, sha256], ...], "left_out": [...], "guards": [...]}, tensors in the order of
the pickle, or {"error": "...", "guards": [...]}.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import platform
import struct
import sys
from typing import Any

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_FILTER = 38, 22, 2

# machine -> (audit architecture, numbers of the calls that are refused: those that make a socket,
# start a program, look into another process, or set up calls that would pass this filter)
_REFUSED = {
    "x86_64": (0xC000003E, (41, 42, 43, 49, 50, 53, 59, 101, 288, 310, 311, 322, 425, 426, 427, 438)),
    "aarch64": (0xC00000B7, (198, 199, 200, 201, 202, 203, 117, 221, 242, 270, 271, 281, 425, 426, 427, 438)),
}


def give_up_rights(seconds: int, file_bytes: int) -> list[str]:
    """Drop what reading a pickle does not need; the names of the guards that hold."""
    guards = [
        name
        for name, limit, value in (("cpu", "RLIMIT_CPU", seconds), ("file-size", "RLIMIT_FSIZE", file_bytes),
                                   ("core", "RLIMIT_CORE", 0))
        if _limit(limit, value)
    ]  # fmt: skip
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0:
            guards.append("network-namespace")
        if _refuse_calls(libc):
            guards.append("seccomp")
    _no_sockets()
    return [*guards, "no-sockets"]


def limit_memory(allowance: int) -> list[str]:
    """Allow `allowance` more bytes of address space than the process has now."""
    try:
        with open("/proc/self/statm") as status:  # noqa: PTH123
            now = int(status.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return []
    return ["memory"] if _limit("RLIMIT_AS", now + allowance) else []


def _limit(name: str, value: int) -> bool:
    try:
        import resource  # not on Windows

        resource.setrlimit(getattr(resource, name), (value, value))
    except (ImportError, AttributeError, ValueError, OSError):
        return False
    return True


def _refuse_calls(libc: ctypes.CDLL) -> bool:
    """A seccomp filter: the calls of `_REFUSED` fail with EPERM, another architecture ends the process."""
    known = _REFUSED.get(platform.machine())
    if known is None or struct.calcsize("P") != 8:
        return False
    architecture, numbers = known
    load, equal, at_least, give = 0x20, 0x15, 0x35, 0x06
    kill, refuse, allow = 0x80000000, 0x00050000 | 1, 0x7FFF0000
    program = [(load, 0, 0, 4), (equal, 1, 0, architecture), (give, 0, 0, kill), (load, 0, 0, 0),
               (at_least, len(numbers), 0, 0x40000000)]  # fmt: skip
    program += [(equal, len(numbers) - at, 0, number) for at, number in enumerate(numbers)]
    program += [(give, 0, 0, allow), (give, 0, 0, refuse)]
    # a jump counts from the next line: the last two lines are allow, refuse
    packed = b"".join(struct.pack("<HBBI", *line) for line in program)
    code = ctypes.create_string_buffer(packed, len(packed))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    wanted = Program(len(program), ctypes.addressof(code))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_FILTER, ctypes.byref(wanted), 0, 0) == 0)


def _no_sockets() -> None:
    """The least guard, where the system offers no other: Python makes no sockets."""
    import socket

    class NoSocket(socket.socket):
        def __init__(self, *args: object, **names: object) -> None:
            raise PermissionError("no network in the conversion process")

    socket.socket = NoSocket  # type: ignore[misc]


def convert(pickle: str, output: str) -> dict[str, Any]:
    """Read the pickle's tensors and write them; see the head of this file for the answer."""
    import torch
    from safetensors.torch import save_file

    loaded = torch.load(pickle, map_location="cpu", weights_only=True)
    state, left_out = _state_dict(loaded, torch.Tensor)
    if not state:
        return {"error": "it holds no named tensors"}
    seen: set[int] = set()
    tensors: dict[str, Any] = {}
    for name, tensor in state.items():
        if tensor.layout is not torch.strided or tensor.is_quantized:
            return {"error": f"tensor {name!r} is {tensor.layout}, which safetensors cannot hold"}
        data = tensor.detach().contiguous()
        storage = data.untyped_storage()
        # a storage that two names share, or of which the tensor is a part, is written once for each name
        if storage.data_ptr() in seen or storage.nbytes() != data.numel() * data.element_size():
            data = data.clone()
        seen.add(data.untyped_storage().data_ptr())
        tensors[name] = data
    described = [[name, str(data.dtype), list(data.shape), _digest(data)] for name, data in tensors.items()]
    save_file(tensors, output, metadata={"format": "pt"})
    return {"tensors": described, "left_out": left_out}


def _state_dict(loaded: Any, tensor: type) -> tuple[dict[str, Any], list[str]]:
    """The named tensors, also where a training framework wrapped them; and the names of what is left out."""
    for key in ("state_dict", "model_state_dict", "model_state", "model", "module", "params"):
        inner = loaded.get(key) if isinstance(loaded, dict) else None
        if isinstance(inner, dict) and any(isinstance(value, tensor) for value in inner.values()):
            state, left_out = _state_dict(inner, tensor)
            return state, left_out + [str(name) for name in loaded if name != key]
    if not isinstance(loaded, dict):
        return {}, []
    state = {
        name: value for name, value in loaded.items() if isinstance(name, str) and isinstance(value, tensor)
    }
    return state, [str(name) for name in loaded if name not in state]


def _digest(tensor: Any) -> str:
    import torch

    flat = tensor.reshape(-1).view(torch.uint8) if tensor.numel() else tensor.reshape(-1)
    return hashlib.sha256(flat.numpy() if tensor.numel() else b"").hexdigest()


def main(pickle: str, output: str, memory: str, seconds: str, file_bytes: str) -> None:
    """Guard, convert, answer."""
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    guards = give_up_rights(int(seconds), int(file_bytes))
    try:
        import torch  # noqa: F401

        guards += limit_memory(int(memory))
        result = convert(pickle, output)
    except MemoryError:
        result = {"error": "it needs more memory than is allowed"}
    except Exception as error:  # noqa: BLE001  # whatever a hostile file provokes is an answer, not a traceback
        result = {
            "error": f"{type(error).__name__}: {str(error).splitlines()[0][:300] if str(error) else ''}"
        }
    result["guards"] = guards
    json.dump(result, answer)
    answer.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
