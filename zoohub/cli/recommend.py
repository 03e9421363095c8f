"""zoo recommend: which model, how, at what cost, how sure."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoohub.cli.output import human_bytes, human_count, table

if TYPE_CHECKING:
    from zoohub.selector import Answer, Recommendation

_COLUMNS = (
    "rank",
    "id",
    "tie",
    "p_best",
    "score",
    "80%",
    "regret",
    "strategy",
    "train_memory",
    "run_memory",
    "parameters",
    "license",
    "commercial",
    "results",
)


@click.command()
@click.option("--task", required=True, help="Task: an id, a name or an alias, in English or Chinese.")
@click.option("--samples", type=int, help="Labeled samples at hand; none: the model is used as it is.")
@click.option("--classes", type=int, help="Classes to tell apart.")
@click.option("--language", help="Language code of the data; models must state it.")
@click.option(
    "--domain", help="Domain of the data, as in zoo evidence list: natural/animals, single/sentiment ..."
)
@click.option("--license", help="License id, or the group commercial or permissive.")
@click.option("--memory", help="Memory that the work must fit into: 8GB, 16GiB.")
@click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16", "fp16", "int8", "int4"]),
    default="fp32",
    show_default=True,
    help="Number format of the weights.",
)
@click.option(
    "--strategy", help="probe, setfit, lora, probe-then-full, full or zero-shot (default: by size)."
)
@click.option("--max-params", type=int, help="At most so many parameters.")
@click.option("--limit", type=click.IntRange(1), default=10, show_default=True, help="How many to show.")
@click.option(
    "--data",
    type=click.Path(exists=True, path_type=Path),
    help="Look at this data: its counts fill --samples and --classes, pulled models are scored on it.",
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw expected quality against size into a PNG file (needs the extra models).",
)
@click.option(
    "--format",
    "format",
    type=click.Choice(["table", "json", "markdown", "id"]),
    default="table",
    show_default=True,
    help="How to print: for people (table, markdown) or for programs.",
)
def recommend(
    task: str, samples: int | None, data: Path | None, plot: Path | None, format: str, **options: Any
) -> None:
    """Say which model to use for a task, how to fine-tune it, how good it will be and what it costs.

    Answers from published results and metadata alone: no weights are needed. P(best), the score's 80 %
    interval
    and the regret come from one simulation; TIE marks models between which the evidence cannot choose.
    """
    # matrices of a few hundred rows: threads that wait for one another cost more than they bring
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from zoohub.selector import answer

    if data is not None:
        samples = _from_data(data, samples, options)
    found = answer(task, samples, **options)
    if data is not None:
        found = _refined(found, task, data, samples, options)
    if plot is not None:
        from zoohub.selector.plot import draw

        draw(found, plot)
        click.echo(f"Drawn: {plot}", err=True)
    if format == "json":
        click.echo(json.dumps(asdict(found), ensure_ascii=False, indent=2, default=str))
    elif format == "id":
        click.echo("\n".join(item.id for item in found.recommendations))
    else:
        _print(found, markdown=format == "markdown")


def _from_data(data: Path, samples: int | None, options: dict[str, Any]) -> int:
    """Fill what the user did not say with what the data shows; returns the number of samples."""
    from zoohub.selector import profile

    seen = profile(data)
    for warning in seen.warnings:
        click.echo(f"Warning: {warning}", err=True)
    if options["classes"] is None and len(seen.classes) > 1:
        options["classes"] = len(seen.classes)
    options["language"] = options["language"] or seen.language
    return samples or seen.samples


def _refined(found: Answer, task: str, data: Path, samples: int | None, options: dict[str, Any]) -> Answer:
    from zoohub import tasks
    from zoohub.registry import Registry
    from zoohub.selector.board import Context
    from zoohub.selector.refine import refine

    plan = found.recommendations[0].strategy.name
    known = tasks.resolve(task).id
    target = Context("", known, None, samples, options["classes"], options["language"], strategy=plan)
    with Registry.open() as registry:
        better, _ = refine(found, data, target, registry, say=lambda text: click.echo(text, err=True))
    return better


def _print(found: Answer, *, markdown: bool) -> None:
    click.echo(found.sentence)
    for note in found.notes:
        click.echo(f"Note: {note}")
    click.echo()
    rows = [_row(item) for item in found.recommendations]
    if markdown:
        click.echo("| " + " | ".join(_COLUMNS) + " |")
        click.echo("|" + "---|" * len(_COLUMNS))
        for row in rows:
            click.echo("| " + " | ".join(str(row[c] if row[c] is not None else "") for c in _COLUMNS) + " |")
    else:
        click.echo(table(rows, _COLUMNS))
    first = found.recommendations[0]
    plan = first.strategy
    click.echo(f"\nWhy {first.id}: {'; '.join(first.pushes)}. Strategy {plan.name}: {plan.reason}.")
    for reason in first.reasons:
        place = f"better than {reason.percentile:.0%} of models ({reason.source})"
        click.echo(f"  {reason.dataset}: {reason.metric} {reason.value:.4g}, {place}")
    if found.removed:
        told = ", ".join(f"{name} {count}" for name, count in found.removed.items())
        click.echo(f"Left out by filters: {told}", err=True)


def _row(item: Recommendation) -> dict[str, Any]:
    interval = None if item.low is None or item.high is None else _interval(item.low, item.high)
    return {
        "rank": item.rank,
        "id": item.id,
        "tie": "*" if item.tied else "",
        "p_best": f"{item.best:.0%}",
        "score": None if item.score is None else f"{abs(item.score):.3g}",
        "80%": interval,
        "regret": None if item.regret is None else f"{item.regret:.2g}",
        "strategy": item.strategy.name,
        "train_memory": human_bytes(item.training.memory.middle) if item.training else "",
        "run_memory": human_bytes(item.inference.memory.middle) if item.inference else "",
        "parameters": human_count(item.parameters),
        "license": item.license,
        "commercial": item.commercial,
        "results": item.records,
    }


def _interval(low: float, high: float) -> str:
    a, b = sorted((abs(low), abs(high)))
    return f"{a:.3g}-{b:.3g}"
