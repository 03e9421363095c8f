"""Catalogs that others publish as files: one small file for each format, recognized by what lies in it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from zoohub.errors import SourceError
from zoohub.registry.sources import Source


class Format(Protocol):
    """A published format: what it is called, whether a path is one, and the source that reads it."""

    TITLE: str

    def matches(self, path: Path) -> bool:
        """Whether the file or folder is of this format."""

    def reads(self, path: Path) -> Source:
        """The records of the file or folder."""


_FORMATS = ("openvino", "onnx_hub", "timm_results", "hub_dump")


def from_file(path: str | Path) -> Source:
    """The source that reads a published catalog.

    Raises:
        SourceError: there is no such file, or it is of no known format.
    """
    place = Path(path).expanduser()
    if not place.exists():
        raise SourceError(f"There is no file {str(path)!r}.")
    formats = [cast(Format, import_module(f"{__name__}.{name}")) for name in _FORMATS]
    for form in formats:
        if form.matches(place):
            return form.reads(place)
    titles = "; ".join(form.TITLE for form in formats)
    raise SourceError(f"{str(path)!r} is of no format that zoohub reads.", f"It reads: {titles}.")


__all__ = ["Format", "from_file"]
