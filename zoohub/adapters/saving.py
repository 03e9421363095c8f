"""Write a model's folder: all of it or none, with a card, and known to the registry."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from zoohub.adapters import hf
from zoohub.adapters.base import Model
from zoohub.cards import new_card
from zoohub.errors import CapabilityError, UsageError
from zoohub.registry import ModelRecord

CARD = "README.md"


def save(model: Model, folder: Path) -> Path:
    """See `Model.save`. The card is the model's own where its folder has one."""
    if model.precision == "int8":
        raise CapabilityError(f"{model.id} is loaded in int8.", "Load it in another precision to save it.")
    source = model.bundle.folder / CARD
    return write_folder(folder, lambda work: _write_copy(model, source, work))


def _write_copy(model: Model, card: Path, work: Path) -> None:
    model.write(work)
    if card.is_file():
        shutil.copyfile(card, work / CARD)
    else:
        new_card(model.record).write(work / CARD)


def write_folder(folder: Path, write: Callable[[Path], None], *, overwrite: bool = False) -> Path:
    """Let `write` fill a folder beside `folder`, which takes its place once it is whole.

    Raises:
        UsageError: something is there already, and `overwrite` is off.
    """
    folder = folder.expanduser().absolute()
    require_free(folder, overwrite)
    work = folder.parent / f".{folder.name}.writing"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        with hf.quiet():
            write(work)
        if folder.exists():
            shutil.rmtree(folder)
        work.replace(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder


def require_free(folder: Path, overwrite: bool) -> None:
    """Refuse a place that holds files.

    Raises:
        UsageError: something is there already, and `overwrite` is off, or it is no model's folder.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not overwrite:
        raise UsageError(
            f"{folder} is there already.", "Name another folder, or replace it: overwrite=True (--overwrite)."
        )
    if not folder.is_dir() or not (folder / CARD).is_file():
        raise UsageError(
            f"{folder} holds something that is no model; it is not replaced.", "Name another folder."
        )


def register(folder: Path) -> ModelRecord:
    """Put the model in `folder` into the registry and return its record."""
    from zoohub.adapters.loading import folder_record
    from zoohub.registry import open_registry

    record = folder_record(folder)
    with open_registry() as registry:
        registry.add([record])
    return record
