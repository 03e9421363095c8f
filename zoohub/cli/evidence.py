"""zoo evidence: the results that recommendations rest on."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from zoohub.cli.output import emit, format_option

_COLUMNS = ("model", "dataset", "metric", "value", "n_train", "n_classes", "language", "strategy", "source")


@click.group()
def evidence() -> None:
    """List, import or export the results that recommendations rest on."""


@evidence.command("list")
@click.option("--task", required=True, help="Task: an id, a name or an alias.")
@click.option("--model", help="Only results of this model.")
@click.option(
    "--own", is_flag=True, help="Only what this registry holds, without the results that ship with zoohub."
)
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many to print.")
@format_option()
def list_(task: str, model: str | None, own: bool, limit: int, format: str) -> None:
    """List results of a task."""
    from zoohub import tasks
    from zoohub.registry import Registry
    from zoohub.selector import store

    known = tasks.resolve(task).id
    with Registry.open() as registry:
        rows = registry.evidence(task=known) if own else store.gather(registry, known)
    rows = [row for row in rows if model in (None, row.model)]
    shown = emit([asdict(row) for row in rows[:limit]], _COLUMNS, format, id="model")
    if len(rows) > shown:
        click.echo(f"{shown} of {len(rows)} results; more with --limit", err=True)
    if not rows:
        click.echo(f"No evidence for {known}.", err=True)


@evidence.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_(file: Path) -> None:
    """Add the results in a csv FILE with a header; those that are there already are not added again.

    Columns: model, task, dataset, metric, value (needed), higher_is_better, n_train, n_classes, language,
    domain,
    strategy, seeds, source.
    """
    from zoohub.registry import Registry
    from zoohub.selector import store

    rows = store.read_csv(file)
    with Registry.open() as registry:
        there = set(registry.evidence())
        count = registry.add_evidence(row for row in dict.fromkeys(rows) if row not in there)
    click.echo(f"{count} results were added, {len(rows) - count} were there already.", err=True)


@evidence.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--task", help="Only results of this task.")
def export(file: Path, task: str | None) -> None:
    """Write the registry's own results to a csv FILE that import reads."""
    from zoohub import tasks
    from zoohub.registry import Registry
    from zoohub.selector import store

    with Registry.open() as registry:
        rows = registry.evidence(task=tasks.resolve(task).id if task else None)
    count = store.write_csv(rows, file)
    click.echo(f"{count} results were written to {file}.", err=True)
