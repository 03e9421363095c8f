"""The same searches on the same rows by others: sqlite3 with FTS5 and bm25, tantivy, MLflow's registry."""

from __future__ import annotations

import sqlite3
import time
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import hub_records
from registry_queries import queries, report, timed

from zoohub.registry import ModelRecord, Query

MLFLOW_MOST = 100_000


def _text(record: ModelRecord) -> str:
    return f"{record.id} {' '.join(record.tags)}"


def fts5(folder: Path, real: list[ModelRecord], count: int) -> None:
    """The usual design: a plain table with an index for each facet, an FTS5 table beside it, bm25 for relevance."""
    connection = sqlite3.connect(folder / "plain.db")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(
        "CREATE TABLE models (pk INTEGER PRIMARY KEY, id, task, license, library, author, language, downloads)"
    )
    connection.execute("CREATE VIRTUAL TABLE texts USING fts5(body, content='')")
    started = time.perf_counter()
    for number, record in enumerate(hub_records.resampled(real, count)):
        row = (number, record.id, record.task, record.license, record.library, record.author,
               record.languages[0] if record.languages else None, record.downloads)  # fmt: skip
        connection.execute("INSERT INTO models VALUES (?,?,?,?,?,?,?,?)", row)
        connection.execute("INSERT INTO texts (rowid, body) VALUES (?, ?)", (number, _text(record)))
    for column in ("task", "license", "library", "author", "language", "downloads"):
        connection.execute(f"CREATE INDEX ix_{column} ON models ({column})")
    connection.execute("ANALYZE")
    connection.commit()
    report(
        "peer fts5: load with making the rows", models=count, seconds=round(time.perf_counter() - started, 1)
    )
    kinds = queries(real)
    for kind in ("facet", "text by popularity", "text and two facets", "text by relevance"):
        timed(
            f"peer fts5: {kind}", [lambda query=query: _ask_fts5(connection, query) for query in kinds[kind]]
        )
    connection.close()


def _ask_fts5(connection: sqlite3.Connection, query: Query) -> list[object]:
    where = [f"m.{name} = ?" for name, _ in query.facets()]
    values = [values[0] for _, values in query.facets()]
    if not query.text:
        sql = f"SELECT m.* FROM models m WHERE {' AND '.join(where)} ORDER BY m.downloads DESC LIMIT 20"
        return connection.execute(sql, values).fetchall()
    order = "m.downloads DESC" if query.sort == "downloads" else "bm25(texts)"
    conditions = " AND ".join(["texts MATCH ?", *where])
    sql = f"SELECT m.* FROM texts JOIN models m ON m.pk = texts.rowid WHERE {conditions} ORDER BY {order} LIMIT 20"
    return connection.execute(sql, [f'"{query.text}"', *values]).fetchall()


def tantivy(folder: Path, real: list[ModelRecord], count: int) -> None:
    """The search engine library, ordered by downloads (a fast field) or by its own bm25."""
    if find_spec("tantivy") is None:
        report("peer tantivy", left_out="it is not installed")
        return
    import tantivy as engine

    names = ("task", "license", "library", "author", "language")
    builder = engine.SchemaBuilder()
    builder.add_text_field("body", tokenizer_name="default")
    builder.add_text_field("id", stored=True, tokenizer_name="raw")
    for name in names:
        builder.add_text_field(name, tokenizer_name="raw")
    builder.add_unsigned_field("downloads", fast=True, stored=True)
    index = engine.Index(builder.build(), path=str(folder))
    writer = index.writer(heap_size=256_000_000)
    started = time.perf_counter()
    for record in hub_records.resampled(real, count):
        facts = {"task": record.task, "license": record.license, "library": record.library, "author": record.author,
                 "language": record.languages[0] if record.languages else None}  # fmt: skip
        document = engine.Document(body=_text(record), id=record.id,
                                   **{name: value for name, value in facts.items() if value})  # fmt: skip
        document.add_unsigned("downloads", record.downloads or 0)  # a plain number would be a signed one
        writer.add_document(document)
    writer.commit()
    writer.wait_merging_threads()
    report(
        "peer tantivy: load with making the rows",
        models=count,
        seconds=round(time.perf_counter() - started, 1),
    )
    index.reload()
    searcher = index.searcher()
    schema = index.schema

    def ask(query: Query) -> list[object]:
        parts = [
            (engine.Occur.Must, engine.Query.term_query(schema, name, values[0]))
            for name, values in query.facets()
        ]
        if query.text:
            parts.append((engine.Occur.Must, index.parse_query(f'"{query.text}"', ["body"])))
        asked = engine.Query.boolean_query(parts)
        order = {} if query.text and query.sort == "relevance" else {"order_by_field": "downloads"}
        return [searcher.doc(address) for _, address in searcher.search(asked, 20, **order).hits]

    kinds = queries(real)
    for kind in ("facet", "text by popularity", "text and two facets", "text by relevance"):
        timed(f"peer tantivy: {kind}", [lambda query=query: ask(query) for query in kinds[kind]])


def mlflow(folder: Path, real: list[ModelRecord], count: int) -> None:
    """MLflow's model registry on SQLite: a name with LIKE, tags as facets; written row by row into its own tables."""
    if find_spec("mlflow") is None:
        report("peer mlflow", left_out="it is not installed")
        return
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    count = min(count, MLFLOW_MOST)
    store = SqlAlchemyStore(f"sqlite:///{folder}/mlflow.db")
    raw = sqlite3.connect(folder / "mlflow.db")
    columns = {row[1] for row in raw.execute("PRAGMA table_info(registered_models)")}
    space = ("workspace",) if "workspace" in columns else ()
    for record in hub_records.resampled(real, count):
        name = record.id.replace("/", "--")
        made = (name, 0, 0, "", *("default" for _ in space))
        listed = ", ".join(("name", "creation_time", "last_updated_time", "description", *space))
        raw.execute(f"INSERT INTO registered_models ({listed}) VALUES ({', '.join('?' * len(made))})", made)
        for key, value in (
            ("task", record.task),
            ("license", record.license),
            ("library", record.library),
            ("author", record.author),
        ):
            if value:
                tag = (key, value, name, *("default" for _ in space))
                listed = ", ".join(("key", "value", "name", *space))
                raw.execute(
                    f"INSERT INTO registered_model_tags ({listed}) VALUES ({', '.join('?' * len(tag))})", tag
                )
    raw.commit()
    raw.close()
    kinds = queries(real)

    def ask(query: Query) -> list[object]:
        conditions = [f"tags.{name} = '{values[0]}'" for name, values in query.facets() if name != "language"]
        if query.text:
            conditions.append(f"name ILIKE '%{query.text}%'")
        return list(store.search_registered_models(" AND ".join(conditions), max_results=20))

    for kind in ("facet", "text by popularity", "text and two facets"):
        some = islice(kinds[kind], 50)
        timed(f"peer mlflow: {kind}", [lambda query=query: ask(query) for query in some], models=count)
