"""Read a pickle's tensors and write them as safetensors.

    convert_pickle PICKLE OUTPUT MEMORY_BYTES CPU_SECONDS FILE_BYTES

Answers {"tensors": [[name, dtype, shape, sha256], ...], "left_out": [...], "guards": [...]}, the tensors in
the order of the pickle, or {"error": "...", "guards": [...]}.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

from zoohub.weights.children.guards import give_up_rights, limit_memory


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
    except Exception as error:  # noqa: BLE001 - whatever a hostile file provokes is an answer
        first_line = next(iter(str(error).splitlines()), "")
        result = {"error": f"{type(error).__name__}: {first_line[:300]}"}
    result["guards"] = guards
    json.dump(result, answer)
    answer.flush()


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
