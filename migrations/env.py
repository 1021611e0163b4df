"""Alembic's entry point: one synchronous connection, both databases, one transaction for each revision."""

from alembic import context
from sqlalchemy import create_engine, event, pool, text

from server.migrate import LOCK
from server.schema import metadata

url = context.config.attributes["url"]


def begin_by_hand(dbapi_connection, _record):
    # The driver's own transaction handling commits before DDL; with explicit transactions a revision is applied
    # completely or not at all.
    dbapi_connection.isolation_level = None


def ours(_object, name, kind, _reflected, _other):
    """Excludes full-text tables and indexes, which migrations create by hand for each database and `server/schema` does
    not list."""
    return not (name or "").startswith(("timeline_fts", "ix_timeline_search"))


def run() -> None:
    engine = create_engine(url, poolclass=pool.NullPool)
    sqlite = engine.dialect.name == "sqlite"
    if sqlite:
        event.listen(engine, "connect", begin_by_hand)
        event.listen(engine, "begin", lambda conn: conn.exec_driver_sql("BEGIN IMMEDIATE"))
    with engine.connect() as connection:
        if not sqlite:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": LOCK})
            connection.commit()
        else:
            with engine.connect() as first:
                first.connection.driver_connection.execute("PRAGMA journal_mode=WAL")
        context.configure(
            connection=connection,
            target_metadata=metadata,
            include_object=ours,
            render_as_batch=sqlite,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
