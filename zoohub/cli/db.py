"""zoo db: upgrade, check, describe and copy the registry's database."""

from __future__ import annotations

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
