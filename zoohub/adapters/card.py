"""What stands beside a tuned model's weights: the card, the training curve and the confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoohub.adapters.metrics import Evaluation
from zoohub.cards import new_card
from zoohub.registry import BaseModel, Metric, ModelRecord, is_loss

if TYPE_CHECKING:
    from zoohub.adapters.finetune import Fit, Job
    from zoohub.adapters.report import Report

CURVE, CONFUSION = "training_curve.png", "confusion_matrix.png"
_LIBRARY = {"timm": "timm", "torchvision": "torchvision"}


def write(
    folder: Path,
    job: Job,
    fit: Fit,
    measured: Evaluation,
    report: Report,
    output: Path,
    run: Mapping[str, Any],
) -> None:
    """The card: base and its license, data, settings, results with intervals, how to use."""
    base = job.base.record
    record = ModelRecord(
        id=f"folder:{output}",
        source="folder",
        name=output.name,
        task=fit.model.task,
        library=_library(folder, job.base.bundle.library),
        languages=base.languages,
        base_models=(BaseModel(base.id, "finetune"),),
        parameters=fit.model.parameters or None,
        metrics=tuple(
            Metric(name, round(e.value, 6), fit.model.task, report.name, "measured by zoohub")
            for name, e in measured.metrics.items()
        ),
        tags=tuple(tag for tag in ("zoohub", job.settings.strategy) if tag),
        description=f"{base.name}, fine-tuned on {report.name} for {fit.model.task}.",
    )
    shown = {
        "strategy": job.settings.strategy,
        "seed": job.settings.seed,
        "seconds": run["seconds"],
        **fit.facts,
    }
    new_card(
        record,
        base_licenses=[base.license],
        training=shown,
        data_text=_data_text(report, measured, folder),
        load_as=str(output),
    ).write(folder / "README.md")


def _library(folder: Path, base: str) -> str:
    """The library that loads the folder whole."""
    if (folder / "modules.json").is_file():
        return "sentence-transformers"
    return _LIBRARY.get(base, "transformers")


def _data_text(report: Report, measured: Evaluation, folder: Path) -> str:
    lines = [f"{line}." for line in str(report).splitlines()]
    intervals = "; ".join(f"{name} {estimate}" for name, estimate in measured.metrics.items())
    lines.append(f"Results on the {measured.n} held out, with 95 % bootstrap intervals: {intervals}.")
    if measured.skipped:
        lines.append(f"{len(measured.skipped)} inputs could not be read and were left out.")
    lines += [
        f"![{name[:-4].replace('_', ' ')}]({name})"
        for name in (CURVE, CONFUSION)
        if (folder / name).is_file()
    ]
    return "\n\n".join(lines)


def pictures(folder: Path, history: Sequence[Mapping[str, Any]], measured: Evaluation) -> None:
    """Draw what there is to draw; nothing where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    if any("loss" in line for line in history):
        figure = Figure(figsize=(6, 4), layout="constrained")
        _curve(figure.subplots(), history, measured.main)
        figure.savefig(folder / CURVE, dpi=100)
    if measured.confusion and len(measured.labels) <= 50:
        size = max(4.0, 0.45 * len(measured.labels))
        figure = Figure(figsize=(size + 1, size))  # no automatic layout: it would draw everything twice
        figure.subplots_adjust(left=0.3, bottom=0.3, right=0.98, top=0.98)
        _confusion(figure.subplots(), measured)
        figure.savefig(folder / CONFUSION, dpi=100)


def _curve(axes: Any, history: Sequence[Mapping[str, Any]], metric: str) -> None:
    losses = [(line["epoch"], line["loss"]) for line in history if "loss" in line]
    axes.plot(*zip(*losses, strict=True), color="tab:blue", label="training loss")
    axes.set(xlabel="epoch", ylabel="training loss", ylim=(0, None))
    values = [(line["epoch"], line[f"eval_{metric}"]) for line in history if f"eval_{metric}" in line]
    if values:
        right = axes.twinx()
        right.plot(*zip(*values, strict=True), "o-", color="tab:orange", label=metric)
        better = "lower" if is_loss(metric) else "higher"
        right.set_ylabel(f"{metric} ({better} is better)")


def _confusion(axes: Any, measured: Evaluation) -> None:
    names = [_drawable(label) for label in measured.labels]
    axes.imshow(measured.confusion, cmap="Blues")
    axes.set(xlabel="given", ylabel="true", xticks=range(len(names)), yticks=range(len(names)))
    axes.set_xticklabels(names, rotation=45, ha="right")
    axes.set_yticklabels(names)
    most = max(max(row) for row in measured.confusion)
    for i, row in enumerate(measured.confusion):
        for j, count in enumerate(row):
            axes.text(
                j,
                i,
                count,
                ha="center",
                va="center",
                fontsize=8,
                color="white" if count * 2 > most else "black",
            )


def _drawable(label: str) -> str:
    """The drawing library's own font has no Chinese; such a label is shown by its code points."""
    short = label if len(label) <= 20 else label[:19] + "~"
    return short if short.isascii() else short.encode("ascii", "backslashreplace").decode()
