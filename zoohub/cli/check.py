"""`zoo check`: is a model safe to load?"""

from __future__ import annotations

import click

from zoohub.cli.output import emit, format_option


@click.command()
@click.argument("folder_or_model")
@click.option("--all", "show_all", is_flag=True, help="List the files that are fine too.")
@format_option("table", "json", "jsonl", "csv")
@click.pass_context
def check(ctx: click.Context, folder_or_model: str, show_all: bool, format: str) -> None:
    """Judge each file of a folder, a file, or a model that was pulled; nothing in them is run.

    ok: may be loaded. note: nothing loads it. refused: a pickle (convert it) or a configuration that asks
    for code (trust a revision by name). danger: there is no safe way to use it. The exit code is 1 where
    anything is refused or dangerous.
    """
    from zoohub.weights import Level
    from zoohub.weights import check as check_path

    report = check_path(_path(folder_or_model))
    shown = [
        verdict
        for verdict in report.verdicts
        if show_all or format != "table" or verdict.level is not Level.OK
    ]
    rows = [{"level": str(verdict.level), "kind": verdict.kind, "path": verdict.path,
             "reasons": list(verdict.reasons)} for verdict in shown]  # fmt: skip
    for row in rows:
        row["why"] = "; ".join(row["reasons"])
    emit(rows, ["level", "kind", "path", "why"], format)
    counts = {level: sum(verdict.level is level for verdict in report.verdicts) for level in Level}
    told = ", ".join(f"{count} {level}" for level, count in counts.items() if count)
    click.echo(f"{report.root}: {told or 'no files'}", err=True)
    if not report.safe:
        ctx.exit(1)


def _path(text: str) -> str:
    """A path as it is, a model's id as the folder that it was pulled to."""
    from pathlib import Path

    from zoohub.errors import NotPulled
    from zoohub.weights import local

    if Path(text).exists():
        return text
    folder = local(text)
    if folder is None:
        raise NotPulled(f"{text} is no folder here and no model that was pulled.", f"zoo pull {text}")
    return str(folder)
