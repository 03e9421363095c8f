"""`zoo license`: what licenses grant and ask, and which license a text is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from zoohub.cli.output import emit, format_option


@click.group()
def license() -> None:
    """Licenses: list, show, compare, and recognize a text."""


@license.command("list")
@click.argument("text", required=False, default="")
@click.option("--group", type=click.Choice(["commercial", "permissive"]), help="Only licenses of this group.")
@click.option("--kind", help="Only licenses of this kind, such as rail or community.")
@format_option()
def list_licenses(text: str, group: str | None, kind: str | None, format: str) -> None:
    """List the licenses of the knowledge base; TEXT must stand in the id, the name or an alias."""
    from zoohub.cards.licenses import OPERATIONS, all_licenses, in_group

    rows = [
        {"id": entry.id, "kind": entry.kind, "name": entry.name, "text": entry.text, "spdx": entry.spdx,
         **{operation: entry.answer(operation) for operation in OPERATIONS}}
        for entry in all_licenses()
        if (not group or in_group(entry.id, group))
        and (not kind or entry.kind == kind)
        and text.lower() in " ".join((entry.id, entry.name, *entry.aliases)).lower()
    ]  # fmt: skip
    count = emit(rows, ["id", "kind", "use", "commercial", "modify", "redistribute", "finetune", "distill",
                        "train_on_outputs", "serve"], format)  # fmt: skip
    click.echo(f"{count} licenses", err=True)


@license.command()
@click.argument("license_id", metavar="LICENSE")
@format_option("table", "json")
def show(license_id: str, format: str) -> None:
    """Show a license: each answer with its clause, the conditions, the sources.

    LICENSE is an id, an SPDX id or a name.
    """
    from zoohub.cards.licenses import GROUPS, in_group, resolve

    entry = resolve(license_id)
    if format == "json":
        import json

        click.echo(json.dumps(entry.to_dict(), ensure_ascii=False, indent=2))
        return
    head = [
        ("id", entry.id), ("name", entry.name), ("SPDX", entry.spdx), ("kind", entry.kind),
        ("steward", entry.steward), ("released", entry.released), ("address", entry.url),
        ("text was", _TEXT[entry.text]), ("can mean", ", ".join(entry.versions)),
        ("groups", ", ".join(group for group in GROUPS if in_group(entry.id, group))),
    ]  # fmt: skip
    for name, value in head:
        if value:
            click.echo(f"{name + ':':<10} {value}")
    click.echo()
    answers = [{"operation": operation, "answer": fact.answer, "clause": fact.clause}
               for operation, fact in entry.facts.items()]  # fmt: skip
    emit(answers, ["operation", "answer", "clause"], "table")
    if entry.conditions:
        click.echo()
        rows = [{"condition": condition.kind, "what": condition.sentence, "binds": _binds(condition.on),
                 "clause": condition.clause} for condition in entry.conditions]  # fmt: skip
        emit(rows, ["condition", "what", "binds", "clause"], "table")
    if entry.notes:
        click.echo(f"\n{entry.notes}")
    click.echo(f"\nSources: {'; '.join(entry.sources)}")
    click.echo("A summary by a program, not legal advice; the license text decides.", err=True)


@license.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE_OR_FOLDER...")
@format_option("table", "json", "jsonl")
@click.pass_context
def check(ctx: click.Context, files: tuple[str, ...], format: str) -> None:
    """Recognize license texts: the same words as a known license, or similar to one and where it differs.

    Of a folder, its license files are checked. The exit code is 1 where a text is none of the known.
    """
    from zoohub.cards.licenses import recognize_file

    rows: list[dict[str, Any]] = []
    for path, root in _license_paths(files):
        match = recognize_file(path, inside=root)
        rows.append({
            "file": str(path), "license": match.id, "part": match.part, "how": match.how,
            "similar": match.similar, "similarity": match.similarity, "said": str(match),
            "passages": [_passage(passage) for passage in match.passages],
        })  # fmt: skip
    if format != "table":
        emit(rows, [], format, id="license")
    for row in rows if format == "table" else ():
        click.echo(f"{row['file']}: {row['said']}")
        for passage in row["passages"]:
            _echo_passage(passage)
    if any(row["license"] == "unknown" for row in rows):
        ctx.exit(1)


@license.command()
@click.argument("first")
@click.argument("second")
@format_option("table", "json")
def compare(first: str, second: str, format: str) -> None:
    """Compare two licenses by their terms: answers that differ, conditions that only one of them has."""
    from zoohub.cards.licenses import OPERATIONS, resolve

    one, other = resolve(first), resolve(second)
    answers = [
        {"operation": operation, one.id: one.answer(operation), other.id: other.answer(operation),
         "same": one.answer(operation) == other.answer(operation)} for operation in OPERATIONS
    ]  # fmt: skip
    only = {one.id: _only(one, other), other.id: _only(other, one)}
    if format == "json":
        import json

        click.echo(json.dumps({"answers": answers, "only": only}, ensure_ascii=False, indent=2))
        return
    for row in answers:
        row["same"] = "" if row["same"] else "differs"
    emit(answers, ["operation", one.id, other.id, "same"], "table")
    for name, conditions in only.items():
        click.echo(f"\nOnly {name}:" if conditions else f"\nOnly {name}: nothing")
        for condition in conditions:
            click.echo(f"  - {condition}")


_TEXT = {
    "read": "read in full",
    "partly": "read in part, or as quoted by others",
    "none": "not read: nothing is known",
}


def _only(one: Any, other: Any) -> list[str]:
    """The conditions of `one` that `other` does not have, in words."""
    theirs = {_key(condition) for condition in other.conditions}
    return [
        f"{condition.kind}: {condition.sentence}"
        for condition in one.conditions
        if _key(condition) not in theirs
    ]


def _key(condition: Any) -> tuple[Any, ...]:
    """What makes two conditions the same: not their wording, save where a text is prescribed."""
    prescribed = (
        condition.text if condition.kind in ("badge", "name_prefix", "outputs", "field_of_use") else ""
    )
    return (condition.kind, prescribed, condition.amount, condition.counted, condition.places)


def _binds(operations: tuple[str, ...]) -> str:
    from zoohub.cards.licenses import OPERATIONS

    return "everything" if len(operations) == len(OPERATIONS) else ", ".join(operations)


def _license_paths(files: tuple[str, ...]) -> list[tuple[Path, Path | None]]:
    """Each license file with the folder that it must not lead out of."""
    from zoohub.cards.licenses import license_files
    from zoohub.errors import UsageError

    found: list[tuple[Path, Path | None]] = []
    for name in files:
        path = Path(name).expanduser()
        inner = [(file, path) for file in license_files(path)] if path.is_dir() else [(path, None)]
        if not inner:
            raise UsageError(f"{path} holds no license file.", "Name the file itself.")
        found += inner
    return found


def _passage(passage: Any) -> dict[str, Any]:
    return {"kind": passage.kind, "line": passage.line, "words": passage.words, "text": passage.text}


def _echo_passage(passage: dict[str, Any]) -> None:
    sign, color = ("+", "green") if passage["kind"] == "added" else ("-", "red")
    place = f"line {passage['line']}: " if passage["line"] else ""
    text = passage["text"] or f"({passage['words']} words of the known text, which is not shipped)"
    shown = text if len(text) <= 300 else f"{text[:300]} ... ({passage['words']} words)"
    click.echo(click.style(f"  {sign} {place}{shown}", fg=color))
