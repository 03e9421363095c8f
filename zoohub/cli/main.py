"""The root command: the table of commands, and the edge where errors become messages and exit codes."""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from typing import NamedTuple

import click
from click.shell_completion import CompletionItem

from zoohub.errors import ZooError


class Entry(NamedTuple):
    """Where a command lives and what the overview says of it."""

    group: str
    module: str
    help: str


FIND, VET, USE, SHARE, HOUSE = "Find", "Vet", "Use", "Share", "House-keeping"

# A command is the function of the same name ('-' as '_') in its module; modules load when they are used.
COMMANDS: dict[str, Entry] = {
    "search": Entry(FIND, "search", "Search the registry by text and facets."),
    "show": Entry(FIND, "search", "All that is known of one model."),
    "lineage": Entry(FIND, "alias", "What a model was made from, and what was made from it."),
    "tasks": Entry(FIND, "search", "The task vocabulary, in English and Chinese."),
    "serve": Entry(SHARE, "zoohub.hub.cli", "Serve a private hub that the Hugging Face clients talk to."),
    "hub": Entry(SHARE, "zoohub.hub.cli", "Look after a hub: users, tokens, the store."),
    "sync": Entry(FIND, "sync", "Bring models of a hub, a cache, a folder or a file into the registry."),
    "recommend": Entry(FIND, "recommend", "Which model for a task, how, at what cost, how sure."),
    "evidence": Entry(FIND, "evidence", "The results that recommendations rest on: list, import, export."),
    "profile": Entry(FIND, "profile", "Look at a data set before a model is chosen for it."),
    "fit": Entry(FIND, "fit", "Does a model fit into the memory at hand, and what would make it fit."),
    "finetune": Entry(USE, "predict", "Fine-tune a model on labeled data."),
    "evaluate": Entry(USE, "predict", "Measure a model on labeled data."),
    "predict": Entry(USE, "predict", "Answer files, folders, texts with a model."),
    "embed": Entry(USE, "predict", "Vectors of files, folders, texts."),
    "audit": Entry(VET, "audit", "May we use it? Models, a registry or code under a policy."),
    "policy": Entry(VET, "policy", "Write, check and show policies."),
    "history": Entry(VET, "alias", "What changed of a model: license, base models, gating, existence."),
    "changes": Entry(VET, "alias", "What changed in the registry since a day."),
    "alias": Entry(USE, "alias", "Names that stand for a model: set, list, remove."),
    "completion": Entry(HOUSE, "completion", "Shell completion for bash, zsh and fish."),
    "card": Entry(VET, "card", "Model cards: show, check, write, mend."),
    "license": Entry(VET, "license", "What a license grants and asks; which license a text is."),
    "check": Entry(VET, "check", "Is a folder or a pulled model safe to load?"),
    "pull": Entry(USE, "pull", "Fetch a model's files, verified and checked."),
    "store": Entry(HOUSE, "pull", "The models on this machine: list, remove, verify."),
    "db": Entry(HOUSE, "db", "Upgrade, check or describe the registry's database."),
}


class Zoo(click.Group):
    """A group whose commands are imported when named, and whose help groups them by purpose."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of the command and return it; None for an unknown name."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module = import_module(entry.module if "." in entry.module else f"zoohub.cli.{entry.module}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an unknown command names the near ones."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from zoohub.errors import did_you_mean, suggest

            near = did_you_mean(suggest(args[0], COMMANDS))
            ctx.fail(f"No such command {args[0]!r}.{near} See: zoo --help")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Command names from the table, so that a key press imports no command."""
        names = [CompletionItem(name, help=entry.help) for name, entry in COMMANDS.items()
                 if name.startswith(incomplete)]  # fmt: skip
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The overview, grouped by what a person wants, without importing a command."""
        for group in (FIND, VET, USE, SHARE, HOUSE):
            rows = [(name, entry.help) for name, entry in COMMANDS.items() if entry.group == group]
            if rows:
                with formatter.section(group):
                    formatter.write_dl(rows)


@click.group(
    cls=Zoo,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 the answer is no or the work failed, 2 the request is wrong.",
)
@click.version_option(package_name="zoohub", prog_name="zoo")
def zoo() -> None:
    """Find, vet and put to work open models, offline first."""


def main(argv: list[str] | None = None) -> None:
    """Run the command line; every deliberate error ends here as a message on stderr."""
    gc.set_threshold(50_000, 20, 20)  # loading modules leaves no garbage; looking for it takes milliseconds
    try:
        code = zoo.main(args=argv, prog_name="zoo", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except ZooError as error:
        _say(str(error))
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _say("Stopped. Nothing half-written was kept; the same command resumes.")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        _say(f"{error.strerror or error}" + (f": {error.filename}" if error.filename else ""))
        sys.exit(1)
    except Exception as error:  # noqa: BLE001  # the edge: what was not foreseen is told, too
        _say(
            f"zoohub made a mistake here ({type(error).__name__}: {error}).\n"
            f"What was kept before stays. Please report it, with the details in {_details(error)}"
        )
        sys.exit(1)


def _details(error: Exception) -> str:
    """The file that a traceback was written to: of use to who mends it, not to who meets it."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="zoo-error-", suffix=".txt", delete=False) as file:
        traceback.print_exception(error, file=file)
    return file.name


def _say(text: str) -> None:
    click.echo(click.style("Error: ", fg="red", bold=True) + text, err=True)


if __name__ == "__main__":
    main()
