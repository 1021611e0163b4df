"""Mail to a contact in the thread: it appears without a reload and opens to the whole mail."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import orjson
import pytest
from playwright.async_api import expect

from tests.browser.axe import serious
from tests.browser.people import Desk, People
from tests.browser.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


def queue_mail(site: Site, text: str) -> None:
    """Queues a mail with HTML to the contact who wrote `text`. Nothing on the console mails contacts, so this writes the
    row that a feature would write; the template is one of account mail."""
    data = {"user": 1, "language": "en", "address": "", "requested_at": datetime.now(UTC).isoformat()}
    with closing(sqlite3.connect(site.folder / "data" / "threadline.db", timeout=30)) as db, db:
        (recipient,) = db.execute("SELECT email FROM users WHERE id = 1").fetchone()
        db.execute(
            """INSERT INTO outbound (token, channel, kind, purpose, contact_id, recipient, sender, body, media, template,
            data, segments, lane, state, due_at, created_at)
            SELECT lower(hex(randomblob(16))), 'email', 'follow_up', 'transactional', threads.contact_id, ?, 'mail', '',
            '[]', 'account.reset', ?, 0, 2, 'queued', 0, 0
            FROM timeline JOIN threads ON threads.id = timeline.thread_id WHERE timeline.body = ?""",
            (recipient, orjson.dumps(data).decode(), text),
        )


async def send_queued_mail(desk: Desk) -> None:
    """Sends the queued mail, with a test mail that wakes the pump."""
    answer = await desk.page.context.request.post(
        f"{desk.site.console}/api/mail/test-mail", data={"language": "en"}, headers={"origin": desk.site.console}
    )
    assert answer.ok, await answer.text()


async def test_a_mail_appears_in_the_open_thread_and_opens(people: People) -> None:
    # The tests' own script, which runs in every frame, is blocked in a mail's frame.
    people.watch.forgive(r"Blocked script execution in '[^']*/mail\.html'")
    text = "mail thread: do you mail, too?"
    zoe, desk = await people.visitor(), await people.agent("olga")
    await zoe.says(text)
    await desk.opens(text)
    queue_mail(people.site, text)
    await send_queued_mail(desk)
    mail = desk.log.get_by_role("button").filter(has_text="Choose a new password")
    await expect(mail).to_have_count(1)
    await expect(mail.get_by_text("Sent", exact=True)).to_be_visible()
    await expect(mail.get_by_text("To ")).to_be_visible()

    # The next mail comes over the thread that is followed now.
    queue_mail(people.site, text)
    await send_queued_mail(desk)
    await expect(mail).to_have_count(2)
    await expect(mail.last.get_by_text("Sent", exact=True)).to_be_visible()

    await mail.last.click()
    frame = desk.log.locator("iframe")
    await expect(frame).to_have_attribute("sandbox", "")
    await expect(frame.content_frame.get_by_role("heading")).to_be_visible()
    link = frame.content_frame.get_by_role("link").first
    await expect(link).to_have_attribute("href", "…")
    assert await serious(desk.page) == []
    await desk.log.get_by_text("Text only").click()
    await expect(frame).to_have_count(0)
    await expect(desk.log.get_by_text("reset#")).to_have_count(0)

    # The order of messages and mails is the same after a reload.
    rows = desk.log.locator("[data-key]")
    before = await rows.count()
    await desk.page.reload()
    await expect(mail).to_have_count(2)
    await expect(rows).to_have_count(before)
