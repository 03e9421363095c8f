"""`zoo card`: show, check, write and mend model cards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoohub.cli.output import emit, format_option

if TYPE_CHECKING:
    from zoohub.cards import Card
    from zoohub.registry import ModelRecord


@click.group()
def card() -> None:
    """Model cards: show, check, write, mend."""


@card.command()
@click.argument("model_or_file")
@format_option("table", "json")
def show(model_or_file: str, format: str) -> None:
    """Show a card: of a file, a folder, or a model.

    A model that was not pulled gets the card that the registry's facts make.
    """
    found = _card(model_or_file)
    if format == "json":
        import json

        text = json.dumps({"data": found.data, "body": found.body}, ensure_ascii=False, indent=2, default=str)
        click.echo(text)
        return
    click.echo(found.text, nl=not found.text.endswith("\n"))


@card.command()
@click.argument("model_or_file")
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings too, not for errors only.")
@format_option("table", "json", "jsonl", "csv")
@click.pass_context
def check(ctx: click.Context, model_or_file: str, strict: bool, format: str) -> None:
    """Check a card: what hubs will not read, what is missing, what its license asks for.

    The exit code is 1 where there are errors (with --strict, warnings too).
    """
    from zoohub.cards import check as check_card

    findings = check_card(_card(model_or_file))
    rows = [
        {"severity": found.severity, "line": found.line, "rule": found.rule, "message": found.message,
         "remedy": found.remedy} for found in findings
    ]  # fmt: skip
    emit(rows, ["severity", "line", "rule", "message", "remedy"], format, id="rule")
    grave = {"error", "warning"} if strict else {"error"}
    if not findings:
        click.echo("Nothing to mend.", err=True)
    if any(finding.severity in grave for finding in findings):
        ctx.exit(1)


@card.command()
@click.argument("model_or_folder")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Write to this file instead of stdout.")
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
def new(model_or_folder: str, output: Path | None, force: bool) -> None:
    """Write a card for a model from what the registry, or the model's folder, knows of it."""
    from zoohub.cards import new_card
    from zoohub.errors import UsageError

    if output is not None and output.exists() and not force:
        raise UsageError(f"{output} is there already.", "Overwrite it with --force, or mend it: zoo card fix")
    record = _record(model_or_folder)
    made = new_card(record, base_licenses=_base_licenses(record))
    if output is None:
        click.echo(made.text, nl=False)
    else:
        click.echo(f"Written: {made.write(output)}", err=True)


@card.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Print the mended card instead of writing it.")
def fix(file: Path, dry_run: bool) -> None:
    """Mend a card in place: spelling of keys, licenses and tasks, keys that stand twice, order, encoding."""
    from zoohub.cards import Card
    from zoohub.cards import fix as fix_card

    mended, done = fix_card(Card.read(file))
    if dry_run:
        click.echo(mended.text, nl=False)
    elif done:
        mended.write()
    for what in done:
        click.echo(what, err=True)
    if not done:
        click.echo("Nothing that a machine can mend.", err=True)


def _card(text: str) -> Card:
    from zoohub.cards import Card, new_card
    from zoohub.weights import local

    path = Path(text).expanduser()
    if path.exists():
        return Card.read(path)
    record = _record(text)
    folder = local(record)
    if folder is not None and (folder / "README.md").is_file():
        return Card.read(folder / "README.md")
    click.echo(f"{record.id} is not on this machine; this card is what the registry knows.", err=True)
    return new_card(record, base_licenses=_base_licenses(record))


def _record(text: str) -> ModelRecord:
    """The model's record: from the registry, or read from its folder."""
    if Path(text).expanduser().is_dir():
        from zoohub.registry.sources.folder import record_of

        return record_of(text)
    from zoohub.registry import get

    return get(text)


def _base_licenses(record: ModelRecord) -> list[str] | None:
    """For a model that states no license, those of the models that it was made from."""
    from zoohub.errors import ZooError
    from zoohub.registry import get

    if record.license != "unknown" or not record.base_models:
        return None
    found = []
    for base in record.base_models:
        try:
            found.append(get(base.id).license)
        except ZooError:
            found.append("unknown")
    return found
