"""Indexes messages and notes for the search.

PostgreSQL indexes an entry when it is written. On SQLite entries are indexed in batches, once a second and before a search,
because FTS5 adds a segment to its index in every transaction.

The job `inbox.index_pairs` adds entries that are older than the index of pairs (`search_words`), newest first, in short
transactions.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import BigInteger, LargeBinary, Text, bindparam, cast, column, delete, func, insert, select, table
from sqlalchemy.dialects.postgresql import insert as insert_once

from server.inbox.search_words import PAIRED, paired_words
from server.kernel import jobs
from server.kernel.context import App
from server.kernel.jobs import Job
from server.kernel.sql import Conn, Statement, Tx
from server.schema import timeline

SLICE = 1_000  # entries indexed in one transaction, short enough not to delay messages
PAIRS_JOB = "inbox.index_pairs"
RUN_S = 5.0  # seconds after which the job stores its progress; a killed job repeats at most this much work

_written_by_people = (
    timeline.c.kind.in_(["message", "note"]),
    timeline.c.author_type != "system",
    timeline.c.body != "",
)
_in_slice = (timeline.c.id > bindparam("after"), timeline.c.id <= bindparam("top"))
_NEWEST_ID = Statement(select(func.max(timeline.c.id).label("id")))

# `timeline_fts_docsize` is FTS5's own table of indexed rows; indexing continues after its last id, also after a crash.
_docsize = table("timeline_fts_docsize", column("id", BigInteger))
_LAST_INDEXED = Statement(select(func.max(_docsize.c.id).label("id")))
_INDEX_ENTRIES = Statement(
    insert(table("timeline_fts", column("rowid"), column("body"))).from_select(
        ["rowid", "body"], select(timeline.c.id, timeline.c.body).where(*_in_slice, *_written_by_people)
    )
)

_pairs = table("timeline_fts_pairs", column("rowid", BigInteger), column("words", Text))
_NOT_ASCII = Statement(
    select(timeline.c.id, timeline.c.body).where(
        *_in_slice, *_written_by_people, func.length(cast(timeline.c.body, LargeBinary)) > func.length(timeline.c.body)
    )
)
_DELETE_PAIRS = Statement(delete(_pairs).where(_pairs.c.rowid > bindparam("after"), _pairs.c.rowid <= bindparam("top")))
_INSERT_PAIRS = Statement(insert(_pairs).values(rowid=bindparam("entry"), words=bindparam("words")))
_pairs_pg = table("timeline_fts_pairs", column("id", BigInteger), column("words"))
_INDEX_PAIRS_PG = Statement(
    insert_once(_pairs_pg)
    .from_select(
        ["id", "words"],
        select(timeline.c.id, func.timeline_paired_words(timeline.c.body)).where(
            *_in_slice, *_written_by_people, timeline.c.body.op("~")(f"[{PAIRED}]")
        ),
    )
    .on_conflict_do_nothing()
)


def newest(conn: Conn) -> int:
    """The newest entry's id; 0 if there is none."""
    return conn.value(_NEWEST_ID) or 0


def index_slice(tx: Tx, after: int) -> int:
    """Indexes up to `SLICE` entries after `after` or after the last indexed entry, and returns the last id indexed."""
    after = max(after, tx.value(_LAST_INDEXED) or 0)
    top = min(newest(tx), after + SLICE)
    tx.run(_INDEX_ENTRIES, after=after, top=top)
    index_pairs(tx, after, top)
    return top


def index_pairs(tx: Tx, after: int, top: int) -> None:
    """Adds the entries after `after`, up to `top`, to the index of pairs. May be repeated."""
    if tx.postgres:
        tx.run(_INDEX_PAIRS_PG, after=after, top=top)
        return
    tx.run(_DELETE_PAIRS, after=after, top=top)
    for row in tx.all(_NOT_ASCII, after=after, top=top):
        if words := paired_words(row.body):
            tx.run(_INSERT_PAIRS, entry=row.id, words=" ".join(words))


@dataclass(slots=True)
class Indexed:
    """The newest entry that this process has indexed."""

    up_to: int = 0


async def index_new_entries(app: App) -> None:
    """On SQLite: indexes the entries added since the last call, in short transactions, so that messages can be written
    between them."""
    if app.settings.database_url is not None:
        return
    top, indexed = await app.read(newest), app.part(Indexed, lambda app: Indexed())
    while indexed.up_to < top:
        indexed.up_to = await app.write(index_slice, indexed.up_to, bulk=True)


async def index_old_pairs(app: App, job: Job) -> None:
    """Indexes some slices of entries that were stored before pairs of characters were indexed. The entries still to index have the ids 1 to
    `total - done`."""
    total, done = int(job.payload["total"]), int(job.payload["done"])
    until = app.clock.monotonic() + RUN_S
    while done < total:
        top = total - done
        after = max(top - SLICE, 0)
        done = total - after
        if app.clock.monotonic() >= until or done == total:
            await app.write(_index_and_continue, job, after, top, total, bulk=True)
            return
        await app.write(index_pairs, after, top, bulk=True)


def _index_and_continue(tx: Tx, job: Job, after: int, top: int, total: int) -> None:
    index_pairs(tx, after, top)
    if after > 0:
        jobs.reschedule(tx, job, {"done": total - after, "total": total}, run_at=tx.now)
