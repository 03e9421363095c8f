"""Weights at plain addresses (torchvision, timm, OpenMMLab ...): the catalog states that of each file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from zoohub.errors import SourceError
from zoohub.registry.records import ModelFile, ModelRecord
from zoohub.registry.sources import Page, Source, Wanted, transport
from zoohub.registry.sources.catalog import of_source


class WebSource(Source):
    """Models of the catalog whose record holds `config["urls"]`: file name -> address."""

    name = "web"

    def pages(self, wanted: Wanted | None = None, cursor: str | None = None) -> Iterator[Page]:
        """The catalog's models of this source."""
        yield of_source(self.name, wanted)

    @contextmanager
    def open(self, record: ModelRecord) -> Iterator[WebFiles]:
        """Open the addresses that the record states.

        Raises:
            SourceError: it states none, or one that is no web address.
        """
        urls = dict(record.config.get("urls") or {})
        if not urls or any(urlsplit(str(url)).scheme not in ("http", "https") for url in urls.values()):
            raise SourceError(
                f"{record.id} states no web address of its files.", f"See: zoo show {record.id}"
            )
        stated = {file.path: file for file in record.files}
        yield WebFiles(urls, tuple(stated.get(name, ModelFile(name)) for name in urls))


class WebFiles:
    """Files at web addresses; there is one revision, that of the address."""

    def __init__(self, urls: dict[str, str], files: tuple[ModelFile, ...]) -> None:
        self.revision: str | None = None
        self.files = files
        self.git_oids: dict[str, str] = {}
        self._urls = urls

    def chunks(self, file: ModelFile, start: int = 0) -> Iterator[bytes]:
        """The bytes of one file from `start` on."""
        return transport.chunks(self._urls[file.path], start)


class TorchvisionSource(WebSource):
    """torchvision's weights."""

    name = "torchvision"


class TimmSource(WebSource):
    """timm's weights that are not on the Hub."""

    name = "timm"
