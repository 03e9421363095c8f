"""The chart of a recommendation: expected quality against size, the tie-set and the first marked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoohub.errors import MissingDependency, SelectorError
from zoohub.selector.advice import Answer, Recommendation

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
    figure = Figure(figsize=(12, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for tied, color, label in ((True, "#0b6e99", "too close to call"), (False, "#a0a0a0", "behind")):
        group = [item for item in items if item.tied is tied]
        x, y = [_size(item) for item in group], [_score(item) for item in group]
        if group:
            lows, highs = zip(*map(_ends, group), strict=True)
            axes.vlines(x, lows, highs, color=color, alpha=0.25, label=f"{label}: 80 % interval")
            axes.scatter(x, y, color=color, label=label, s=55, zorder=2)
    first = items[0]
    axes.scatter(
        _size(first), _score(first), s=220, facecolors="none", edgecolors="#c1440e", label="named first"
    )
    for place, item in enumerate(sorted(items, key=_size)):
        above = place % 2 == 0
        axes.annotate(
            str(item.rank), (_size(item), _score(item)), xytext=(0, 11 if above else -11),
            textcoords="offset points", ha="center", va="bottom" if above else "top", fontsize=9,
        )  # fmt: skip
    axes.set_ylim(*_window([_score(item) for item in items]))
    _sizes_along(axes, [_size(item) for item in items])
    less = (first.score or 0.0) < 0  # losses are turned, so that more is better
    axes.set_ylabel(
        f"expected {(answer.metric or '').replace('_', ' ')}{' (less is better)' if less else ''}"
    )
    axes.set_title(answer.sentence, fontsize=9, wrap=True)
    names = "\n".join(_named(item) for item in items)
    axes.text(1.02, 1.0, names, transform=axes.transAxes, fontsize=8, va="top", linespacing=1.5)
    axes.legend(loc="lower left", bbox_to_anchor=(1.01, 0.0), frameon=False, fontsize=8)
    figure.savefig(path, dpi=130)


def _size(item: Recommendation) -> float:
    return (item.parameters or 0) / 1e6


def _score(item: Recommendation) -> float:
    return abs(item.score or 0.0)


def _ends(item: Recommendation) -> tuple[float, float]:
    low, high = sorted((abs(item.low or 0.0), abs(item.high or 0.0)))
    return low, high


def _named(item: Recommendation) -> str:
    low, high = _ends(item)
    return f"{item.rank}  {item.id.rsplit('/', 1)[-1][:40]}  {_score(item):.3g} ({low:.3g} to {high:.3g})"


def _window(scores: list[float]) -> tuple[float, float]:
    """The scores with room around them: intervals are far wider than what separates models, and run out of it."""
    room = max(max(scores) - min(scores), 0.04 * max(scores))
    return min(scores) - room, max(scores) + room


def _sizes_along(axes: Axes, sizes: list[float]) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.set_xlim(min(sizes) / 1.6, max(sizes) * 1.6)
    axes.set_xlabel("parameters, millions")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
