"""Events: what features record, and readers that handle each event once although transactions commit in any order."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import BigInteger, bindparam, delete, insert, select, update

from server.channels.base import Report
from server.consent.rules import Purpose
from server.delivery import settling
from server.delivery.rules import OutboundSettled, State
from server.errors import Refused
from server.events import queries, readers
from server.events.readers import Event
from server.events.recording import record
from server.events.rules import Metric, NewEvent
from server.kernel.context import App, step_services
from server.kernel.sql import POSTGRES, Statement, Tx
from server.links.clicks import Click, count_clicks
from server.schema import event_bookmarks, events, outbound, short_links
from tests.sms import new_person
from tests.world import START, World, at_once, open_world


async def recorded_metrics(world: World, *where: Any) -> list[tuple[str, str]]:
    return [(row.metric, row.source) for row in await world.rows(events, *where)]


async def test_messages_and_tickets_of_a_chat_are_events_of_their_contact(world: World) -> None:
    ana, zoe = await world.agent("ana"), await world.visitor()
    first = await zoe.says("Where is my parcel?")
    await zoe.says("It was due yesterday.")
    reply = await ana.replies(first.ticket, "On its way.")
    await ana.notes(first.ticket, "Call the carrier")
    await ana.closes(first.ticket)
    await world.advance(seconds=6)
    rows = await world.rows(events)
    assert [(row.metric, row.source) for row in rows] == [
        ("ticket_opened", "webchat"),
        ("message_received", "webchat"),
        ("message_received", "webchat"),
        ("message_sent", "webchat"),
        ("ticket_closed", "webchat"),
    ], "a note is no event"
    assert {row.contact_id for row in rows} == {first.ticket.contact}
    assert rows[0].data == {"ticket": first.ticket.id} == rows[-1].data
    assert rows[3].data == {"thread": reply.entry.thread, "seq": reply.entry.seq}
    assert rows[3].happened_at == rows[3].recorded_at == reply.entry.at


async def test_the_greeting_is_no_event_because_the_page_showed_it_to_everybody(world: World) -> None:
    zoe = await world.visitor()
    zoe.welcome = "Hi! How can we help?"
    written = await zoe.says("Hello")
    assert len(await world.entries(written.entry.thread)) == 2
    assert Metric.MESSAGE_SENT not in [metric for metric, _ in await recorded_metrics(world)]


async def test_a_reopened_ticket_is_opened_again(world: World) -> None:
    ana, ticket = await world.agent("ana"), await world.sms_ticket()
    await ana.closes(ticket)
    await ana.reopens(ticket)
    tickets = [metric for metric, _ in await recorded_metrics(world) if metric.startswith("ticket")]
    assert tickets == ["ticket_opened", "ticket_closed", "ticket_opened"]


async def test_texts_consents_and_outcomes_are_events(world: World) -> None:
    maria, ana = await world.texter(agreed=True), await world.agent("ana")
    await maria.says("Is the kettle in stock?")
    ticket = await maria.ticket()
    assert ticket is not None
    await ana.replies(ticket, "It is.")
    (sent,) = await world.rows(outbound, outbound.c.kind == "reply")
    for report in (Report("SM9", "undelivered", 30003), Report("SM9", "delivered")):
        await world.app.write(settling.apply_report, report, sent.token, 1)
    await maria.says("STOP")
    rows = await world.rows(events, events.c.contact_id == ticket.contact)
    # The number is suppressed then, which segments may ask for.
    assert [row.data["suppressed"] for row in rows if row.source == "contact"] == ["sms"]
    assert [(row.metric, row.source) for row in rows if row.source not in ("consent", "contact")] == [
        ("message_received", "sms"),
        ("ticket_opened", "sms"),
        ("message_sent", "sms"),
        ("message_failed", "sms"),
        ("message_delivered", "sms"),
        ("message_received", "sms"),
    ]
    changed = Counter((row.metric, row.data["purpose"]) for row in rows if row.source == "consent")
    assert changed[("subscribed", Purpose.SMS_TRANSACTIONAL)] == 1
    assert changed[("unsubscribed", Purpose.SMS_TRANSACTIONAL)] == 1


async def test_an_outcome_that_no_thread_shows_is_an_event_too(world: World) -> None:
    zoe = await world.visitor()
    contact = (await zoe.says("Hello")).ticket.contact

    def settle(tx: Tx) -> None:
        for state, channel in (
            (State.SKIPPED, "sms"),
            (State.UNDELIVERED, "email"),
            (State.UNDELIVERED, "sms"),
            (State.SENT, "sms"),
        ):
            tx.announce(OutboundSettled(7, None, None, contact, "campaign", state, "why", "", channel))

    await world.app.write(settle)
    assert (await recorded_metrics(world))[-3:] == [
        ("message_skipped", "sms"),
        ("message_bounced", "email"),
        ("message_failed", "sms"),
    ]


async def test_a_click_by_a_person_is_an_event_and_one_by_a_program_is_none(world: World) -> None:
    zoe = await world.visitor()
    contact = (await zoe.says("Hello")).ticket.contact

    def click(tx: Tx) -> int:
        for code, owner in (("AAAAAAAA", contact), ("BBBBBBBB", None)):
            tx.run(
                insert(short_links).values(
                    code=code, target="https://shop.example/", contact_id=owner, created_at=tx.now
                )
            )
        links = [row.id for row in tx.all(select(short_links.c.id).order_by(short_links.c.id))]
        clicks = [
            Click(links[0], "one", tx.now, False, "", ""),
            Click(links[0], "two", tx.now, True, "", ""),
            Click(links[1], "three", tx.now, False, "", ""),
        ]
        return count_clicks(tx, clicks) + count_clicks(tx, clicks)

    assert await world.app.write(click) == 3
    assert (await recorded_metrics(world, events.c.metric == "link_clicked")) == [("link_clicked", "link")]
    (shown,) = await world.app.read(queries.activity, contact, "link_clicked")
    assert shown.data is not None and shown.data["url"] == "https://shop.example/", "the activity names the address"


# --- storing ----------------------------------------------------------------------------------------


async def test_a_key_is_stored_once_also_when_two_transactions_race(world: World) -> None:
    new = [NewEvent(1, "viewed", "key:1", dedupe=f"page:{n % 3}") for n in range(6)] + [
        NewEvent(1, "viewed", "key:1")
    ] * 2
    results = await at_once(*(world.app.write(record, new) for _ in range(4)))
    assert sorted(key for keys in results for key in keys) == ["page:0", "page:1", "page:2"]
    rows = await world.rows(events)
    assert Counter(row.dedupe for row in rows) == {"page:0": 1, "page:1": 1, "page:2": 1, None: 8}


async def test_a_contact_s_activity_is_paged_newest_first_and_filtered_by_metric(world: World) -> None:
    assert await world.app.write(partial(new_person, subscribed=False)) == 1

    def fill(tx: Tx) -> None:
        # Several events share a time, so the pages need the id.
        new = [
            NewEvent(n % 2, "bought" if n % 3 else "viewed", "key:1", tx.now - timedelta(minutes=n // 4))
            for n in range(60)
        ]
        record(tx, new)

    await world.app.write(fill)
    pages: list[queries.Activity] = []
    while True:
        before = (pages[-1].happened_at, pages[-1].id) if pages else None
        page = await world.app.read(queries.activity, 1, None, before, 7)
        pages += page
        if len(page) < 7:
            break
    expected = await world.rows(events, events.c.contact_id == 1)
    expected.sort(key=lambda row: (row.happened_at, row.id), reverse=True)
    assert [event.id for event in pages] == [row.id for row in expected] and len(pages) == 30
    bought = await world.app.read(queries.activity, 1, "bought", (pages[4].happened_at, pages[4].id), 100)
    assert [event.id for event in bought] == [event.id for event in pages[5:] if event.metric == "bought"]


# --- readers ----------------------------------------------------------------------------------------

WRITERS, TRANSACTIONS = 8, 40
# Transactions of other tests on the same PostgreSQL server delay readers. The wrong reader misses events, so it waits in vain.
PATIENCE_S = {"read": 60.0, "read_by_id": 3.0}
Reader = Callable[[Tx, str, int], list[Event]]

_BY_ID = Statement(
    select(*readers._columns)
    .where(events.c.id > bindparam("event", type_=BigInteger))
    .order_by(events.c.id)
    .limit(bindparam("n"))
)


def read_by_id(tx: Tx, reader: str, limit: int) -> list[Event]:
    """A wrong reader: its bookmark is only an id."""
    bookmark = tx.first(readers._LOCK_BOOKMARK, reader=reader)
    if bookmark is None:
        tx.run(readers._ADD_READER, reader=reader, now=tx.now)
    rows = tx.all(_BY_ID, event=0 if bookmark is None else bookmark.event_id, n=limit)
    if rows:
        tx.run(readers._MOVE, of_reader=reader, tx=rows[-1].tx_id, event=rows[-1].id, now=tx.now)
    return [Event(*row) for row in rows]


class _Postgres:
    """Runs steps in transactions of its own connection, which stay open for a random time."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.connection = psycopg.connect(app.settings.postgres_dsn(), autocommit=True)

    def run(self, step: Callable[[Tx], Any], pause: float, commit: bool) -> Any:
        cursor = self.connection.cursor()
        cursor.execute("BEGIN")
        result = step(Tx(cursor.execute, POSTGRES, START, step_services({}, self.app.ids, self.app.key)))
        time.sleep(pause)  # other transactions take ids and commit meanwhile: this is what is tested
        cursor.execute("COMMIT" if commit else "ROLLBACK")
        return result if commit else None


def _writer(app: App, number: int, committed: list[str]) -> None:
    random_ = random.Random(number)
    database = _Postgres(app)
    for turn in range(TRANSACTIONS):
        keys = [f"{number}:{turn}:{n}" for n in range(random_.randint(1, 3))]
        new = [NewEvent(number, "viewed", "key:1", data={"key": key}) for key in keys]
        commit = random_.random() < 0.7
        database.run(lambda tx, new=new: record(tx, new), random_.choice((0, 0.001, 0.01)), commit)
        if commit:
            committed += keys
    database.connection.close()


def _reader(app: App, read: Reader, read_by: list[str], done: threading.Event, committed: list[str]) -> None:
    """Reads until the writers have ended and every event was read; gives up if events were missed."""
    random_ = random.Random(99)
    database = _Postgres(app)
    patience_s, last_event = PATIENCE_S[read.__name__], time.monotonic()
    while not done.is_set() or (len(read_by) < len(committed) and time.monotonic() - last_event < patience_s):
        page = database.run(lambda tx: read(tx, read.__name__, 7), 0, random_.random() < 0.8)
        if page:
            read_by += [event.data["key"] for event in page if event.data]
            last_event = time.monotonic()
    database.connection.close()


def test_eight_writers_that_commit_in_any_order_reach_a_reader_once_each_and_a_bookmark_of_ids_misses_some(
    tmp_path: Path,
) -> None:
    async def run() -> tuple[list[str], dict[str, list[str]]]:
        async with open_world(tmp_path / "data", "postgres") as world:
            committed: list[str] = []
            read_by: dict[str, list[str]] = {"read": [], "read_by_id": []}
            done = threading.Event()
            reading = [
                threading.Thread(target=_reader, args=(world.app, read, read_by[read.__name__], done, committed))
                for read in (readers.read, read_by_id)
            ]
            writing = [
                threading.Thread(target=_writer, args=(world.app, number, committed)) for number in range(WRITERS)
            ]
            for thread in (*reading, *writing):
                thread.start()
            for thread in writing:
                await asyncio.to_thread(thread.join)
            done.set()
            for thread in reading:
                await asyncio.to_thread(thread.join)
            return committed, read_by

    committed, read_by = asyncio.run(run())
    assert len(committed) > WRITERS * TRANSACTIONS // 2
    counts = Counter(read_by["read"])
    assert [key for key in committed if key not in counts] == [], "missed"
    assert [key for key, count in counts.items() if count > 1] == [], "doubled"
    assert counts.keys() == set(committed), "read what was rolled back"
    assert set(committed) - set(read_by["read_by_id"]), "the load does not show why a bookmark of ids is wrong"


async def count_read_events(world: World, expected: int) -> int:
    """Reads until `expected` events were read. Transactions of other tests on the same PostgreSQL server delay readers."""
    total = 0
    for _ in range(5000):
        total += len(await world.app.write(readers.read, "a", 100))
        if total >= expected:
            break
        await asyncio.sleep(0.01)
    return total + len(await world.app.write(readers.read, "a", 100))


async def test_each_event_reaches_each_reader_once_also_when_the_reader_s_transaction_fails(world: World) -> None:
    handled: dict[str, list[int]] = {"a": [], "b": []}

    def handle(tx: Tx, reader: str, fail: bool) -> list[int]:
        ids = [event.id for event in readers.read(tx, reader, 3)]
        if fail:
            raise Refused("failed", "The reader failed.")
        return ids

    for turn in range(10):
        await at_once(*(world.app.write(record, [NewEvent(n, "viewed", "key:1")]) for n in range(4)))
        for reader in handled:
            with suppress(Refused):
                handled[reader] += await world.app.write(handle, reader, turn % 3 == 1)
    stored = [row.id for row in await world.rows(events)]
    for reader, ids in handled.items():
        for _ in range(5000):
            ids += await world.app.write(handle, reader, False)
            if len(ids) >= len(stored):
                break
            await asyncio.sleep(0.01)
    assert sorted(handled["a"]) == sorted(handled["b"]) == stored and len(stored) == 40


async def test_an_event_that_is_stored_after_all_others_were_deleted_is_not_missed(world: World) -> None:
    """SQLite would give it the id of a deleted event, which is behind the bookmark."""
    await world.app.write(record, [NewEvent(1, "viewed", "key:1")] * 5)
    assert await count_read_events(world, 5) == 5
    await world.app.write(lambda tx: tx.run(delete(events)))
    await world.app.write(record, [NewEvent(1, "viewed", "key:1")])
    assert await count_read_events(world, 1) == 1


async def test_new_events_follow_the_old_ones_after_a_restore_into_another_server(world: World) -> None:
    """There the ids of transactions begin at a lower number."""
    await world.app.write(record, [NewEvent(1, "viewed", "key:1")] * 3)
    assert await count_read_events(world, 3) == 3
    id_offset = 10**12
    if world.app.settings.database_url:  # as if the rows came from a server with far more transactions

        def restore(tx: Tx) -> None:
            tx.run(update(events).values(tx_id=events.c.tx_id + id_offset))
            tx.run(update(event_bookmarks).values(tx_id=event_bookmarks.c.tx_id + id_offset))

        await world.app.write(restore)
    for _ in range(2):
        await world.app.write(readers.keep_order)
    await world.app.write(record, [NewEvent(1, "viewed", "key:1")] * 2)
    assert await count_read_events(world, 2) == 2
    assert (await world.app.read(readers.offset) > id_offset) == bool(world.app.settings.database_url)
