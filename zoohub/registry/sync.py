"""Source -> registry: page by page, resumable, and a second time only what changed.

A page and the place to go on after it are stored before the next page is asked for, so that a sync that was
killed goes on there. What it cannot store it sets aside with the reason; one bad record stops nothing.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from zoohub import settings
from zoohub.errors import SourceError, UsageError
from zoohub.registry.records import ModelRecord
from zoohub.registry.registry import Registry
from zoohub.registry.sources import Page, Refusal, Source, Wanted
from zoohub.registry.sources.joining import filled, overruled

# A later sync begins this far before the newest change it knows: clocks of servers differ and step back.
OVERLAP = timedelta(hours=1)
MOST_REFUSALS = 10_000  # so many are named in a report; all are counted

Progress = Callable[[int, int | None], None]


@dataclass(slots=True)
class SyncReport:
    """What a sync did; `refused` names the first of `refusals` models that made no record, and why."""

    source: str
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    gone: int = 0
    refusals: int = 0
    resumed: bool = False
    refused: list[Refusal] = field(default_factory=list)

    @property
    def seen(self) -> int:
        """All models that the source listed."""
        return self.new + self.changed + self.unchanged + self.refusals

    def to_dict(self) -> dict[str, Any]:
        """Plain values, the counts first."""
        return asdict(self)

    def refuse(self, items: Iterable[Refusal]) -> None:
        """Count refusals, and name them as long as there is room."""
        for item in items:
            self.refusals += 1
            if len(self.refused) < MOST_REFUSALS:
                self.refused.append(item)


def sync(
    source: str | Source = "hub", path: str | Path | None = None, *, tasks: str | Iterable[str] = (),
    authors: str | Iterable[str] = (), min_downloads: int | None = None, limit: int | None = None,
    full: bool = False, registry: Registry | None = None, progress: Progress | None = None,
) -> SyncReport:  # fmt: skip
    """Bring what a source lists into the registry.

    `source` is "hub", "modelscope", "cache", "catalog", "folder" (with `path`), "file" (a catalog that others
    published, with `path`), or a source object. Filters keep to some tasks, authors, or to models with at
    least `min_downloads`; `limit` stops after so many. `full` lists a hub from end to end again: it renews
    downloads and likes, and notes what vanished. `progress` is told how many models were seen, of how many.

    Raises:
        SourceError: the source does not answer. What was read is stored, and the same call goes on there.
        UsageError: no such source, or a path that is missing or too much; UnknownTask: a task nobody knows.
    """
    from zoohub.tasks import resolve

    origin = opened(source, path) if isinstance(source, str) else source
    ids = tuple(resolve(task).id for task in ([tasks] if isinstance(tasks, str) else tasks))
    names = (authors,) if isinstance(authors, str) else tuple(authors)
    wanted = Wanted(ids, names, min_downloads, limit)
    if registry is not None:
        return _Sync(registry, origin, wanted, full, progress).run()
    with Registry.open() as own:
        return _Sync(own, origin, wanted, full, progress).run()


def opened(name: str, path: str | Path | None = None) -> Source:
    """The source of that name, as `sync` and the command line spell it.

    Raises:
        UsageError: no such source, or a path that is missing or too much.
    """
    from zoohub.registry.sources.cache import CacheSource
    from zoohub.registry.sources.catalog import CatalogSource
    from zoohub.registry.sources.folder import FolderSource
    from zoohub.registry.sources.hub import HubSource
    from zoohub.registry.sources.importers import from_file
    from zoohub.registry.sources.modelscope import ModelScopeSource

    plain: dict[str, Callable[[], Source]] = {
        "hub": HubSource, "modelscope": ModelScopeSource, "cache": CacheSource, "catalog": CatalogSource
    }  # fmt: skip
    placed: dict[str, Callable[[str], Source]] = {"folder": FolderSource, "file": from_file}
    if name in plain and path is None:
        return plain[name]()
    if name in placed and path is not None:
        return placed[name](str(path))
    if name in plain:
        raise UsageError(f"{name!r} is one place and takes no path.", f"Write: zoo sync {name}")
    if name in placed:
        raise UsageError(f"Which {name}?", "Write: zoo sync folder PATH   or   zoo sync --from FILE")
    raise UsageError(f"There is no source {name!r}.", f"Sources: {', '.join((*plain, *placed))}.")


class _Sync:
    """One run: what it has to do, what it found interrupted, what it counts."""

    def __init__(
        self, registry: Registry, source: Source, wanted: Wanted, full: bool, progress: Progress | None
    ) -> None:
        self.registry, self.source, self.wanted, self.progress = registry, source, wanted, progress
        self.full = full or not source.newest_first
        self.state = _State(registry, source, wanted, full)
        self.report = SyncReport(f"{source.name} {source.place}".strip())

    def run(self) -> SyncReport:
        """First finish what was interrupted, then bring what changed since."""
        try:
            if self.state.cursor is not None:
                self.report.resumed = True
                self._pass(self.state.since, self.state.cursor)
                if not self.source.newest_first:
                    return self.report
                self.full = False
            self._pass(None if self.full else self.state.watermark, None)
        except SourceError as error:
            stored = self.report.new + self.report.changed
            kept = f"{stored} new and changed models are stored; the same command goes on."
            raise SourceError(error.message, f"{error.remedy} {kept}".strip()) from error
        return self.report

    def _pass(self, since: str | None, cursor: str | None) -> None:
        """One walk through the listing, from its head or from a cursor to its end."""
        whole = self.full and self.wanted.everything and type(self.source).owns is not Source.owns
        self.state.begin(since, cursor)
        with _Seen(self.state.run, resumed=cursor is not None) as seen:
            pages = self.source.pages(replace(self.wanted, since=since), cursor)
            if self.source.remote:
                for page in pages:
                    self._store(page, seen if whole else None)
                    self.state.advance(page)
            else:
                self._store_all(pages, seen if whole else None)
            if whole:
                self._note_gone(seen)
        self.state.finish()

    def _store(self, page: Page, seen: _Seen | None) -> None:
        self._count(self.registry.add(self._prepared(page, seen)))
        if self.progress:
            self.progress(self.report.seen, page.total)

    def _store_all(self, pages: Iterable[Page], seen: _Seen | None) -> None:
        """A local source is read anew after an interruption: one call, one renewal of the index."""

        def records() -> Iterator[ModelRecord]:
            count = 0
            for page in pages:
                yield from self._prepared(page, seen)
                count += len(page.records) + len(page.refused)
                if self.progress:
                    self.progress(count, page.total)

        self._count(self.registry.add(records()))

    def _prepared(self, page: Page, seen: _Seen | None) -> list[ModelRecord]:
        self.report.refuse(page.refused)
        if seen is not None:
            seen.add([record.id for record in page.records] + [refusal.id for refusal in page.refused])
        return [self._joined(record) for record in page.records]

    def _joined(self, record: ModelRecord) -> ModelRecord:
        """The record with what the registry knows already and the source does not say."""
        old = self.registry.find(record.id)
        if old is None:
            return record
        if self.source.authority:
            return overruled(old, record)
        if self.source.name == "catalog" and "://" not in (old.origin or ""):
            return record  # a newer catalog replaces an older one, but not what a hub said
        return filled(old, record)

    def _count(self, counts: Any) -> None:
        self.report.new += counts.new
        self.report.changed += counts.changed
        self.report.unchanged += counts.unchanged
        self.report.refuse(Refusal(error.ident, error.reason) for error in counts.refused)

    def _note_gone(self, seen: _Seen) -> None:
        """Models that were synced from here and that a whole listing lacks are noted as gone, and stay."""
        if self.source.remote and not self.report.seen:
            raise SourceError(f"{self.report.source} lists no model at all; nothing is noted as gone.")
        if not seen.whole:
            return
        listed = self.registry.search(source=_source_of(self.source), gone=False, limit=None)
        missing = [record.id for record in listed if self.source.owns(record) and not seen.has(record.id)]
        if missing:
            self.report.gone += self.registry.mark_gone(missing)


def _source_of(source: Source) -> str:
    return source.name if source.name in ("hub", "modelscope", "folder") else "hub"


class _State:
    """Where a sync stands, kept in the registry: what is known (`watermark`), where to resume (`cursor`)."""

    def __init__(self, registry: Registry, source: Source, wanted: Wanted, full: bool) -> None:
        self._registry = registry
        filters = {key: value for key, value in asdict(wanted).items() if value}
        words = (source.name, source.place, json.dumps(filters, sort_keys=True) if filters else "")
        self.key = " ".join(word for word in words if word)
        self._slot = "full" if full else "run"  # each may be interrupted without disturbing the other
        self._data = self._load()

    def _load(self) -> dict[str, Any]:
        with self._registry.connection() as connection:
            row = connection.one("SELECT state FROM sync_state WHERE source = ?", (self.key,))
        data = json.loads(row[0]) if row else {}
        return data if isinstance(data, dict) else {}

    @property
    def watermark(self) -> str | None:
        """From when on changes are unknown: a little before the newest change that the last sync saw."""
        newest = self._data.get("newest")
        return str(newest) if newest else None

    @property
    def cursor(self) -> str | None:
        """Where an interrupted sync goes on, or None."""
        run = self._data.get(self._slot)
        return run.get("cursor") if isinstance(run, dict) else None

    @property
    def since(self) -> str | None:
        """How far back the interrupted sync was to go."""
        run = self._data.get(self._slot)
        return run.get("since") if isinstance(run, dict) else None

    @property
    def run(self) -> str:
        """The name of the walk under way, interrupted or not."""
        return str(self._data[self._slot]["id"])

    def begin(self, since: str | None, cursor: str | None) -> None:
        """A walk begins, at the head or in the middle of an interrupted one."""
        if cursor is None:
            self._data[self._slot] = {
                "id": secrets.token_hex(8),
                "since": since,
                "cursor": None,
                "newest": None,
            }

    def advance(self, page: Page) -> None:
        """A page is stored; the next walk, if this one ends here, goes on after it."""
        run = self._data[self._slot]
        times = [record.updated for record in page.records if record.updated]
        run["newest"] = max([*times, *([run["newest"]] if run["newest"] else [])], default=None)
        run["cursor"] = page.cursor
        if page.cursor is not None:
            self._save()

    def finish(self) -> None:
        """The walk reached its end: what it saw is known from now on."""
        newest = self._data.pop(self._slot, {}).get("newest")
        if newest:
            self._data["newest"] = max(_overlapping(newest), self._data.get("newest") or "")
        self._save()

    def _save(self) -> None:
        text, now = json.dumps(self._data), datetime.now(UTC).isoformat(timespec="seconds")
        with self._registry.connection() as connection, connection.write():
            connection.run(
                "INSERT INTO sync_state (source, state, updated) VALUES (?, ?, ?) "
                "ON CONFLICT (source) DO UPDATE SET state = excluded.state, updated = excluded.updated",
                (self.key, text, now),
            )


def _overlapping(newest: str) -> str:
    """A little before `newest`; a time in the future is a wrong one, and would hide all that comes."""
    moment = min(datetime.fromisoformat(newest.replace("Z", "+00:00")), datetime.now(UTC))
    return (moment - OVERLAP).isoformat(timespec="seconds").replace("+00:00", "Z")


class _Seen:
    """The models that a whole listing named: digests in a scratch file that outlives a kill."""

    _BYTES = 8

    def __init__(self, run: str, *, resumed: bool) -> None:
        self._path = settings.home() / "sync" / f"{run}.seen"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self.whole = not resumed or self._path.exists()  # it may have been cleaned away meanwhile
        self._file = self._path.open("a+b")
        self._file.truncate(self._file.tell() // self._BYTES * self._BYTES)
        self._known: frozenset[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if kind is None:
            self._path.unlink(missing_ok=True)

    def add(self, ids: Iterable[str]) -> None:
        """These were listed."""
        self._file.write(b"".join(map(self._digest, ids)))
        self._file.flush()

    def has(self, ident: str) -> bool:
        """Whether it was listed; to be asked when the listing is at its end."""
        if self._known is None:
            self._file.seek(0)
            self._known = frozenset(iter(lambda: self._file.read(self._BYTES), b""))
        return self._digest(ident) in self._known

    def _digest(self, ident: str) -> bytes:
        return hashlib.blake2b(
            ident.lower().encode("utf-8", "surrogatepass"), digest_size=self._BYTES
        ).digest()
