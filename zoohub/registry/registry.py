"""Registry: the one door to what exists. Opens a database, adds, gets, searches, names, remembers."""

from __future__ import annotations

import sys
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar
from typing import Any as Anything

from zoohub import settings
from zoohub.errors import AmbiguousModel, InvalidModelId, ModelNotFound, suggest
from zoohub.registry import database, index, lookup, results, tokens, upkeep, writing
from zoohub.registry.database import Connection, Pool
from zoohub.registry.encoding import hash_of, key_of, unpack
from zoohub.registry.layout import Progress
from zoohub.registry.query import Query
from zoohub.registry.records import SOURCES, UNKNOWN, ModelId, ModelRecord
from zoohub.registry.results import Results
from zoohub.registry.writing import Counts

if TYPE_CHECKING:  # what a search does not need is imported by the methods that do
    from zoohub.registry.aliases import Alias
    from zoohub.registry.evidence import Evidence
    from zoohub.registry.history import Event
    from zoohub.registry.lineage import Lineage

T = TypeVar("T")


class Registry:
    """An open registry. Any number of threads may share one; writers take turns, readers never wait for them.

    Use it as a context manager, or call `close`.
    """

    def __init__(self, url: str, keep: int = 0) -> None:
        self.url = url
        self._pool = Pool(url, keep)
        self._finalizer = weakref.finalize(self, self._pool.close)

    # --- opening --------------------------------------------------------------------------------

    @classmethod
    def open(cls, url: str | None = None, *, catalog: bool = True, keep: int = 0) -> Registry:
        """Open the registry at `url` (default: `ZOO_DATABASE_URL`, else the file in ZOO_HOME).

        One that does not exist is created and, with `catalog`, filled with the bundled catalog; one that an older
        zoohub wrote is upgraded. Both are said on stderr. A process that searches all the time is faster where each
        connection to a file keeps `keep` bytes of the index in memory.

        Raises:
            DatabaseTooNew: a newer zoohub wrote it; RegistryError: it cannot be opened.
        """
        url = url or settings.database_url()
        created = database.prepare(url)
        registry = cls(url, keep)
        try:
            with registry._pool.connection() as connection:
                writing.complete(connection)
                loaded = index.get_meta(connection, "catalog")
            if loaded is None and created and not catalog:
                registry._note_catalog("left out")
            elif loaded is None and catalog:  # also where an earlier process was stopped while it loaded
                registry._load_catalog()
        except BaseException:
            registry.close()
            raise
        return registry

    def _load_catalog(self) -> None:
        from zoohub.registry.sources import records
        from zoohub.registry.sources.catalog import CatalogSource

        print(f"Creating the registry at {database.public_url(self.url)} ...", file=sys.stderr)
        counts = self.add(records(CatalogSource()))
        self._note_catalog("loaded")
        print(f"{counts.new} models of the bundled catalog are in it.", file=sys.stderr)

    def _note_catalog(self, state: str) -> None:
        with self._pool.connection() as connection, connection.write():
            index.set_meta(connection, "catalog", state)

    def close(self) -> None:
        """Close all connections."""
        self._finalizer()

    def __enter__(self) -> Registry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection for plain SQL, for floors above that keep tables of their own."""
        with self._pool.connection() as connection:
            yield connection

    # --- writing --------------------------------------------------------------------------------

    def add(self, records: Iterable[ModelRecord], *, progress: Progress | None = None) -> Counts:
        """Store records: the one way to write, for one record or for millions (lazily read).

        A record whose id is known replaces what is stored; a change of license, base models, gating or existence
        becomes an event of the history. Adding the same again changes nothing. What is no possible record is
        refused, with the reason, and does not stop the others. When this returns, everything is found by search.

        Returns:
            how many were new, changed and unchanged, and the refusals.
        """
        with self._pool.connection() as connection:
            return writing.add(connection, records, progress)

    def mark_gone(self, ids: Iterable[str], at: str | None = None) -> int:
        """Note that the source no longer has these models (they stay, with their history); returns how many."""
        found = [self.find(id) for id in ids]
        gone = [replace(record, gone=at or writing.now()) for record in found if record and not record.gone]
        self.add(gone)
        return len(gone)

    def delete(self, ids: Iterable[str]) -> int:
        """Take models out of the registry, for those that were never meant to be there; returns how many."""
        with self._pool.connection() as connection:
            return writing.delete(connection, list(ids))

    def renew(self, progress: Progress | None = None) -> int:
        """Lay the search index out anew, which no use of the registry needs; returns the number of models."""
        with self._pool.connection() as connection:
            return writing.renew(connection, progress)

    def info(self) -> dict[str, Anything]:
        """Where it lies, its schema, its size in bytes and how much it holds."""
        with self._pool.connection() as connection:
            return upkeep.info(connection)

    def faults(self) -> list[str]:
        """What is wrong with the database, in words; empty where it is whole."""
        with self._pool.connection() as connection:
            return upkeep.faults(connection)

    # --- looking up -----------------------------------------------------------------------------

    def find(self, id: str) -> ModelRecord | None:
        """The record of exactly this id, or None; no alias, no guessing."""
        with self._pool.connection() as connection:
            doc = lookup.doc(connection, id)
        return unpack(doc) if doc else None

    def get(self, text: str) -> ModelRecord:
        """The record that an alias or a model id names, with the revision where one is named.

        Case does not matter. An id without a source that the hub has not is looked for in the other sources.

        Raises:
            ModelNotFound: nothing is called so, the near names are in the message.
            AmbiguousModel: two sources have different models of this name; InvalidModelId: it is no id.
        """
        from zoohub.registry import aliases

        text = text.strip()
        with self._pool.connection() as connection:
            target = aliases.target(connection, text)
        model_id = self._parsed(target or text)
        # A source that is written out, or a path, means that one; a bare name is the hub's unless others have it too.
        named = target or ":" in text or model_id.source == "folder"
        record = self.find(model_id.key) if named else self._of_name(model_id.name)
        if record is None:
            raise ModelNotFound(text, self._near(text))
        return replace(record, revision=model_id.revision) if model_id.revision else record

    def _parsed(self, text: str) -> ModelId:
        try:
            return ModelId.parse(text, folders=False)
        except InvalidModelId:
            # A word that is no id may still be meant as a name; say what is near rather than how ids are spelled.
            if near := self._near(text):
                raise ModelNotFound(text, near) from None
            raise

    def _of_name(self, name: str) -> ModelRecord | None:
        ids = [str(ModelId(source, name)) for source in SOURCES if source != "folder"]
        with self._pool.connection() as connection:
            docs = lookup.docs(connection, ids)
        found = [unpack(docs[key]) for key in map(key_of, ids) if key in docs]
        if not found:
            return None
        strangers = [other for other in found[1:] if not _are_mirrors(found[0], other)]
        if strangers:
            choices = [ModelId.parse(record.id, folders=False) for record in (found[0], *strangers)]
            raise AmbiguousModel(name, [f"{choice.source}:{choice.name}" for choice in choices])
        return found[0]

    def _near(self, text: str) -> list[str]:
        """Registered ids that look like `text`."""
        author, _, name = text.rpartition("/")
        beginnings = " OR ".join(part[:4] for part in tokens.split(name) if len(part) > 2)
        asked = [Query(text=name), Query(text=beginnings), Query(author=(author,))]
        useful = [query for query in asked if query.text.strip() or author]
        found = [record.id for query in useful for record in self.search(replace(query, limit=100))]
        return suggest(text, dict.fromkeys(found))

    # --- searching ------------------------------------------------------------------------------

    def search(self, query: Query | str = "", **facets: Anything) -> Results[ModelRecord]:
        """The models that match, lazily: pages are read as the results are consumed."""
        if isinstance(query, str):
            query = Query.of(query, **facets)
        elif facets:
            query = replace(query, **facets)
        return self.search_documents(query, unpack)

    def search_documents(self, query: Query, make: Callable[[bytes], T]) -> Results[T]:
        """As `search`, but each result is what `make` makes of the stored document (see `encoding.unpack`)."""
        return Results(self._pool, query, make)

    def count(self, query: Query | str = "", **facets: Anything) -> int:
        """How many models match."""
        query = Query.of(query, **facets) if isinstance(query, str) else query
        with self._pool.connection() as connection:
            return results.count(connection, query)

    def count_by(self, facet: str, query: Query | str = "", **facets: Anything) -> Counter[str]:
        """Value of a facet -> how many of the models that match have it."""
        query = Query.of(query, **facets) if isinstance(query, str) else query
        with self._pool.connection() as connection:
            return results.facet_counts(connection, query, facet)

    def commercial(self, license: str) -> str:
        """May models of a license, by its id, be used commercially: yes, no or unknown."""
        with self._pool.connection() as connection:
            row = connection.one("SELECT commercial FROM licenses WHERE id = ?", (license,))
        return str(row[0]) if row else UNKNOWN

    # --- names, memory, kin ---------------------------------------------------------------------

    def set_alias(self, name: str, model: str) -> Alias:
        """Let `name` stand for a model, pinned where `model` names a revision; a former meaning goes to the history.

        Raises:
            ModelNotFound: there is no such model; InvalidModelId: `name` cannot be a name; DuplicateName: a model
                is called so.
        """
        from zoohub.registry import aliases

        record = self.get(model)
        pinned = ModelId.parse(model, folders=False).revision if "@" in model else None
        target = record.id + (f"@{pinned}" if pinned else "")
        with self._pool.connection() as connection:
            return aliases.put(connection, name, target)

    def remove_alias(self, name: str) -> None:
        """Let `name` stand for nothing.

        Raises:
            ModelNotFound: there is no such alias.
        """
        from zoohub.registry import aliases

        with self._pool.connection() as connection:
            aliases.remove(connection, name)

    def aliases(self) -> list[Alias]:
        """All aliases, by name."""
        from zoohub.registry import aliases

        with self._pool.connection() as connection:
            return aliases.every(connection)

    def history(self, model: str) -> list[Event]:
        """What changed of a model or an alias, the latest first."""
        from zoohub.registry import history

        with self._pool.connection() as connection:
            if events := history.of(connection, model):
                return events
        record = self.get(model)
        with self._pool.connection() as connection:
            return history.of(connection, record.id)

    def changes(self, *, since: str | None = None, field: str | None = None) -> list[Event]:
        """What changed in the whole registry, the latest first.

        Raises:
            UsageError: `since` is no date, or no changes of `field` are kept.
        """
        from zoohub.registry import history

        with self._pool.connection() as connection:
            return history.changes(connection, since, field)

    def lineage(self, model: str, *, depth: int | None = None, limit: int = 1000) -> Lineage:
        """What a model was made from and what was made from it; see `lineage.Lineage`."""
        from zoohub.registry import lineage

        record = self.get(model)
        with self._pool.connection() as connection:
            return lineage.lineage(connection, record, depth=depth or lineage.MAX_DEPTH, limit=limit)

    def revisions(self, model: str) -> list[tuple[str, str]]:
        """(revision, when it was first seen) of a model, the latest first."""
        record = self.get(model)
        with self._pool.connection() as connection:
            rows = connection.rows(
                "SELECT v.revision, v.first_seen FROM revisions v JOIN models m ON m.pk = v.model "
                "WHERE m.hash = ? ORDER BY v.first_seen DESC, v.revision",
                (hash_of(record.id),),
            )
        return [(revision, seen) for revision, seen in rows]

    # --- the selector's evidence ----------------------------------------------------------------

    def add_evidence(self, items: Iterable[Evidence]) -> int:
        """Store results of fine-tuning; returns how many."""
        from zoohub.registry import evidence

        with self._pool.connection() as connection:
            return evidence.add(connection, items)

    def evidence(self, *, task: str | None = None, model: str | None = None) -> list[Evidence]:
        """Stored results of fine-tuning, of a task or a model."""
        from zoohub.registry import evidence

        with self._pool.connection() as connection:
            return evidence.find(connection, task, model)


def _are_mirrors(one: ModelRecord, other: ModelRecord) -> bool:
    return key_of(other.id) in map(key_of, one.mirrors) or key_of(one.id) in map(key_of, other.mirrors)
