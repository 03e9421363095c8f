"""zoo profile: look at a data set before a model is chosen for it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "format",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="How to print: for people or for programs.",
)
def profile(path: Path, format: str) -> None:
    """Count samples and classes of a folder or a file, and say what is wrong with the data.

    PATH is a folder of images or sounds (one subfolder per class; train and test folders are told apart), or
    a
    csv, tsv, jsonl or text file.
    """
    from zoohub.selector import profile as look

    found = look(path)
    if format == "json":
        click.echo(json.dumps(asdict(found), ensure_ascii=False, indent=2))
        return
    click.echo(
        f"{found.kind}: {found.samples} samples, {found.eval_samples} for evaluation, "
        f"{len(found.classes)} classes"
    )
    for name, count in list(found.classes.items())[:20]:
        click.echo(f"  {name}: {count}")
    if found.length:
        unit = {"text": "characters", "image": "pixels (shorter side)", "audio": "seconds"}[found.kind]
        click.echo(
            f"length: {found.length[0]:.4g} to {found.length[2]:.4g}, median {found.length[1]:.4g} {unit}"
        )
    if found.channels:
        click.echo("forms: " + ", ".join(f"{name} {count}" for name, count in found.channels.items()))
    if found.language:
        click.echo(f"language: {found.language}")
    if found.noise is not None:
        click.echo(f"labels that look wrong: about {found.noise:.0%}, at most")
    for warning in found.warnings:
        click.echo(f"Warning: {warning}", err=True)
