"""People who text: `await world.texter()`. By the product's own steps, as the carrier's webhook calls them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from server.channels.base import InboundText, Media
from server.consent import actions as consent
from server.consent.actions import Change
from server.consent.rules import Method, Purpose, Status
from server.consent.settings import KEYWORDS
from server.contacts import actions as people
from server.contacts import rules as phones
from server.inbox import queries, sms
from server.inbox.entries import Entry
from server.inbox.queries import Ticket
from server.inbox.settings import INBOX
from server.inbox.sms import Received
from server.schema import contacts as contacts_table
from server.schema import outbound, senders, threads

if TYPE_CHECKING:
    from tests.world import World

ACCOUNT = "AC" + "5" * 32
OURS = "+18885550199"  # toll-free: pictures, and it hears answers
UK = "+447700900123"
_numbers = itertools.count(2_025_550_100)  # +1 202 555 01xx and on: valid, and nobody's


def new_number() -> str:
    return f"+1{next(_numbers)}"


async def our_numbers(world: World) -> None:
    """The numbers that the shop texts with."""

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

    await world.app.write(write)


@dataclass
class Texter:
    """Somebody with a phone. `number` as the carrier names them, which may be no number at all."""

    world: World
    number: str
    to: str = OURS
    sids: list[str] = field(default_factory=list)

    def text(self, body: str, **more: Any) -> InboundText:
        sid = more.pop("sid", None) or f"SM{len(self.sids) + 1:012x}{abs(hash(self.number)) % 16**20:020x}"
        self.sids.append(sid)
        media = tuple(Media(*item) for item in more.pop("media", ()))
        params = {"MessageSid": sid, "From": self.number, "To": self.to, "Body": body}
        said = {"idempotency_token": None, "country": "", **more}
        return InboundText(
            sid=sid, account=ACCOUNT, sender=self.number, to=self.to, body=body, media=media, params=params, **said
        )

    async def says(self, body: str, **more: Any) -> Received:
        return await self.sends(self.text(body, **more))

    async def sends(self, text: InboundText) -> Received:
        words, inbox = await KEYWORDS.latest(self.world.app), await INBOX.latest(self.world.app)
        return await self.world.app.write_joined(sms.receive_texts, text, words, inbox)

    # --- who they are

    async def known(self) -> int:
        """Their contact, also before they have written."""
        whose = phones.sender(self.number)
        country = whose.country if isinstance(whose, phones.Phone) else ""
        found = await self.world.app.write(people.by_phone, self.number, self.number, country)
        return int(found.contact)

    async def agrees(self, *purposes: Purpose) -> None:
        """On a form of the shop, to transactional texts or to what is said."""
        contact = await self.known()
        for purpose in purposes or (Purpose.SMS_TRANSACTIONAL,):
            change = Change(contact, purpose, Status.SUBSCRIBED, Method.FORM, "https://shop.example/join", "Text me")
            await self.world.app.write(consent.record, change)

    async def thread(self) -> int | None:
        rows = await self.world.rows(
            threads,
            threads.c.channel == "sms",
            threads.c.contact_id.in_(
                select(contacts_table.c.id).where(
                    (contacts_table.c.phone == self.number) | (contacts_table.c.peer == self.number)
                )
            ),
        )
        return rows[0].id if rows else None

    async def ticket(self) -> Ticket | None:
        thread = await self.thread()
        return None if thread is None else await self.world.app.read(queries.ticket_of, thread)

    async def entries(self) -> list[Entry]:
        thread = await self.thread()
        return [] if thread is None else await self.world.entries(thread)

    async def told(self) -> list[str]:
        """What has been queued to them, in order."""
        return [row.body for row in await self.world.rows(outbound, outbound.c.recipient == self.number)]
