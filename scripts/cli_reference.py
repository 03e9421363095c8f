"""Write docs/cli.md, the command reference, from the commands themselves."""

from __future__ import annotations

from pathlib import Path

import click

from zoohub.cli.main import COMMANDS, zoo

TARGET = Path(__file__).parent.parent / "docs" / "cli.md"


def render() -> str:
    parts = [
        "# Command reference",
        "",
        "Written by `make docs` from the commands; a test fails when it is stale.",
        "",
    ]
    parts += _block(zoo, "zoo", None)
    root = click.Context(zoo, info_name="zoo", terminal_width=100, **zoo.context_settings)
    for name in COMMANDS:
        command = zoo.get_command(root, name)
        assert command is not None, name
        parts += _walk(command, name, root)
    return "\n".join(parts).rstrip() + "\n"


def _walk(command: click.Command, name: str, parent: click.Context) -> list[str]:
    parts = _block(command, name, parent)
    if isinstance(command, click.Group):
        ctx = click.Context(command, info_name=name, parent=parent)
        for child in sorted(command.commands):
            parts += _walk(command.commands[child], child, ctx)
    return parts


def _block(command: click.Command, name: str, parent: click.Context | None) -> list[str]:
    settings = {**zoo.context_settings, **command.context_settings}  # as main() makes them, -h included
    ctx = click.Context(command, info_name=name, parent=parent, terminal_width=100, **settings)
    return [f"## {ctx.command_path}", "", "```text", command.get_help(ctx), "```", ""]


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
    print(TARGET.name)
