"""zoo search, zoo show, zoo tasks."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from zoohub.cli import policing
from zoohub.cli.output import emit, format_option, human_bytes, human_count

if TYPE_CHECKING:
    from zoohub.registry import ModelRecord, Query, Registry

_COLUMNS = ("id", "task", "license", "commercial", "parameters", "downloads", "likes", "updated")
_FACETS = (
    ("task", "Task: an id, a name or an alias, in English or Chinese."),
    ("modality", "vision, speech, text, multimodal or other."),
    ("license", "License id, or the group commercial or permissive."),
    ("language", "Language code."),
    ("library", "Library that loads the model."),
    ("author", "Author or organization."),
    ("dataset", "Data set it was trained on."),
    ("base-model", "Model it was made from."),
    ("tag", "Tag."),
    ("source", "Where it lies: hub, modelscope, pypi, folder ..."),
)  # fmt: skip
_SUFFIXES = {"k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}


class Count(click.ParamType[int]):
    """A number as people write it: 7B, 350M, 1e9."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """7B -> 7000000000."""
        if isinstance(value, int):
            return value
        text = str(value).strip().lower().replace("_", "").replace(",", "")
        scale = _SUFFIXES.get(text[-1:], 1)
        try:
            number = float(text[:-1] if scale > 1 else text) * scale
            return round(number)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no number such as 7B, 350M or 1000000", param, ctx)


def _facet_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for name, meaning in reversed(_FACETS):
        dest = name.replace("-", "_")
        command = click.option(f"--not-{name}", f"not_{dest}", multiple=True, help=f"All but this {name}.")(
            command
        )
        command = click.option(f"--{name}", dest, multiple=True, help=meaning)(command)
    return command


class _Search(click.Command):
    """A word with a minus before it looks like an option; say how it is meant as a word."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As any command, with a better word for `zoo search whisper -tiny`."""
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            minus = next((word for word in given if re.fullmatch(r"-[^\W\d_][\w.-]+", word)), None)
            if minus is None or given[0].startswith("-") or error.option_name.startswith("--"):
                raise
            raise click.UsageError(
                f"{minus!r} is no option. To leave a word out, quote the whole text: "
                f'zoo search "{given[0]} {minus}"',
                ctx,
            ) from None


@click.command(cls=_Search)
@click.argument("text", nargs=-1)
@_facet_options
@click.option("--min-params", type=Count(), help="At least so many parameters: 350M, 7B.")
@click.option("--max-params", type=Count(), help="At most so many parameters.")
@click.option("--updated-since", metavar="DATE", help="Updated on that day or later.")
@click.option("--gated/--not-gated", default=None, help="Only models that ask for access, or only others.")
@click.option(
    "--safetensors/--no-safetensors", default=None, help="Only models with safetensors, or only others."
)
@click.option("--gone", is_flag=True, help="Models that their source no longer has.")
@click.option("--sort", type=click.Choice(["relevance", "downloads", "likes", "updated", "parameters"]),
              default="relevance", show_default=True, help="Highest first.")  # fmt: skip
@click.option("--ascending", is_flag=True, help="Lowest first.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many to print.")
@click.option("--cursor", help="Go on where an earlier search stopped.")
@click.option("--count", is_flag=True, help="Print how many models match.")
@click.option("--count-by", metavar="FACET", help="Print how many models have each value of a facet.")
@format_option()
def search(text: tuple[str, ...], count: bool, count_by: str | None, format: str, **options: Any) -> None:
    """Search the registry by text and facets.

    TEXT finds words, beginnings of words and letters inside names: bert finds distilbert. "quotes" mean words
    in a row, OR either side, -word leaves out. A task may be named in English or Chinese: zoo search 情感分析

    Repeating an option means OR, different options mean AND. `unknown` is a value of every facet.
    """
    from zoohub.registry import Registry

    query = _query(" ".join(text), options)
    with Registry.open() as registry:
        if count:
            click.echo(registry.count(query))
            return
        if count_by:
            counts = registry.count_by(count_by.replace("-", "_"), query).most_common(query.limit)
            emit(
                [{count_by: value, "models": count} for value, count in counts],
                (count_by, "models"),
                format,
                id=count_by,
            )
            return
        results = registry.search(query)
        judge = policing.verdicts(registry)
        told = _row if format == "table" else _plain
        rows = (
            {
                **told(record, registry.commercial(record.license)),
                **({"verdict": judge(record)} if judge else {}),
            }
            for record in results
        )
        shown = emit(rows, (*_COLUMNS[:3], "verdict", *_COLUMNS[3:]) if judge else _COLUMNS, format)
        if not shown:
            click.echo("No model matches." + _left_out(registry, query), err=True)
        elif results.cursor and format == "table":
            click.echo(f"More: add --cursor {results.cursor}", err=True)


def _left_out(registry: Registry, query: Query) -> str:
    """How many models a limit on parameters leaves out because nobody stated theirs."""
    from dataclasses import replace

    if query.min_params is None and query.max_params is None:
        return ""
    count = registry.count(replace(query, min_params=None, max_params=None))
    return (
        f" {count:,} would without the limit on parameters; what does not state them is left out."
        if count
        else ""
    )


def _query(text: str, options: dict[str, Any]) -> Any:
    from zoohub.registry import Query

    options["has_safetensors"] = options.pop("safetensors")
    chosen = {name: value for name, value in options.items() if value not in (None, (), False)}
    for flag in ("has_safetensors", "gated"):
        if options[flag] is False:
            chosen[flag] = False
    return Query.of(text, **chosen)


def _plain(record: ModelRecord, commercial: str) -> dict[str, Any]:
    return {**record.to_dict(sparse=True), "license": record.license, "commercial": commercial}


def _row(record: ModelRecord, commercial: str) -> dict[str, Any]:
    return {
        "id": record.id,
        "task": record.task,
        "license": _license(record),
        "commercial": commercial,
        "parameters": human_count(record.parameters),
        "downloads": human_count(record.downloads),
        "likes": human_count(record.likes),
        "updated": (record.updated or "")[:10],
    }


def _license(record: ModelRecord) -> str:
    """The license as declared; where the base reads it differently, both."""
    raw = record.license_raw or record.license_name
    if not raw or raw.lower() == record.license:
        return record.license
    return f"{raw} ({record.license})"


@click.command()
@click.argument("model")
@format_option("table", "json")
def show(model: str, format: str) -> None:
    """All that is known of one model, by id or alias."""
    from zoohub.registry import Registry

    with Registry.open() as registry:
        record = registry.get(model)
        judge = policing.verdicts(registry)
        verdict = judge(record) if judge else None
        commercial = registry.commercial(record.license)
    if format == "json":
        import json

        data = {**record.to_dict(), "verdict": verdict} if verdict else record.to_dict()
        click.echo(json.dumps(data, ensure_ascii=False, indent=2))
        return
    lines = list(_facts(record, commercial))
    if verdict:
        at = [name for name, _ in lines].index("license")
        lines.insert(at + 1, ("verdict", f"{verdict} under the policy in force (why: zoo audit {record.id})"))
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        click.echo(f"{name.ljust(width)}  {value}")


def _facts(record: ModelRecord, commercial: str) -> list[tuple[str, str]]:
    from zoohub.cli.output import printable

    evidence = "; ".join(f"{item.kind} {item.where}" for item in record.license_evidence)
    facts: list[tuple[str, Any]] = [
        ("id", record.id),
        ("source", record.source),
        ("revision", record.revision),
        ("author", record.author),
        ("task", ", ".join(record.tasks)),
        ("library", record.library),
        ("license", f"{_license(record)}, commercial use: {commercial}"),
        ("license name", record.license_name),
        ("license link", record.license_link),
        ("license evidence", evidence),
        ("code license", record.code_license),
        ("languages", ", ".join(record.languages)),
        ("datasets", ", ".join(record.datasets)),
        (
            "base models",
            ", ".join(f"{b.id} ({b.relation})" if b.relation else b.id for b in record.base_models),
        ),
        ("parameters", human_count(record.parameters)),
        ("size", human_bytes(record.size)),
        ("formats", ", ".join(record.formats)),
        ("downloads", human_count(record.downloads)),
        ("likes", human_count(record.likes)),
        ("created", record.created),
        ("updated", record.updated),
        ("gated", {True: "yes", False: "no", None: None}[record.gated]),
        ("gone", record.gone),
        ("mirrors", ", ".join(record.mirrors)),
        ("tags", ", ".join(record.tags)),
        ("description", record.description),
        ("origin", record.origin),
    ]
    for metric in record.metrics:
        where = " on ".join(part for part in (metric.task, metric.dataset) if part)
        facts.append(("metric", f"{metric.metric} {metric.value:g} {where} {metric.source or ''}".rstrip()))
    facts += [("file", f"{file.path}  {human_bytes(file.size)}") for file in record.files]
    return [(name, printable(str(value))) for name, value in facts if value]


@click.command()
@format_option()
def tasks(format: str) -> None:
    """The task vocabulary, in English and Chinese."""
    from zoohub.tasks import TASKS

    rows = [{"id": task.id, "modality": task.modality, "name": task.name, "name_zh": task.name_zh,
             "input": task.input, "output": task.output, "metric": task.metric, "aliases": list(task.aliases)}
            for task in TASKS]  # fmt: skip
    emit(rows, ("id", "modality", "name", "name_zh", "input", "output", "metric"), format)
