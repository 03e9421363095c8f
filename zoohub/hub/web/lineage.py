"""A lineage as a drawing: bases to the left, the model, what was made from it to the right. Plain SVG."""

from __future__ import annotations

from html import escape

from markupsafe import Markup

from zoohub.hub.web.render import View
from zoohub.registry import Kin, Lineage

WIDTH, HEIGHT, GAP_X, GAP_Y = 220, 40, 60, 12
MOST = 12  # models drawn in one column


def lineage_svg(view: View, lineage: Lineage) -> Markup:
    """The drawing of a lineage, each model a link."""
    columns: dict[int, list[tuple[Kin, int]]] = {0: [(Kin(lineage.model.id, record=lineage.model), -1)]}
    _collect(columns, lineage.bases, -1, 0)
    _collect(columns, lineage.derived, 1, 0)
    first, rows = min(columns), max(len(column) for column in columns.values())
    width = len(columns) * (WIDTH + GAP_X) - GAP_X + 2
    height = rows * (HEIGHT + GAP_Y) - GAP_Y + 2
    places: dict[tuple[int, int], tuple[float, float]] = {}
    for number, column in columns.items():
        top = (height - (len(column) * (HEIGHT + GAP_Y) - GAP_Y)) / 2
        for index in range(len(column)):
            places[number, index] = ((number - first) * (WIDTH + GAP_X) + 1, top + index * (HEIGHT + GAP_Y))
    lines = [
        _line(places[number, index], places[number - step, parent], step, kin.relation)
        for number, column in columns.items() if number
        for step in [1 if number > 0 else -1]
        for index, (kin, parent) in enumerate(column)
    ]  # fmt: skip
    boxes = [
        _box(view, kin, places[number, index], here=number == 0)
        for number, column in columns.items()
        for index, (kin, _) in enumerate(column)
    ]
    label = escape(view.say("Lineage of {model}", model=lineage.model.id))
    return Markup(  # noqa: S704  # every text in it is escaped
        f'<svg class="lineage" role="img" aria-label="{label}" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}">{"".join(lines)}{"".join(boxes)}</svg>'
    )


def _collect(columns: dict[int, list[tuple[Kin, int]]], kin: list[Kin], number: int, parent: int) -> None:
    for each in kin:
        column = columns.setdefault(number, [])
        if len(column) >= MOST:
            return
        column.append((each, parent))
        if not each.again and abs(number) < 3:
            _collect(columns, each.children, number + (1 if number > 0 else -1), len(column) - 1)


def _line(here: tuple[float, float], there: tuple[float, float], step: int, relation: str | None) -> str:
    x1 = there[0] + (WIDTH if step > 0 else 0)
    x2 = here[0] + (0 if step > 0 else WIDTH)
    y1, y2 = there[1] + HEIGHT / 2, here[1] + HEIGHT / 2
    middle = (x1 + x2) / 2
    title = f"<title>{escape(relation)}</title>" if relation else ""
    curve = f"M{x1:.0f} {y1:.0f}C{middle:.0f} {y1:.0f} {middle:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
    return f'<path d="{curve}">{title}</path>'


def _box(view: View, kin: Kin, place: tuple[float, float], *, here: bool) -> str:
    x, y = place
    name = kin.id if len(kin.id) <= 30 else kin.id[:29] + "…"
    below = ", ".join(
        filter(None, [kin.relation, kin.record.license if kin.record else view.say("not registered")])
    )
    kind = "here" if here else "known" if kin.record else "unknown"
    return (
        f'<a href="{escape(view.link("/" + kin.id))}"><g class="{kind}"><rect x="{x:.0f}" y="{y:.0f}" rx="6" '
        f'width="{WIDTH}" height="{HEIGHT}"/><text x="{x + 10:.0f}" y="{y + 17:.0f}">{escape(name)}'
        f'<title>{escape(kin.id)}</title></text><text class="small" x="{x + 10:.0f}" y="{y + 32:.0f}">'
        f"{escape(below[:38])}</text></g></a>"
    )
