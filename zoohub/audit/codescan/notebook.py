"""Models in Jupyter notebooks: the code cells as one module, so that a name of an earlier cell is known."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator

_MAGIC = ("%", "!", "?")


class Notebook:
    """The Python code of a notebook, and from its lines back to cell and line.

    Raises:
        ValueError: it is no notebook.
    """

    def __init__(self, text: str) -> None:
        data = json.loads(text)
        cells = data.get("cells") if isinstance(data, dict) else None
        if not isinstance(cells, list):
            raise ValueError("no notebook: it has no cells")
        self.starts: list[int] = []
        self.numbers: list[int] = []
        self.shell: list[tuple[int, int, str]] = []
        lines: list[str] = []
        for number, cell in enumerate(cells, 1):
            if isinstance(cell, dict) and cell.get("cell_type") == "code":
                self.starts.append(len(lines) + 1)
                self.numbers.append(number)
                lines += self._python(cell, number)
        self.source = "\n".join(lines)

    def _python(self, cell: dict[str, object], number: int) -> Iterator[str]:
        source = cell.get("source", "")
        text = "".join(map(str, source)) if isinstance(source, list) else str(source)
        whole_cell = text.lstrip().startswith("%%") and not text.lstrip().startswith(("%%time", "%%capture"))
        for line, content in enumerate(text.split("\n"), 1):
            stripped = content.strip()
            if whole_cell or stripped.startswith(_MAGIC):
                if stripped.startswith("!") or (whole_cell and line > 1):
                    self.shell.append((number, line, stripped.lstrip("!").strip()))
                yield (
                    content[: len(content) - len(content.lstrip())] + "pass"
                    if stripped and not whole_cell
                    else ""
                )
            else:
                yield content

    def place(self, line: int) -> tuple[int, int]:
        """The cell and the line within it of a line of `source`."""
        at = bisect_right(self.starts, line) - 1
        return (self.numbers[at], line - self.starts[at] + 1) if at >= 0 else (0, line)
