"""A change of a ticket is written once: the returned and published summaries equal the row, and `rev` rises."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from alembic import command
from sqlalchemy import create_engine, text

from server import migrate
from server.consent import suppressing
from server.consent.rules import Suppressed
from server.schema import jobs, tickets
from server.threads import changes
from server.threads import tickets as queries
from server.threads.changes import Change
from server.threads.tickets import INBOX_TOPIC, Ticket
from tests.world import Desk, World

Act = Callable[[World, Desk, Ticket], Awaitable[Any]]


async def _closed(world: World, ana: Desk, ticket: Ticket) -> None:
    await ana.closes(ticket)
    await world.advance(seconds=5)


async def _reopened(world: World, ana: Desk, ticket: Ticket) -> None:
    await _closed(world, ana, ticket)
    await ana.reopens(ticket)


async def _reopened_by_a_reply(world: World, ana: Desk, ticket: Ticket) -> None:
    await _closed(world, ana, ticket)
    await ana.replies(ticket, "One more thing")


async def _undone(world: World, ana: Desk, ticket: Ticket) -> None:
    await ana.closes(ticket)
    await ana.undoes_close(ticket)


async def _marked(world: World, ana: Desk, ticket: Ticket) -> None:
    await ana.reads(ticket)
    await ana.marks_unread(ticket)


async def _barred(world: World, ana: Desk, ticket: Ticket) -> None:
    await world.app.write(suppressing.suppress, "sms", ticket.peer, Suppressed.DEAD)


BOTH: dict[str, Act] = {
    "reply": lambda world, ana, ticket: ana.replies(ticket, "On its way"),
    "note": lambda world, ana, ticket: ana.notes(ticket, "Ask the warehouse"),
    "assign": lambda world, ana, ticket: ana.assigns(ticket, ana),
    "read": lambda world, ana, ticket: ana.reads(ticket),
    "unread": _marked,
    "close": _closed,
}
SMS: dict[str, Act] = {"reopen": _reopened, "reply to a closed one": _reopened_by_a_reply, "barred": _barred}
CHAT: dict[str, Act] = {"hold a close": lambda world, ana, ticket: ana.closes(ticket), "undo a close": _undone}
CASES = [("sms", act) for act in (*BOTH, *SMS)] + [("webchat", act) for act in (*BOTH, *CHAT)]


class Published:
    """Records the newest summary that was published."""

    ticket: Ticket | None = None

    def on_published(self, topic: str, hint: Any) -> None:
        if isinstance(hint, Ticket):
            self.ticket = hint

    def on_broadcast(self, topic: str, payload: dict[str, Any]) -> None: ...


@pytest.mark.parametrize(("channel", "act"), CASES)
async def test_the_summary_published_after_a_change_equals_the_row(world: World, channel: str, act: str) -> None:
    ana = await world.agent("ana")
    ticket = await world.sms_ticket() if channel == "sms" else (await world.conversation())[1]
    published = Published()
    world.app.bus.watch(INBOX_TOPIC, published)
    returned = await {**BOTH, **SMS, **CHAT}[act](world, ana, ticket)
    now = await world.ticket(ticket)
    assert published.ticket == now and now.rev > ticket.rev
    if returned is not None:
        assert getattr(returned, "ticket", returned) == now


async def test_a_change_without_an_entry_raises_the_rev(world: World) -> None:
    _, ticket = await world.conversation()
    ticket_after = await world.app.write(lambda tx: changes.change_ticket(tx, ticket, unread=False))
    assert (ticket_after.rev, ticket_after.last_seq, ticket_after.unread) == (ticket.rev + 1, ticket.last_seq, False)
    assert ticket_after == await world.ticket(ticket)


async def test_one_call_changes_several_tickets_to_different_values(world: World) -> None:
    tickets_before = [(await world.conversation(f"Hello {n}"))[1] for n in range(3)]

    def change(tx: Any) -> list[Ticket]:
        requested = [Change(ticket, None, {"preview": f"preview {ticket.id}"}) for ticket in tickets_before]
        return changes.change_tickets(tx, requested, unread=False, closed_at=tx.now)

    tickets_after = await world.app.write(change)
    assert [(summary.preview, summary.unread, summary.closed_at) for summary in tickets_after] == [
        (f"preview {summary.id}", False, world.now) for summary in tickets_before
    ]
    assert tickets_after == [await world.ticket(summary) for summary in tickets_before]
    assert await world.app.write(changes.change_tickets, []) == []


async def test_a_ticket_of_another_contact_shows_that_contact(world: World) -> None:
    _, ticket = await world.conversation()
    _, other = await world.conversation()
    after = await world.app.write(lambda tx: changes.change_ticket(tx, ticket, contact_id=other.contact))
    assert after.contact == other.contact
    assert after == await world.app.read(queries.by_id, ticket.id)


@pytest.mark.parametrize("job_waits", [False, True])
async def test_the_migration_keeps_only_reasons_from_consent_and_number(world: World, job_waits: bool) -> None:
    agreed, not_agreed = await world.sms_ticket(), await world.texter()
    await not_agreed.says("Hello")
    stopped = await world.texter(agreed=True)
    await stopped.says("Hello")
    asked, stopped_ticket = await not_agreed.ticket(), await stopped.ticket()
    assert asked is not None and stopped_ticket is not None
    await stopped.says("STOP")

    def store_old_reasons(tx: Any) -> None:
        tx.run(tickets.update().values(barred="no_sender"))
        # A waiting job would update this ticket, too.
        tx.run(tickets.update().where(tickets.c.id == stopped_ticket.id).values(barred=None))
        if job_waits:
            tx.run(
                jobs.insert().values(
                    kind="inbox.numbers",
                    key="inbox.numbers",
                    payload={"after": 0},
                    priority=30,
                    run_at=tx.now,
                    created_at=tx.now,
                )
            )

    await world.app.write(store_old_reasons)
    engine = create_engine(world.app.settings.sqlalchemy_url())
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0012'"))
    command.upgrade(migrate.config(world.app.settings), "0013")
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{migrate.head()}'"))
    engine.dispose()
    reasons = [(await world.ticket(ticket)).barred for ticket in (agreed, asked, stopped_ticket)]
    assert reasons == [None, "not_subscribed", "opted_out" if job_waits else None]
    assert not await world.rows(jobs, jobs.c.kind == "inbox.numbers")
