"""The chart of a recommendation: expected quality against size, the tie-set marked."""

from __future__ import annotations

from pathlib import Path

from zoohub.errors import MissingDependency, SelectorError
from zoohub.selector.advice import Answer


def draw(answer: Answer, path: Path) -> None:
    """Write the chart to `path` as PNG.

    Raises:
        MissingDependency: matplotlib is not installed; SelectorError: no candidate has both a score and a
        size.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependency("matplotlib", "models") from error
    items = [i for i in answer.recommendations if i.score is not None and i.parameters]
    if not items:
        raise SelectorError("Nothing to draw: no candidate has both evidence and a known size.")
    figure = Figure(figsize=(11, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for tied, color, label in ((True, "#0b6e99", "too close to call"), (False, "#b0b0b0", "behind")):
        group = [i for i in items if i.tied is tied]
        if group:
            x = [(i.parameters or 0) / 1e6 for i in group]
            y = [abs(i.score or 0) for i in group]
            ends = [sorted((abs(i.low or 0), abs(i.high or 0))) for i in group]
            spread = [
                [max(v - e[0], 0) for v, e in zip(y, ends, strict=True)],
                [max(e[1] - v, 0) for v, e in zip(y, ends, strict=True)],
            ]
            axes.errorbar(x, y, yerr=spread, fmt="o", color=color, label=label, capsize=3, alpha=0.85)
    for item in items:
        place = ((item.parameters or 0) / 1e6, abs(item.score or 0))
        shift = (7, 12 * (item.rank % 3) - 12)
        axes.annotate(str(item.rank), place, xytext=shift, textcoords="offset points", fontsize=9)
    names = "\n".join(f"{item.rank}  {item.id.rsplit('/', 1)[-1][:44]}" for item in items)
    axes.text(1.02, 1.0, names, transform=axes.transAxes, fontsize=8, va="top")
    axes.set_xscale("log")
    axes.set_xlabel("parameters, millions")
    axes.set_ylabel(f"expected {answer.metric}, 80 % interval")
    axes.set_title(answer.sentence, fontsize=9, wrap=True)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    sizes = [(i.parameters or 0) / 1e6 for i in items]
    axes.set_xlim(min(sizes) / 1.6, max(sizes) * 1.6)
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=130)
