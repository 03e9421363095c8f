"""Alembic's way in: run by `zoohub.registry.database`, or by the `alembic` command at the root."""

from sqlalchemy import Connection

from alembic import context
from zoohub import settings
from zoohub.registry.database import is_ours, is_sqlite, schema_transaction, sqlite_path
from zoohub.registry.schema import metadata


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_object=is_ours,
        render_as_batch=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def main() -> None:
    url = settings.database_url()
    given = context.config.attributes.get("connection")
    if context.is_offline_mode():
        context.configure(url=url, target_metadata=metadata, literal_binds=True)
        with context.begin_transaction():
            context.run_migrations()
    elif given is not None:
        run(given)
    else:
        if is_sqlite(url):
            sqlite_path(url).parent.mkdir(parents=True, exist_ok=True)
        with schema_transaction(url) as connection:
            run(connection)


main()
