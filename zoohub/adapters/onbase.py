"""PEFT adapters: a folder with the few weights that were trained, opened on the base model that they belong to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zoohub.adapters import hf
from zoohub.adapters.base import Model
from zoohub.adapters.bundle import Bundle, infer_task, read_json
from zoohub.adapters.table import choose
from zoohub.errors import ModelNotFound, UnsafeFile, UnsupportedModel, UsageError, WeightsError

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_TASKS = {
    "SEQ_CLS": "text-classification",
    "TOKEN_CLS": "token-classification",
    "QUESTION_ANS": "question-answering",
    "CAUSAL_LM": "text-generation",
    "FEATURE_EXTRACTION": "feature-extraction",
}
_HEADS = ("classifier.weight", "score.weight", "classifier.out_proj.weight")


def open_adapter(bundle: Bundle, *, task: str | None, device: str, precision: str) -> Model:
    """The base model with the adapter merged into its weights: as fast as the base, and saved as an ordinary model.

    Raises:
        WeightsError: the base is not on this machine, the message says how to pull it; UnsupportedModel: it is no
        adapter of that base; UnsafeFile: it holds no safetensors.
    """
    config = read_json(bundle.folder / CONFIG)
    if not (bundle.folder / WEIGHTS).is_file():
        raise UnsafeFile(f"{bundle.folder} holds no {WEIGHTS}.", "Ask its author for safetensors.")
    base = base_bundle(bundle, config)
    task = task or _TASKS.get(str(config.get("task_type"))) or infer_task(base)
    family = choose(base.library, task, base.adapter).load()
    if (
        config.get("task_type") != "SEQ_CLS"
    ):  # which is transformers' own class, whatever the base's files are
        family = family.variant(base)
    model = _merged_class(family)(base, task, device=device, precision=precision)
    names = _labels(bundle)
    if names:
        model = model.relabel(names)
        model.precision = precision
        hf.place(model)
    else:
        model.open()
    model.module = _merged(model.module, bundle)
    model.bundle = bundle
    return model


def base_bundle(bundle: Bundle, config: dict[str, Any]) -> Bundle:
    """The files of the base: beside the adapter, at the path that it names, or those of the model of that id.

    Raises:
        WeightsError: they are not on this machine; UnsupportedModel: the adapter names no base.
    """
    from zoohub.adapters.loading import find_bundle
    from zoohub.registry import get
    from zoohub.weights import local

    named = config.get("base_model_name_or_path") or next(
        (base.id for base in bundle.record.base_models), None
    )
    if not named:
        raise UnsupportedModel(
            f"{bundle.record.id} names no base model.", f'{CONFIG} needs "base_model_name_or_path".'
        )
    for place in (bundle.folder / named, Path(named)):
        if place.is_dir():
            return find_bundle(place)
    try:
        record = get(named)
        here = local(record)
    except (ModelNotFound, UsageError) as error:
        raise _no_base(bundle, named) from error
    if here is None:
        raise _no_base(bundle, named)
    return Bundle.read(here, record)


def _no_base(bundle: Bundle, named: str) -> WeightsError:
    return WeightsError(
        f"{bundle.record.id} is an adapter of {named}, which is not on this machine.",
        f"Pull it first: zoo pull {named}",
    )


def _labels(bundle: Bundle) -> tuple[str, ...]:
    """The classes of the last layer that the adapter brings along; empty where it brings none."""
    from safetensors import safe_open

    with safe_open(bundle.folder / WEIGHTS, framework="pt") as file:
        heads = [key for key in file.keys() if key.endswith(_HEADS)]  # noqa: SIM118 - not a dict
        count = file.get_slice(heads[0]).get_shape()[0] if heads else 0
    said = read_json(bundle.folder / "config.json").get("id2label") or {}
    names = [str(said[key]) for key in sorted(said, key=int)] or list(
        bundle.record.config.get("label_names") or ()
    )
    return tuple(names if len(names) == count else (f"LABEL_{i}" for i in range(count)))


def _merged(module: Any, bundle: Bundle) -> Any:
    with hf.quiet():
        import peft

        try:
            adapted = peft.PeftModel.from_pretrained(module, str(bundle.folder), local_files_only=True)
            whole = adapted.merge_and_unload()
        except (ValueError, KeyError, RuntimeError, AttributeError, TypeError) as error:
            raise UnsupportedModel(
                f"peft cannot put {bundle.record.id} on its base: {hf.first_line(error)}"
            ) from error
    return whole.eval()


def _merged_class(family: type[Model]) -> type[Model]:
    """`family`, not to be trained further: it would begin again from the base's files.

    Save the model, and load the folder: that is an ordinary one.
    """
    return type(f"Adapted{family.__name__}", (family,), {"strategies": (), "__doc__": family.__doc__})
