"""The demo's texts, told by the product's own verbs: received as the webhook does, answered as agents do, sent by the
pump to a carrier that exists only while the demo is told, and reported on as carriers do."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from server.accounts.rules import Agent
from server.channels.base import Accepted, InboundText, Media, Report, Sent, Text
from server.consent import actions as consent
from server.consent.ledger import Change
from server.consent.rules import Method, Purpose, Status
from server.contacts import actions as people
from server.delivery import settling
from server.delivery.pump import Pump
from server.inbox import actions, entries, files, media, queries, sms, standing
from server.inbox.actions import Outgoing
from server.inbox.queries import Ticket
from server.kernel.context import App
from server.kernel.jobs import Job
from server.kernel.sql import Conn, Tx
from server.simulator import demo_pictures
from server.simulator.demo_texts import Texting

UNREACHABLE = 30003
PICTURE = "image/jpeg"


class Carrier:
    """Takes every text; what became of it is reported afterwards."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    async def send(self, text: Text) -> Sent:
        sid = _sid(f"out {text.recipient} {text.body}")
        self.taken.append(sid)
        return Accepted(sid, "queued")

    async def fetch_media(self, url: str, most: int) -> tuple[bytes, str]:
        return demo_pictures.damaged_parcel(), PICTURE

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
    named = not texting.name
    for number, line in enumerate(texting.lines):
        tick()
        mark, _, words = line.partition(" ")
        ticket = await app.read(_ticket, texting.number)
        if mark.startswith("<"):
            await _receive(app, carrier, _text(texting, number, words, picture=mark == "<+"))
        elif ticket is not None:
            mode = "note" if mark == "#" else "reply"
            pictures = (await _uploaded(app, agent),) if mark == ">+" else ()
            await app.write(actions.read, agent, ticket.id, ticket.last_seq)
            await actions.reply(app, agent, Outgoing(ticket.id, key(), words, pictures, mode))  # type: ignore[arg-type]
        await pump.run()
        for sid in carrier.taken:
            told = Report(sid, "undelivered", UNREACHABLE) if mark == ">!" else Report(sid, "delivered")
            await app.write(settling.report, told)
        carrier.taken.clear()
        named = named or await _named(app, agent, texting)
    ticket = await app.read(_ticket, texting.number)
    if texting.closed and ticket is not None:
        await app.write(actions.close, agent, ticket.id, key())


async def _named(app: App, agent: Agent, texting: Texting) -> bool:
    """Whoever answers first writes down who it is; False: there is no ticket yet."""
    ticket = await app.read(_ticket, texting.number)
    if ticket is not None:
        await app.write(people.name, agent, ticket.contact, texting.name, None, "127.0.0.1")
    return ticket is not None


async def _receive(app: App, carrier: Carrier, text: InboundText) -> None:
    """As the webhook does; a picture is fetched at once, and the job that waits for it finds nothing more to do."""
    done = await app.write(sms.receive_listed, text)
    if not text.media or done.thread is None or done.seq is None:
        return
    said = await app.read(entries.at, done.thread, done.seq)
    assert said is not None
    addresses = [
        {"token": file["token"], "url": item.url} for file, item in zip(said.data["files"], text.media, strict=True)
    ]
    payload = {"thread": done.thread, "seq": said.seq, "files": addresses}
    await media.fetch(app, Job(0, media.JOB, payload, 0, 0), carrier)  # type: ignore[arg-type]


async def _uploaded(app: App, agent: Agent) -> str:
    """The token of a picture that the agent has attached."""
    row, sha256 = await files.keep(app, f"agent:{agent.id}", "new-parcel.jpg", demo_pictures.new_parcel())
    await app.write(files.store_file, row, sha256)
    return row.token


def _text(texting: Texting, number: int, words: str, *, picture: bool) -> InboundText:
    sid = _sid(f"in {texting.number} {number}")
    params = {"MessageSid": sid, "From": texting.number, "To": texting.to, "Body": words}
    sent = (Media("https://carrier.example/picture", PICTURE),) if picture else ()
    return InboundText(sid, None, params, "", texting.number, texting.to, words, media=sent)


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
