"""Tables of the kernel: settings, jobs, processes."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text, text

from server.kernel.columns import Instant, Json, Key
from server.schema.metadata import metadata

# Settings that an owner can change at run time, one JSON document per area ("widget", "identity").
settings = Table(
    "settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Json, nullable=False),
    Column("updated_at", Instant, nullable=False),
)

# Jobs. `run_at` is both schedule and lease; `turn` fences a stale worker.
jobs = Table(
    "jobs",
    metadata,
    Column("id", Key, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("key", Text, unique=True),  # at most one waiting job per key; enqueueing it again moves it
    Column("payload", Json, nullable=False),
    Column("priority", Integer, nullable=False),  # 0 replies, 10 flows, 20 campaigns, 30 upkeep
    Column("run_at", Instant, nullable=False),
    Column("again_at", Instant),  # the next run, enqueued while the job runs
    Column("running", Boolean, nullable=False, server_default=text("false")),
    Column("turn", Integer, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("last_error", Text),
    Column("dead", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", Instant, nullable=False),
    Column("node", Text),  # of the process that runs it; see `processes`
    Index("ix_jobs_due", "priority", "run_at", postgresql_where=text("NOT dead"), sqlite_where=text("dead = 0")),
    Index("ix_jobs_running", "node", postgresql_where=text("running"), sqlite_where=text("running = 1")),
    Index("ix_jobs_dead", "id", postgresql_where=text("dead"), sqlite_where=text("dead = 1")),
)

# PostgreSQL only: heartbeats of the processes (kernel/processes.py).
processes = Table(
    "processes",
    metadata,
    Column("node", Text, primary_key=True),
    Column("web", Boolean, nullable=False),
    Column("worker", Boolean, nullable=False),
    Column("version", Text, nullable=False),
    Column("seen_at", Instant, nullable=False),  # by the database server's clock
)
