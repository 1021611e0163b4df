"""Texts from a phone to the console and back; only the carrier is a stand-in."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, expect

from tests.browser.axe import serious
from tests.browser.people import Desk, People, click_once_shown, was_shown
from tests.browser.phone import connect_carrier, phone
from tests.services import overbooked

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def connected(people: People) -> None:
    await connect_carrier(people)


async def open_ticket(people: People, text: str, name: str = "ana") -> Desk:
    desk = await people.agent(name)
    await desk.row(text).click()
    await expect(desk.bubble(text)).to_be_visible()
    return desk


async def record_consent(people: People, desk: Desk, person: str) -> None:
    """Records consent of the ticket's customer, as an owner does."""
    ticket = re.search(r"/inbox/(\d+)", desk.page.url)
    assert ticket is not None
    api = desk.page.context.request
    boss = await people.agent("olga", "/settings/account")
    result = await (await api.get(f"{people.site.console}/api/tickets/{ticket[1]}")).json()
    contact = result["ticket"]["contact"]["id"]
    answer = await boss.page.context.request.post(
        f"{people.site.console}/api/contacts/{contact}/consents",
        data={"purpose": "sms_marketing", "status": "subscribed", "reason": "said so on the telephone"},
        headers={"origin": people.site.console},
    )
    assert answer.ok, await answer.text()


async def test_a_text_is_a_ticket_within_a_second_and_its_reply_arrives_and_is_ticked(people: People) -> None:
    maya, desk = await phone(people, "maya"), await people.agent("ana")
    await maya.texts("sms: is the teapot back?")
    began = time.monotonic()
    await expect(desk.row("sms: is the teapot back?")).to_be_visible()
    assert time.monotonic() - began < 1.0 * overbooked()

    await desk.row("sms: is the teapot back?").click()
    await expect(desk.page.get_by_text("They are not subscribed to SMS.")).to_be_visible()
    await record_consent(people, desk, "maya")
    await expect(desk.box).to_be_visible()  # shown once the ticket's summary allows a reply
    await desk.box.fill("sms: it is, shall I put one aside?")
    await expect(desk.page.get_by_text("34 / 160 · 1 segment · 1 credit")).to_be_visible()
    await desk.box.press("Enter")
    await expect(maya.message("sms: it is, shall I put one aside?")).to_be_visible()
    await expect(desk.bubble("sms: it is, shall I put one aside?").get_by_text("Delivered")).to_be_visible()


async def test_stop_bars_the_composer_and_start_restores_only_what_stop_revoked(
    people: People,
) -> None:
    arthur = await phone(people, "arthur")
    await arthur.texts("sms stop: does it work on induction?")
    desk = await open_ticket(people, "sms stop: does it work on induction?")
    await record_consent(people, desk, "arthur")
    await desk.box.fill("sms stop: a draft that is kept")

    await arthur.texts("STOP")
    await expect(desk.page.get_by_text("They opted out of texts.")).to_be_visible()
    await expect(desk.page.get_by_text("Only they can opt back in, by texting START.")).to_be_visible()
    await expect(desk.page.get_by_text("Your draft is saved: sms stop: a draft that is kept")).to_be_visible()
    await expect(desk.box).to_be_hidden()
    side = desk.page.get_by_role("region", name="Details")
    await expect(side.get_by_text(re.compile("^unsubscribed · "))).to_have_count(2)
    await expect(desk.log.get_by_text("SMS marketing, SMS service messages: unsubscribed · by keyword")).to_be_visible()

    await arthur.texts("START")
    await expect(desk.box).to_have_value("sms stop: a draft that is kept")
    await expect(desk.log.get_by_text("SMS marketing: subscribed · by keyword")).to_be_visible()
    await expect(desk.log.get_by_text("not subscribed ·")).to_have_count(0)
    # START restores only the consents that STOP revoked.
    await expect(side.get_by_text("SMS service messages not subscribed")).to_be_visible()
    await desk.box.press("Enter")
    await expect(arthur.message("sms stop: a draft that is kept")).to_be_visible()


async def test_a_deactivated_number_bars_the_composer_with_advice(people: People) -> None:
    zofia = await phone(people, "zofia")
    await zofia.texts("sms gone: kiedy dotrze paczka?")
    desk = await open_ticket(people, "sms gone: kiedy dotrze paczka?")
    await record_consent(people, desk, "zofia")
    await zofia.page.get_by_role("button", name="Deactivate +48 512 345 678").click()
    await expect(desk.page.get_by_text("The carrier has deactivated this number.")).to_be_visible()
    await expect(desk.page.get_by_text("If the number is still theirs, they can text START.")).to_be_visible()
    await expect(desk.log.get_by_text("unsubscribed · number deactivated")).to_be_visible()
    await zofia.page.get_by_role("button", name="Reassign +48 512 345 678").click()
    await zofia.texts("START")
    await expect(desk.box).to_be_visible()


async def test_a_pasted_list_of_litigators_reports_bad_lines_and_bars_listed_numbers(people: People) -> None:
    maya = await phone(people, "maya")
    await maya.texts("sms sue: where is my parcel?")
    desk = await open_ticket(people, "sms sue: where is my parcel?")
    await record_consent(people, desk, "maya")
    page = (await people.agent("olga", "/settings/sms")).page
    await page.get_by_role("tab", name="Numbers").click()
    await expect(page.get_by_role("switch", name="Never text known litigators")).to_be_checked()
    await page.get_by_role("textbox", name="Add numbers").fill(f"{maya.number}\nJane Doe\n(202) 555-0177")
    await page.get_by_role("button", name="Add to the list").click()
    await expect(page.get_by_text("2 numbers added. 1 line is not a number:")).to_be_visible()
    await expect(page.get_by_text("Line 2: Jane Doe: not a phone number")).to_be_visible()
    await expect(page.get_by_text("2 numbers are listed")).to_be_visible()
    await expect(desk.page.get_by_text("This number is on your list of known litigators.")).to_be_visible()
    await expect(desk.box).to_be_hidden()
    await page.get_by_role("button", name="Remove +12025550177 from the list").click()
    await expect(page.get_by_text("1 number is listed")).to_be_visible()
    assert not await serious(page)
    await page.get_by_role("button", name="Clear the list").click()
    await page.get_by_role("dialog").get_by_role("button", name="Clear the list").click()
    await expect(page.get_by_text("0 numbers are listed")).to_be_visible()


async def test_special_characters_are_marked_and_replaced_singly_or_all_at_once(people: People) -> None:
    maya = await phone(people, "maya")
    await maya.texts("sms special: hello?")
    desk = await open_ticket(people, "sms special: hello?")
    await record_consent(people, desk, "maya")
    await desk.box.fill("It’s here — “finally”…")
    strip = desk.page.get_by_role("group", name="Special characters")
    await expect(desk.page.locator("mark")).to_have_count(4)  # two adjacent special characters have one mark
    await expect(desk.page.get_by_text("22 / 70 · 1 segment")).to_be_visible()

    await strip.get_by_role("button", name="Replace — with -").click()
    await expect(desk.box).to_have_value("It’s here - “finally”…")
    await strip.get_by_role("button", name="Replace all").click()
    await expect(desk.box).to_have_value('It\'s here - "finally"...')
    await expect(desk.page.get_by_text("24 / 160 · 1 segment")).to_be_visible()
    await expect(strip).to_be_hidden()

    await desk.box.fill("Привет, заказ в пути")  # a text in another script has no special characters to mark
    await expect(strip).to_be_hidden()
    await expect(desk.page.get_by_text("20 / 70 · 1 segment")).to_be_visible()
    link = "https://shop.example/a/very/long/address?with=parameters&and=more"
    await desk.box.fill(f"sms special: see {link}")
    await expect(desk.page.get_by_text(re.compile(r"1 link will be shortened to \d\d characters\."))).to_be_visible()
    await desk.box.press("Enter")
    await expect(maya.message("sms special: see http").get_by_role("link")).to_have_attribute(
        "href", re.compile(r"/l/\w{8}$")
    )


async def test_a_failed_text_shows_its_reason_and_can_be_sent_again(people: People) -> None:
    maya = await phone(people, "maya")
    await maya.texts("sms fail: are you there?")
    desk = await open_ticket(people, "sms fail: are you there?")
    await record_consent(people, desk, "maya")
    await maya.misbehaves(outcome="undelivered")
    await desk.replies("sms fail: we are")
    bubble = desk.bubble("sms fail: we are")
    await expect(bubble.get_by_text("Not delivered.")).to_be_visible()
    await expect(bubble.get_by_text("The phone could not be reached")).to_be_visible()
    await expect(maya.message("sms fail: we are")).to_have_count(0)

    await maya.misbehaves()
    await bubble.get_by_role("button", name="Send again").click()
    await expect(maya.message("sms fail: we are")).to_have_count(1)
    await expect(bubble.get_by_text("Delivered", exact=True)).to_be_visible()
    await expect(bubble.get_by_text("Not delivered.")).to_be_hidden()


async def test_an_unknown_outcome_is_decided_by_a_person(people: People) -> None:
    maya = await phone(people, "maya")
    await maya.texts("sms unclear: still there?")
    desk = await open_ticket(people, "sms unclear: still there?")
    await record_consent(people, desk, "maya")
    await maya.misbehaves(answer="lost")
    await desk.replies("sms unclear: first")
    await desk.replies("sms unclear: second")
    first, second = desk.bubble("sms unclear: first"), desk.bubble("sms unclear: second")
    for bubble in (first, second):
        await expect(bubble.get_by_text("The connection dropped while sending.")).to_be_visible()
        # a second send might deliver it twice
        await expect(bubble.get_by_role("button", name="Send again")).to_be_hidden()
    assert await serious(desk.page) == []

    await first.get_by_role("button", name="It arrived").click()
    await expect(first.get_by_role("alert")).to_be_hidden()
    await expect(first.locator("[data-tick=sent]")).to_be_visible()
    await maya.misbehaves()
    await second.get_by_role("button", name="It did not arrive").click()
    await second.get_by_role("button", name="Send again").click()
    await expect(second.get_by_text("Delivered", exact=True)).to_be_visible()
    await expect(maya.message("sms unclear: second")).to_have_count(1)
    await expect(maya.message("sms unclear: first")).to_have_count(0)


async def test_a_customers_picture_is_a_placeholder_until_pictures_are_on(people: People, tmp_path: Path) -> None:
    from PIL import Image

    file = tmp_path / "parcel.jpg"
    Image.linear_gradient("L").convert("RGB").save(file)
    maya = await phone(people, "maya")
    await maya.page.locator("input[type=file]").set_input_files(file)
    await maya.texts("sms picture: it came like this")
    desk = await open_ticket(people, "sms picture: it came like this")
    bubble = desk.bubble("sms picture: it came like this")
    await expect(bubble.get_by_text("1 picture or video received")).to_be_visible()
    await expect(bubble.get_by_role("img", name=re.compile("image"))).to_have_count(0)

    boss = await people.agent("olga", "/settings/inbox")
    await boss.page.get_by_role("tab", name="Inbound messages").click()
    switch = boss.page.get_by_role("switch", name=re.compile("^SMS (?!auto)"))
    await switch.check(force=True)
    await wait_until_saved(boss.page)
    await desk.page.reload()
    picture = bubble.get_by_role("img").last
    await expect(picture).to_be_visible()
    assert await picture.evaluate("img => img.decode().then(() => img.naturalWidth)") == 256
    await expect(bubble.get_by_text("1 picture or video received")).to_be_hidden()
    assert await serious(desk.page) == []

    await switch.uncheck(force=True)
    await wait_until_saved(boss.page)
    await desk.page.reload()
    await expect(bubble.get_by_text("1 picture or video received")).to_be_visible()
    await expect(picture).to_be_hidden()


async def test_a_request_to_stop_in_other_words_is_decided_with_one_tap(people: People) -> None:
    arthur = await phone(people, "arthur")
    await arthur.texts("sms tap: one question", "START")
    desk = await open_ticket(people, "sms tap: one question")
    await record_consent(people, desk, "arthur")
    await arthur.texts("please stop texting me")
    question = desk.page.get_by_role("alert").filter(has_text="They seem to be asking you to stop.")
    await expect(question).to_be_visible()
    await question.get_by_role("button", name="Keep texting").click()
    await expect(question).to_be_hidden()
    await expect(desk.box).to_be_visible()

    await arthur.texts("stop sending me these messages please")
    await question.get_by_role("button", name="Opt them out").click()
    await expect(desk.page.get_by_text("They opted out of texts.")).to_be_visible()
    await expect(question).to_be_hidden()


async def test_a_picture_makes_a_reply_an_mms_and_a_refused_reply_keeps_its_draft(people: People, tmp_path) -> None:
    from PIL import Image

    good, wrong, heavy = tmp_path / "mug.png", tmp_path / "mug.webp", tmp_path / "heavy.png"
    (fake := tmp_path / "fake.png").write_text('<svg xmlns="http://www.w3.org/2000/svg"><circle r="9"/></svg>')
    Image.new("RGB", (40, 30), "teal").save(good)
    Image.new("RGB", (40, 30), "teal").save(wrong)
    Image.effect_noise((1200, 900), 90).save(heavy)
    maya = await phone(people, "maya")
    await maya.texts("sms mms: show me?")
    desk = await open_ticket(people, "sms mms: show me?")
    await record_consent(people, desk, "maya")
    await desk.box.fill("sms mms: here")
    picker = desk.page.locator("input[type=file]")
    await picker.set_input_files([wrong, heavy])
    refused = desk.page.get_by_text("Only PNG, JPEG and GIF pictures can be sent.")
    await expect(refused).to_be_visible()
    assert await refused.evaluate("it => it.scrollWidth <= it.clientWidth && it.scrollHeight <= it.clientHeight")
    await expect(desk.page.get_by_text("Pictures can be up to 600 KB.")).to_be_visible()
    for name in ("mug.webp", "heavy.png"):
        await desk.page.get_by_role("button", name=f"Remove {name}").click()
    await picker.set_input_files(fake)  # the browser trusts the file's name
    await expect(desk.page.get_by_text("Only PNG, JPEG and GIF pictures can be sent.")).to_be_visible()
    await desk.page.get_by_role("button", name="Remove fake.png").click()
    await expect(desk.box).to_have_value("sms mms: here")

    special = desk.page.get_by_role("group", name="Special characters")
    await desk.box.fill("sms mms: “here” it is")
    await expect(special).to_be_visible()
    await picker.set_input_files(good)
    await expect(special).to_be_hidden()
    await expect(desk.page.locator("mark")).to_have_count(0)
    await desk.box.fill("sms mms: here")
    await expect(desk.page.get_by_text("With a picture, this is sent as one MMS")).to_be_visible()
    await expect(desk.page.get_by_text("MMS · 13 / 1,600 · 3 credits")).to_be_visible()
    await desk.page.get_by_role("button", name="Send", exact=True).click()
    await expect(maya.message("sms mms: here").get_by_role("img")).to_be_visible()
    await expect(desk.bubble("sms mms: here").get_by_text("MMS", exact=True)).to_be_visible()


async def test_opting_out_by_hand_requires_a_reason(people: People) -> None:
    maya = await phone(people, "maya")
    await maya.texts("sms hand: good morning")
    desk = await open_ticket(people, "sms hand: good morning")
    await record_consent(people, desk, "maya")
    await desk.page.get_by_role("button", name="Opt out of texts").click()
    dialog = desk.page.get_by_role("dialog", name="Opt out of texts?")
    await expect(dialog.get_by_role("button", name="Opt out of texts")).to_be_disabled()
    await dialog.get_by_label("Reason").fill("asked on the telephone")
    await dialog.get_by_role("button", name="Opt out of texts").click()
    await expect(desk.log.get_by_text("SMS marketing: unsubscribed · Ana")).to_be_visible()
    await expect(desk.box).to_be_hidden()


async def test_after_an_owner_records_a_consent_every_agent_can_reply(own_people: People) -> None:
    maya = await phone(own_people, "maya")
    await maya.texts("sms yes: good morning")
    ana = await open_ticket(own_people, "sms yes: good morning")
    await expect(ana.page.get_by_role("heading", name="Subscriptions")).to_be_visible()
    await expect(ana.page.get_by_role("button", name="Record consent")).to_have_count(0)
    await expect(ana.page.get_by_text("an owner, admin or manager can record their consent")).to_be_visible()
    olga = await open_ticket(own_people, "sms yes: good morning", "olga")
    await expect(olga.page.get_by_text("Record their consent if they gave it")).to_be_visible()
    await olga.page.get_by_role("button", name="Record consent…").click()
    dialog = olga.page.get_by_role("dialog", name="Record consent")
    await dialog.get_by_role("combobox", name="What they agreed to").click()
    await olga.page.get_by_role("option", name="SMS marketing").click()
    assert await serious(olga.page) == []
    await expect(dialog.get_by_role("button", name="Record consent")).to_be_disabled()
    await dialog.get_by_label("How do you know?").fill("said so on the telephone")
    await dialog.get_by_role("button", name="Record consent").click()
    await expect(ana.log.get_by_text("SMS marketing: subscribed · Olga")).to_be_visible()
    await expect(ana.box).to_be_visible()
    await expect(olga.page.get_by_role("button", name="Record consent: SMS marketing")).to_have_count(0)


async def test_a_closed_ticket_opens_again_by_its_button_and_by_undo(people: People) -> None:
    maya = await phone(people, "maya")
    await maya.texts("sms close: thanks!")
    desk = await open_ticket(people, "sms close: thanks!")
    ticket = re.search(r"/inbox/(\d+)", desk.page.url)
    assert ticket is not None
    await click_once_shown(desk.page, "Undo")
    await desk.page.get_by_role("button", name="Close", exact=True).click()
    await was_shown(desk.page, "Ticket closed")
    await expect(desk.row("sms close: thanks!")).to_be_visible()
    await desk.row("sms close: thanks!").click()
    await desk.page.get_by_role("button", name="Close", exact=True).click()
    await expect(desk.row("sms close: thanks!")).to_be_hidden()
    await desk.page.goto(f"{people.site.console}/inbox/{ticket[1]}")
    await desk.page.get_by_role("button", name="Reopen").click()
    await expect(desk.row("sms close: thanks!")).to_be_visible()


async def wait_until_saved(page: Page) -> None:
    bar = page.get_by_role("region", name="Unsaved changes")
    await bar.get_by_role("button", name="Save").click()
    await expect(bar).to_be_hidden()


async def test_the_inboxs_settings_survive_a_reload_and_apply_at_once(people: People) -> None:
    maya = await phone(people, "maya")
    await maya.texts("sms settings: with a link?")
    desk = await open_ticket(people, "sms settings: with a link?")
    await record_consent(people, desk, "maya")
    boss = await people.agent("olga", "/settings/inbox")
    switch = boss.page.get_by_role("switch", name=re.compile("Shorten links in replies"))
    await expect(switch).to_be_checked()
    await switch.uncheck(force=True)
    await wait_until_saved(boss.page)
    await boss.page.get_by_role("tab", name="Inbound messages").click()
    await boss.page.get_by_role("switch", name="SMS auto-response").check(force=True)
    await boss.page.get_by_label("Text", exact=True).fill("Nobody reads here: write to help@shop.example.")
    await expect(boss.page.get_by_text("46 / 160 · 1 segment")).to_be_visible()
    await boss.page.get_by_role("radio", name="Everybody").check(force=True)
    await expect(boss.page.get_by_text("Every question gets an automatic reply first")).to_be_visible()
    await expect(boss.page.get_by_text("mention here that STOP opts out")).to_be_hidden()
    await wait_until_saved(boss.page)
    await boss.page.reload()
    await expect(switch).not_to_be_checked()
    await boss.page.get_by_role("tab", name="Inbound messages").click()
    await expect(boss.page.get_by_label("Text", exact=True)).to_have_value(
        "Nobody reads here: write to help@shop.example."
    )
    await maya.texts("sms settings: and a robot?")
    await expect(maya.message("Nobody reads here").last).to_be_visible()
    await expect(desk.log.get_by_role("button", name="Auto-response").last).to_be_visible()

    await boss.page.get_by_role("switch", name="SMS auto-response").uncheck(force=True)
    await wait_until_saved(boss.page)
    await boss.page.get_by_role("tab", name="General").click()
    await switch.check(force=True)
    await wait_until_saved(boss.page)


async def test_saved_account_numbers_and_keywords_are_shown_again_without_the_secret(people: People) -> None:
    boss = await people.agent("olga", "/settings/sms")
    page = boss.page
    token = page.get_by_label("Auth token", exact=True)
    await expect(token).to_have_attribute("placeholder", "Saved. Type to replace it.")
    await expect(token).to_have_value("")
    await page.get_by_role("button", name="Test the connection").click()
    await expect(page.get_by_role("listitem").filter(has_text=re.compile("Twilio|account")).first).to_be_visible()
    assert await serious(page) == []

    await page.get_by_role("tab", name="Numbers").click()
    await page.get_by_role("button", name="Add a number").click()
    dialog = page.get_by_role("dialog", name="Add a number")
    await dialog.get_by_label("Number or sender name").fill("+44 7400 111222")
    assert await serious(page) == []
    await dialog.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("+44 7400 111222")).to_be_visible()
    await page.get_by_role("button", name="More actions for +44 7400 111222").click()
    await page.get_by_role("menuitem", name="Edit +44 7400 111222").click()
    await page.get_by_role("dialog").get_by_label("In use").uncheck(force=True)
    await page.get_by_role("dialog").get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Not in use")).to_be_visible()
    assert await serious(page) == []

    await page.get_by_role("tab", name="Keywords").click()
    keyword_input = page.get_by_label("New keyword")
    for bad, reason in (
        ("NO", "Use 3 to 20 letters"),
        ("STOP", "This word is too common"),
        ("VODKA", "Carriers refuse"),
    ):
        await keyword_input.fill(bad)
        await keyword_input.press("Enter")
        await expect(page.get_by_text(reason)).to_be_visible()
    await keyword_input.fill("kettle")
    await keyword_input.press("Enter")
    await expect(page.get_by_text("KETTLE", exact=True)).to_be_visible()
    await page.get_by_label("Name in the replies").fill("Fern & Kettle")
    # An invalid value is reported at its field.
    people.watch.forgive(r"422 .*/api/sms/keywords")
    helping = page.get_by_role("textbox", name=re.compile("^Reply to HELP"))
    await helping.fill("See https://kettle.example")
    await page.get_by_role("region", name="Unsaved changes").get_by_role("button", name="Save").click()
    await expect(helping).to_have_accessible_description(re.compile("Carriers do not allow links in this reply"))
    await expect(page.get_by_text("Value error")).to_have_count(0)
    await expect(page.get_by_text("texts.0")).to_have_count(0)
    await helping.fill("Fern & Kettle: just ask. STOP to opt out.")
    assert await serious(page) == []
    await wait_until_saved(page)

    # SET-6: in mode exact, an automatic reply that does not name the keyword gets a warning.
    await page.get_by_role("radio", name="By the whole text").check(force=True)
    await wait_until_saved(page)
    inbox = (await people.agent("olga", "/settings/inbox")).page
    await inbox.get_by_role("tab", name="Inbound messages").click()
    await inbox.get_by_role("switch", name="SMS auto-response").check(force=True)
    await expect(inbox.get_by_text("mention here that STOP opts out")).to_be_visible()
    await inbox.get_by_label("Text", exact=True).fill("Nobody reads here. STOP to opt out.")
    await expect(inbox.get_by_text("mention here that STOP opts out")).to_be_hidden()
    await page.get_by_role("radio", name="By meaning").check(force=True)
    await wait_until_saved(page)

    await page.reload()
    await page.get_by_role("tab", name="Keywords").click()
    await expect(page.get_by_text("KETTLE", exact=True)).to_be_visible()
    await expect(page.get_by_role("textbox", name=re.compile("^Reply to HELP"))).to_have_value(
        "Fern & Kettle: just ask. STOP to opt out."
    )
    maya = await phone(people, "maya")
    await maya.texts("HELP")
    await expect(maya.message("Fern & Kettle: just ask. STOP to opt out.").last).to_be_visible()

    await page.get_by_role("tab", name="Credits").click()
    await expect(page.get_by_text("No monthly limit is set.")).to_be_visible()
    assert await serious(page) == []
    await page.get_by_role("tab", name="Numbers").click()
    await page.get_by_role("button", name="More actions for +44 7400 111222").click()
    await page.get_by_role("menuitem", name="Remove +44 7400 111222").click()
    await page.get_by_role("dialog").get_by_role("button", name="Remove +44 7400 111222").click()
    await expect(page.get_by_text("+44 7400 111222")).to_be_hidden()


async def test_prices_shared_keys_and_paused_countries_can_be_set(people: People) -> None:
    boss = await people.agent("olga", "/settings/sms")
    page = boss.page
    keys = page.get_by_role("group", name="Shared webhook keys")
    await keys.get_by_label("Key name").fill("hooks_1")
    await keys.get_by_label("Key", exact=True).fill("a-key-of-the-tests")
    await keys.get_by_role("button", name="Add").click()
    await expect(keys.get_by_text("Will be added when you save.")).to_be_visible()
    await wait_until_saved(page)
    await page.reload()
    await expect(keys.get_by_text("hooks_1")).to_be_visible()
    assert "a-key-of-the-tests" not in await page.content()
    assert await serious(page) == []
    await keys.get_by_role("button", name="Remove: hooks_1").click()
    await wait_until_saved(page)
    await expect(keys.get_by_text("hooks_1")).to_be_hidden()

    await page.get_by_role("tab", name="Credits").click()
    await page.get_by_placeholder("Set another price for …").click()
    await page.get_by_role("option", name="Canada · 3 / 5").click()
    canada = page.get_by_role("group", name="Canada")
    await canada.get_by_label("SMS segment").fill("4")
    await canada.get_by_label("MMS").fill("")
    assert await serious(page) == []
    await wait_until_saved(page)
    await page.reload()
    await page.get_by_role("tab", name="Credits").click()
    await expect(canada.get_by_label("SMS segment")).to_have_value("4")
    await expect(canada.get_by_label("MMS")).to_have_value("")
    await canada.get_by_role("button", name="Use the list price").click()
    await wait_until_saved(page)
    await expect(canada).to_be_hidden()


async def test_a_paused_country_is_shown_and_resumed_with_one_press(people: People) -> None:
    boss = await people.agent("olga", "/settings/account")
    page, requests = boss.page, []

    async def answer(route: Route) -> None:
        """Adds refused countries to the server's response until the button is pressed, which goes to the real server."""
        response = await route.fetch()
        body = await response.json()
        if route.request.method == "PUT":
            requests.append(route.request.post_data_json)
        elif not requests:
            body["paused_countries"] = {"GB": "Permission to send an SMS has not been enabled", "PL": "The same"}
        await route.fulfill(response=response, json=body)

    await page.route("**/api/sms/settings", answer)
    await page.goto(f"{people.site.console}/settings/sms")
    await page.get_by_role("tab", name="Numbers").click()
    await expect(page.get_by_text("Permission to send an SMS has not been enabled")).to_be_visible()
    assert await serious(page) == []
    await page.get_by_role("button", name="Resume sending: United Kingdom").click()
    await expect(page.get_by_text("Sending stopped in these countries")).to_be_hidden()
    assert [item["paused_countries"] for item in requests] == [["PL"]]
    assert requests[0]["auth_token"] is None and requests[0]["shared_keys"] is None and requests[0]["on"], (
        "the rest stays"
    )


async def test_settings_without_permission_lead_home_and_send_no_request(people: People) -> None:
    desk = await people.agent("ana", "/settings/sms")
    await expect(desk.page).to_have_url(re.compile(r"/settings/inbox$"))
    await expect(desk.page.get_by_role("heading", name="Inbox")).to_be_visible()


async def test_an_sms_ticket_is_accessible_and_fits_a_telephone(people: People) -> None:
    maya = await phone(people, "maya")
    await maya.texts("sms a11y: hello?")
    desk = await open_ticket(people, "sms a11y: hello?")
    await record_consent(people, desk, "maya")
    await desk.replies("sms a11y: hello")
    await expect(desk.bubble("sms a11y: hello").get_by_text("Delivered")).to_be_visible()
    await desk.box.fill("It’s “here” — https://shop.example/kettle 🎁")
    assert await serious(desk.page) == []
    await desk.page.set_viewport_size({"width": 390, "height": 844})
    assert await desk.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    await desk.box.fill("x" * 1_703)
    meter = desk.page.get_by_text("1,703 / 1,600 · 12 segments · 12 credits")
    await expect(meter).to_be_visible()
    assert await meter.evaluate("(it) => it.parentElement.scrollWidth - it.parentElement.clientWidth") <= 0
    assert await desk.box.evaluate("(it) => getComputedStyle(it).borderTopColor") == "rgba(0, 0, 0, 0)"
    boss = await people.agent("olga", "/settings/account", viewport={"width": 390, "height": 844})
    for path in ("/settings/inbox", "/settings/sms"):
        await boss.page.goto(people.site.console + path)
        await expect(boss.page.get_by_role("heading", level=1)).to_be_visible()
        assert await boss.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    await maya.texts("STOP")
    await desk.page.reload()
    await expect(desk.page.get_by_text("They opted out of texts.")).to_be_visible()
    assert await serious(desk.page) == []
    await maya.texts("START")
