"""How listings are printed: one `--format` for all, data on stdout."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click

FORMATS = ("table", "json", "jsonl", "csv", "id")

Row = Mapping[str, Any]


def format_option(*formats: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option `--format`; without names, the five that every listing has."""
    return click.option(
        "--format", "format", type=click.Choice(formats or FORMATS), default="table", show_default=True,
        help="How to print: for people (table) or for programs.",
    )  # fmt: skip


def emit(rows: Iterable[Row], columns: Sequence[str], format: str, *, id: str = "id") -> int:
    """Print `rows`; `columns` are the keys of a table and csv, json and jsonl print whole rows.

    Returns how many rows were printed.
    """
    count = 0
    if format in ("jsonl", "id"):
        for row in rows:
            count += 1
            click.echo(row[id] if format == "id" else json.dumps(row, ensure_ascii=False, default=str))
        return count
    items = list(rows)
    if format == "json":
        click.echo(json.dumps(items, ensure_ascii=False, indent=2, default=str))
    elif format == "csv":
        _csv(items, columns)
    elif items:
        click.echo(table(items, columns))
    return len(items)


def _csv(rows: Sequence[Row], columns: Sequence[str]) -> None:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_plain(row.get(column)) for column in columns] for row in rows)


def table(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Rows in aligned columns that fit the terminal; wide (Chinese) characters count as two.

    A column that says nothing of any row is left out.
    """
    columns = [column for column in columns if any(row.get(column) not in (None, "", [], ()) for row in rows)]
    cells = [[printable(_plain(row.get(column))) for column in columns] for row in rows]
    heads = [column.replace("_", " ").upper() for column in columns]
    widths = [max(map(width, column)) for column in zip(heads, *cells, strict=True)]
    _shrink(widths, _room() - 2 * (len(widths) - 1))
    right = [all(_is_number(row.get(column)) for row in rows) for column in columns]
    lines = ["  ".join(_pad(head, size, flip) for head, size, flip in zip(heads, widths, right, strict=True))]
    lines += ["  ".join(_pad(cell, size, flip) for cell, size, flip in zip(line, widths, right, strict=True))
              for line in cells]  # fmt: skip
    return "\n".join(line.rstrip() for line in lines)


def _room() -> int:
    """Columns of the terminal; without one there is no limit."""
    if not sys.stdout.isatty():
        return 10_000
    import shutil

    return shutil.get_terminal_size((140, 24)).columns


def _shrink(widths: list[int], room: int) -> None:
    while sum(widths) > room and max(widths) > 8:
        widths[widths.index(max(widths))] -= 1


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return " ".join(str(item) for item in value)
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def printable(text: str) -> str:
    """Text that cannot move the cursor or turn the reading direction."""
    return "".join(" " if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp") else char for char in text)


def width(text: str) -> int:
    """Columns that `text` takes in a terminal."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
               for char in text)  # fmt: skip


def _pad(text: str, size: int, right: bool) -> str:
    while width(text) > size:
        text = text[:-2] + "…" if len(text) > 1 else ""
    space = " " * (size - width(text))
    return space + text if right else text + space


def human_count(number: float | None) -> str:
    """1234567 -> 1.2M; nothing for None."""
    return _human(number, 1000, ("", "k", "M", "B", "T"))


def human_bytes(number: float | None) -> str:
    """Bytes in binary units: 1536 -> 1.5 KiB; nothing for None."""
    return _human(number, 1024, (" B", " KiB", " MiB", " GiB", " TiB"))


def _human(number: float | None, base: int, units: Sequence[str]) -> str:
    if number is None:
        return ""
    value, unit = float(number), 0
    while abs(value) >= base and unit < len(units) - 1:
        value, unit = value / base, unit + 1
    return f"{value:.0f}{units[unit]}" if unit == 0 or value >= 100 else f"{value:.1f}{units[unit]}"


def human_time(seconds: float) -> str:
    """0.02 s, 45 s, 12 min, 3.4 h."""
    if seconds < 90:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
