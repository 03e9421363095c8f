"""zoo fit: does a model fit into the memory at hand, and what would make it fit."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from zoohub.cli.output import human_bytes


@click.command()
@click.argument("model")
@click.option("--memory", required=True, help="Memory at hand: 8GB, 16GiB.")
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
def fit(model: str, memory: str, strategy: str, precision: str, batch: int, format: str) -> int:
    """Say whether MODEL fits into memory for inference or fine-tuning, and what would make it fit.

    MODEL is an id of the registry or a folder. Exit code 1: it does not fit.
    """
    from zoohub.errors import SelectorError
    from zoohub.registry import ModelRecord, Registry
    from zoohub.selector import facts, footprint

    folder = Path(model) if Path(model).is_dir() else None
    if folder is not None:
        record = ModelRecord(id=f"folder:{folder.resolve()}", source="folder")
    else:
        with Registry.open() as registry:
            record = registry.get(model)
    shape = footprint.shape(record, folder, facts.parameters().get(record.id))
    if shape is None:
        raise SelectorError(
            f"The size of {model} is not known.", f"Pull it, then name the folder: zoo pull {model}"
        )
    found = footprint.fit(shape, footprint.parse_memory(memory), strategy, precision=precision, batch=batch)
    if format == "json":
        click.echo(json.dumps({**asdict(found), "shape": asdict(shape)}, indent=2))
    else:
        band, need = found.footprint.memory, found.footprint.strategy
        word = "fits" if found.fits else "does not fit"
        doubt = "" if found.sure else ", by the middle of the estimate only"
        span = f"{human_bytes(band.middle)} ({human_bytes(band.low)} to {human_bytes(band.high)})"
        click.echo(f"{record.id} {word}{doubt}: {need} in {precision} needs about {span}.")
        for advice in found.advice:
            click.echo(f"  would fit surely: {advice}")
    return 0 if found.fits else 1
