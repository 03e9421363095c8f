"""The tables of the registry, for SQLite and PostgreSQL alike.

A model is one row: the columns hold what is sorted or joined, `doc` the whole record (see `encoding`). It is looked
up by a hash of its id, so that millions of ids need not be stored twice. Two tables make the search index (see
`index`): `ranking` gives each model a slot in the order of popularity, and `postings` holds for each word or facet
the set of slots that have it.

The tables are declared here for the migrations; rows are read and written in plain SQL that both databases
understand. A floor above may add tables of its own by a later migration.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# 64 bits everywhere; SQLite's own row number where it is a lone primary key.
Big = BigInteger().with_variant(Integer, "sqlite")

meta = Table(
    "meta",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    comment="facts about the registry itself: index version, whether the index lags behind, catalog",
)

licenses = Table(
    "licenses",
    metadata,
    Column("pk", Big, primary_key=True, autoincrement=True),
    Column("raw", Text, nullable=False, comment="as declared; '' where nothing is"),
    Column("name", Text, nullable=False, server_default=""),
    Column("link", Text, nullable=False, server_default=""),
    Column("id", Text, nullable=False, comment="normalized id, or 'unknown'"),
    Column("commercial", Text, nullable=False, comment="cached answer: yes, no or unknown"),
    Column("permissive", Text, nullable=False, comment="cached: yes where the id is in that group"),
    UniqueConstraint("raw", "name", "link", "id"),
)

models = Table(
    "models",
    metadata,
    Column("pk", Big, primary_key=True, autoincrement=True),
    Column("hash", Big, nullable=False, comment="of the id in lower case; the id itself is in doc"),
    Column("license", Big, ForeignKey("licenses.pk"), nullable=False),
    Column("downloads", Big),
    Column("likes", Big),
    Column("updated", Big, comment="seconds since 1970, UTC"),
    Column("parameters", Big),
    Column("doc", LargeBinary, nullable=False),
)
Index("ix_models_hash", models.c.hash)

ranking = Table(
    "ranking",
    metadata,
    Column("slot", Big, primary_key=True, autoincrement=False),
    Column(
        "model",
        Big,
        nullable=False,
        unique=True,
        comment="models.pk, without the foreign key that laying out millions would check one by one",
    ),
    Column("popularity", Big, nullable=False),
    comment="slots ascend as popularity descends",
)

postings = Table(
    "postings",
    metadata,
    Column("segment", Integer, primary_key=True, autoincrement=False),
    Column("token", Text(collation="C").with_variant(Text(), "sqlite"), primary_key=True),
    Column("slots", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

lineage = Table(
    "lineage",
    metadata,
    Column(
        "base",
        Big,
        primary_key=True,
        autoincrement=False,
        comment="hash of the id of the base, registered or not",
    ),
    Column(
        "model",
        Big,
        primary_key=True,
        autoincrement=False,
        comment="models.pk, without the foreign key that a deletion would search the whole table for",
    ),
    Column("relation", Text),
    sqlite_with_rowid=False,
)

aliases = Table(
    "aliases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("target", Text, nullable=False, comment="model id, with @revision where it is pinned"),
    Column("at", Text, nullable=False),
    sqlite_with_rowid=False,
)

history = Table(
    "history",
    metadata,
    Column("pk", Big, primary_key=True, autoincrement=True),
    Column("at", Text, nullable=False, comment="ISO 8601, UTC"),
    Column("subject", Text, nullable=False, comment="model key, or alias name"),
    Column("field", Text, nullable=False),
    Column("old", Text),
    Column("new", Text),
    comment="append-only",
)
Index("ix_history_subject", history.c.subject)
Index("ix_history_field_at", history.c.field, history.c.at)

revisions = Table(
    "revisions",
    metadata,
    Column("model", Big, ForeignKey("models.pk", ondelete="CASCADE"), primary_key=True),
    Column("revision", Text, primary_key=True),
    Column("first_seen", Text, nullable=False),
    sqlite_with_rowid=False,
)

sync_state = Table(
    "sync_state",
    metadata,
    Column("source", Text, primary_key=True, comment="which source, with its endpoint and filters"),
    Column("state", Text, nullable=False, comment="JSON: where to resume, what is known"),
    Column("updated", Text, nullable=False),
    sqlite_with_rowid=False,
)

evidence = Table(
    "evidence",
    metadata,
    Column("pk", Big, primary_key=True, autoincrement=True),
    Column("model", Text, nullable=False, comment="model id; need not be in the registry"),
    Column("task", Text, nullable=False),
    Column("dataset", Text, nullable=False),
    Column("metric", Text, nullable=False),
    Column("value", Float, nullable=False),
    Column("higher_is_better", Integer, nullable=False, server_default="1"),
    Column("n_train", Big),
    Column("n_classes", Big),
    Column("language", Text),
    Column("domain", Text),
    Column("strategy", Text),
    Column("seeds", Integer),
    Column("source", Text, nullable=False),
    CheckConstraint("higher_is_better IN (0, 1)", name="higher_is_better"),
    comment="what fine-tuning a model gave, for the selector",
)
Index("ix_evidence_task_model", evidence.c.task, evidence.c.model)
