"""zoo fit: does a model fit into the memory at hand, and what would make it fit."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoohub.cli.output import human_bytes, human_time

if TYPE_CHECKING:
    from zoohub.selector.footprint import Shape


@click.command()
@click.argument("model")
@click.option("--memory", help="Memory at hand: 8GB, 16GiB (default: what this machine has).")
@click.option(
    "--samples",
    type=click.IntRange(0),
    default=1000,
    show_default=True,
    help="Samples to train on, for the time.",
)
@click.option(
    "--calibrate",
    is_flag=True,
    help="Train one batch at the model's shape first (needs torch); later estimates use it, too.",
)
@click.option(
    "--strategy",
    default="inference",
    show_default=True,
    help="inference, probe, setfit, lora, probe-then-full or full.",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16", "fp16", "int8", "int4"]),
    default="fp32",
    show_default=True,
    help="Number format of the weights.",
)
@click.option(
    "--batch", type=click.IntRange(1), default=16, show_default=True, help="Batch size of training."
)
@click.option(
    "--format",
    "format",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="How to print: for people or for programs.",
)
def fit(
    model: str, memory: str | None, samples: int, calibrate: bool, strategy: str, precision: str, batch: int,
    format: str,
) -> int:  # fmt: skip
    """Say whether MODEL fits into memory for inference or fine-tuning, how long it takes, and what would make it
    fit.

    MODEL is an id of the registry or a folder. Exit code 1: it does not fit.
    """
    from zoohub.errors import SelectorError, UsageError
    from zoohub.registry import ModelRecord, Registry
    from zoohub.selector import facts, footprint
    from zoohub.selector.hardware import machine

    folder = Path(model) if Path(model).is_dir() else None
    if folder is not None:
        record = ModelRecord(id=f"folder:{folder.resolve()}", source="folder")
    else:
        with Registry.open() as registry:
            record = registry.get(model)
    shape = footprint.shape(record, folder, facts.size(record))
    if shape is None:
        raise SelectorError(
            f"The size of {model} is not known.", f"Pull it, then name the folder: zoo pull {model}"
        )
    if calibrate:
        _calibrate(shape)
    here = footprint.parse_memory(memory) if memory else machine().training_memory
    if here is None:
        raise UsageError("How much memory this machine has is not known.", "Say it: --memory 8GB")
    found = footprint.fit(shape, here, strategy, precision=precision, batch=batch, samples=samples)
    if format == "json":
        shown = {**asdict(found), "shape": asdict(shape), "machine": asdict(machine()), "samples": samples}
        click.echo(json.dumps(shown, indent=2))
    else:
        band, need = found.footprint.memory, found.footprint.strategy
        word = "fits" if found.fits else "does not fit"
        doubt = "" if found.sure else ", by the middle of the estimate only"
        span = f"{human_bytes(band.middle)} ({human_bytes(band.low)} to {human_bytes(band.high)})"
        click.echo(f"{record.id} {word}{doubt}: {need} in {precision} needs about {span}.")
        time = found.footprint.seconds
        what = "one input" if need == "inference" else f"{samples} samples"
        span = f"{human_time(time.middle)} ({human_time(time.low)} to {human_time(time.high)})"
        click.echo(f"  {what}: {span} on {machine()}")
        for advice in found.advice:
            click.echo(f"  would fit surely: {advice}")
    return 0 if found.fits else 1


def _calibrate(shape: Shape) -> None:
    from zoohub.selector.calibrate import calibrate

    found = calibrate(shape)
    click.echo(
        f"One input on {found.device}: {human_time(found.seconds)}, foreseen {human_time(found.expected_seconds)}; "
        f"later estimates are multiplied by {found.level:.2f}.",
        err=True,
    )
