"""`load`: from an id, a folder or a record to a `Model`, with its task, device and precision chosen."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from zoohub.adapters.base import Model
from zoohub.adapters.bundle import Bundle, infer_task
from zoohub.adapters.eight_bit import shrink
from zoohub.adapters.onbase import open_adapter
from zoohub.adapters.table import choose
from zoohub.errors import MissingDependency, UsageError
from zoohub.registry import ModelRecord

PRECISIONS = ("auto", "fp32", "bf16", "fp16", "int8")


def load(
    model: str | Path | ModelRecord,
    *,
    task: str | None = None,
    device: str = "auto",
    precision: str = "auto",
) -> Model:
    """Load a model by id, alias, folder or record; it is pulled first where it is not on this machine.

    `task` (an id, a name or an alias, English or Chinese) is inferred when it is not given. `device` is
    "auto" or a torch device; `precision` is "auto" (the best that is safe on the device), "fp32", "bf16",
    "fp16", or "int8" (the weights of linear layers in 8 bits: a quarter of the memory). A PEFT adapter is merged
    into its base model, which must be on this machine.

    Raises:
        ModelNotFound, WeightsError: it is not known or cannot be fetched; UnsupportedModel: no adapter serves
        it; UsageError: an impossible device, precision or task; MissingDependency: the extra `models` is not
        installed.
    """
    require("torch")
    wait_quietly()
    if precision not in PRECISIONS:
        raise UsageError(f"{precision!r} is no precision.", f"There are: {', '.join(PRECISIONS)}.")
    from zoohub.tasks import resolve

    wanted = resolve(task).id if task else None
    return open_bundle(find_bundle(model), task=wanted, device=device, precision=precision)


def open_bundle(bundle: Bundle, *, task: str | None, device: str = "auto", precision: str = "auto") -> Model:
    """Choose the adapter for a model's files, and open them."""
    _require_safe(bundle)
    place = choose_device(device)
    numbers = choose_precision(precision, place)
    if bundle.library == "peft":
        opened = open_adapter(bundle, task=task, device=place, precision=numbers)
    else:
        task = task or infer_task(bundle)
        family = choose(bundle.library, task, bundle.adapter).load().variant(bundle)
        opened = family(bundle, task, device=place, precision=numbers)
        opened.open()
    if numbers == "int8":
        shrink(opened)
    if opened.module is not None:
        opened.module.eval()
    return opened


def _require_safe(bundle: Bundle) -> None:
    """Refuse files that could harm, and code of the model's own that the user did not allow at its pull."""
    from zoohub.weights import check, is_trusted

    trusted = is_trusted(bundle.folder)
    check(bundle.folder).require(
        trusted=trusted, model=bundle.record.id, revision=bundle.record.revision or ""
    )


def find_bundle(model: str | Path | ModelRecord) -> Bundle:
    """The files of a model and its record, pulled where they are not here yet."""
    from zoohub.registry import ModelId

    if isinstance(model, ModelRecord):
        return Bundle.read(_files(model), model)
    if isinstance(model, Path):
        return _folder(model.expanduser().absolute())
    ident = ModelId.parse(model)
    if ident.source == "folder":
        return _folder(Path(ident.name))
    from zoohub.registry import get

    record = get(model)
    return Bundle.read(_files(record), record)


def _files(record: ModelRecord) -> Path:
    from zoohub.weights import local, pull

    here = None if record.source == "folder" else local(record)  # a folder is checked each time
    return here or pull(record)


def _folder(path: Path) -> Bundle:
    if not path.is_dir():
        raise UsageError(f"{path} is no folder.", "Give a model id or the folder of a model.")
    record = folder_record(path)
    return Bundle.read(_files(record), record)


def folder_record(path: Path) -> ModelRecord:
    """The record of a model's folder: what its files and its card say."""
    from zoohub.registry.sources.folder import record_of

    return record_of(path)


def require(package: str, extra: str = "models") -> None:
    """Say which extra to install where `package` is not here.

    Raises:
        MissingDependency: it is not installed.
    """
    if find_spec(package) is None:
        raise MissingDependency(package, extra)


def wait_quietly() -> None:
    """Let torch's threads wait without spinning, unless the environment says otherwise or torch is here already.

    Beside other work, and beside the threads that read pictures, spinning ones cost up to ten times the time; at rest
    they gain nothing.
    """
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def choose_device(device: str) -> str:
    """ "auto" -> cuda, mps or cpu; another name as it is, if this machine has it.

    Raises:
        UsageError: torch knows no such device, or this machine has none.
    """
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"No device {device!r} on this machine: {str(error).splitlines()[0]}") from error
    return device


def choose_precision(precision: str, device: str) -> str:
    """ "auto" -> bf16 on a GPU that has it, else fp32: what loses no accuracy to speak of."""
    if precision != "auto":
        return precision
    import torch

    has_bf16 = device.startswith("cuda") and torch.cuda.is_bf16_supported()
    return "bf16" if has_bf16 else "fp32"
