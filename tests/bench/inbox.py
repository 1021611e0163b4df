"""Row 3: lists, threads and search over HTTP at a million tickets, and the same at a hundredth of that."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from tests.bench import floor
from tests.bench.processes import drive
from tests.bench.product import Product, floor_target
from tests.bench.report import Line, compare, middle
from tests.bench.setting import Setting

PER_TICKET = 10  # messages
OPEN_TICKET_EVERY = 20  # each ticket whose number is a multiple of this is open, the others are closed
BEGIN = 1_750_000_000_000_000  # microseconds; each message is one second after the previous one
SECOND = 1_000_000
COMMON = "order parcel monday thank you please size colour refund card where when".split()


def fill(database: sqlite3.Connection, tickets: int, messages: int = PER_TICKET) -> None:
    """Inserts tickets with their threads, contacts, visitors and messages, as the product would have stored them."""
    database.execute("PRAGMA synchronous=OFF")
    database.execute("PRAGMA cache_size=-262144")
    database.execute("BEGIN IMMEDIATE")
    numbers = range(1, tickets + 1)
    database.executemany(
        "INSERT INTO contacts(id, guid, name, email, created_at) VALUES(?, ?, ?, ?, ?)",
        ((n, f"{n:036d}", f"Customer {n}", f"customer{n}@shop.example", BEGIN) for n in numbers),
    )
    database.executemany(
        "INSERT INTO visitors(id, key, contact_id, thread_id, created_at) VALUES(?, ?, ?, ?, ?)",
        ((n, f"{n:064x}", n, n, BEGIN) for n in numbers),
    )

    def last_message_at(ticket: int, total_tickets: int) -> int:
        return _last_at(ticket, total_tickets, messages)

    database.executemany(
        "INSERT INTO threads(id, token, channel, contact_id, visitor_id, last_seq, last_public_seq, rev, changed_at, created_at)"
        " VALUES(?, ?, 'webchat', ?, ?, ?, ?, ?, ?, ?)",
        (
            (n, f"thread-{n:017d}", n, n, messages, messages, messages, last_message_at(n, tickets), BEGIN)
            for n in numbers
        ),
    )
    database.executemany(
        "INSERT INTO tickets(id, thread_id, contact_id, channel, status, unread, last_message_at, opened_at, preview, preview_by)"
        " VALUES(?, ?, ?, 'webchat', ?, ?, ?, ?, ?, 'visitor')",
        (
            (
                n,
                n,
                n,
                "open" if n % OPEN_TICKET_EVERY == 0 else "closed",
                n % (OPEN_TICKET_EVERY * 4) == 0,
                last_message_at(n, tickets),
                BEGIN,
                _words(n),
            )
            for n in numbers
        ),
    )
    database.executemany(
        "INSERT INTO timeline(id, thread_id, seq, public_seq, kind, author_type, body, data, dedupe, body_hash, at)"
        " VALUES(?, ?, ?, ?, 'message', ?, ?, '{\"origin\":\"chat\"}', ?, ?, ?)",
        _messages(tickets, messages),
    )
    database.execute("INSERT INTO timeline_fts(timeline_fts) VALUES('rebuild')")
    database.execute("COMMIT")
    database.execute("ANALYZE")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _words(number: int) -> str:
    """Returns common words, a word that one in a few hundred messages contains, and a word that only this one contains."""
    picked = " ".join(COMMON[(number * step) % len(COMMON)] for step in (1, 5, 7, 11))
    return f"{picked} word{number % 499} unique{number}"


def _last_at(ticket: int, tickets: int, messages: int) -> int:
    return BEGIN + ((messages - 1) * tickets + ticket) * SECOND


def _messages(tickets: int, messages: int) -> Iterator[tuple[Any, ...]]:
    """Messages in the order of time: each ticket's first message, then each one's second, so that a thread is spread
    over the table as in production."""
    row = 0
    for turn in range(messages):
        for ticket in range(1, tickets + 1):
            row += 1
            author = "visitor" if turn % 2 == 0 else "agent"
            key = f"web:{ticket:064x}:m{turn:07d}"
            yield row, ticket, turn + 1, turn + 1, author, _words(row), key, "0" * 32, BEGIN + row * SECOND


def run(setting: Setting) -> list[Line]:
    big = 1_000_000 if setting.full else setting.few(100_000)
    small = big // 100 if setting.full else big // 10
    with (
        floor.start("form", setting.folder) as hello,
        Product(setting.folder, name="inbox-small") as little,
        Product(setting.folder, name="inbox-big") as large,
    ):
        for product, size in ((little, small), (large, big)):
            assert product.child is not None
            product.child.stop()
            database = sqlite3.connect(product.database, isolation_level=None)
            fill(database, size)
            database.close()
            product.start().wait_until_listening()
            product.sign_in()

        def fetch(product: Product, paths: list[str], lanes: int) -> dict[str, Any]:
            return drive("gets", **product.target(), paths=paths, connections=lanes, requests=setting.few(600) // lanes)

        lines: list[Line] = []
        row = f"3 inbox, {big:,} tickets"
        for kind, paths in _paths(big).items():
            shrunk = _paths(small)[kind]
            one_by_one = setting.in_turn(
                lambda shrunk=shrunk: fetch(little, shrunk, 1), lambda paths=paths: fetch(large, paths, 1)
            )
            gates = {"p50_ms": (10.0, None), "p99_ms": (10.0, None)} if kind.startswith("search") else GATES
            lines += [
                compare(row, f"{kind}, p50", "ms", "p50_ms", [], one_by_one[1], better="less", gate=gates["p50_ms"][0], stretch=gates["p50_ms"][1]),
                compare(row, f"{kind}, p99", "ms", "p99_ms", [], one_by_one[1], better="less", gate=gates["p99_ms"][0]),
                Line(
                    row, f"{kind}, against {small:,} tickets", "p50", middle(one_by_one[1], "p50_ms"), middle(one_by_one[0], "p50_ms"),
                    better="less", gate=1.5,
                ),
            ]  # fmt: skip
        for kind in ("list", "thread"):
            paths = _paths(big)[kind]
            crowd = setting.in_turn(
                lambda: drive(
                    "gets", **floor_target(hello), paths=["/hello"], connections=8, requests=setting.few(300)
                ),
                lambda paths=paths: fetch(large, paths, 8),
            )
            lines.append(
                compare(
                    row,
                    f"{kind}, 8 at a time beside 'hello'",
                    "requests/s",
                    "per_s",
                    *crowd,
                    gate=2_000,
                    stretch=3_500,
                    absolute=True,
                )
            )
    return lines


GATES: dict[str, tuple[float, float | None]] = {"p50_ms": (1.0, 0.5), "p99_ms": (4.0, None)}


def _paths(tickets: int) -> dict[str, list[str]]:
    step = max(1, tickets // 40)
    return {
        "list": ["/api/tickets", "/api/tickets?status=closed", "/api/tickets?status=closed&sort=oldest"],
        "thread": [f"/api/threads/{number}/entries" for number in range(1, tickets, step)],
        "search": [f"/api/search?q={word}" for word in ("monday", "word77", f"unique{tickets * 3}", "nowhere")],
    }
