"""zoo db: upgrade, check, describe and copy the registry's database."""

from __future__ import annotations

from typing import Any

import click

from zoohub.cli.output import emit, format_option, human_bytes


@click.group()
def db() -> None:
    """Upgrade, check or describe the registry's database."""


@db.command()
def upgrade() -> None:
    """Create the database or bring it to this version's schema; nothing to do is fine."""
    from zoohub import settings
    from zoohub.registry import database

    url = settings.database_url()
    database.prepare(url)
    click.echo(f"{database.public_url(url)} is at schema {database.HEAD}.", err=True)


@db.command()
def check() -> None:
    """Check that the database is whole and has the schema that this version declares."""
    from zoohub.registry import Registry

    with Registry.open(catalog=False) as registry:
        faults = registry.faults()
    for fault in faults:
        click.echo(fault)
    if faults:
        raise click.exceptions.Exit(1)
    click.echo("The registry is whole.", err=True)


@db.command()
@format_option("table", "json")
def info(format: str) -> None:
    """Where the registry lies, its schema, size and what it holds."""
    from zoohub.registry import Registry

    with Registry.open() as registry:
        facts = registry.info()
    if format == "table" and isinstance(facts.get("size"), int):
        facts["size"] = human_bytes(facts["size"])
    rows = [facts] if format == "json" else [{"fact": name, "value": value} for name, value in facts.items()]
    emit(rows, ("fact", "value"), format)


@db.command()
@click.argument("source")
@click.argument("target")
def copy(source: str, target: str) -> None:
    """Copy a registry into an empty database: zoo db copy sqlite:///old.db postgresql+psycopg://user@host/db."""
    from tqdm import tqdm

    from zoohub.errors import UsageError
    from zoohub.registry import Registry, database
    from zoohub.registry.upkeep import copy as copy_rows

    if not database.holds_registry(source):
        raise UsageError(
            f"{database.public_url(source)} holds no registry.",
            "Name the database to copy from first: zoo db info",
        )
    with (
        Registry.open(source, catalog=False) as old,
        Registry.open(target, catalog=False) as new,
        old.connection() as reading,
        new.connection() as writing,
        tqdm(unit=" rows", disable=None) as bar,
    ):
        counts = copy_rows(reading, writing, lambda table, rows: _show(bar, table, rows))
    click.echo(f"{counts['models']} models copied.", err=True)


def _show(bar: Any, table: str, rows: int) -> None:
    bar.set_description(f"{table} {rows}", refresh=False)
    bar.update(min(rows, 5000))
