"""`zoo predict`, `zoo embed`, `zoo evaluate`, `zoo finetune`: put a model to work."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from zoohub.cli import policing
from zoohub.cli.output import emit, format_option
from zoohub.cli.pairs import pairs
from zoohub.errors import DataError

_Command = Callable[..., Any]


def _loading(command: _Command) -> _Command:
    """The options of every command that loads a model."""
    for option in (
        click.option(
            "--precision", default="auto", show_default=True, help="auto, fp32, bf16, fp16 or int8."
        ),
        click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, mps ..."),
        click.option("--task", help="The task, where it is not the model's own; English or Chinese."),
    ):
        command = option(command)
    return command


def _reading(command: _Command) -> _Command:
    """The options of every command that reads labeled data."""
    bad = click.Choice(["raise", "skip"])
    for option in (
        click.option("--bad", type=bad, default="raise", show_default=True,
                     help="What to do with rows and files that cannot be used."),
        click.option("--column", "columns", multiple=True, metavar="ROLE=NAME",
                     help="Which column holds what, e.g. text=review; may be repeated."),
    ):  # fmt: skip
        command = option(command)
    return command


_OPTION = click.option(
    "--option", "options", multiple=True, metavar="NAME=VALUE", help="An option of the task: top_k=3."
)


def _load(model: str, task: str | None, device: str, precision: str) -> Any:
    from zoohub.adapters import load

    return load(model, task=task, device=device, precision=precision)


def _inputs(given: tuple[str, ...], task: str) -> Iterator[Any]:
    """Arguments as inputs: a folder gives its files, a jsonl or text file its lines, "-" stdin's."""
    from zoohub import tasks

    known = tasks.get(task)
    media = known is not None and known.input.startswith(("image", "audio", "page"))
    for text in given:
        path = Path(text)
        if text == "-":
            yield from sys.stdin.read().splitlines()
        elif path.is_dir():
            yield from _files(path, known.id if known else task, media)
        elif path.suffix == ".jsonl" and path.is_file():
            yield from _lines(path)
        elif path.suffix == ".txt" and path.is_file() and not media:
            yield from (line for _, line in _text_lines(path))
        else:
            yield _one(text)


def _files(folder: Path, task: str, media: bool) -> list[str]:
    from zoohub.adapters.images import SUFFIXES
    from zoohub.adapters.tables import SOUNDS

    if not media:
        raise DataError(f"{folder} is a folder; {task} takes texts.", "Give texts, or a .txt or .jsonl file.")
    there = sorted(file for file in folder.rglob("*") if file.is_file())
    if found := [str(file) for file in there if file.suffix.lower() in SUFFIXES | SOUNDS]:
        return found
    raise DataError(f"{folder} holds no pictures and no sounds.", "Check the path.")


def _text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text file with their numbers."""
    try:
        with path.open(encoding="utf-8") as file:
            yield from enumerate((line.rstrip("\r\n") for line in file), 1)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not in UTF-8.", "Save it as UTF-8.") from error


def _lines(path: Path) -> Iterator[Any]:
    import json

    for number, line in _text_lines(path):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}, line {number}: no JSON.") from error
        alone = isinstance(value, dict) and len(value) == 1
        yield next(iter(value.values())) if alone else value


def _one(text: str) -> Any:
    """An argument that is a JSON object is an input with several parts."""
    import json

    if text.startswith("{"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


@click.command()
@click.argument("model")
@click.argument("inputs", nargs=-1, required=True)
@_loading
@_OPTION
@click.option("--batch-size", type=click.IntRange(1), help="Inputs a batch (default: chosen).")
@click.option("--strict", is_flag=True, help="Stop at the first input that cannot be read.")
@format_option("table", "json", "jsonl", "csv")
def predict(
    model: str, inputs: tuple[str, ...], task: str | None, device: str, precision: str,
    options: tuple[str, ...], batch_size: int | None, strict: bool, format: str,
) -> int:  # fmt: skip
    """Answer INPUTS with MODEL, as the answers come.

    INPUTS are files, folders, texts, JSON objects, .jsonl or .txt files, or - for the lines of stdin. An
    input that cannot be read is named on its row and makes the exit code 1; the others are answered.
    """
    from itertools import tee

    from zoohub.adapters.results import Failed

    loaded = _load(model, task, device, precision)
    shown, read = tee(_inputs(inputs, loaded.task))
    answers = loaded.predict(read, batch_size=batch_size or "auto", strict=strict, **pairs(options))
    failed = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal failed
        for item, answer in zip(shown, answers, strict=True):
            failed += isinstance(answer, Failed)
            yield from _rows(item, answer, format)

    emit(rows(), ["input", "result", "score"] if format in ("table", "csv") else [], format)
    return 1 if failed else 0


def _rows(item: Any, answer: Any, format: str) -> Iterator[dict[str, Any]]:
    """One row an input for programs; for people one row a thing found."""
    from zoohub.adapters.results import plain

    name = item if isinstance(item, str) else str(item)
    if format in ("json", "jsonl"):
        value = plain(answer)
        yield {"input": name, **(value if isinstance(value, dict) else {"results": value})}
        return
    for each in answer if isinstance(answer, list) else [answer]:
        value = plain(each)
        best = value.get("label") or value.get("text") or value.get("error")
        yield {
            "input": name[:80],
            "result": best if best is not None else str(value)[:100],
            "score": value.get("score"),
        }


@click.command()
@click.argument("model")
@click.argument("inputs", nargs=-1, required=True)
@_loading
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write a .npy file instead.")
def embed(
    model: str, inputs: tuple[str, ...], task: str | None, device: str, precision: str, output: Path | None
) -> None:
    """The vectors of INPUTS: one JSON line each, or a NumPy file with --output."""
    import json

    loaded = _load(model, task, device, precision)
    items = list(_inputs(inputs, loaded.task))
    vectors = loaded.embed(items)
    if output:
        import numpy as np

        np.save(output, vectors)
        click.echo(f"{len(vectors)} vectors of {vectors.shape[-1]} numbers: {output}", err=True)
        return
    for item, vector in zip(items, vectors, strict=True):
        click.echo(json.dumps({"input": str(item), "vector": vector.tolist()}, ensure_ascii=False))


@click.command()
@click.argument("model")
@click.argument("data")
@_loading
@_reading
@_OPTION
@format_option("table", "json")
def evaluate(
    model: str, data: str, task: str | None, device: str, precision: str,
    columns: tuple[str, ...], bad: Any, options: tuple[str, ...], format: str,
) -> None:  # fmt: skip
    """Measure MODEL on labeled DATA: a folder, or a csv, json, jsonl or parquet file.

    The main metric is kept as evidence (zoo evidence list --own).
    """
    from zoohub.adapters.remember import dataset_id, remember

    loaded = _load(model, task, device, precision)
    measured = loaded.evaluate(data, columns=pairs(columns), bad=bad, progress=True, **pairs(options))
    remember(loaded.id, measured, dataset_id(Path(data).stem, data), n_classes=len(measured.labels) or None)
    _show(measured, format)


def _show(measured: Any, format: str) -> None:
    import json

    if format == "json":
        click.echo(json.dumps(measured.to_dict(), ensure_ascii=False, indent=2))
        return
    rows = [{"metric": name, "value": e.value, "low": e.low, "high": e.high, "n": measured.n}
            for name, e in measured.metrics.items()]  # fmt: skip
    emit(rows, ["metric", "value", "low", "high", "n"], format)
    if measured.conditions:
        click.echo(", ".join(measured.conditions), err=True)
    if measured.skipped:
        click.echo(f"{len(measured.skipped)} left out: {'; '.join(measured.skipped[:5])}", err=True)


@click.command()
@click.argument("model")
@click.argument("data")
@_loading
@_reading
@click.option(
    "--output", type=click.Path(file_okay=False), help="The new folder (default: below $ZOO_HOME/models)."
)
@click.option(
    "--strategy",
    default="auto",
    show_default=True,
    help="auto, probe, setfit, lora, full or probe-then-full.",
)
@click.option("--eval", "held", help="Data to measure on, or the share to set aside, e.g. 0.2.")
@click.option("--epochs", type=float, help="Passes over the data (default: by its size).")
@click.option("--learning-rate", type=float, help="Default: by strategy and task.")
@click.option("--batch-size", type=click.IntRange(1), help="Examples a batch (default: chosen).")
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same result.")
@click.option("--balance", is_flag=True, help="Let rare classes weigh as much as frequent ones.")
@click.option(
    "--accumulate",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Batches whose gradients make one step.",
)
@click.option("--checkpointing", is_flag=True, help="Less memory for more time: recompute what lies between.")
@click.option(
    "--no-augment",
    is_flag=True,
    help="Show pictures as they are, not mirrored and moved: where left and right tell classes apart.",
)
@click.option("--no-register", is_flag=True, help="Keep the new model and its figures out of the registry.")
@click.option("--resume", is_flag=True, help="Go on from where a stopped run was.")
@click.option("--overwrite", is_flag=True, help="Replace the model in the output folder.")
@format_option("table", "json")
def finetune(
    model: str, data: str, task: str | None, device: str, precision: str, columns: tuple[str, ...], bad: Any,
    output: str | None, strategy: str, held: str | None, epochs: float | None, learning_rate: float | None,
    batch_size: int | None, seed: int, balance: bool, accumulate: int, checkpointing: bool,
    no_augment: bool, no_register: bool, resume: bool, overwrite: bool, format: str,
) -> None:  # fmt: skip
    """Fine-tune MODEL on labeled DATA; the new model has a card and is found by `zoo search`."""
    import json

    from zoohub.adapters.metrics import Estimate, Evaluation

    policing.enforce(model, "finetune")
    loaded = _load(model, task, device, precision)
    tuned = loaded.finetune(
        data, strategy=strategy, output=output, eval=_share(held), columns=pairs(columns), bad=bad,
        epochs=epochs, learning_rate=learning_rate, batch_size=batch_size or "auto", seed=seed,
        balance=balance, accumulate=accumulate, checkpointing=checkpointing, augment=not no_augment,
        register=not no_register, resume=resume, overwrite=overwrite, progress=True,
    )  # fmt: skip
    folder = tuned.bundle.folder
    run = json.loads((folder / "training.json").read_text(encoding="utf-8"))["evaluation"]
    metrics = {name: Estimate(**value) for name, value in run["metrics"].items()}
    _show(Evaluation(run["task"], run["n"], metrics), format)
    done = "Written" if no_register else "Written and registered"
    click.echo(f"{done}: {folder}", err=True)


def _share(held: str | None) -> Any:
    try:
        return float(held) if held else None
    except ValueError:
        return held
