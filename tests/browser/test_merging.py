"""An agent merges two contacts from the ticket's menu and undoes it in the contact's details."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.axe import serious
from tests.browser.people import People
from tests.browser.phone import phone
from tests.browser.test_sms import open_ticket

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_an_agent_merges_a_second_number_and_undoes_it(people: People) -> None:
    ford, tricia = await phone(people, "arthur"), await phone(people, "maya")
    await ford.texts("merging: my old number")
    await tricia.texts("merging: my new number")
    desk = await open_ticket(people, "merging: my new number")
    side = desk.page.get_by_role("region", name="Details")
    await desk.page.get_by_role("button", name="More actions").click()
    await desk.page.get_by_role("menuitem", name="Merge with…").click()
    dialog = desk.page.get_by_role("dialog", name="Merge with…")
    await dialog.get_by_role("textbox", name="Find the other contact").fill(ford.number[-6:])
    await dialog.get_by_role("button").filter(has_text=ford.number[-4:]).first.click()
    await expect(dialog.get_by_text("You can undo this at any time.")).to_be_visible()
    assert await serious(desk.page) == []
    await dialog.get_by_role("button", name="Merge", exact=True).click()
    await expect(dialog).to_be_hidden()

    await expect(desk.log.get_by_text("Ana merged this contact with")).to_be_visible()
    await expect(side.get_by_role("heading", name="Merged contacts")).to_be_visible()
    await expect(side.get_by_role("link").filter(has_text="merging: my old number")).to_be_visible()
    assert await serious(desk.page) == []
    # The other conversation ends here and says where it goes on.
    await side.get_by_role("link").filter(has_text="merging: my old number").click()
    await expect(desk.page.get_by_text("This conversation continues in another ticket.")).to_be_visible()
    await ford.texts("merging: it is me")
    await expect(desk.row("merging: it is me")).to_be_visible()

    await side.get_by_role("button", name="Undo the merge with").click()
    await expect(side.get_by_role("heading", name="Merged contacts")).to_be_hidden()
    await expect(desk.log.get_by_text("Ana undid the merge with")).to_be_visible()
    await expect(desk.page.get_by_text("This conversation continues in another ticket.")).to_be_hidden()
