"""Customers with phones: `await world.texter()`. They call the same steps as the carrier's webhook."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from server.channels.base import InboundText, Media
from server.consent import actions as consent
from server.consent.ledger import ConsentChange
from server.consent.rules import Method, Purpose, Status
from server.consent.settings import KEYWORDS
from server.contacts import actions as people
from server.contacts import rules as phones
from server.kernel.documents import publish_change
from server.schema import addresses, outbound, senders, threads
from server.sms import receiving
from server.sms.receiving import Received
from server.sms.settings import INBOX
from server.threads import tickets
from server.threads.entries import Entry
from server.threads.tickets import Ticket

if TYPE_CHECKING:
    from tests.world import World

ACCOUNT = "AC" + "5" * 32
OURS = "+18885550199"  # toll-free: sends pictures and receives texts
UK = "+447700900123"
_numbers = itertools.count(2_025_550_100)  # +1 202 555 01xx and on: valid numbers that are assigned to nobody


def new_number() -> str:
    return f"+1{next(_numbers)}"


async def our_numbers(world: World) -> None:
    """The shop's own numbers."""

    def write(tx: Any) -> None:
        if tx.first(select(senders.c.id).where(senders.c.address == OURS)) is not None:
            return
        for address, kind, country, countries, mms in (
            (OURS, "toll_free", "US", ["US", "CA"], True),
            (UK, "long_code", "GB", ["GB"], False),
        ):
            tx.run(
                insert(senders).values(
                    address=address, kind=kind, country=country, countries=countries, mms=mms, inbound=True, rate=10,
                    enabled=True, filled_at=tx.now, created_at=tx.now,
                )
            )  # fmt: skip
        publish_change(tx, "senders")

    await world.app.write(write)


@dataclass
class Texter:
    """A person with a phone. `number`: as the carrier writes it; it need not be a phone number."""

    world: World
    number: str
    to: str = OURS
    sids: list[str] = field(default_factory=list)

    def text(self, body: str, **more: Any) -> InboundText:
        sid = more.pop("sid", None) or f"SM{len(self.sids) + 1:012x}{abs(hash(self.number)) % 16**20:020x}"
        self.sids.append(sid)
        media = tuple(Media(*item) for item in more.pop("media", ()))
        params = {"MessageSid": sid, "From": self.number, "To": self.to, "Body": body}
        fields = {"idempotency_token": None, "country": "", **more}
        return InboundText(
            sid=sid, account=ACCOUNT, sender=self.number, to=self.to, body=body, media=media, params=params, **fields
        )

    async def says(self, body: str, **more: Any) -> Received:
        return await self.sends(self.text(body, **more))

    async def sends(self, text: InboundText) -> Received:
        words, inbox = await KEYWORDS.latest(self.world.app), await INBOX.latest(self.world.app)
        return await self.world.app.write_joined(receiving.receive_texts, text, words, inbox)

    # --- the contact

    async def contact(self) -> int:
        """The texter's contact; created if the texter has not written yet."""
        parsed = phones.sender(self.number)
        country = parsed.country if isinstance(parsed, phones.Phone) else ""
        number = parsed.e164 if isinstance(parsed, phones.Phone) else self.number
        result = await self.world.app.write(people.by_phone, number, number, country)
        return int(result.contact)

    async def agrees(self, *purposes: Purpose) -> None:
        """Consents on a form of the shop, by default to transactional texts."""
        contact = await self.contact()
        for purpose in purposes or (Purpose.SMS_TRANSACTIONAL,):
            change = ConsentChange(
                contact, purpose, Status.SUBSCRIBED, Method.FORM, "https://shop.example/join", "Text me"
            )
            await self.world.app.write(consent.record, change)

    async def thread(self) -> int | None:
        rows = await self.world.rows(
            threads,
            threads.c.channel == "sms",
            threads.c.contact_id.in_(
                select(addresses.c.contact_id).where(
                    addresses.c.kind.in_(("phone", "peer")), addresses.c.value == self.number
                )
            ),
        )
        return rows[0].id if rows else None

    async def ticket(self) -> Ticket | None:
        thread = await self.thread()
        return None if thread is None else await self.world.app.read(tickets.by_thread, thread)

    async def entries(self) -> list[Entry]:
        thread = await self.thread()
        return [] if thread is None else await self.world.entries(thread)

    async def texts_queued(self) -> list[str]:
        """The texts queued to this person, in order."""
        return [row.body for row in await self.world.rows(outbound, outbound.c.recipient == self.number)]
