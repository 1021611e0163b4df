"""SMS in a world without a network: a provider that does what the test says, numbers, people with consent."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import insert

from server.channels.base import Accepted, BadList, Checked, GivenUp, Listed, Media, NoList, Sent, Text
from server.consent.actions import Change, record
from server.consent.rules import Method, Purpose, Status
from server.delivery import actions, queries
from server.delivery import senders as numbers
from server.delivery.actions import Queued, Send
from server.delivery.pump import Pump
from server.delivery.queries import Outbound
from server.delivery.rules import SenderKind
from server.delivery.senders import Wanted
from server.delivery.settings import SMS, Account, SmsSettings
from server.kernel.sealing import PURPOSE, seal
from server.kernel.sql import Tx
from server.schema import contacts, threads
from tests.world import World

ACCOUNT = "AC" + "0" * 31 + "1"
TOKEN = "auth-token-of-the-tests"
PHONE = "+12025550123"
TOLL_FREE = "+18885550199"


@dataclass
class FakeChannel:
    """Takes every text, unless `answers` holds something else to say first."""

    world: World
    texts: list[Text] = field(default_factory=list)
    answers: deque[Any] = field(default_factory=deque)  # Sent, or a callable (text) -> Sent that may be async
    listed: list[Listed] = field(default_factory=list)
    media: dict[str, list[Media]] = field(default_factory=dict)
    given: dict[date, GivenUp | BadList] = field(default_factory=dict)  # lists of numbers given up
    asked_for: list[date] = field(default_factory=list)
    account: Account | None = None
    closed: int = 0

    async def send(self, text: Text) -> Sent:
        self.texts.append(text)
        answer = self.answers.popleft() if self.answers else Accepted(f"SM{len(self.texts):032d}", "queued")
        if callable(answer):
            answer = answer(text)
            if hasattr(answer, "__await__"):
                answer = await answer
        return answer  # type: ignore[no-any-return]

    async def list_messages(
        self,
        *,
        to: str | None = None,
        from_: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 200,
    ) -> list[Listed]:
        return [one for one in self.listed if to in (None, one.recipient) and from_ in (None, one.sender)][:limit]

    async def media_of(self, sid: str) -> list[Media]:
        return self.media.get(sid, [])

    async def fetch_media(self, url: str, most: int) -> tuple[bytes, str]:
        return b"", "image/png"

    async def given_up(self, day: date) -> GivenUp | NoList | BadList:
        self.asked_for.append(day)
        return self.given.get(day, NoList())

    async def check(self) -> Checked:
        return Checked("", "active", "Tests")

    async def close(self) -> None:
        self.closed += 1


def settings_of(app: Any, **values: Any) -> SmsSettings:
    token = seal(app.key(PURPOSE), TOKEN)
    return SmsSettings(on=True, account_sid=ACCOUNT, auth_token_sealed=token, **values)


async def open_sms(world: World, *wanted: Wanted, **values: Any) -> FakeChannel:
    """Switches SMS on with these numbers (without any: a US toll-free one that is fast) and a provider in memory."""
    fake = FakeChannel(world)

    def connect(account: Account, url: str) -> FakeChannel:
        fake.account = account
        return fake

    await world.app.parts["pump"].close()
    world.app.parts["pump"] = Pump(world.app, connect)
    await world.app.write(SMS.save, settings_of(world.app, **values))
    for one in wanted or (Wanted(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=100),):
        await world.app.write(numbers.add, one)
    await world.advance()
    return fake


def new_person(tx: Tx, phone: str = PHONE, subscribed: bool = True) -> int:
    contact = int(tx.value(insert(contacts).values(phone=phone, created_at=tx.now).returning(contacts.c.id)))
    if subscribed:
        for purpose in (Purpose.SMS_MARKETING, Purpose.SMS_TRANSACTIONAL):
            record(tx, Change(contact, purpose, Status.SUBSCRIBED, Method.AGENT, "test", address=phone))
    return contact


def new_thread(tx: Tx, contact: int, phone: str = PHONE) -> int:
    """Their one SMS thread, empty."""
    row = {"token": tx.token(18), "channel": "sms", "contact_id": contact, "peer": phone}
    return int(tx.value(insert(threads).values(**row, changed_at=tx.now, created_at=tx.now).returning(threads.c.id)))


async def person(world: World, phone: str = PHONE, *, subscribed: bool = True) -> int:
    return await world.app.write(new_person, phone, subscribed)


async def queue(world: World, contact: int, key: str = "reply:1", **values: Any) -> Queued:
    wanted: dict[str, Any] = {"kind": "reply", "purpose": "conversation", "recipient": PHONE, "body": "Hello", **values}
    return await world.app.write(actions.queue, Send(key, contact=contact, **wanted))


async def of(world: World, outbound: Queued | int) -> Outbound:
    found = await world.app.read(queries.one, outbound if isinstance(outbound, int) else outbound.id)
    assert found is not None
    return found
