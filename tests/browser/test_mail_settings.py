"""Settings → E-mail: an owner enters sender and server, tests both, and sees what the server answers."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.axe import serious
from tests.browser.people import People
from tests.channels.mail_server import mail_server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_an_owner_sets_mail_up_and_gets_a_test_mail(own_people: People) -> None:
    own_people.watch.forgive("status of 422 .*api/mail/sender")
    desk = await own_people.agent("olga", "/settings/mail")
    page = desk.page
    save = page.get_by_role("button", name="Save")
    await expect(page.get_by_role("heading", level=1, name="E-mail")).to_be_visible()
    await page.get_by_label("From", exact=True).fill("care@shop.example")
    await page.get_by_label("Reply-To").fill("not an address")
    await save.click()
    await expect(page.get_by_label("Reply-To")).to_have_attribute("aria-invalid", "true")
    await page.get_by_label("Reply-To").fill("")
    await page.get_by_label("Sender's name").fill("Shop")
    await save.click()
    await expect(save).to_have_count(0)
    assert await serious(page) == []

    await page.get_by_role("tab", name="Mail server").click()
    async with mail_server() as server:
        await page.get_by_role("switch", name="E-mail is on").check()
        await page.get_by_label("Server", exact=True).fill("127.0.0.1")
        await page.get_by_label("Port").fill("25")
        for encryption, usual_port in (("STARTTLS", "587"), ("None", "25")):
            await page.get_by_role("combobox", name="Encryption").click()
            await page.get_by_role("option", name=encryption).click()
            await expect(page.get_by_label("Port")).to_have_value(usual_port)
        await page.get_by_label("Port").fill(str(server.port))
        await page.get_by_label("Password", exact=True).fill("canary-of-mail")
        await expect(page.get_by_role("button", name="Test the connection")).to_be_disabled()
        await save.click()
        await expect(save).to_have_count(0)
        await expect(page.get_by_label("Password", exact=True)).to_have_value("")
        await page.get_by_role("button", name="Test the connection").click()
        await expect(page.get_by_text(f"The mail server 127.0.0.1:{server.port} answers")).to_be_visible()
        await page.get_by_role("button", name="Send a test mail to me").click()
        await expect(page.get_by_text("The mail server accepted the test mail to")).to_be_visible()
        [(_, _, content)] = server.taken
        assert b"From: Shop <care@shop.example>" in content
        server.responds("rcpt", "550 5.7.1 relaying denied")
        await page.get_by_role("button", name="Send a test mail to me").click()
        await expect(page.get_by_text("550 5.7.1 relaying denied")).to_be_visible()
    assert await serious(page) == []
    assert "canary-of-mail" not in await page.content()


async def test_a_manager_cannot_change_the_server(people: People) -> None:
    desk = await people.agent("mona", "/settings/mail")
    await desk.page.get_by_role("tab", name="Mail server").click()
    await expect(desk.page.get_by_label("Server", exact=True)).to_be_disabled()
    await expect(desk.page.get_by_text("Only the owner and admins can change the mail server.")).to_be_visible()
    await desk.page.get_by_role("tab", name="Sender").click()
    await expect(desk.page.get_by_label("From", exact=True)).to_be_enabled()
