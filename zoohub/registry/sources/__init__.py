"""Where models come from: one file per source, each lists its records and opens a model's files.

A source knows nothing of the registry and nothing of the store: `registry.sync` writes what `pages`
yields, `weights` verifies and lands what `open` streams.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from zoohub.errors import SourceError
from zoohub.registry.records import ModelFile, ModelRecord


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of a source's models are asked for; the default is all of them.

    `since` is an ISO 8601 time: a source that lists newest first stops at models older than it.
    """

    tasks: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    min_downloads: int | None = None
    limit: int | None = None
    since: str | None = None

    @property
    def everything(self) -> bool:
        """No filter at all: a model that such a listing lacks does not exist there."""
        return self == Wanted()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A model that a source lists but that makes no record, with the reason."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Page:
    """One step of a listing: what it holds, where to go on after it, and how many models there are in all."""

    records: tuple[ModelRecord, ...]
    refused: tuple[Refusal, ...] = ()
    cursor: str | None = None
    total: int | None = None


class Files(Protocol):
    """A model's files, open for reading at one revision. A file's size or digest may be None: not stated."""

    revision: str | None
    files: tuple[ModelFile, ...]

    @property
    def git_oids(self) -> Mapping[str, str]:
        """Path -> the git SHA-1 of the file's content, where the source states that and no SHA-256."""

    def chunks(self, file: ModelFile, start: int = 0) -> Iterator[bytes]:
        """The bytes of one of `files` from offset `start` on, in pieces of at most a few MB.

        Raises:
            SourceError: the source does not answer or no longer has the file. It may be called again
                with a later `start` to go on; each piece that was yielded is part of the file.
        """


class Source(Protocol):
    """A place where models come from; sources inherit from it and override what differs.

    `authority`: it is the models' own home, and overrules what others say. `newest_first`: it lists by time
    of change, so that a later sync may stop at what is known. `remote`: its pages are worth resuming.
    `progress`: a long opening may be shown on stderr.
    """

    name: str
    authority: bool = False
    newest_first: bool = False
    remote: bool = False
    progress: bool = False

    @property
    def place(self) -> str:
        """Which of the places of this name it is: an address, a folder."""
        return ""

    def owns(self, record: ModelRecord) -> bool:
        """Whether a model of the registry is gone where a whole listing of this source lacks it."""
        return False

    def pages(self, wanted: Wanted | None = None, cursor: str | None = None) -> Iterator[Page]:
        """List the models, from the start or on from the `cursor` of an earlier page."""
        raise NotImplementedError

    def open(self, record: ModelRecord) -> AbstractContextManager[Files]:
        """Open the files of `record` at `record.revision`, or at the newest revision where that is None.

        Raises:
            SourceError: the source does not answer, or has no such model or revision.
        """
        raise NotImplementedError


# source of an id -> (module, class); modules load when they are used
_SOURCES = {
    "hub": ("hub", "HubSource"),
    "modelscope": ("modelscope", "ModelScopeSource"),
    "pypi": ("pypi", "PyPISource"),
    "torchvision": ("web", "TorchvisionSource"),
    "timm": ("web", "TimmSource"),
    "web": ("web", "WebSource"),
    "folder": ("folder", "FolderSource"),
}


def source(name: str) -> Source:
    """The source of that name (`ModelId.source`), at the address that the settings give.

    Raises:
        SourceError: files of that source cannot be fetched.
    """
    if name not in _SOURCES:
        raise SourceError(
            f"Files of {name!r} models cannot be fetched.", f"Sources with files: {', '.join(_SOURCES)}"
        )
    module, kind = _SOURCES[name]
    made: Source = getattr(import_module(f"zoohub.registry.sources.{module}"), kind)()
    return made


def hub_mirror(endpoint: str) -> Source:
    """A copy of the hub at another address; it gets no token."""
    from zoohub.registry.sources.hub import HubSource

    return HubSource(endpoint, token=False)


def records(origin: Source, wanted: Wanted | None = None) -> Iterator[ModelRecord]:
    """All records of a source, one after the other; what it refuses is left out."""
    for page in origin.pages(wanted or Wanted()):
        yield from page.records


__all__ = ["Files", "Page", "Refusal", "Source", "Wanted", "hub_mirror", "records", "source"]
