"""What a scan of code finds: uses of models, each with its place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class ModelUse:
    """One place in code that loads a model.

    `model` is the id (`org/name`, `pypi:name`, ...), or None where the code does not say it; `reason` then
    says why,
    else what was done to get from the words in the code to the id. `call` is what loads it
    (`transformers.pipeline`, `key base_model`, `ollama pull`), `text` the words as found. `line` counts from
    1; in a
    notebook it is the line of the cell with that number.
    """

    path: str
    line: int
    call: str
    text: str
    model: str | None = None
    revision: str | None = None
    reason: str = ""
    cell: int | None = None

    @property
    def where(self) -> str:
        """`path:line`, for a notebook `path:cell N:line`."""
        middle = f"cell {self.cell}:" if self.cell is not None else ""
        return f"{self.path}:{middle}{self.line}"


@dataclass(frozen=True, slots=True, order=True)
class Unread:
    """A file that could not be read as what its name says; the scan went on without it."""

    path: str
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class CodeScan:
    """The result: uses in order of path and line, files that could not be read, and how much was looked
    at."""

    uses: tuple[ModelUse, ...] = ()
    unread: tuple[Unread, ...] = ()
    files: int = 0
    lines: int = 0

    @property
    def models(self) -> tuple[str, ...]:
        """The ids of all models that were resolved, each once, sorted."""
        return tuple(sorted({use.model for use in self.uses if use.model}))

    @property
    def unresolved(self) -> tuple[ModelUse, ...]:
        """The uses whose model the code does not say."""
        return tuple(use for use in self.uses if not use.model)
