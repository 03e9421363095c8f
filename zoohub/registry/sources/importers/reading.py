"""What the importers share: a source over records that are made one by one, each good or refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import islice

from zoohub.errors import InvalidRecord
from zoohub.registry.records import ModelRecord
from zoohub.registry.sources import Files, Page, Refusal, Source, Wanted, source

PAGE = 1000

Make = Callable[[], ModelRecord]


class FileSource(Source):
    """A published file as a source; `rows` yields functions that make a record or raise InvalidRecord."""

    def __init__(self, name: str, rows: Callable[[], Iterable[Make]], *, authority: bool = False) -> None:
        self.name = name
        self.authority = authority
        self._rows = rows

    def pages(self, wanted: Wanted | None = None, cursor: str | None = None) -> Iterator[Page]:
        """The file's records in steps of a thousand; a file is read from its start each time."""
        wanted = wanted or Wanted()
        rows = iter(self._rows())
        given = 0
        while part := list(islice(rows, PAGE)):
            page = _made(part, wanted)
            left = PAGE if wanted.limit is None else wanted.limit - given
            yield Page(page.records[:left], page.refused)
            given += len(page.records[:left])
            if wanted.limit is not None and given >= wanted.limit:
                return

    def open(self, record: ModelRecord) -> AbstractContextManager[Files]:
        """Open the model at the place that its id names."""
        return source(record.source).open(record)


def _made(rows: list[Make], wanted: Wanted) -> Page:
    records, refused = [], []
    for make in rows:
        try:
            record = make()
        except InvalidRecord as error:
            refused.append(Refusal(error.ident, error.reason))
            continue
        if _is_wanted(record, wanted):
            records.append(record)
    return Page(tuple(records), tuple(refused))


def _is_wanted(record: ModelRecord, wanted: Wanted) -> bool:
    return (
        (not wanted.tasks or bool(set(record.tasks) & set(wanted.tasks)))
        and (not wanted.authors or record.author in wanted.authors)
        and (wanted.min_downloads is None or (record.downloads or 0) >= wanted.min_downloads)
    )
