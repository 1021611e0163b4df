"""SMS in a world without a network: a provider whose responses the test sets, numbers, people with consent."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import insert

from server.channels.base import Accepted, BadList, Checked, DeactivatedNumbers, Listed, Media, NoList, Sent, Text
from server.consent.actions import record
from server.consent.ledger import ConsentChange
from server.consent.rules import Method, Purpose, Status
from server.delivery import actions, queries
from server.delivery import senders as numbers
from server.delivery.actions import Queued, Send
from server.delivery.pump import Pump
from server.delivery.queries import Outbound
from server.delivery.rules import SenderKind
from server.delivery.senders import SenderInput
from server.delivery.settings import SMS, Account, SmsSettings
from server.kernel.sealing import PURPOSE, seal
from server.kernel.sql import Tx
from server.schema import threads
from tests.people import add_contact
from tests.world import World

ACCOUNT = "AC" + "0" * 31 + "1"
TOKEN = "auth-token-of-the-tests"
PHONE = "+12025550123"
TOLL_FREE = "+18885550199"


@dataclass
class FakeChannel:
    """A provider that accepts every text, unless `answers` has something else to return first."""

    world: World
    texts: list[Text] = field(default_factory=list)
    answers: deque[Any] = field(default_factory=deque)  # Sent, or a callable (text) -> Sent that may be async
    listed: list[Listed] = field(default_factory=list)
    media: dict[str, list[Media]] = field(default_factory=dict)
    deactivation_lists: dict[date, DeactivatedNumbers | BadList] = field(default_factory=dict)
    asked_for: list[date] = field(default_factory=list)
    account: Account | None = None
    closed: int = 0
    page: int = 200  # messages in one page of a listing
    pages_read: int = 0

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
        return [item for item in self.listed if to in (None, item.recipient) and from_ in (None, item.sender)][:limit]

    async def pages(self, *, to: str, since: datetime) -> AsyncIterator[list[Listed]]:
        results = [item for item in self.listed if item.recipient == to]
        for start in range(0, len(results) + 1, self.page):
            self.pages_read += 1
            yield results[start : start + self.page]

    async def media_of(self, sid: str) -> list[Media]:
        return self.media.get(sid, [])

    async def fetch_media(self, url: str, max_bytes: int) -> tuple[bytes, str]:
        return b"", "image/png"

    async def deactivated_numbers(self, day: date) -> DeactivatedNumbers | NoList | BadList:
        self.asked_for.append(day)
        return self.deactivation_lists.get(day, NoList())

    async def check(self) -> Checked:
        return Checked("", "active", "Tests")

    async def close(self) -> None:
        self.closed += 1


def settings_of(app: Any, **values: Any) -> SmsSettings:
    token = seal(app.key(PURPOSE), TOKEN)
    return SmsSettings(on=True, account_sid=ACCOUNT, auth_token_sealed=token, **values)


async def open_sms(world: World, *wanted: SenderInput, **values: Any) -> FakeChannel:
    """Turns SMS on with these numbers (by default a fast US toll-free number) and a provider in memory."""
    fake = FakeChannel(world)

    def connect(account: Account, url: str) -> FakeChannel:
        fake.account = account
        return fake

    await world.app.part(Pump).close()
    world.app.register(Pump(world.app, connect))
    await world.app.write(SMS.save, settings_of(world.app, **values))
    for item in wanted or (SenderInput(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=100),):
        await world.app.write(numbers.add, item)
    await world.advance()
    return fake


def new_person(tx: Tx, phone: str = PHONE, subscribed: bool = True) -> int:
    contact = add_contact(tx, phone=phone)
    if subscribed:
        for purpose in (Purpose.SMS_MARKETING, Purpose.SMS_TRANSACTIONAL):
            record(tx, ConsentChange(contact, purpose, Status.SUBSCRIBED, Method.AGENT, "test", address=phone))
    return contact


def new_thread(tx: Tx, contact: int, phone: str = PHONE) -> int:
    """The contact's SMS thread, empty."""
    row = {"token": tx.token(18), "channel": "sms", "contact_id": contact, "peer": phone}
    return int(tx.value(insert(threads).values(**row, changed_at=tx.now, created_at=tx.now).returning(threads.c.id)))


async def person(world: World, phone: str = PHONE, *, subscribed: bool = True) -> int:
    return await world.app.write(new_person, phone, subscribed)


async def queue(world: World, contact: int, key: str = "reply:1", **values: Any) -> Queued:
    fields: dict[str, Any] = {"kind": "reply", "purpose": "conversation", "recipient": PHONE, "body": "Hello", **values}
    return await world.app.write(actions.queue, Send(key, contact=contact, **fields))


async def of(world: World, outbound: Queued | int) -> Outbound:
    result = await world.app.read(queries.by_id, outbound if isinstance(outbound, int) else outbound.id)
    assert result is not None
    return result
