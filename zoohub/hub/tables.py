"""The hub's tables. They live in the registry's database, and their names begin with `hub_`.

Times are seconds since 1970 (UTC). A repository's history is commit -> tree -> blob, all immutable and
named by their content; only references move.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMING)

# --- who ------------------------------------------------------------------------------------------------

users = Table(  # users and organizations: the namespaces
    "hub_users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(64), nullable=False, unique=True),  # the name in lower case
    Column("name", String(64), nullable=False),
    Column("kind", String(8), nullable=False),  # user | org
    Column("fullname", String(200)),
    Column("email", String(320)),
    Column("password", String(300)),
    Column("subject", String(500), unique=True),  # issuer and subject of an OIDC login
    Column("admin", Boolean, nullable=False, default=False),
    Column("disabled", Boolean, nullable=False, default=False),
    Column("quota", BigInteger),  # bytes; null: the configured default
    Column("created", Float, nullable=False),
)

members = Table(
    "hub_members",
    metadata,
    Column("org_id", ForeignKey("hub_users.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", ForeignKey("hub_users.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("role", String(8), nullable=False),  # read | write | admin
)

tokens = Table(
    "hub_tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", ForeignKey("hub_users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", String(8), nullable=False, default="token"),  # token | session
    Column("name", String(100), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),  # SHA-256 of the token
    Column("role", String(8), nullable=False),  # read | write
    Column("scope", Text),  # JSON list of namespaces or repositories; null: all of the user's
    Column("created", Float, nullable=False),
    Column("expires", Float),
    Column("used", Float),
)

log = Table(  # who wrote what
    "hub_log",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False, index=True),
    Column("actor", String(64), nullable=False),
    Column("action", String(40), nullable=False),
    Column("target", String(300), nullable=False, index=True),
    Column("detail", Text),
    Column("address", String(64)),
)

# --- repositories ---------------------------------------------------------------------------------------

repos = Table(
    "hub_repos",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("type", String(8), nullable=False),  # model | dataset
    Column("key", String(200), nullable=False),  # namespace/name in lower case
    Column("owner_id", ForeignKey("hub_users.id"), nullable=False, index=True),
    Column("name", String(200), nullable=False),  # namespace/name as written
    Column("private", Boolean, nullable=False, default=False),
    Column("gated", String(8)),  # null | auto | manual
    Column("blocked", Text),  # why the policy or an administrator blocks reading
    Column("flags", Text),  # JSON list of findings of the last push
    Column("mirror", Text),  # the upstream hub this repository is a copy of
    Column("checked", Float),  # when the upstream hub was last asked
    Column("downloads", BigInteger, nullable=False, default=0),
    Column("record", Text),  # JSON of the ModelRecord of main
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
    UniqueConstraint("type", "key"),
)

redirects = Table(  # the old ids of moved repositories
    "hub_redirects",
    metadata,
    Column("type", String(8), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("repo_id", ForeignKey("hub_repos.id", ondelete="CASCADE"), nullable=False, index=True),
)

refs = Table(
    "hub_refs",
    metadata,
    Column("repo_id", ForeignKey("hub_repos.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(250), primary_key=True),  # refs/heads/main, refs/tags/v1, refs/pr/1
    Column("oid", String(40), nullable=False),
    Column("message", Text),
)

commits = Table(
    "hub_commits",
    metadata,
    Column("oid", String(40), primary_key=True),
    Column("repo_id", ForeignKey("hub_repos.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("tree", String(40), nullable=False),
    Column("parent", String(40)),
    Column("author", String(64), nullable=False),
    Column("title", Text, nullable=False),
    Column("message", Text, nullable=False, default=""),
    Column("at", Float, nullable=False),
)

trees = Table(  # one folder of one revision: JSON list of entries
    "hub_trees",
    metadata,
    Column("oid", String(40), primary_key=True),
    Column("entries", Text, nullable=False),
)

discussions = Table(  # and pull requests
    "hub_discussions",
    metadata,
    Column("repo_id", ForeignKey("hub_repos.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("title", Text, nullable=False),
    Column("author", String(64), nullable=False),
    Column("pull", Boolean, nullable=False),
    Column("status", String(8), nullable=False),  # draft | open | merged | closed
    Column("merged", String(40)),  # the commit that merged it
    Column("created", Float, nullable=False),
)

events = Table(  # what happened to a discussion
    "hub_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("repo_id", ForeignKey("hub_repos.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("kind", String(16), nullable=False),  # comment | status-change | title-change | commit
    Column("author", String(64), nullable=False),
    Column("data", Text, nullable=False),  # JSON
    Column("at", Float, nullable=False),
)

access = Table(  # requests to read a gated repository
    "hub_access",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("repo_id", ForeignKey("hub_repos.id", ondelete="CASCADE"), nullable=False),
    Column("user_id", ForeignKey("hub_users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("status", String(8), nullable=False),  # pending | accepted | rejected
    Column("fields", Text),
    Column("reason", Text),
    Column("at", Float, nullable=False),
    UniqueConstraint("repo_id", "user_id"),
)

# --- bytes ----------------------------------------------------------------------------------------------

# A whole, verified file; `recipe` names the pieces of packs it is made of (null: an object of its own).
blobs = Table(
    "hub_blobs",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("recipe", LargeBinary),
    Column("created", Float, nullable=False),
)

# The raw chunks of one xorb, one behind the other; `offsets` are the chunks' ends (u32, little-endian).
packs = Table(
    "hub_packs",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("offsets", LargeBinary, nullable=False),
    Column("touched", Float, nullable=False),
)

blob_packs = Table(
    "hub_blob_packs",
    metadata,
    Column("sha256", ForeignKey("hub_blobs.sha256", ondelete="CASCADE"), primary_key=True),
    Column("pack", ForeignKey("hub_packs.hash"), primary_key=True, index=True),
)

pack_owners = Table(  # who has sent a pack and so may build files from it
    "hub_pack_owners",
    metadata,
    Column("pack", ForeignKey("hub_packs.hash", ondelete="CASCADE"), primary_key=True),
    Column("user_id", ForeignKey("hub_users.id", ondelete="CASCADE"), primary_key=True),
)

holdings = Table(  # which repository holds which blob: by a commit, or sent and not yet committed
    "hub_holdings",
    metadata,
    Column("repo_id", ForeignKey("hub_repos.id", ondelete="CASCADE"), primary_key=True),
    Column("sha256", ForeignKey("hub_blobs.sha256"), primary_key=True, index=True),
    Column("committed", Boolean, nullable=False),
    Column("path", Text),  # where a commit put it first
    Column("at", Float, nullable=False),
)

upstream_blobs = Table(  # git ids of mirrored files whose SHA-256 is known since they were fetched
    "hub_upstream_blobs",
    metadata,
    Column("oid", String(40), primary_key=True),
    Column("sha256", ForeignKey("hub_blobs.sha256", ondelete="CASCADE"), nullable=False, index=True),
)

settings = Table(  # what all workers share: the signing key
    "hub_settings",
    metadata,
    Column("key", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)

Index("ix_hub_repos_type_updated", repos.c.type, repos.c.updated)
Index("ix_hub_commits_repo_id_at", commits.c.repo_id, commits.c.at)
Index("ix_hub_events_repo_id_number", events.c.repo_id, events.c.number)
Index("ix_hub_repos_type_created", repos.c.type, repos.c.created)
