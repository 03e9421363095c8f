"""zoo policy: new, check, show."""

from __future__ import annotations

from pathlib import Path

import click

from zoohub.errors import UsageError


@click.group()
def policy() -> None:
    """Which models may we use: policies for zoo audit, search, pull and finetune."""


@policy.command()
@click.argument("file", type=click.Path(path_type=Path), default=Path("policy.yaml"))
@click.option("--base", type=click.Choice(["commercial", "research", "permissive-only"]),
    default="commercial",
              show_default=True, help="The built-in policy it begins with.")  # fmt: skip
def new(file: Path, base: str) -> None:
    """Write a policy to fill in, with a comment on each line."""
    from zoohub.audit.policy import TEMPLATE

    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(TEMPLATE.format(name=file.stem, base=base))
    except FileExistsError:
        raise UsageError(f"{file} exists.", "Name another file.") from None
    click.echo(file)
    click.echo(f"Fill it in, then: zoo policy check {file}", err=True)


@policy.command()
@click.argument("file")
@click.pass_context
def check(context: click.Context, file: str) -> None:
    """Is FILE a policy? Names overlapping rules and waivers that have ended; exit code 1 where a waiver
    has."""
    from datetime import date

    from zoohub.audit.policy import load

    found = load(file)
    for overlap in found.overlaps():
        click.echo(f"note: {overlap}")
    ended = [waiver for waiver in found.waivers if waiver.until < date.today()]
    for waiver in ended:
        click.echo(f"expired: the waiver of {waiver.owner} for {waiver.model} ended on {waiver.until}")
    click.echo(f"{file}: a policy with {len(found.rules)} rules and {len(found.waivers)} waivers")
    context.exit(1 if ended else 0)


@policy.command()
@click.argument("name", required=False)
def show(name: str | None) -> None:
    """What the policy in force (or NAME) says, with every rule it takes over from its base."""
    from zoohub import settings
    from zoohub.audit.policy import load

    if name is None and not settings.policy_file():
        click.echo(
            "No policy is in force; zoo audit judges by 'commercial'. Write one: zoo policy new", err=True
        )
    found = load(name)
    stated = {"commercial": found.commercial, "monthly_users": found.monthly_users, "revenue": found.revenue,
              "territory": " ".join(found.territory) if found.territory else None}  # fmt: skip
    click.echo(f"name     {found.name}")
    click.echo(
        "who      "
        + ", ".join(f"{key} {'not stated' if value is None else value}" for key, value in stated.items())
    )
    click.echo(f"what     {', '.join(found.what)}")
    click.echo(f"unknown  {found.unknown}")
    for rule in found.rules:
        click.echo(f"rule     {rule.kind} {rule.pattern}: {rule.severity} - {rule.reason}")
    for waiver in found.waivers:
        term = waiver.term or "everything"
        click.echo(
            f"waiver   {waiver.model} ({term}) by {waiver.owner} until {waiver.until}: {waiver.reason}"
        )
