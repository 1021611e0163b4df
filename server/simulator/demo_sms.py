"""The demo's texts, told by the product's own verbs: received as the webhook does, answered as agents do, sent by the
pump to a carrier that exists only while the demo is told, and reported on as carriers do."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from server.accounts.rules import Agent
from server.channels.base import Accepted, InboundText, Report, Sent, Text
from server.consent import actions as consent
from server.consent.ledger import Change
from server.consent.rules import Method, Purpose, Status
from server.contacts import actions as people
from server.delivery import settling
from server.delivery.pump import Pump
from server.inbox import actions, queries, sms, standing
from server.inbox.actions import Outgoing
from server.inbox.queries import Ticket
from server.kernel.context import App
from server.kernel.sql import Conn, Tx
from server.simulator.demo_texts import Texting

UNREACHABLE = 30003


class Carrier:
    """Takes every text; what became of it is reported afterwards."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    async def send(self, text: Text) -> Sent:
        sid = _sid(f"out {text.recipient} {text.body}")
        self.taken.append(sid)
        return Accepted(sid, "queued")

    async def close(self) -> None: ...


def _sid(of: str) -> str:
    return f"SM{zlib.crc32(of.encode()):08x}{len(of):024x}"


@asynccontextmanager
async def carrier(app: App) -> AsyncIterator[Carrier]:
    """In place of the provider while the demo is told."""
    usual: Pump = app.parts["pump"]
    found = Carrier()
    pump = app.parts["pump"] = Pump(app, lambda account, url: found)  # type: ignore[arg-type, return-value]
    try:
        yield found
    finally:
        await pump.close()
        app.parts["pump"] = usual


async def tell(
    app: App, carrier: Carrier, agent: Agent, texting: Texting, key: Callable[[], str], tick: Callable[[], None]
) -> None:
    """One thread. `tick` moves the clock some seconds on."""
    pump: Pump = app.parts["pump"]
    if texting.agreed:
        await app.write(_agree, texting)
    for number, line in enumerate(texting.lines):
        tick()
        mark, _, words = line.partition(" ")
        ticket = await app.read(_ticket, texting.number)
        if mark == "<":
            await app.write(sms.receive_listed, _text(texting, number, words))
        elif ticket is not None:
            mode = "note" if mark == "#" else "reply"
            await app.write(actions.read, agent, ticket.id, ticket.last_seq)
            await actions.reply(app, agent, Outgoing(ticket.id, key(), words, (), mode))  # type: ignore[arg-type]
        await pump.run()
        for sid in carrier.taken:
            told = Report(sid, "undelivered", UNREACHABLE) if mark == ">!" else Report(sid, "delivered")
            await app.write(settling.report, told)
        carrier.taken.clear()
    ticket = await app.read(_ticket, texting.number)
    if texting.closed and ticket is not None:
        await app.write(actions.close, agent, ticket.id, key())


def _text(texting: Texting, number: int, words: str) -> InboundText:
    sid = _sid(f"in {texting.number} {number}")
    params = {"MessageSid": sid, "From": texting.number, "To": texting.to, "Body": words}
    return InboundText(sid, None, "", texting.number, texting.to, words, params=params)


def _agree(tx: Tx, texting: Texting) -> None:
    """At the checkout, as a form of the shop records it."""
    contact = people.by_phone(tx, texting.number, texting.number, "US").contact
    shown = "Text me about my order."
    change = Change(
        contact,
        Purpose.SMS_TRANSACTIONAL,
        Status.SUBSCRIBED,
        Method.FORM,
        "https://fern-kettle.example/checkout",
        shown,
    )
    consent.record(tx, change)


def _ticket(conn: Conn, number: str) -> Ticket | None:
    found = standing.with_number(conn, number)
    return queries.ticket_of(conn, found[0].id) if found else None
