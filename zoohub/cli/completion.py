"""`zoo completion`: the script that makes a shell complete commands and options."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of SHELL.

    For bash: eval "$(zoo completion bash)" in ~/.bashrc; zsh likewise; for fish:
    zoo completion fish > ~/.config/fish/completions/zoo.fish
    """
    from click.shell_completion import get_completion_class

    from zoohub.cli.main import zoo

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(zoo, {}, "zoo", "_ZOO_COMPLETE").source())
