"""Search over everything that was said, newest first: rare and common words alike in milliseconds.

Ranking by relevance is declined: on a common word it reads every hit (PERFORMANCE 2.10). PostgreSQL
has a trap of its own: with ORDER BY id LIMIT the planner walks the whole table for a rare word, and
with the index forced it collects millions of hits for a common one. So the newest rows are scanned
in two windows, and only what is still missing comes through the index.

SQLite's index of words is not written with each message, which would cost as much as the message itself: FTS5
begins a new segment in every transaction. What was said is indexed together, once a second and before a search.
"""

from __future__ import annotations

import contextlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Text, bindparam, column, func, insert, select, table, text
from sqlalchemy.sql.elements import TextClause

from server.errors import Refused
from server.inbox import queries
from server.inbox.queries import Ticket
from server.kernel.columns import Instant
from server.kernel.context import App
from server.kernel.sql import Conn, Row, Statement, Tx
from server.schema import timeline

MAX_TERMS = 8
MAX_TERM = 40  # characters
SNIPPET = 160  # characters around the first hit
SLICE = 1_000  # entries whose words are indexed in one transaction: less than 10 ms
WINDOWS = (20_000, 80_000)  # newest rows scanned before the index is asked (PostgreSQL)
INDEXED_BEGINNING = 3  # letters (SQLite, migration 0002)
NEAR = 2_000  # entries in which a common word stands often enough for a page (SQLite)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a snippet; `hit`: it is what was searched for."""

    text: str
    hit: bool


@dataclass(frozen=True, slots=True)
class Hit:
    id: int  # orders the hits, newest highest; the page mark
    ticket: Ticket
    seq: int
    kind: str
    author_type: str
    author_name: str
    at: datetime
    snippet: list[Piece]


def terms(query: str) -> list[str]:
    """The words of a query: all must stand in the text, the last may be only begun."""
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFC", query[:400]).casefold())
    return [word[:MAX_TERM] for word in words[:MAX_TERMS]]


_COLUMNS = "t.id, t.thread_id, t.seq, t.kind, t.author_type, t.author_name, t.body, t.at"
_MATCH_PG = (
    "t.kind IN ('message', 'note') AND t.author_type <> 'system' "
    "AND to_tsvector('simple', t.body) @@ to_tsquery('simple', :words)"
)


def _statement(sql: str, **types: Any) -> Statement:
    clause: TextClause = text(sql).bindparams(*(bindparam(name, type_=kind) for name, kind in types.items()))
    return Statement(
        clause.columns(
            column("id", BigInteger),
            column("thread_id", BigInteger),
            column("seq", BigInteger),
            column("kind", Text),
            column("author_type", Text),
            column("author_name", Text),
            column("body", Text),
            column("at", Instant),
        )
    )


_FTS5 = _statement(
    f"SELECT {_COLUMNS} FROM timeline_fts f JOIN timeline t ON t.id = f.rowid "  # noqa: S608 - constants only
    "WHERE f.timeline_fts MATCH :words AND f.rowid > :after AND f.rowid < :before ORDER BY f.rowid DESC LIMIT :n",
    words=Text(),
    after=BigInteger(),
    before=BigInteger(),
    n=BigInteger(),
)
_WINDOW_PG = _statement(
    f"SELECT {_COLUMNS} FROM timeline t WHERE t.id >= :low AND t.id < :before AND {_MATCH_PG} "  # noqa: S608
    "ORDER BY t.id DESC LIMIT :n",
    low=BigInteger(),
    before=BigInteger(),
    words=Text(),
    n=BigInteger(),
)
_INDEX_PG = _statement(
    f"WITH h AS MATERIALIZED (SELECT t.id FROM timeline t WHERE {_MATCH_PG}) "  # noqa: S608
    f"SELECT {_COLUMNS} FROM timeline t WHERE t.id IN (SELECT id FROM h WHERE id < :before ORDER BY id DESC LIMIT :n) "
    "ORDER BY t.id DESC",
    words=Text(),
    before=BigInteger(),
    n=BigInteger(),
)
_TOP = Statement(select(func.max(timeline.c.id).label("id")))


# `timeline_fts_docsize` is FTS5's own list of what it holds; its last id is where indexing goes on, even after a crash.
_docsize = table("timeline_fts_docsize", column("id", BigInteger))
_INDEXED = Statement(select(func.max(_docsize.c.id).label("id")))
_INDEX = Statement(
    insert(table("timeline_fts", column("rowid"), column("body"))).from_select(
        ["rowid", "body"],
        select(timeline.c.id, timeline.c.body).where(
            timeline.c.id > bindparam("after"),
            timeline.c.id <= bindparam("top"),
            timeline.c.kind.in_(["message", "note"]),
            timeline.c.author_type != "system",
            timeline.c.body != "",
        ),
    )
)


def newest(conn: Conn) -> int:
    """The last entry's id; 0 when nothing was said yet."""
    return conn.value(_TOP) or 0


def index_words(tx: Tx, after: int) -> int:
    """Indexes a slice of what was said after entry `after`, or after the last indexed one. Returns up to where."""
    after = max(after, tx.value(_INDEXED) or 0)
    top = min(newest(tx), after + SLICE)
    tx.run(_INDEX, after=after, top=top)
    return top


async def keep_up(app: App) -> None:
    """SQLite: makes findable what was said since the last time, in slices that let messages pass."""
    if app.settings.database_url is not None:
        return
    top, mark = await app.read(newest), app.parts.get("words_up_to", 0)
    while mark < top:
        mark = app.parts["words_up_to"] = await app.write(index_words, mark, bulk=True)


async def find(app: App, query: str, before: int | None, limit: int) -> list[Hit]:
    """As `search`, over everything that was said until now."""
    with contextlib.suppress(Refused):  # the disk is full, say: what is indexed can be found all the same
        await keep_up(app)
    return await app.read_slowly(search, query, before, limit)


def search(conn: Conn, query: str, before: int | None, limit: int) -> list[Hit]:
    """Up to `limit` hits older than `before` (a hit's id), newest first. Empty for a query without words."""
    words = terms(query)
    if not words:
        return []
    rows = _postgres(conn, words, before, limit) if conn.postgres else _sqlite(conn, words, before, limit)
    tickets: dict[int, Ticket | None] = {}
    hits = []
    for row in rows:
        if row.thread_id not in tickets:
            tickets[row.thread_id] = queries.ticket_of(conn, row.thread_id)
        ticket = tickets[row.thread_id]
        if ticket is not None:
            snippet = cut(row.body, words)
            hits.append(Hit(row.id, ticket, row.seq, row.kind, row.author_type, row.author_name, row.at, snippet))
    return hits


def _sqlite(conn: Conn, words: list[str], before: int | None, limit: int) -> list[Row]:
    """FTS5 reads a whole word newest first and stops, but collects every entry with a word that only begins so: of a
    common one millions. So the whole word is asked for first; where it is common, the others that belong on the page
    are among the newest few, and the index of beginnings tells which those may be."""
    *whole, last = words
    before = min(before or 2**62, newest(conn) + 1)

    def ask(match: str, after: int = 0, most: int = limit) -> list[Row]:
        return conn.all(_FTS5, words=match, after=after, before=before, n=most)

    if len(last) > INDEXED_BEGINNING:
        rows = ask(_quoted(words))
        if len(rows) == limit and before - rows[-1].id <= NEAR:
            begun = re.compile(rf"(?<![^\W_]){re.escape(_fold(last))}")
            maybe = ask(_quoted([*whole, last[:INDEXED_BEGINNING]]) + "*", rows[-1].id, NEAR)
            page = {row.id: row for row in rows} | {row.id: row for row in maybe if begun.search(_fold(row.body))}
            return [page[number] for number in sorted(page, reverse=True)[:limit]]
    return ask(_quoted(words) + "*")


def _quoted(words: list[str]) -> str:
    return " ".join(f'"{word}"' for word in words)


def _postgres(conn: Conn, words: list[str], before: int | None, limit: int) -> list[Row]:
    match = " & ".join(f"'{word}'" for word in words) + ":*"
    high = before or (conn.value(_TOP) or 0) + 1
    rows: list[Row] = []
    for window in WINDOWS:
        if len(rows) >= limit or high <= 1:
            return rows
        low = max(high - window, 1)
        rows += conn.all(_WINDOW_PG, low=low, before=high, words=match, n=limit - len(rows))
        high = low
    if len(rows) < limit and high > 1:
        rows += conn.all(_INDEX_PG, words=match, before=high, n=limit - len(rows))
    return rows


def _fold(text: str) -> str:
    """As the index sees it, character for character: lower case, without accents."""
    if text.isascii():
        return text.lower()
    return "".join((unicodedata.normalize("NFD", char)[0].casefold() or char)[0] for char in text)


def cut(body: str, words: list[str]) -> list[Piece]:
    """The part of `body` around its first hit, as pieces; line breaks become spaces."""
    flat = " ".join(body.split())
    folded = _fold(flat)
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(_fold(word))}" for word in sorted(words, key=len, reverse=True)))
    first = pattern.search(folded)
    start = max(0, (first.start() if first else 0) - SNIPPET // 3)
    end = min(len(flat), start + SNIPPET)
    pieces: list[Piece] = []
    if start:
        pieces.append(Piece("…", False))
    place = start
    for found in pattern.finditer(folded, start, end):
        if found.start() > place:
            pieces.append(Piece(flat[place : found.start()], False))
        pieces.append(Piece(flat[found.start() : found.end()], True))
        place = found.end()
    if place < end:
        pieces.append(Piece(flat[place:end], False))
    if end < len(flat):
        pieces.append(Piece("…", False))
    return pieces
