"""Alembic's entry: one synchronous connection, both dialects, one transaction for each revision."""

from alembic import context
from sqlalchemy import create_engine, event, pool, text

from server.migrate import LOCK
from server.schema import metadata

url = context.config.attributes["url"]


def begin_by_hand(dbapi_connection, _record):
    # The driver's own transaction handling commits before DDL; ours makes a revision all or nothing.
    dbapi_connection.isolation_level = None


def ours(_object, name, kind, _reflected, _other):
    """Full-text tables and indexes are written by hand for each dialect; `server/schema` does not list them."""
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
