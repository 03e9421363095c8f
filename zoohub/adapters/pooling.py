"""From the vectors of tokens to one of the text: what a sentence-transformers folder says in its modules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoohub.adapters.bundle import read_json
from zoohub.errors import UnsupportedModel

if TYPE_CHECKING:
    import torch

HEAD = "9_Classifier"  # the module that holds the head
MODES = ("mean", "cls", "max", "lasttoken", "mean_sqrt_len_tokens")
_KEYS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "lasttoken",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """How token vectors become one: pooled by `modes` (joined where there are several), `dense` layers,
    `normalize`.

    `prompt` is put before each text. `head` is a last linear layer that tells classes apart, where the folder
    has one; it is no part of the vector. A folder without a recipe is pooled by the mean, which is what most
    encoders that come without one were trained for; a record may say otherwise (`config["pooling"]`).
    """

    modes: tuple[str, ...] = ("mean",)
    normalize: bool = False
    prompt: str = ""
    dense: tuple[Any, ...] = field(default=(), compare=False)
    head: Any = field(default=None, compare=False, repr=False)

    @classmethod
    def read(cls, folder: Path, config: Mapping[str, Any]) -> Recipe:
        """From `modules.json` and what it names, else from the record's `pooling` and `normalize`."""
        listing = folder / "modules.json"
        if not listing.is_file():
            stated = config.get("pooling", "mean")
            modes = tuple(stated) if isinstance(stated, list) else (stated,)
            return cls(modes, bool(config.get("normalize", False)))
        modes, normalize, dense, head = ("mean",), False, [], None
        for part in json.loads(listing.read_text(encoding="utf-8")):
            kind, place = part["type"].rsplit(".", 1)[-1], _inside(folder, part.get("path", ""))
            if kind == "Pooling":
                modes = _modes(read_json(place / "config.json"))
            elif kind == "Normalize":
                normalize = True
            elif part.get("path") == HEAD:
                head = _dense(place)[0]
            elif kind == "Dense":
                dense.append(_dense(place))
            elif kind != "Transformer":
                raise UnsupportedModel(f"{folder}: no adapter for the sentence-transformers module {kind}.")
        own = read_json(folder / "config_sentence_transformers.json")
        prompt = (own.get("prompts") or {}).get(own.get("default_prompt_name") or "", "")
        return cls(modes, normalize, prompt or "", tuple(dense), head)

    def width(self, hidden: int) -> int:
        """The length of a vector, for token vectors of length `hidden`."""
        return int(self.dense[-1][0].out_features) if self.dense else hidden * len(self.modes)

    def __call__(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Token vectors `(n, tokens, d)` and their mask `(n, tokens)` -> `(n, d')`."""
        import torch

        parts = [_pool(mode, hidden.float(), mask) for mode in self.modes]
        vectors = torch.cat(parts, -1)
        for layer in self.dense:
            vectors = layer.to(vectors.device)(vectors)
        return torch.nn.functional.normalize(vectors, dim=-1) if self.normalize else vectors

    def write(self, folder: Path, limit: int) -> None:
        """The files of a sentence-transformers folder, beside those of transformers."""
        import torch

        names = [("Transformer", ""), ("Pooling", "1_Pooling")]
        names += [("Dense", f"{i}_Dense") for i, _ in enumerate(self.dense, 2)]
        names += [("Normalize", f"{len(names)}_Normalize")] if self.normalize else []
        names += [("Dense", HEAD)] if self.head is not None else []
        parts = [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for i, (kind, path) in enumerate(names)
        ]
        _write_json(folder / "modules.json", parts)
        _write_json(folder / "sentence_bert_config.json", {"max_seq_length": limit, "do_lower_case": False})
        width = read_json(folder / "config.json").get("hidden_size")
        switches = {key: mode in self.modes for key, mode in _KEYS.items()}
        _write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": width, **switches})
        for i, layer in enumerate(self.dense, 2):
            _write_dense(folder / f"{i}_Dense", layer)
        if self.head is not None:
            _write_dense(folder / HEAD, (self.head, torch.nn.Identity()))
        for _, path in names:
            (folder / path).mkdir(exist_ok=True)
        if self.prompt:
            own = {"prompts": {"default": self.prompt}, "default_prompt_name": "default"}
            _write_json(folder / "config_sentence_transformers.json", own)


def _modes(config: Mapping[str, Any]) -> tuple[str, ...]:
    stated = config.get("pooling_mode")
    modes = tuple(mode for key, mode in _KEYS.items() if config.get(key))
    if isinstance(stated, str):
        modes = (stated,)
    if not modes or set(modes) - set(MODES):
        raise UnsupportedModel(f"Unknown pooling {stated or dict(config)}.", f"Known: {', '.join(MODES)}.")
    return modes


def _pool(mode: str, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    import torch

    there = mask.unsqueeze(-1).to(hidden.dtype)
    if mode == "cls":
        return hidden[torch.arange(len(hidden)), mask.argmax(1)]
    if mode == "lasttoken":
        return hidden[torch.arange(len(hidden)), mask.shape[1] - 1 - mask.flip(1).argmax(1)]
    if mode == "max":
        return hidden.masked_fill(there == 0, torch.finfo(hidden.dtype).min).max(1).values
    total, count = (hidden * there).sum(1), there.sum(1).clamp(min=1e-9)
    return total / (count.sqrt() if mode == "mean_sqrt_len_tokens" else count)


def _dense(folder: Path) -> Any:
    import torch
    from safetensors.torch import load_file

    config = read_json(folder / "config.json")
    name = str(config.get("activation_function", "torch.nn.modules.linear.Identity")).rsplit(".", 1)[-1]
    if name not in {"Identity", "Tanh", "ReLU", "GELU"}:
        raise UnsupportedModel(f"{folder}: unknown activation {name}.")
    linear = torch.nn.Linear(config["in_features"], config["out_features"], bias=config.get("bias", True))
    tensors = load_file(folder / "model.safetensors")
    linear.load_state_dict({key.removeprefix("linear."): value for key, value in tensors.items()})
    return torch.nn.Sequential(linear, getattr(torch.nn, name)()).eval()


def _write_dense(folder: Path, layer: Any) -> None:
    from safetensors.torch import save_file

    folder.mkdir(exist_ok=True)
    linear, activation = layer
    config = {
        "in_features": linear.in_features,
        "out_features": linear.out_features,
        "bias": linear.bias is not None,
        "activation_function": f"{type(activation).__module__}.{type(activation).__name__}",
    }
    _write_json(folder / "config.json", config)
    save_file({f"linear.{k}": v for k, v in linear.state_dict().items()}, folder / "model.safetensors")


def _inside(folder: Path, path: str) -> Path:
    place = (folder / path).resolve()
    if not place.is_relative_to(folder.resolve()):
        raise UnsupportedModel(f"{folder}/modules.json names a path outside: {path!r}.")
    return place


def _write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
