"""Replays the demo's SMS conversations through the product's own functions: webhook, agent's reply, pump and report.

The pump sends to a carrier that exists only during the replay.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from server.accounts.rules import Agent
from server.channels.base import Accepted, InboundText, Media, Report, Sent, Text
from server.consent import actions as consent
from server.consent.ledger import ConsentChange
from server.consent.rules import Method, Purpose, Status
from server.contacts import actions as people
from server.delivery import settling
from server.delivery.pump import Pump
from server.files import rows, storage
from server.inbox import actions
from server.inbox.actions import Outgoing
from server.kernel.context import App
from server.kernel.jobs import Job
from server.kernel.sql import Conn, Tx
from server.simulator import demo_pictures
from server.simulator.demo_texts import Texting
from server.simulator.state import Person
from server.sms import media, receiving, threads
from server.threads import entries, tickets
from server.threads.tickets import Ticket

UNREACHABLE = 30003
PICTURE = "image/jpeg"


class Carrier:
    """Accepts every text; `replay` reports its status afterwards."""

    def __init__(self) -> None:
        self.accepted_sids: list[str] = []

    async def send(self, text: Text) -> Sent:
        sid = _sid(f"out {text.recipient} {text.body}")
        self.accepted_sids.append(sid)
        return Accepted(sid, "queued")

    async def fetch_media(self, url: str, max_bytes: int) -> tuple[bytes, str]:
        return demo_pictures.damaged_parcel(), PICTURE

    async def close(self) -> None: ...


def _sid(seed: str) -> str:
    return f"SM{zlib.crc32(seed.encode()):08x}{len(seed):024x}"


@asynccontextmanager
async def carrier(app: App) -> AsyncIterator[Carrier]:
    """Registers a pump that sends to this carrier, for the duration of the replay."""
    previous_pump = app.part(Pump)
    demo_carrier = Carrier()
    pump = app.register(Pump(app, lambda account, url: demo_carrier))
    try:
        yield demo_carrier
    finally:
        await pump.close()
        app.register(previous_pump)


async def replay(
    app: App, carrier: Carrier, agent: Agent, texting: Texting, key: Callable[[], str], tick: Callable[[], None]
) -> None:
    """Replays one thread. `tick` advances the clock by some seconds."""
    pump = app.part(Pump)
    if texting.agreed:
        await app.write(_record_consent, texting.number, "Text me about my order.", (Purpose.SMS_TRANSACTIONAL,))
    named = not texting.name
    for number, line in enumerate(texting.lines):
        tick()
        mark, _, body = line.partition(" ")
        ticket = await app.read(_ticket, texting.number)
        if mark.startswith("<"):
            await _receive(app, carrier, _text(texting, number, body, picture=mark == "<+"))
        elif ticket is not None:
            mode = "note" if mark == "#" else "reply"
            pictures = (await _uploaded(app, agent),) if mark == ">+" else ()
            await app.write(actions.read, agent, ticket.id, ticket.last_seq)
            await actions.reply(app, agent, Outgoing(ticket.id, key(), body, pictures, mode))  # type: ignore[arg-type]
        await pump.run()
        for sid in carrier.accepted_sids:
            report = Report(sid, "undelivered", UNREACHABLE) if mark == ">!" else Report(sid, "delivered")
            await app.write(settling.apply_report, report)
        carrier.accepted_sids.clear()
        named = named or await _name_contact(app, agent, texting)
    ticket = await app.read(_ticket, texting.number)
    if texting.closed and ticket is not None:
        await app.write(actions.close, agent, ticket.id, key())


async def _name_contact(app: App, agent: Agent, texting: Texting) -> bool:
    """Names the contact as the first agent to reply would. False: there is no ticket yet."""
    ticket = await app.read(_ticket, texting.number)
    if ticket is not None:
        await app.write(people.set_name, agent, ticket.contact, texting.name, None, "127.0.0.1")
    return ticket is not None


async def _receive(app: App, carrier: Carrier, text: InboundText) -> None:
    """Receives a text as the webhook does. Fetches a picture immediately, so that the enqueued job finds it already
    fetched."""
    received = await app.write(receiving.receive_listed, text)
    if not text.media or received.thread is None or received.seq is None:
        return
    entry = await app.read(entries.at, received.thread, received.seq)
    assert entry is not None
    addresses = [
        {"token": file["token"], "url": item.url} for file, item in zip(entry.data["files"], text.media, strict=True)
    ]
    payload = {"thread": received.thread, "seq": entry.seq, "files": addresses}
    await media.fetch(app, Job(0, media.JOB, payload, 0, 0), carrier)  # type: ignore[arg-type]


async def _uploaded(app: App, agent: Agent) -> str:
    """Uploads a picture as the agent and returns its token."""
    row, sha256 = await storage.store_bytes(app, f"agent:{agent.id}", "new-parcel.jpg", demo_pictures.new_parcel())
    await app.write(rows.store_file, row, sha256)
    return row.token


def _text(texting: Texting, number: int, body: str, *, picture: bool) -> InboundText:
    sid = _sid(f"in {texting.number} {number}")
    params = {"MessageSid": sid, "From": texting.number, "To": texting.to, "Body": body}
    sent = (Media("https://carrier.example/picture", PICTURE),) if picture else ()
    return InboundText(sid, None, params, "", texting.number, texting.to, body, media=sent)


async def welcome_a_customer(app: App, agent: Agent, person: Person) -> None:
    """Records consent to all texts for a person of the Phone page, so that agents can reply to them at once."""
    agreed = (Purpose.SMS_TRANSACTIONAL, Purpose.SMS_MARKETING)
    contact = await app.write(_record_consent, person.number, "Text me about my order, and about offers.", agreed)
    await app.write(people.set_name, agent, contact, person.name, None, "127.0.0.1")


def _record_consent(tx: Tx, number: str, shown: str, purposes: tuple[Purpose, ...]) -> int:
    """Records consent as a form of the shop's checkout does; returns the contact's id."""
    contact = people.by_phone(tx, number, number, "US").contact
    page = "https://fern-kettle.example/checkout"
    for purpose in purposes:
        consent.record(tx, ConsentChange(contact, purpose, Status.SUBSCRIBED, Method.FORM, page, shown))
    return contact


def _ticket(conn: Conn, number: str) -> Ticket | None:
    ticket_threads = threads.by_phone(conn, number)
    return tickets.by_thread(conn, ticket_threads[0].id) if ticket_threads else None
