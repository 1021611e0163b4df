"""The demo that `make up` tells: every state on both channels, pictures both ways, and nothing that a real start would trip on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image

from server import migrate, up
from server.app import build, close
from server.consent import chain, proof
from server.consent.settings import KEYWORDS
from server.inbox import files, media
from server.inbox.settings import INBOX
from server.kernel.jobs import Job
from server.schema import attachments, jobs, outbound, suppressions, threads, tickets, timeline, users
from server.simulator import account, demo
from server.simulator.demo_script import CHATS
from server.simulator.demo_texts import TEXTS
from tests.world import World, settings_for

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def told(folder: Path) -> AsyncIterator[World]:
    """A server that was started anew on what the demo left."""
    settings = settings_for(folder, mode="development", demo_url="http://demo.test")
    settings.twilio_url = account.base_url(settings)
    migrate.run(settings)
    await demo.fill(settings, up.connect_phone)
    app = await build(settings)
    try:
        yield World(app, "sqlite", app.clock)  # type: ignore[arg-type]
    finally:
        await close(app)


async def test_there_are_tickets_in_every_state_on_both_channels(told: World) -> None:
    rows = await told.rows(tickets)
    assert {(row.channel, row.status) for row in rows} >= {
        ("webchat", "open"), ("webchat", "closed"), ("sms", "open"), ("sms", "closed"),
    }  # fmt: skip
    texts = [row for row in rows if row.channel == "sms"]
    # Who only said STOP has a thread and no ticket (INB-4).
    assert len(texts) == len(TEXTS) - 1 and len(rows) - len(texts) == len(CHATS)
    assert await told.count(threads) == len(CHATS) + len(TEXTS)
    assert {row.barred for row in texts} >= {None, "not_subscribed", "opted_out"}
    assert [row.stop_asked for row in texts].count(True) == 1
    assert len(await told.rows(users)) == 3


async def test_key_10_join_subscribes_and_help_names_a_contact(told: World) -> None:
    words = await told.app.read(KEYWORDS.load)
    assert words.words() == {"JOIN"} and words.help_contact
    assert any("care@fern-kettle.example" in row.body for row in await told.rows(outbound) if row.kind == "keyword")


async def test_every_text_went_through_the_one_door_and_came_to_an_end(told: World) -> None:
    rows = await told.rows(outbound)
    assert {row.state for row in rows} == {"delivered", "undelivered"}
    assert {row.kind for row in rows} == {"reply", "keyword"}
    assert {row.reason for row in await told.rows(suppressions)} == {"stop"}


async def test_a_customer_sent_a_picture_and_got_one_back(told: World) -> None:
    kept = await told.rows(attachments)
    assert {row.owner.partition(":")[0] for row in kept} == {"sms", "agent"}
    for row in kept:
        with Image.open(files.path_of(told.app, row.token)) as picture:
            assert (row.type, row.width, row.height) == ("image/jpeg", *picture.size)
        assert 0 < row.size <= 600_000
    (mms,) = [row for row in await told.rows(outbound) if row.media]
    assert mms.state == "delivered" and mms.media == [row.token for row in kept if row.owner.startswith("agent")]
    assert (await told.app.read(INBOX.load)).show_media.sms, "or nobody would see them"


async def test_the_waiting_job_finds_nothing_more_to_fetch(told: World) -> None:
    (waiting,) = [row for row in await told.rows(jobs) if row.kind == media.JOB]

    class NoCarrier:
        async def fetch_media(self, url: str, most: int) -> tuple[bytes, str]:
            raise AssertionError("asked again")

    before = await told.count(timeline)
    await media.fetch(told.app, Job(0, media.JOB, waiting.payload, 0, 0), NoCarrier())  # type: ignore[arg-type]
    assert await told.count(timeline) == before


async def test_the_consent_ledger_of_the_demo_is_whole(told: World) -> None:
    found = await told.app.read(proof.verify, told.app.key(chain.PURPOSE))
    assert found.findings == () and found.rows > 0
