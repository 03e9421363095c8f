"""What the families share of transformers, safetensors and torch: load, fill, place, write."""

from __future__ import annotations

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoohub.errors import UnsafeFile, UnsupportedModel
from zoohub.weights import is_trusted

if TYPE_CHECKING:
    from zoohub.adapters.base import Model

DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def load(model: Model, auto: str, *, labels: Sequence[str] | None = None, **more: Any) -> Any:
    """The module of `model`'s folder by a transformers auto class, with a new head where `labels` are given.

    Only safetensors are read, no code of the model is run, and nothing is fetched.

    Raises:
        UnsupportedModel: the installed transformers cannot load it for this task.
    """
    import transformers

    if labels is not None:
        names = dict(enumerate(labels))
        more |= {
            "num_labels": len(names),
            "id2label": names,
            "label2id": {name: i for i, name in names.items()},
            "ignore_mismatched_sizes": True,
        }
    with quiet():
        try:
            module, info = getattr(transformers, auto).from_pretrained(
                model.bundle.folder,
                dtype=dtype(model),
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=is_trusted(model.bundle.folder),
                output_loading_info=True,
                **more,
            )
        except (ValueError, KeyError, OSError) as error:
            raise UnsupportedModel(
                f"transformers cannot load {model.id} for {model.task}: {first_line(error)}"
            ) from error
    model.untrained = labels is None and bool(info["missing_keys"])
    return placed(module, model)


def dtype(model: Model) -> Any:
    """The torch number type that the model computes in; with int8 that of what is not stored in 8 bits."""
    import torch

    if model.precision == "int8":
        return torch.bfloat16 if model.device.startswith("cuda") else torch.float32
    return getattr(torch, DTYPES[model.precision])


def place(model: Model) -> None:
    """Bring `model.module` to the device and precision of `model`, in evaluation mode."""
    model.module = placed(model.module.to(dtype(model)), model)


def placed(module: Any, model: Model) -> Any:
    """`module` on the model's device, ready to predict."""
    return module.to(model.device).eval()


def labels(config: Any) -> tuple[str, ...]:
    """The names of the classes, in the order of their numbers."""
    names = config.id2label or {}
    return tuple(str(names[i]) for i in sorted(names))


def image_processor(folder: Path) -> Any:
    """The image processor of a folder."""
    from transformers import AutoImageProcessor

    with quiet():
        return AutoImageProcessor.from_pretrained(folder, local_files_only=True)


def tokenizer(folder: Path) -> Any:
    """The tokenizer of a folder."""
    from transformers import AutoTokenizer

    with quiet():
        return AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=is_trusted(folder)
        )


def longest_text(tokenizer: Any, config: Any, folder: Path) -> int:
    """The most tokens that a text may have: the least of what tokenizer, module and folder say."""
    from zoohub.adapters.bundle import read_json

    positions = getattr(config, "max_position_embeddings", None) or 512
    if config.model_type in {"roberta", "xlm-roberta", "camembert", "mpnet", "xlm-roberta-xl"}:
        positions -= 2  # their positions begin behind the padding's
    stated = read_json(folder / "sentence_bert_config.json").get("max_seq_length")
    return int(min(tokenizer.model_max_length, positions, stated or positions))


_FILLERS = {"labels": -100, "token_type_ids": 0}


def pad(
    rows: Sequence[Mapping[str, Any]], tokenizer: Any, fillers: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """Lists of numbers, one a row -> tensors `(rows, longest)`, filled on the tokenizer's side."""
    import torch

    filling = {"input_ids": tokenizer.pad_token_id or 0, **_FILLERS, **(fillers or {})}
    left = tokenizer.padding_side == "left"
    batch = {}
    for name in rows[0]:
        longest = max(len(row[name]) for row in rows)
        values = torch.full((len(rows), longest), filling.get(name, 0))
        for place, row in enumerate(rows):
            size = len(row[name])
            span = slice(longest - size, longest) if left else slice(0, size)
            values[place, span] = torch.as_tensor(row[name])
        batch[name] = values
    return batch


def fill(module: Any, folder: Path) -> None:
    """Fill a plain module from the folder's safetensors.

    Raises:
        UnsupportedModel: there is no such file, or its tensors are not those of this architecture.
    """
    from safetensors.torch import load_file

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise UnsupportedModel(f"{folder} holds no safetensors.", "Pull it again with: zoo pull --convert")
    tensors: dict[str, Any] = {}
    for file in files:
        try:
            tensors |= load_file(file)
        except Exception as error:
            raise UnsafeFile(f"{file} is damaged: {first_line(error)}", "Pull it again.") from error
    try:
        module.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        raise UnsupportedModel(
            f"{folder}: not the tensors of this architecture. {first_line(error)}"
        ) from error


def write_module(module: Any, config: Mapping[str, Any], folder: Path) -> None:
    """`model.safetensors` and `config.json` of a plain module."""
    from safetensors.torch import save_model

    save_model(module, str(folder / "model.safetensors"), metadata={"format": "pt"})
    text = json.dumps({k: v for k, v in config.items() if v is not None}, indent=2, ensure_ascii=False)
    (folder / "config.json").write_text(text + "\n", encoding="utf-8")


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its kind where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' own talk and bars off the terminal, and what importing torchao makes torch say of torchao's
    code; errors still come through."""
    from transformers.utils import logging as talk

    trees = logging.getLogger("torch.utils._pytree")
    trees_level = trees.level
    trees.setLevel(logging.ERROR)
    level, bars = talk.get_verbosity(), talk.is_progress_bar_enabled()
    talk.set_verbosity_error()
    talk.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"transformers\.")
            yield
    finally:
        trees.setLevel(trees_level)
        talk.set_verbosity(level)
        if bars:
            talk.enable_progress_bar()
