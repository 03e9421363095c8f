"""zoo alias, zoo history, zoo changes, zoo lineage: names, memory and kin of models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from zoohub.cli.output import emit, format_option, printable

if TYPE_CHECKING:
    from zoohub.registry import Event, Kin


@click.group()
def alias() -> None:
    """Names that stand for a model: set, list, remove."""


@alias.command("set")
@click.argument("name")
@click.argument("model")
def set_(name: str, model: str) -> None:
    """Let NAME stand for MODEL; MODEL@REVISION pins it. Every change is kept in the history."""
    from zoohub.registry import Registry

    with Registry.open() as registry:
        made = registry.set_alias(name, model)
    click.echo(f"{made.name} -> {made.target}", err=True)


@alias.command("list")
@format_option()
def list_(format: str) -> None:
    """All aliases."""
    from zoohub.registry import Registry

    with Registry.open() as registry:
        rows = [each._asdict() for each in registry.aliases()]
    if not emit(rows, ("name", "target", "at"), format, id="name"):
        click.echo("No alias is set.", err=True)


@alias.command()
@click.argument("name")
def remove(name: str) -> None:
    """Let NAME stand for nothing."""
    from zoohub.registry import Registry

    with Registry.open() as registry:
        registry.remove_alias(name)
    click.echo(f"{name} is no alias any more.", err=True)


_EVENT = ("at", "subject", "field", "old", "new")


@click.command()
@click.argument("model")
@format_option()
def history(model: str, format: str) -> None:
    """What changed of a model or an alias: license, base models, gating, existence; the latest first."""
    from zoohub.registry import Registry

    with Registry.open() as registry:
        _print_events(registry.history(model), format)


@click.command()
@click.option("--since", metavar="DATE", help="Changes seen on that day or later.")
@click.option("--field", help="license, base_models, gated, gone or alias.")
@format_option()
def changes(since: str | None, field: str | None, format: str) -> None:
    """What changed in the whole registry: which of my models changed its license?"""
    from zoohub.registry import Registry

    with Registry.open() as registry:
        _print_events(registry.changes(since=since, field=field), format)


def _print_events(events: list[Event], format: str) -> None:
    if not emit([event._asdict() for event in events], _EVENT, format, id="subject"):
        click.echo("No change was seen.", err=True)


@click.command()
@click.argument("model")
@click.option(
    "--depth", type=click.IntRange(1, 20), default=20, show_default=True, help="Steps in each direction."
)
@click.option(
    "--limit", type=click.IntRange(1), default=100, show_default=True, help="Models derived from it."
)
@format_option("table", "json")
def lineage(model: str, depth: int, limit: int, format: str) -> None:
    """What a model was made from, and what was made from it, as a tree."""
    from zoohub.registry import Registry

    with Registry.open() as registry:
        found = registry.lineage(model, depth=depth, limit=limit)
    if format == "json":
        import json

        tree = {
            "id": found.model.id,
            "bases": list(map(_plain, found.bases)),
            "derived": list(map(_plain, found.derived)),
        }
        click.echo(json.dumps({**tree, "left_out": found.left_out}, ensure_ascii=False, indent=2))
        return
    click.echo(printable(found.model.id))
    _print_kin("made from", found.bases)
    _print_kin("base of", found.derived)
    if found.left_out:
        click.echo(f"{found.left_out} or more are left out; raise --limit.", err=True)


def _plain(kin: Kin) -> dict[str, Any]:
    return {"id": kin.id, "relation": kin.relation, "registered": kin.record is not None, "again": kin.again,
            "children": [_plain(child) for child in kin.children]}  # fmt: skip


def _print_kin(title: str, kin: list[Kin]) -> None:
    if kin:
        click.echo(f"{title}:")
        _print_tree(kin, "  ")


def _print_tree(kin: list[Kin], indent: str) -> None:
    for number, each in enumerate(kin, start=1):
        last = number == len(kin)
        notes = [
            each.relation,
            None if each.record else "not registered",
            "see above" if each.again else None,
        ]
        told = ", ".join(note for note in notes if note)
        click.echo(printable(f"{indent}{'└─' if last else '├─'} {each.id}{f'  ({told})' if told else ''}"))
        _print_tree(each.children, indent + ("   " if last else "│  "))
