"""Full-text search over messages and notes, newest first.

Hits are not ranked by relevance, because ranking reads every hit of a common word. A text with characters of a script
without spaces is also in a second index, as pairs of those characters (`search_words`). A query with such a character
reads only the second index; any other query reads both.

On PostgreSQL the newest rows are scanned in two windows, and the index is read only if the windows have too few hits: a
plain ORDER BY id LIMIT scans the whole table for a rare word, and the index alone collects every hit of a common word.
SQLite's FTS5 indexes are not updated with each message (`search_index`); a search first indexes the new entries.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Text, bindparam, column, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.elements import TextClause

from server.errors import Refused
from server.inbox.search_index import index_new_entries, newest
from server.inbox.search_words import Piece, Term, cut, fold, pairs, pattern, terms
from server.kernel.columns import Instant
from server.kernel.context import App
from server.kernel.sql import Conn, Row, Statement
from server.threads import tickets as ticket_queries
from server.threads.entries import CUSTOMERS
from server.threads.tickets import Ticket

WINDOWS = (20_000, 80_000)  # newest rows scanned before the index is used (PostgreSQL)
INDEXED_BEGINNING = 3  # letters of FTS5's prefix index (SQLite, migration 0002)
PAIRS_INDEXED_BEGINNING = 1  # letters of the prefix index of pairs (migration 0010)
NEAR = 2_000  # a word is common if a page of hits lies within this many entries (SQLite)


@dataclass(frozen=True, slots=True)
class Hit:
    id: int  # the entry's id; orders the hits and serves as the cursor
    ticket: Ticket
    seq: int
    kind: str
    author_type: str
    author_name: str
    at: datetime
    snippet: list[Piece]


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


def _fts5(name: str) -> Statement:
    return _statement(
        f"SELECT {_COLUMNS} FROM {name} f JOIN timeline t ON t.id = f.rowid "  # noqa: S608 - constants only
        f"WHERE f.{name} MATCH :words AND f.rowid > :after AND f.rowid < :before ORDER BY f.rowid DESC LIMIT :n",
        words=Text(),
        after=BigInteger(),
        before=BigInteger(),
        n=BigInteger(),
    )


_WORDS_FTS5, _PAIRS_FTS5 = _fts5("timeline_fts"), _fts5("timeline_fts_pairs")
_WORDS_WINDOW_PG = _statement(
    f"SELECT {_COLUMNS} FROM timeline t WHERE t.id >= :low AND t.id < :before AND {_MATCH_PG} "  # noqa: S608
    "ORDER BY t.id DESC LIMIT :n",
    low=BigInteger(),
    before=BigInteger(),
    words=Text(),
    n=BigInteger(),
)
_WORDS_INDEX_PG = _statement(
    f"WITH h AS MATERIALIZED (SELECT t.id FROM timeline t WHERE {_MATCH_PG}) "  # noqa: S608
    f"SELECT {_COLUMNS} FROM timeline t WHERE t.id IN (SELECT id FROM h WHERE id < :before ORDER BY id DESC LIMIT :n) "
    "ORDER BY t.id DESC",
    words=Text(),
    before=BigInteger(),
    n=BigInteger(),
)
# A text can contain all pairs of a run without containing the run. Therefore runs longer than a pair are also compared
# with LIKE; `runs` are their patterns.
_HAS_RUNS_PG = "normalize(lower(t.body), NFC) LIKE ALL (:runs)"
_PAIRS_WINDOW_PG = _statement(
    f"SELECT {_COLUMNS} FROM timeline_fts_pairs p JOIN timeline t ON t.id = p.id "  # noqa: S608
    f"WHERE p.id >= :low AND p.id < :before AND p.words @@ CAST(:words AS tsquery) AND {_HAS_RUNS_PG} "
    "ORDER BY p.id DESC LIMIT :n",
    low=BigInteger(),
    before=BigInteger(),
    words=Text(),
    runs=ARRAY(Text()),
    n=BigInteger(),
)
_PAIRS_INDEX_PG = _statement(
    "WITH h AS MATERIALIZED (SELECT id FROM timeline_fts_pairs WHERE words @@ CAST(:words AS tsquery)) "  # noqa: S608
    f"SELECT {_COLUMNS} FROM h JOIN timeline t ON t.id = h.id WHERE h.id < :before AND {_HAS_RUNS_PG} "
    "ORDER BY h.id DESC LIMIT :n",
    words=Text(),
    runs=ARRAY(Text()),
    before=BigInteger(),
    n=BigInteger(),
)


async def find(app: App, query: str, before: int | None, limit: int) -> list[Hit]:
    """Indexes new entries, then runs `search`."""
    with contextlib.suppress(Refused):  # for example a full disk: search the entries that are indexed
        await index_new_entries(app)
    return await app.read_slowly(search, query, before, limit)


def search(conn: Conn, query: str, before: int | None, limit: int) -> list[Hit]:
    """Up to `limit` hits older than `before` (a hit's id), newest first. Empty for a query without words."""
    words = terms(query)
    if not words:
        return []
    by_words, by_pairs = (_words_postgres, _pairs_postgres) if conn.postgres else (_words_sqlite, _pairs_sqlite)
    rows = by_pairs(conn, words, before, limit)
    if not any(word.paired for word in words):
        rows_by_id = {row.id: row for row in (*rows, *by_words(conn, words, before, limit))}
        rows = [rows_by_id[entry_id] for entry_id in sorted(rows_by_id, reverse=True)[:limit]]
    tickets: dict[int, Ticket | None] = {}
    hits = []
    marked = pattern(words)
    for row in rows:
        if row.thread_id not in tickets:
            tickets[row.thread_id] = ticket_queries.by_thread(conn, row.thread_id)
        ticket = tickets[row.thread_id]
        hidden = ticket is not None and ticket.blocked and row.author_type in CUSTOMERS
        if ticket is not None and not hidden:
            snippet = cut(row.body, marked)
            hits.append(Hit(row.id, ticket, row.seq, row.kind, row.author_type, row.author_name, row.at, snippet))
    if len(rows) == limit and len(hits) < limit:  # hidden ones do not shorten the page
        hits += search(conn, query, rows[-1].id, limit - len(hits))
    return hits


def _words_sqlite(conn: Conn, words: list[Term], before: int | None, limit: int) -> list[Row]:
    return _sqlite(conn, _WORDS_FTS5, INDEXED_BEGINNING, words, before, limit)


def _pairs_sqlite(conn: Conn, words: list[Term], before: int | None, limit: int) -> list[Row]:
    return _sqlite(conn, _PAIRS_FTS5, PAIRS_INDEXED_BEGINNING, words, before, limit)


def _sqlite(
    conn: Conn, statement: Statement, beginning: int, words: list[Term], before: int | None, limit: int
) -> list[Row]:
    """Searches the last word first as a whole word: FTS5 reads its entries newest first and stops at `limit`, while a
    prefix search collects every entry with the prefix. If the whole word is common, only prefix hits newer than its last
    hit belong on the page, so the prefix search is limited to those entries."""
    *whole_words, last = words
    before = min(before or 2**62, newest(conn) + 1)

    def fetch(match: str, after: int = 0, max_rows: int = limit) -> list[Row]:
        return conn.all(statement, words=match, after=after, before=before, n=max_rows)

    if last.paired:
        return fetch(_match(words))
    if len(last.text) > beginning:
        rows = fetch(_match(words))
        if len(rows) == limit and before - rows[-1].id <= NEAR:
            beginning_pattern = pattern([last])
            prefix_hits = fetch(_match([*whole_words, Term(last.text[:beginning])]) + "*", rows[-1].id, NEAR)
            rows_by_id = {row.id: row for row in rows} | {
                row.id: row for row in prefix_hits if beginning_pattern.search(fold(row.body))
            }
            return [rows_by_id[entry_id] for entry_id in sorted(rows_by_id, reverse=True)[:limit]]
    return fetch(_match(words) + "*")


def _match(words: list[Term]) -> str:
    """The query in the syntax of FTS5: a run is a phrase of its pairs; a single character matches the first of a pair
    or the last of a run."""
    return " ".join(
        f'"{word.text}"'
        if not word.paired
        else f'"{word.text}"*'
        if len(word.text) == 1
        else f'"{" ".join(pairs(word.text)[:-1])}"'
        for word in words
    )


def _words_postgres(conn: Conn, words: list[Term], before: int | None, limit: int) -> list[Row]:
    match = " & ".join(f"'{word.text}'" for word in words) + ":*"
    return _postgres(conn, (_WORDS_WINDOW_PG, _WORDS_INDEX_PG), {"words": match}, before, limit)


def _pairs_postgres(conn: Conn, words: list[Term], before: int | None, limit: int) -> list[Row]:
    lexemes: list[str] = []
    for word in words:
        if word.paired and len(word.text) > 1:
            lexemes += [f"'{pair}'" for pair in pairs(word.text)[:-1]]
        else:
            lexemes.append(f"'{word.text}':*" if word.paired or word is words[-1] else f"'{word.text}'")
    runs = [f"%{word.text}%" for word in words if word.paired and len(word.text) > 2]
    params = {"words": " & ".join(lexemes), "runs": runs}
    return _postgres(conn, (_PAIRS_WINDOW_PG, _PAIRS_INDEX_PG), params, before, limit)


def _postgres(
    conn: Conn, statements: tuple[Statement, Statement], params: dict[str, Any], before: int | None, limit: int
) -> list[Row]:
    """Reads the newest rows in two windows, then the index if the windows have too few hits."""
    in_window, by_index = statements
    high = before or newest(conn) + 1
    rows: list[Row] = []
    for window in WINDOWS:
        if len(rows) >= limit or high <= 1:
            return rows
        low = max(high - window, 1)
        rows += conn.all(in_window, low=low, before=high, n=limit - len(rows), **params)
        high = low
    if len(rows) < limit and high > 1:
        rows += conn.all(by_index, before=high, n=limit - len(rows), **params)
    return rows
