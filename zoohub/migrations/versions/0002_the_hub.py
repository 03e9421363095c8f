"""The hub"""

import sqlalchemy as sa

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hub_blobs",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("recipe", sa.LargeBinary(), nullable=True),
        sa.Column("created", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_hub_blobs")),
    )
    op.create_table(
        "hub_log",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("target", sa.String(length=300), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hub_log")),
    )
    with op.batch_alter_table("hub_log", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hub_log_at"), ["at"], unique=False)
        batch_op.create_index(batch_op.f("ix_hub_log_target"), ["target"], unique=False)

    op.create_table(
        "hub_packs",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("offsets", sa.LargeBinary(), nullable=False),
        sa.Column("touched", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_hub_packs")),
    )
    op.create_table(
        "hub_settings",
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_hub_settings")),
    )
    op.create_table(
        "hub_trees",
        sa.Column("oid", sa.String(length=40), nullable=False),
        sa.Column("entries", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("oid", name=op.f("pk_hub_trees")),
    )
    op.create_table(
        "hub_users",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("fullname", sa.String(length=200), nullable=True),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("password", sa.String(length=300), nullable=True),
        sa.Column("subject", sa.String(length=500), nullable=True),
        sa.Column("admin", sa.Boolean(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("quota", sa.BigInteger(), nullable=True),
        sa.Column("created", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hub_users")),
        sa.UniqueConstraint("key", name=op.f("uq_hub_users_key")),
        sa.UniqueConstraint("subject", name=op.f("uq_hub_users_subject")),
    )
    op.create_table(
        "hub_blob_packs",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("pack", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["pack"], ["hub_packs.hash"], name=op.f("fk_hub_blob_packs_pack_hub_packs")),
        sa.ForeignKeyConstraint(
            ["sha256"],
            ["hub_blobs.sha256"],
            name=op.f("fk_hub_blob_packs_sha256_hub_blobs"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("sha256", "pack", name=op.f("pk_hub_blob_packs")),
    )
    with op.batch_alter_table("hub_blob_packs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hub_blob_packs_pack"), ["pack"], unique=False)

    op.create_table(
        "hub_members",
        sa.Column("org_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id"], ["hub_users.id"], name=op.f("fk_hub_members_org_id_hub_users"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["hub_users.id"], name=op.f("fk_hub_members_user_id_hub_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "user_id", name=op.f("pk_hub_members")),
    )
    with op.batch_alter_table("hub_members", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hub_members_user_id"), ["user_id"], unique=False)

    op.create_table(
        "hub_pack_owners",
        sa.Column("pack", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["pack"], ["hub_packs.hash"], name=op.f("fk_hub_pack_owners_pack_hub_packs"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["hub_users.id"],
            name=op.f("fk_hub_pack_owners_user_id_hub_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("pack", "user_id", name=op.f("pk_hub_pack_owners")),
    )
    op.create_table(
        "hub_repos",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=8), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("gated", sa.String(length=8), nullable=True),
        sa.Column("blocked", sa.Text(), nullable=True),
        sa.Column("flags", sa.Text(), nullable=True),
        sa.Column("mirror", sa.Text(), nullable=True),
        sa.Column("checked", sa.Float(), nullable=True),
        sa.Column("downloads", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.Text(), nullable=True),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("updated", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["hub_users.id"], name=op.f("fk_hub_repos_owner_id_hub_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hub_repos")),
        sa.UniqueConstraint("type", "key", name=op.f("uq_hub_repos_type_key")),
    )
    with op.batch_alter_table("hub_repos", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hub_repos_owner_id"), ["owner_id"], unique=False)
        batch_op.create_index("ix_hub_repos_type_updated", ["type", "updated"], unique=False)
        batch_op.create_index("ix_hub_repos_type_created", ["type", "created"], unique=False)

    op.create_table(
        "hub_tokens",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("scope", sa.Text(), nullable=True),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("expires", sa.Float(), nullable=True),
        sa.Column("used", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["hub_users.id"], name=op.f("fk_hub_tokens_user_id_hub_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hub_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_hub_tokens_digest")),
    )
    with op.batch_alter_table("hub_tokens", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hub_tokens_user_id"), ["user_id"], unique=False)

    op.create_table(
        "hub_upstream_blobs",
        sa.Column("oid", sa.String(length=40), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["sha256"],
            ["hub_blobs.sha256"],
            name=op.f("fk_hub_upstream_blobs_sha256_hub_blobs"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("oid", name=op.f("pk_hub_upstream_blobs")),
    )
    with op.batch_alter_table("hub_upstream_blobs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hub_upstream_blobs_sha256"), ["sha256"], unique=False)

    op.create_table(
        "hub_access",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("repo_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("fields", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["hub_repos.id"], name=op.f("fk_hub_access_repo_id_hub_repos"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["hub_users.id"], name=op.f("fk_hub_access_user_id_hub_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hub_access")),
        sa.UniqueConstraint("repo_id", "user_id", name=op.f("uq_hub_access_repo_id_user_id")),
    )
    with op.batch_alter_table("hub_access", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hub_access_user_id"), ["user_id"], unique=False)

    op.create_table(
        "hub_commits",
        sa.Column("oid", sa.String(length=40), nullable=False),
        sa.Column("repo_id", sa.Integer(), nullable=False),
        sa.Column("tree", sa.String(length=40), nullable=False),
        sa.Column("parent", sa.String(length=40), nullable=True),
        sa.Column("author", sa.String(length=64), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["hub_repos.id"], name=op.f("fk_hub_commits_repo_id_hub_repos"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("oid", name=op.f("pk_hub_commits")),
    )
    with op.batch_alter_table("hub_commits", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hub_commits_repo_id"), ["repo_id"], unique=False)
        batch_op.create_index("ix_hub_commits_repo_id_at", ["repo_id", "at"], unique=False)

    op.create_table(
        "hub_holdings",
        sa.Column("repo_id", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("committed", sa.Boolean(), nullable=False),
        sa.Column("path", sa.Text(), nullable=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["hub_repos.id"], name=op.f("fk_hub_holdings_repo_id_hub_repos"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["sha256"], ["hub_blobs.sha256"], name=op.f("fk_hub_holdings_sha256_hub_blobs")
        ),
        sa.PrimaryKeyConstraint("repo_id", "sha256", name=op.f("pk_hub_holdings")),
    )
    with op.batch_alter_table("hub_holdings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hub_holdings_sha256"), ["sha256"], unique=False)

    op.create_table(
        "hub_discussions",
        sa.Column("repo_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("author", sa.String(length=64), nullable=False),
        sa.Column("pull", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("merged", sa.String(length=40), nullable=True),
        sa.Column("created", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"],
            ["hub_repos.id"],
            name=op.f("fk_hub_discussions_repo_id_hub_repos"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repo_id", "number", name=op.f("pk_hub_discussions")),
    )
    op.create_table(
        "hub_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("repo_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("author", sa.String(length=64), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["hub_repos.id"], name=op.f("fk_hub_events_repo_id_hub_repos"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hub_events")),
    )
    with op.batch_alter_table("hub_events", schema=None) as batch_op:
        batch_op.create_index("ix_hub_events_repo_id_number", ["repo_id", "number"], unique=False)

    op.create_table(
        "hub_redirects",
        sa.Column("type", sa.String(length=8), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("repo_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["hub_repos.id"], name=op.f("fk_hub_redirects_repo_id_hub_repos"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("type", "key", name=op.f("pk_hub_redirects")),
    )
    with op.batch_alter_table("hub_redirects", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hub_redirects_repo_id"), ["repo_id"], unique=False)

    op.create_table(
        "hub_refs",
        sa.Column("repo_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=250), nullable=False),
        sa.Column("oid", sa.String(length=40), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["hub_repos.id"], name=op.f("fk_hub_refs_repo_id_hub_repos"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repo_id", "name", name=op.f("pk_hub_refs")),
    )


def downgrade() -> None:
    # Children first; their indexes go with them.
    for table in (
        "hub_refs",
        "hub_redirects",
        "hub_events",
        "hub_discussions",
        "hub_holdings",
        "hub_commits",
        "hub_access",
        "hub_upstream_blobs",
        "hub_tokens",
        "hub_repos",
        "hub_pack_owners",
        "hub_members",
        "hub_blob_packs",
        "hub_users",
        "hub_trees",
        "hub_settings",
        "hub_packs",
        "hub_log",
        "hub_blobs",
    ):
        op.drop_table(table)
