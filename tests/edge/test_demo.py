"""The demo of `make up` has tickets of every state on both channels and pictures both ways, and a normal start accepts
its data."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image

from server import migrate, up
from server.app import build, close
from server.audiences import keeping, lists, segments
from server.consent import chain, proof
from server.consent.keywords import Confirm, Subscribe, classify
from server.consent.settings import KEYWORDS
from server.contacts import properties
from server.files import storage
from server.inbox import quick_replies
from server.kernel.jobs import Job
from server.schema import (
    attachments,
    consents,
    contacts,
    jobs,
    outbound,
    suppressions,
    threads,
    tickets,
    timeline,
    users,
)
from server.simulator import account, demo
from server.simulator.demo_script import CHATS
from server.simulator.demo_texts import TEXTS
from server.simulator.state import PEOPLE
from server.sms import media
from server.sms.settings import INBOX
from tests.world import World, settings_for

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def demo_world(folder: Path) -> AsyncIterator[World]:
    """A server started on the data that the demo wrote."""
    settings = settings_for(folder, mode="development", demo_url="http://demo.test")
    settings.twilio_url = account.base_url(settings)
    migrate.run(settings)
    await demo.fill(settings, up.connect_phone)
    app = await build(settings)
    try:
        yield World(app, "sqlite", app.clock)  # type: ignore[arg-type]
    finally:
        await close(app)


async def test_there_are_tickets_in_every_state_on_both_channels(demo_world: World) -> None:
    rows = await demo_world.rows(tickets)
    assert {(row.channel, row.status) for row in rows} >= {
        ("webchat", "open"), ("webchat", "closed"), ("sms", "open"), ("sms", "closed"),
    }  # fmt: skip
    texts = [row for row in rows if row.channel == "sms"]
    # A person who sent only STOP has a thread and no ticket (INB-4).
    assert len(texts) == len(TEXTS) - 1 and len(rows) - len(texts) == len(CHATS)
    assert await demo_world.count(threads) == len(CHATS) + len(TEXTS)
    assert {row.barred for row in texts} >= {None, "not_subscribed", "opted_out"}
    assert [row.stop_asked for row in texts].count(True) == 1
    assert len(await demo_world.rows(users)) == 3


async def test_some_tickets_are_snoozed_until_they_wake_and_quick_replies_are_ready(demo_world: World) -> None:
    snoozed = await demo_world.rows(tickets, tickets.c.status == "snoozed")
    assert len(snoozed) == 3 and all(row.snoozed_until > demo_world.now for row in snoozed)
    assert await demo_world.rows(jobs, jobs.c.kind == "inbox.wake")
    replies = await demo_world.app.read(quick_replies.listed)
    assert [reply.shortcut for reply in replies] == ["hours", "returns"]


async def test_the_first_person_on_the_phone_page_can_be_answered_immediately(demo_world: World) -> None:
    maya = PEOPLE[0]
    (contact,) = [row for row in await demo_world.rows(contacts) if row.phone == maya.number]
    params = {
        row.purpose
        for row in await demo_world.rows(consents)
        if row.contact_id == contact.id and row.status == "subscribed"
    }
    assert (contact.name, params) == (maya.name, {"sms_transactional", "sms_marketing"})


async def test_the_phone_page_suggests_the_subscribe_keyword(demo_world: World) -> None:
    for person in PEOPLE:
        suggested = [
            classify(text, "exact", pending_opt_in=True, keywords=frozenset({"JOIN"}), country=person.country)
            for text in person.phrases
        ]
        assert Subscribe("JOIN") in suggested and any(isinstance(item, Confirm) for item in suggested)


async def test_key_10_join_subscribes_and_help_names_a_contact(demo_world: World) -> None:
    words = await demo_world.app.read(KEYWORDS.load)
    assert words.words() == {"JOIN"} and words.help_contact
    assert any(
        "care@fern-kettle.example" in row.body for row in await demo_world.rows(outbound) if row.kind == "keyword"
    )


async def test_every_text_was_queued_checked_and_has_a_final_status(demo_world: World) -> None:
    rows = await demo_world.rows(outbound)
    assert {row.state for row in rows} == {"delivered", "undelivered"}
    assert {row.kind for row in rows} == {"reply", "keyword"}
    assert {row.reason for row in await demo_world.rows(suppressions, suppressions.c.channel == "sms")} == {"stop"}


async def test_a_customer_sent_a_picture_and_got_one_back(demo_world: World) -> None:
    files = await demo_world.rows(attachments)
    assert {row.owner.partition(":")[0] for row in files} == {"sms", "agent"}
    for row in files:
        with Image.open(storage.path_of(demo_world.app, row.token)) as picture:
            assert (row.type, row.width, row.height) == ("image/jpeg", *picture.size)
        assert 0 < row.size <= 600_000
    (mms,) = [row for row in await demo_world.rows(outbound) if row.media]
    assert mms.state == "delivered" and mms.media == [row.token for row in files if row.owner.startswith("agent")]
    assert (await demo_world.app.read(INBOX.load)).show_media.sms, "the demo must show the pictures of texts"


async def test_the_waiting_job_finds_nothing_more_to_fetch(demo_world: World) -> None:
    (waiting,) = [row for row in await demo_world.rows(jobs) if row.kind == media.JOB]

    class NoCarrier:
        async def fetch_media(self, url: str, max_bytes: int) -> tuple[bytes, str]:
            raise AssertionError("asked again")

    entries_before = await demo_world.count(timeline)
    await media.fetch(demo_world.app, Job(0, media.JOB, waiting.payload, 0, 0), NoCarrier())  # type: ignore[arg-type]
    assert await demo_world.count(timeline) == entries_before


async def test_the_consent_ledger_of_the_demo_verifies(demo_world: World) -> None:
    result = await demo_world.app.read(proof.verify, demo_world.app.key(chain.PURPOSE))
    assert result.findings == () and result.rows > 0


async def test_the_demo_has_properties_lists_segments_and_suppressed_addresses(demo_world: World) -> None:
    app = demo_world.app
    keys = [each.key for each in await app.read(properties.definitions) if not each.fixed]
    assert keys == ["plan", "orders", "birthday", "wholesale", "favourite_teas"]
    assert {each.name: each.members for each in await app.read(lists.every)} == {
        "Newsletter": 32,
        "Tasting evening": 10,
    }
    await keeping.keep(app, Job(0, "segments.keep", {}, 0, 0))
    found = {each.name: each for each in await app.read(segments.every)}
    assert set(found) == {"Engaged", "Inactive", "E-mail subscribers", "Tea club or regulars"}
    assert all(each.filled and each.members > 5 for each in found.values())
    by_hand = [row.address for row in await demo_world.rows(suppressions) if row.channel == "email"]
    assert by_hand == ["customer4@mail.example", "old-address@mail.example"]
