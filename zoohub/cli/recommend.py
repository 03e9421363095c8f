"""zoo recommend: which model, how, at what cost, how sure."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoohub.cli.output import human_bytes, human_count, human_time, table
from zoohub.cli.pairs import pairs

if TYPE_CHECKING:
    from zoohub.registry import ModelRecord, Registry
    from zoohub.selector import Answer, Recommendation

_COLUMNS = (
    "rank",
    "id",
    "measured",
    "tie",
    "near_best",
    "p_best",
    "score",
    "80%",
    "regret",
    "strategy",
    "train_memory",
    "train_time",
    "run_memory",
    "parameters",
    "license",
    "commercial",
    "results",
)
EMBEDDING = ("feature-extraction", "sentence-similarity", "image-feature-extraction", "speaker-verification")
WIDE = 1000  # candidates among which those on this machine are looked for


@click.command()
@click.option("--task", required=True, help="Task: an id, a name or an alias, in English or Chinese.")
@click.option(
    "--samples",
    type=int,
    help="Labeled samples at hand; 0: the model is used as it is. Where a task must be learned, 1000 are assumed.",
)
@click.option("--classes", type=int, help="Classes to tell apart.")
@click.option("--language", help="Language code of the data; models must state it.")
@click.option(
    "--domain", help="Domain of the data, as in zoo evidence list: natural/animals, single/sentiment ..."
)
@click.option("--license", help="License id, or the group commercial or permissive.")
@click.option(
    "--memory", help="Memory that the work must fit into: 8GB, 16GiB (default: what this machine has)."
)
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
    "--column",
    "columns",
    multiple=True,
    metavar="ROLE=NAME",
    help="Which column of --data holds what, e.g. text=review; may be repeated.",
)
@click.option(
    "--try",
    "attempts",
    type=click.IntRange(1),
    metavar="K",
    help="Train the best K that are pulled on growing parts of --data; the better half goes on.",
)
@click.option(
    "--budget", default="10min", show_default=True, help="Time that --try may take: 10min, 90s, 1h."
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
    task: str, samples: int | None, data: Path | None, columns: tuple[str, ...], attempts: int | None,
    budget: str, plot: Path | None, format: str, **options: Any,
) -> None:  # fmt: skip
    """Say which model to use for a task, how to fine-tune it, how good it will be and what it costs.

    Answers from published results and metadata alone: no weights are needed. P BEST is the chance that a model scores
    highest of all; NEAR BEST, that none scores higher by more than two runs of one model differ by. Both, the
    score's 80 % interval and the regret come from one simulation; TIE marks models between which the evidence cannot
    choose.
    """
    # matrices of a few hundred rows: threads that wait for one another cost more than they bring
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from zoohub.errors import UsageError
    from zoohub.registry import Registry
    from zoohub.selector import answer

    if attempts and data is None:
        raise UsageError("--try trains on your data.", "Name it: --data PATH")
    if columns and data is None:
        raise UsageError("--column names a column of your data.", "Name it: --data PATH")
    if attempts is None and _was_named("budget"):
        raise UsageError("--budget is the time that --try may take.", "Add --try K, or leave --budget out.")
    with Registry.open() as registry:
        if data is None:
            found = answer(task, samples, **options, registry=registry)
        else:
            roles = pairs(columns)
            samples = _from_data(data, roles, samples, options)
            found = _with_data(registry, task, data, roles, samples, attempts, budget, options)
        judged = _verdicts(registry, found)
        if format == "json":
            click.echo(json.dumps(_plain(found, judged), ensure_ascii=False, indent=2, default=str))
        elif format == "id":
            click.echo("\n".join(item.id for item in found.recommendations))
        else:
            _print(found, judged, markdown=format == "markdown")
            _go_on(registry.get(found.recommendations[0].id), found, data, columns)
    if plot is not None:
        from zoohub.selector.plot import draw

        draw(found, plot)
        click.echo(f"Drawn: {plot}", err=True)


def _was_named(option: str) -> bool:
    source = click.get_current_context().get_parameter_source(option)
    return source is click.core.ParameterSource.COMMANDLINE


def _verdicts(registry: Registry, found: Answer) -> dict[str, str]:
    """What the policy in force says of each candidate; nothing where no policy is in force."""
    from zoohub import settings

    if not settings.policy_file():
        return {}
    from zoohub.cli import policing

    judge = policing.verdicts(registry)
    records = {item.id: registry.find(item.id) for item in found.recommendations}
    return {id: judge(record) for id, record in records.items() if judge and record}


def _plain(found: Answer, judged: dict[str, str]) -> dict[str, Any]:
    """The answer as plain values, with the verdict of the policy in force, if there is one."""
    plain = asdict(found)
    for item in plain["recommendations"]:
        if item["id"] in judged:
            item["verdict"] = judged[item["id"]]
    return plain


def _from_data(data: Path, roles: dict[str, str], samples: int | None, options: dict[str, Any]) -> int:
    """Fill what the user did not say with what the data shows; returns the number of samples."""
    from zoohub.selector import profile

    seen = profile(data, roles)
    for warning in seen.warnings:
        click.echo(f"Warning: {warning}", err=True)
    if options["classes"] is None and len(seen.classes) > 1:
        options["classes"] = len(seen.classes)
    if seen.language != "en":  # models that state no language are mostly English: they need not state it
        options["language"] = options["language"] or seen.language
    return samples or seen.samples


def _with_data(
    registry: Registry, task: str, data: Path, roles: dict[str, str], samples: int, attempts: int | None, budget: str,
    options: dict[str, Any],
) -> Answer:  # fmt: skip
    """The answer, then the models on this machine scored on the data, then the best of them trained on it."""
    from dataclasses import replace

    from zoohub import tasks
    from zoohub.selector import answer
    from zoohub.selector.board import Context
    from zoohub.selector.refine import on_this_machine, refine, user_data
    from zoohub.selector.trial import attempt, budget_seconds

    seconds, known, limit = budget_seconds(budget), tasks.resolve(task).id, options["limit"]

    told: set[str] = set()

    def say(text: str) -> None:
        if text not in told:  # scoring and trying both tell whose weights are not here
            click.echo(text, err=True)
        told.add(text)

    here = on_this_machine(registry)
    asked = {**options, "limit": max(limit, WIDE)}
    found = answer(task, samples, **asked, here=here, registry=registry)
    plan = found.recommendations[0].strategy.name
    target = Context("", known, None, samples, options["classes"], options["language"], strategy=plan)
    given = user_data(data, known, roles)
    found, _ = refine(found, given, target, registry, say=say)
    if attempts:
        found, _ = attempt(found, given, known, registry, count=attempts, budget=seconds, say=say)
    shown = tuple(i for i in found.recommendations if i.rank <= limit or i.measured is not None)
    return replace(found, recommendations=shown)


def _print(found: Answer, judged: dict[str, str], *, markdown: bool) -> None:
    click.echo(found.sentence)
    if judged.get(found.recommendations[0].id) in ("deny", "review"):
        verdict, named = judged[found.recommendations[0].id], found.recommendations[0].id
        click.echo(f"Policy: {verdict} for {named} (why: zoo audit {named})")
    for note in found.notes:
        click.echo(f"Note: {note}")
    click.echo()
    rows = [{**_row(item), "verdict": judged.get(item.id)} for item in found.recommendations]
    columns = (*_COLUMNS, "verdict") if judged else _COLUMNS
    if markdown:
        click.echo("| " + " | ".join(columns) + " |")
        click.echo("|" + "---|" * len(columns))
        for row in rows:
            click.echo("| " + " | ".join(str(row[c] if row[c] is not None else "") for c in columns) + " |")
    else:
        click.echo(table(rows, columns))
    first = found.recommendations[0]
    plan = first.strategy
    click.echo(f"\nWhy {first.id}: {'; '.join(first.pushes)}. Strategy {plan.name}: {plan.reason}.")
    for reason in first.reasons:
        place = f"better than {reason.percentile:.0%} of models ({reason.source})"
        click.echo(f"  {reason.dataset}: {reason.metric} {reason.value:.4g}, {place}")
    click.echo(f"License of {first.id}: {_license(first)}")
    from zoohub.selector.hardware import machine

    click.echo(f"Times are for this machine: {machine()}", err=True)
    if found.removed:
        told = ", ".join(f"{name} {count}" for name, count in found.removed.items())
        click.echo(f"Left out by filters: {told}", err=True)


def _license(item: Recommendation) -> str:
    if item.license == "unknown":
        return f"not known here; look at its source before you use it (zoo audit {item.id})"
    said = {"yes": "allowed", "no": "not allowed"}.get(item.commercial, "not known")
    return f"{item.license}, commercial use {said} (conditions: zoo license show {item.license})"


def _go_on(record: ModelRecord, found: Answer, data: Path | None, columns: tuple[str, ...]) -> None:
    """The commands that put the first model, whose `record` that is, to work."""
    from zoohub.selector.purpose import foreign
    from zoohub.weights import local

    first = found.recommendations[0]
    pull = "" if record.source == "folder" or local(record) else f"\n  zoo pull {first.id}"
    if foreign(record, (found.task,)):
        click.echo(f"\nGo on with:\n  zoo show {first.id}")
        return
    named = "".join(f" --column {column}" for column in columns)
    use = "embed" if found.task in EMBEDDING else "predict"
    work = (
        f"zoo {use} {first.id} INPUT --task {found.task}"
        if first.strategy.name == "zero-shot"
        else f"zoo finetune {first.id} {data or 'DATA'} --task {found.task}{named} --strategy {first.strategy.name}"
    )
    click.echo(f"\nGo on with:{pull}\n  {work}")


def _row(item: Recommendation) -> dict[str, Any]:
    """The cells of one candidate; what was expected of it gives way to what was measured."""
    expected = item.score if item.measured is None else None
    bounds = None if expected is None or item.low is None or item.high is None else (item.low, item.high)
    return {
        "rank": item.rank,
        "id": item.id,
        "measured": None if item.measured is None else f"{item.measured:.3g}",
        "tie": "*" if item.tied else "",
        "near_best": None if expected is None or item.near is None else _chance(item.near),
        "p_best": None if expected is None else _chance(item.best),
        "score": None if expected is None else f"{abs(expected):.3g}",
        "80%": bounds and _interval(*bounds),
        "regret": None if expected is None or item.regret is None else f"{item.regret:.2g}",
        "strategy": item.strategy.name,
        "train_memory": human_bytes(item.training.memory.middle) if item.training else "",
        "train_time": human_time(item.training.seconds.middle) if item.training else "",
        "run_memory": human_bytes(item.inference.memory.middle) if item.inference else "",
        "parameters": human_count(item.parameters),
        "license": item.license,
        "commercial": item.commercial,
        "results": item.records,
    }


def _chance(share: float) -> str:
    return "<1%" if share < 0.005 else f"{share:.0%}"


def _interval(low: float, high: float) -> str:
    a, b = sorted((abs(low), abs(high)))
    return f"{a:.3g}-{b:.3g}"
