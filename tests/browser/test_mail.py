"""Mail to users, end to end: the console asks, the product sends by SMTP, the Mail page shows the received bytes."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.axe import serious
from tests.browser.people import People
from tests.world import PASSWORD, email_of

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

NEW_PASSWORD = "walnut ferry telescope"


async def mail_page(people: People, **options: object) -> Page:
    # The tests' own script, which runs in every frame, is blocked in a mail's frame.
    people.watch.forgive(r"Blocked script execution in '[^']*/mail/\d+/html'")
    page = await (await people.context(**options)).new_page()
    await page.goto(people.site.mail)
    await expect(page.get_by_role("heading", name="Received")).to_be_visible()
    return page


async def newest(page: Page, recipient: str) -> None:
    """Opens the newest mail to the recipient."""
    await page.get_by_role("button").filter(has_text=f"To {recipient}").first.click()
    await expect(page.get_by_role("article")).to_be_visible()


async def link_in(page: Page, purpose: str) -> str:
    link = page.get_by_role("article").get_by_text(re.compile(f"^http.*{purpose}#"))
    return str(await link.get_attribute("href"))


async def test_a_forgotten_password_is_replaced_through_a_mailed_link(own_people: People) -> None:
    people = own_people
    people.watch.forgive(r"status of (401|409)")
    signed_in = await people.agent("ben")
    page = await (await people.context()).new_page()
    await page.goto(f"{people.site.console}/login")
    await page.get_by_role("link", name="Forgot your password?").click()
    await expect(page.get_by_role("heading", name="Get a link by e-mail")).to_be_visible()
    assert await serious(page) == []
    for email in ("nobody@else.example", email_of("ben")):
        await page.get_by_label("E-mail").fill(email)
        await page.get_by_role("button", name="Send a link for a new password").click()
        await expect(page.get_by_role("heading", name="Check your inbox")).to_be_visible()
        await expect(page.get_by_role("status")).to_have_count(1)
        if email != email_of("ben"):
            await page.get_by_role("button", name="Try another address").click()

    mails = await mail_page(people)
    await newest(mails, email_of("ben"))
    await expect(mails.get_by_role("button").filter(has_text="nobody@else.example")).to_have_count(0)
    await page.goto(await link_in(mails, "reset"))
    await page.get_by_role("textbox", name="New password").fill(NEW_PASSWORD)
    await page.get_by_role("button", name="Save and sign in").click()
    await page.wait_for_url("**/inbox")
    await signed_in.page.wait_for_url("**/login**")  # the other session has ended

    other_browser = await (await people.context()).new_page()
    await other_browser.goto(await link_in(mails, "reset"))
    await expect(other_browser.get_by_role("heading", name="This link does not work")).to_be_visible()
    await other_browser.goto(f"{people.site.console}/login")
    for typed, works in ((PASSWORD, False), (NEW_PASSWORD, True)):
        await other_browser.get_by_label("E-mail").fill(email_of("ben"))
        await other_browser.get_by_role("textbox", name="Password", exact=True).fill(typed)
        await other_browser.get_by_role("button", name="Sign in", exact=True).click()
        if works:
            await other_browser.wait_for_url("**/inbox")
        else:
            await expect(other_browser.get_by_text("Wrong e-mail or password.")).to_be_visible()


async def test_a_sign_in_link_is_mailed_in_the_language_of_the_page(people: People) -> None:
    page = await (await people.context(locale="pl-PL")).new_page()
    await page.goto(f"{people.site.console}/login")
    await page.get_by_role("link", name="Nie pamiętasz hasła?").click()
    await page.get_by_label("E-mail").fill(email_of("kurt"))
    await page.get_by_role("button", name="Wyślij link do logowania").click()
    await expect(page.get_by_role("heading", name="Sprawdź pocztę")).to_be_visible()
    mails = await mail_page(people)
    await newest(mails, email_of("kurt"))
    await expect(mails.get_by_role("heading", level=2)).to_contain_text("link do logowania")
    await page.goto(await link_in(mails, "signin"))
    await expect(page.get_by_role("heading", level=1)).not_to_contain_text("Sprawdź")
    await expect(page.get_by_label("E-mail")).to_have_count(0)


async def test_an_invitation_is_mailed_and_accepted(people: People) -> None:
    desk = await people.agent("adam")
    await desk.page.goto(f"{people.site.console}/settings/team")
    await desk.page.get_by_role("button", name="Invite").click()
    await desk.page.get_by_role("dialog").get_by_label("E-mail").fill("mia@shop.example")
    await desk.page.get_by_role("button", name="Create an invitation link").click()
    await expect(desk.page.get_by_text("An e-mail with a link is on its way to mia@shop.example")).to_be_visible()
    mails = await mail_page(people)
    await newest(mails, "mia@shop.example")
    page = await (await people.context()).new_page()
    await page.goto(await link_in(mails, "invite"))
    await page.get_by_label("Your name").fill("Mia")
    await page.get_by_role("textbox", name="Password", exact=True).fill(NEW_PASSWORD)
    await page.get_by_role("button", name="Join").click()
    await page.wait_for_url("**/inbox")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
async def test_the_mail_page_shows_every_part_at_any_width(people: People, scheme: str, width: int) -> None:
    desk = await people.agent("adam")
    response = await desk.page.request.post(
        f"{people.site.console}/api/invites",
        data={"email": f"pia{width}{scheme}@shop.example", "role": "support"},
        headers={"origin": people.site.console},
    )
    assert response.ok and (await response.json())["mailed"] is True
    mails = await mail_page(people, color_scheme=scheme, viewport={"width": width, "height": 800})
    assert await serious(mails) == []
    await newest(mails, f"pia{width}{scheme}@shop.example")
    frame = mails.frame_locator("iframe")
    await expect(frame.get_by_role("heading", level=1)).to_contain_text("Adam")
    assert await mails.locator("iframe").get_attribute("sandbox") == ""
    await mails.get_by_role("tab", name="HTML").focus()
    await mails.keyboard.press("ArrowRight")
    await expect(mails.get_by_role("tabpanel")).to_contain_text("Join the team:")
    assert await serious(mails) == []
    await mails.keyboard.press("ArrowRight")
    await expect(mails.get_by_role("tabpanel")).to_contain_text("auto-generated")
    await mails.keyboard.press("ArrowRight")
    await expect(mails.get_by_role("tabpanel")).to_contain_text("Content-Type: multipart/alternative")
    assert await mails.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), "no sideways scrolling"
    if width == 390:
        await mails.get_by_role("button", name="All mail").click()
        await expect(mails.get_by_role("article")).to_be_hidden()
