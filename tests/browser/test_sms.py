"""Texts from a telephone to the console and back, with the stand-in carrier between them and everything else real."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, expect

from server.contacts.rules import shown_phone
from tests.browser.axe import serious
from tests.browser.people import Desk, People
from tests.browser.phone import connect, phone

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def connected(people: People) -> None:
    await connect(people)


async def opened(people: People, text: str, name: str = "ana") -> Desk:
    desk = await people.agent(name)
    await desk.row(text).click()
    await expect(desk.bubble(text)).to_be_visible()
    return desk


async def subscribed(people: People, desk: Desk, person: str) -> None:
    """As an owner records what somebody said on the telephone."""
    ticket = re.search(r"/inbox/(\d+)", desk.page.url)
    assert ticket is not None
    api = desk.page.context.request
    boss = await people.agent("olga", "/settings/account")
    found = await (await api.get(f"{people.site.console}/api/tickets/{ticket[1]}")).json()
    contact = found["ticket"]["contact"]["id"]
    answer = await boss.page.context.request.post(
        f"{people.site.console}/api/contacts/{contact}/consents",
        data={"purpose": "sms_marketing", "status": "subscribed", "reason": "said so on the telephone"},
        headers={"origin": people.site.console},
    )
    assert answer.ok, await answer.text()


async def test_a_text_is_a_ticket_within_a_second_and_its_answer_arrives_and_ticks(people: People) -> None:
    maya, desk = await phone(people, "maya"), await people.agent("ana")
    await maya.texts("sms: is the teapot back?")
    began = time.monotonic()
    await expect(desk.row("sms: is the teapot back?")).to_be_visible()
    assert time.monotonic() - began < 1.0

    await desk.row("sms: is the teapot back?").click()
    await expect(desk.page.get_by_text("They are not subscribed to SMS.")).to_be_visible()
    await subscribed(people, desk, "maya")
    await expect(desk.box).to_be_visible()  # the moment the ticket's summary says so
    await desk.box.fill("sms: it is, shall I put one aside?")
    await expect(desk.page.get_by_text("34 / 160 · 1 segment · 1 credit")).to_be_visible()
    await desk.box.press("Enter")
    await expect(maya.said("sms: it is, shall I put one aside?")).to_be_visible()
    await expect(desk.bubble("sms: it is, shall I put one aside?").get_by_text("Delivered")).to_be_visible()


async def test_stop_closes_the_composer_at_once_and_start_brings_back_what_stop_took_and_no_more(
    people: People,
) -> None:
    arthur = await phone(people, "arthur")
    await arthur.texts("sms stop: does it work on induction?")
    desk = await opened(people, "sms stop: does it work on induction?")
    await subscribed(people, desk, "arthur")
    await desk.box.fill("sms stop: a draft that is kept")

    await arthur.texts("STOP")
    await expect(desk.page.get_by_text("They opted out of texts.")).to_be_visible()
    await expect(desk.page.get_by_text("Only they can change that: by texting START.")).to_be_visible()
    await expect(desk.page.get_by_text("Your draft is kept: sms stop: a draft that is kept")).to_be_visible()
    await expect(desk.box).to_be_hidden()
    side = desk.page.get_by_role("region", name="Details")
    await expect(side.get_by_text("unsubscribed")).to_have_count(2)
    await expect(desk.log.get_by_text("SMS marketing, SMS service messages: unsubscribed · by keyword")).to_be_visible()

    await arthur.texts("START")
    await expect(desk.box).to_have_value("sms stop: a draft that is kept")
    await expect(desk.log.get_by_text("SMS marketing: subscribed · by keyword")).to_be_visible()
    await expect(desk.log.get_by_text("not subscribed ·")).to_have_count(0)
    # What STOP did not take, START does not give.
    await expect(side.get_by_text("SMS service messages not subscribed")).to_be_visible()
    await desk.box.press("Enter")
    await expect(arthur.said("sms stop: a draft that is kept")).to_be_visible()


async def test_a_number_that_was_given_up_closes_the_composer_and_says_what_can_be_done(people: People) -> None:
    zofia = await phone(people, "zofia")
    await zofia.texts("sms gone: kiedy dotrze paczka?")
    desk = await opened(people, "sms gone: kiedy dotrze paczka?")
    await subscribed(people, desk, "zofia")
    await zofia.page.get_by_role("button", name="Give +48 512 345 678 up").click()
    await expect(desk.page.get_by_text("The carrier says this number was given up.")).to_be_visible()
    await expect(desk.page.get_by_text("If the number is theirs, they can text START.")).to_be_visible()
    await expect(desk.log.get_by_text("unsubscribed · number given up")).to_be_visible()
    await zofia.page.get_by_role("button", name="Give +48 512 345 678 out again").click()
    await zofia.texts("START")
    await expect(desk.box).to_be_visible()


async def test_a_pasted_list_of_people_known_for_suing_names_bad_lines_and_bars_who_is_on_it(people: People) -> None:
    maya = await phone(people, "maya")
    await maya.texts("sms sue: where is my parcel?")
    desk = await opened(people, "sms sue: where is my parcel?")
    await subscribed(people, desk, "maya")
    page = (await people.agent("olga", "/settings/sms")).page
    await page.get_by_role("tab", name="Numbers").click()
    await expect(page.get_by_role("switch", name="Never text people known for suing over texts")).to_be_checked()
    await page.get_by_role("textbox", name="Add numbers").fill(f"{maya.number}\nJane Doe\n(202) 555-0177")
    await page.get_by_role("button", name="Add to the list").click()
    await expect(page.get_by_text("2 numbers added. 1 line is no number:")).to_be_visible()
    await expect(page.get_by_text("Line 2: Jane Doe: not a phone number")).to_be_visible()
    await expect(page.get_by_text("2 numbers are listed")).to_be_visible()
    await expect(
        desk.page.get_by_text("This number is on your list of people known for suing over texts.")
    ).to_be_visible()
    await expect(desk.box).to_be_hidden()
    await page.get_by_role("button", name="Take +12025550177 off the list").click()
    await expect(page.get_by_text("1 number is listed")).to_be_visible()
    assert not await serious(page)
    await page.get_by_role("button", name="Empty the list").click()
    await page.get_by_role("dialog").get_by_role("button", name="Empty the list").click()
    await expect(page.get_by_text("0 numbers are listed")).to_be_visible()


async def test_special_characters_are_pointed_at_and_replaced_one_by_one_and_all(people: People) -> None:
    maya = await phone(people, "maya")
    await maya.texts("sms special: hello?")
    desk = await opened(people, "sms special: hello?")
    await subscribed(people, desk, "maya")
    await desk.box.fill("It’s here — “finally”…")
    strip = desk.page.get_by_role("group", name="Special characters")
    await expect(desk.page.locator("mark")).to_have_count(4)  # two side by side are one
    await expect(desk.page.get_by_text("22 / 70 · 1 segment")).to_be_visible()

    await strip.get_by_role("button", name="Replace — with -").click()
    await expect(desk.box).to_have_value("It’s here - “finally”…")
    await strip.get_by_role("button", name="Replace all").click()
    await expect(desk.box).to_have_value('It\'s here - "finally"...')
    await expect(desk.page.get_by_text("24 / 160 · 1 segment")).to_be_visible()
    await expect(strip).to_be_hidden()

    await desk.box.fill("Привет, заказ в пути")  # another script: nothing to point at
    await expect(strip).to_be_hidden()
    await expect(desk.page.get_by_text("20 / 70 · 1 segment")).to_be_visible()
    link = "https://shop.example/a/very/long/address?with=parameters&and=more"
    await desk.box.fill(f"sms special: see {link}")
    await expect(desk.page.get_by_text(re.compile(r"1 link will be shortened to \d\d characters\."))).to_be_visible()
    await desk.box.press("Enter")
    await expect(maya.said("sms special: see http").get_by_role("link")).to_have_attribute(
        "href", re.compile(r"/l/\w{8}$")
    )


async def test_what_did_not_arrive_says_why_and_is_sent_again(people: People) -> None:
    maya = await phone(people, "maya")
    await maya.texts("sms fail: are you there?")
    desk = await opened(people, "sms fail: are you there?")
    await subscribed(people, desk, "maya")
    await maya.misbehaves(outcome="undelivered")
    await desk.replies("sms fail: we are")
    bubble = desk.bubble("sms fail: we are")
    await expect(bubble.get_by_text("Not delivered.")).to_be_visible()
    await expect(bubble.get_by_text("The phone could not be reached")).to_be_visible()
    await expect(maya.said("sms fail: we are")).to_have_count(0)

    await maya.misbehaves()
    await bubble.get_by_role("button", name="Send again").click()
    await expect(maya.said("sms fail: we are")).to_have_count(1)
    await expect(bubble.get_by_text("Delivered", exact=True)).to_be_visible()
    await expect(bubble.get_by_text("Not delivered.")).to_be_hidden()


async def test_what_nobody_knows_is_decided_by_a_person(people: People) -> None:
    maya = await phone(people, "maya")
    await maya.texts("sms unclear: still there?")
    desk = await opened(people, "sms unclear: still there?")
    await subscribed(people, desk, "maya")
    await maya.misbehaves(answer="lost")
    await desk.replies("sms unclear: first")
    await desk.replies("sms unclear: second")
    first, second = desk.bubble("sms unclear: first"), desk.bubble("sms unclear: second")
    for bubble in (first, second):
        await expect(bubble.get_by_text("The connection broke while sending: it may have arrived.")).to_be_visible()
        await expect(bubble.get_by_role("button", name="Send again")).to_be_hidden()  # it might come twice
    assert await serious(desk.page) == []

    await first.get_by_role("button", name="It arrived").click()
    await expect(first.get_by_role("alert")).to_be_hidden()
    await expect(first.locator("[data-tick=sent]")).to_be_visible()
    await maya.misbehaves()
    await second.get_by_role("button", name="It did not").click()
    await second.get_by_role("button", name="Send again").click()
    await expect(second.get_by_text("Delivered", exact=True)).to_be_visible()
    await expect(maya.said("sms unclear: second")).to_have_count(1)
    await expect(maya.said("sms unclear: first")).to_have_count(0)


async def test_a_customers_picture_is_a_placeholder_until_the_owner_wants_to_see_them(
    people: People, tmp_path: Path
) -> None:
    from PIL import Image

    file = tmp_path / "parcel.jpg"
    Image.linear_gradient("L").convert("RGB").save(file)
    maya = await phone(people, "maya")
    await maya.page.locator("input[type=file]").set_input_files(file)
    await maya.texts("sms picture: it came like this")
    desk = await opened(people, "sms picture: it came like this")
    bubble = desk.bubble("sms picture: it came like this")
    await expect(bubble.get_by_text("1 picture or video received")).to_be_visible()
    await expect(bubble.get_by_role("img", name=re.compile("image"))).to_have_count(0)

    boss = await people.agent("olga", "/settings/inbox")
    await boss.page.get_by_role("tab", name="Inbound messages").click()
    switch = boss.page.get_by_role("switch", name=re.compile("^SMS (?!auto)"))
    await switch.check(force=True)
    await saved(boss.page)
    await desk.page.reload()
    picture = bubble.get_by_role("img").last
    await expect(picture).to_be_visible()
    assert await picture.evaluate("img => img.decode().then(() => img.naturalWidth)") == 256
    await expect(bubble.get_by_text("1 picture or video received")).to_be_hidden()
    assert await serious(desk.page) == []

    await switch.uncheck(force=True)
    await saved(boss.page)
    await desk.page.reload()
    await expect(bubble.get_by_text("1 picture or video received")).to_be_visible()
    await expect(picture).to_be_hidden()


async def test_a_request_to_stop_in_ones_own_words_is_one_tap(people: People) -> None:
    arthur = await phone(people, "arthur")
    await arthur.texts("sms tap: one question", "START")
    desk = await opened(people, "sms tap: one question")
    await subscribed(people, desk, "arthur")
    await arthur.texts("please stop texting me")
    asked = desk.page.get_by_role("alert").filter(has_text="They asked in their own words to stop.")
    await expect(asked).to_be_visible()
    await asked.get_by_role("button", name="Keep").click()
    await expect(asked).to_be_hidden()
    await expect(desk.box).to_be_visible()

    await arthur.texts("stop sending me these messages please")
    await asked.get_by_role("button", name="Stop texts").click()
    await expect(desk.page.get_by_text("They opted out of texts.")).to_be_visible()
    await expect(asked).to_be_hidden()


async def test_a_picture_makes_it_an_mms_and_what_cannot_go_is_kept(people: People, tmp_path) -> None:
    from PIL import Image

    good, wrong, heavy = tmp_path / "mug.png", tmp_path / "mug.webp", tmp_path / "heavy.png"
    (fake := tmp_path / "fake.png").write_text('<svg xmlns="http://www.w3.org/2000/svg"><circle r="9"/></svg>')
    Image.new("RGB", (40, 30), "teal").save(good)
    Image.new("RGB", (40, 30), "teal").save(wrong)
    Image.effect_noise((1200, 900), 90).save(heavy)
    maya = await phone(people, "maya")
    await maya.texts("sms mms: show me?")
    desk = await opened(people, "sms mms: show me?")
    await subscribed(people, desk, "maya")
    await desk.box.fill("sms mms: here")
    picker = desk.page.locator("input[type=file]")
    await picker.set_input_files([wrong, heavy])
    await expect(desk.page.get_by_text("Only PNG, JPEG and GIF pictures can be sent.")).to_be_visible()
    await expect(desk.page.get_by_text("Pictures may have up to 600 KB.")).to_be_visible()
    for name in ("mug.webp", "heavy.png"):
        await desk.page.get_by_role("button", name=f"Remove {name}").click()

    await picker.set_input_files(fake)  # the browser believes its name
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
    await expect(desk.page.get_by_text("With a picture this goes as MMS")).to_be_visible()
    await expect(desk.page.get_by_text("MMS · 13 / 1,600 · 3 credits")).to_be_visible()
    await desk.page.get_by_role("button", name="Send", exact=True).click()
    await expect(maya.said("sms mms: here").get_by_role("img")).to_be_visible()
    await expect(desk.bubble("sms mms: here").get_by_text("MMS", exact=True)).to_be_visible()


async def test_opting_out_by_hand_takes_a_reason(people: People) -> None:
    maya = await phone(people, "maya")
    await maya.texts("sms hand: good morning")
    desk = await opened(people, "sms hand: good morning")
    await subscribed(people, desk, "maya")
    await desk.page.get_by_role("button", name="Opt out of texts").click()
    dialog = desk.page.get_by_role("dialog", name="Opt out of texts?")
    await expect(dialog.get_by_role("button", name="Opt out of texts")).to_be_disabled()
    await dialog.get_by_label("Reason").fill("asked on the telephone")
    await dialog.get_by_role("button", name="Opt out of texts").click()
    await expect(desk.log.get_by_text("SMS marketing: unsubscribed · Ana")).to_be_visible()
    await expect(desk.box).to_be_hidden()


async def test_an_owner_records_a_yes_and_everybody_may_answer_then(own_people: People) -> None:
    maya = await phone(own_people, "maya")
    await maya.texts("sms yes: good morning")
    ana = await opened(own_people, "sms yes: good morning")
    await expect(ana.page.get_by_role("heading", name="Subscriptions")).to_be_visible()
    await expect(ana.page.get_by_role("button", name="Record consent")).to_have_count(0)
    olga = await opened(own_people, "sms yes: good morning", "olga")
    await olga.page.get_by_role("button", name="Record consent: SMS marketing").click()
    dialog = olga.page.get_by_role("dialog", name="Record consent: SMS marketing")
    await expect(dialog.get_by_role("button", name="Record consent")).to_be_disabled()
    await dialog.get_by_label("How do you know?").fill("said so on the telephone")
    await dialog.get_by_role("button", name="Record consent").click()
    await expect(ana.log.get_by_text("SMS marketing: subscribed · Olga")).to_be_visible()
    await expect(ana.box).to_be_visible()
    await expect(olga.page.get_by_role("button", name="Record consent: SMS marketing")).to_have_count(0)


async def test_a_closed_ticket_opens_again_by_its_button_and_by_undo(people: People) -> None:
    maya = await phone(people, "maya")
    await maya.texts("sms close: thanks!")
    desk = await opened(people, "sms close: thanks!")
    ticket = re.search(r"/inbox/(\d+)", desk.page.url)
    assert ticket is not None
    await desk.page.get_by_role("button", name="Close", exact=True).click()
    await desk.page.get_by_role("button", name="Undo").click()
    await expect(desk.row("sms close: thanks!")).to_be_visible()
    await desk.row("sms close: thanks!").click()
    await desk.page.get_by_role("button", name="Close", exact=True).click()
    await expect(desk.row("sms close: thanks!")).to_be_hidden()
    await desk.page.goto(f"{people.site.console}/inbox/{ticket[1]}")
    await desk.page.get_by_role("button", name="Reopen").click()
    await expect(desk.row("sms close: thanks!")).to_be_visible()


async def saved(page: Page) -> None:
    bar = page.get_by_role("region", name="Unsaved changes")
    await bar.get_by_role("button", name="Save").click()
    await expect(bar).to_be_hidden()


async def test_what_is_set_for_the_inbox_holds_after_a_reload_and_at_once_for_who_answers(people: People) -> None:
    maya = await phone(people, "maya")
    await maya.texts("sms settings: with a link?")
    desk = await opened(people, "sms settings: with a link?")
    await subscribed(people, desk, "maya")
    boss = await people.agent("olga", "/settings/inbox")
    switch = boss.page.get_by_role("switch", name=re.compile("Shorten links in replies"))
    await expect(switch).to_be_checked()
    await switch.uncheck(force=True)
    await saved(boss.page)
    await boss.page.get_by_role("tab", name="Inbound messages").click()
    await boss.page.get_by_role("switch", name="SMS auto-response").check(force=True)
    await boss.page.get_by_label("Text", exact=True).fill("Nobody reads here: write to help@shop.example.")
    await expect(boss.page.get_by_text("46 / 160 · 1 segment")).to_be_visible()
    await boss.page.get_by_label("Everybody").check(force=True)
    await expect(boss.page.get_by_text("Every question then gets a robot's answer first")).to_be_visible()
    await expect(boss.page.get_by_text("say here that STOP opts out")).to_be_hidden()
    await saved(boss.page)
    await boss.page.reload()
    await expect(switch).not_to_be_checked()
    await boss.page.get_by_role("tab", name="Inbound messages").click()
    await expect(boss.page.get_by_label("Text", exact=True)).to_have_value(
        "Nobody reads here: write to help@shop.example."
    )
    await maya.texts("sms settings: and a robot?")
    await expect(maya.said("Nobody reads here").last).to_be_visible()
    await expect(desk.log.get_by_role("button", name="Automatic reply").last).to_be_visible()

    await boss.page.get_by_role("switch", name="SMS auto-response").uncheck(force=True)
    await saved(boss.page)
    await boss.page.get_by_role("tab", name="General").click()
    await switch.check(force=True)
    await saved(boss.page)


async def test_the_account_keeps_its_secret_and_numbers_and_keywords_hold(people: People) -> None:
    boss = await people.agent("olga", "/settings/sms")
    page = boss.page
    token = page.get_by_label("Auth token", exact=True)
    await expect(token).to_have_attribute("placeholder", "Set. Type to replace it.")
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
    await page.get_by_role("button", name="More for +44 7400 111222").click()
    await page.get_by_role("menuitem", name="Change +44 7400 111222").click()
    await page.get_by_role("dialog").get_by_label("In use").uncheck(force=True)
    await page.get_by_role("dialog").get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Not in use")).to_be_visible()
    assert await serious(page) == []

    await page.get_by_role("tab", name="Keywords").click()
    word = page.get_by_label("New keyword")
    for bad, why in (("NO", "Use 3 to 20 letters"), ("STOP", "This word is too common"), ("VODKA", "Carriers refuse")):
        await word.fill(bad)
        await word.press("Enter")
        await expect(page.get_by_text(why)).to_be_visible()
    await word.fill("kettle")
    await word.press("Enter")
    await expect(page.get_by_text("KETTLE", exact=True)).to_be_visible()
    await page.get_by_label("Name in the answers").fill("Fern & Kettle")
    # What is wrong is said at its field.
    people.watch.forgive(r"422 .*/api/sms/keywords")
    helping = page.get_by_label("After HELP")
    await helping.fill("See https://kettle.example")
    await page.get_by_role("region", name="Unsaved changes").get_by_role("button", name="Save").click()
    await expect(helping).to_have_accessible_description(re.compile("Carriers forbid links in this answer"))
    await expect(page.get_by_text("Value error")).to_have_count(0)
    await expect(page.get_by_text("texts.0")).to_have_count(0)
    await helping.fill("Fern & Kettle: just ask. STOP to opt out.")
    assert await serious(page) == []
    await saved(page)

    # SET-6: where only the bare word counts, an automatic answer that does not name it is pointed at.
    await page.get_by_role("radio", name="By the whole text").check(force=True)
    await saved(page)
    inbox = (await people.agent("olga", "/settings/inbox")).page
    await inbox.get_by_role("tab", name="Inbound messages").click()
    await inbox.get_by_role("switch", name="SMS auto-response").check(force=True)
    await expect(inbox.get_by_text("say here that STOP opts out")).to_be_visible()
    await inbox.get_by_label("Text", exact=True).fill("Nobody reads here. STOP to opt out.")
    await expect(inbox.get_by_text("say here that STOP opts out")).to_be_hidden()
    await page.get_by_role("radio", name="By their meaning").check(force=True)
    await saved(page)

    await page.reload()
    await page.get_by_role("tab", name="Keywords").click()
    await expect(page.get_by_text("KETTLE", exact=True)).to_be_visible()
    await expect(page.get_by_label("After HELP")).to_have_value("Fern & Kettle: just ask. STOP to opt out.")
    maya = await phone(people, "maya")
    await maya.texts("HELP")
    await expect(maya.said("Fern & Kettle: just ask. STOP to opt out.").last).to_be_visible()

    await page.get_by_role("tab", name="Credits").click()
    await expect(page.get_by_text("No monthly limit is set.")).to_be_visible()
    assert await serious(page) == []
    await page.get_by_role("tab", name="Numbers").click()
    await page.get_by_role("button", name="More for +44 7400 111222").click()
    await page.get_by_role("menuitem", name="Remove +44 7400 111222").click()
    await page.get_by_role("dialog").get_by_role("button", name="Remove +44 7400 111222").click()
    await expect(page.get_by_text("+44 7400 111222")).to_be_hidden()


async def test_prices_shared_keys_and_paused_countries_are_set_where_they_are_looked_for(people: People) -> None:
    boss = await people.agent("olga", "/settings/sms")
    page = boss.page
    keys = page.get_by_role("group", name="Shared webhook keys")
    await keys.get_by_label("Name of the key").fill("hooks_1")
    await keys.get_by_label("Key", exact=True).fill("a-key-of-the-tests")
    await keys.get_by_role("button", name="Add").click()
    await expect(keys.get_by_text("Will be set when you save.")).to_be_visible()
    await saved(page)
    await page.reload()
    await expect(keys.get_by_text("hooks_1")).to_be_visible()
    assert "a-key-of-the-tests" not in await page.content()
    assert await serious(page) == []
    await keys.get_by_role("button", name="Forget: hooks_1").click()
    await saved(page)
    await expect(keys.get_by_text("hooks_1")).to_be_hidden()

    await page.get_by_role("tab", name="Credits").click()
    await page.get_by_placeholder("Another price for …").click()
    await page.get_by_role("option", name="Canada · 3 / 5").click()
    canada = page.get_by_role("group", name="Canada")
    await canada.get_by_label("SMS segment").fill("4")
    await canada.get_by_label("MMS").fill("")
    assert await serious(page) == []
    await saved(page)
    await page.reload()
    await page.get_by_role("tab", name="Credits").click()
    await expect(canada.get_by_label("SMS segment")).to_have_value("4")
    await expect(canada.get_by_label("MMS")).to_have_value("")
    await canada.get_by_role("button", name="Use the list").click()
    await saved(page)
    await expect(canada).to_be_hidden()


async def test_a_country_that_the_carrier_refused_is_told_and_sent_to_again_with_one_press(people: People) -> None:
    boss = await people.agent("olga", "/settings/account")
    page, asked = boss.page, []

    async def answer(route: Route) -> None:
        """As the server answers once the carrier has refused a country; what is pressed goes to the real one."""
        got = await route.fetch()
        body = await got.json()
        if route.request.method == "PUT":
            asked.append(route.request.post_data_json)
        else:
            body["paused_countries"] = {"GB": "Permission to send an SMS has not been enabled", "PL": "The same"}
        await route.fulfill(response=got, json=body)

    await page.route("**/api/sms/settings", answer)
    await page.goto(f"{people.site.console}/settings/sms")
    await page.get_by_role("tab", name="Numbers").click()
    await expect(page.get_by_text("Permission to send an SMS has not been enabled")).to_be_visible()
    assert await serious(page) == []
    await page.get_by_role("button", name="Send there again: United Kingdom").click()
    await expect(page.get_by_text("Nothing is sent there")).to_be_hidden()
    assert [one["paused_countries"] for one in asked] == [["PL"]]
    assert asked[0]["auth_token"] is None and asked[0]["shared_keys"] is None and asked[0]["on"], "the rest stays"


async def test_somebody_elses_settings_lead_home_and_ask_the_server_nothing(people: People) -> None:
    desk = await people.agent("ana", "/settings/sms")
    await expect(desk.page).to_have_url(re.compile(r"/settings/inbox$"))
    await expect(desk.page.get_by_role("heading", name="Inbox")).to_be_visible()


async def test_an_sms_ticket_is_accessible_and_fits_a_telephone(people: People) -> None:
    maya = await phone(people, "maya")
    await maya.texts("sms a11y: hello?")
    desk = await opened(people, "sms a11y: hello?")
    await subscribed(people, desk, "maya")
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
    await desk.page.goto(f"{people.site.console}/inbox")
    await desk.row("sms a11y: hello").first.click()
    await expect(desk.page.get_by_text("They opted out of texts.")).to_be_visible()
    assert await serious(desk.page) == []
    await maya.texts("START")


async def test_an_agent_names_the_number_that_texts_and_every_desk_shows_it_at_once(people: People) -> None:
    people.watch.forgive(r"status of 422")
    arthur = await phone(people, "arthur")
    await arthur.texts("sms name: guess who")
    desk, other = await opened(people, "sms name: guess who"), await people.agent("ben")
    side = desk.page.get_by_role("region", name="Details")
    # Their number is read as people write it, and copied as it is dialled.
    shown = shown_phone(arthur.number)
    assert shown and shown != arthur.number
    await expect(side.get_by_text(shown).last).to_be_visible()
    await desk.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await side.get_by_role("button", name="Copy: Phone").click()
    assert await desk.page.evaluate("navigator.clipboard.readText()") == arthur.number
    await side.get_by_role("button", name=re.compile("Add a name|Edit contact")).click()
    dialog = desk.page.get_by_role("dialog")
    await dialog.get_by_role("textbox", name="Name").fill("\u202e\u200f")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_text("Nobody could read this name.")).to_be_visible()
    await dialog.get_by_role("textbox", name="Name").fill("Arthur Dent")
    await dialog.get_by_role("textbox", name="E-mail").fill("arthur")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_text("This is not an e-mail address.")).to_be_visible()
    assert await serious(desk.page) == []
    await dialog.get_by_role("textbox", name="E-mail").fill("arthur@shop.example")
    await dialog.get_by_role("button", name="Save").click()

    await expect(side.get_by_role("heading", name="Arthur Dent")).to_be_visible()
    await expect(side.get_by_text("arthur@shop.example")).to_be_visible()
    await expect(desk.log.get_by_text("Ana wrote down who this is: Arthur Dent, arthur@shop.example")).to_be_visible()
    # A colleague who only has the list before their eyes sees it without asking again.
    await expect(other.row("sms name: guess who")).to_contain_text("Arthur Dent")
    # The log names them, too, and leads to them.
    boss = await people.agent("olga", "/settings/audit")
    line = boss.page.get_by_role("listitem").filter(has_text="Contact changed: Arthur Dent").first
    await expect(line).to_contain_text("name, e-mail")
    assert await serious(boss.page) == []
    await line.get_by_role("link", name="Arthur Dent").click()
    await expect(boss.log.get_by_text("sms name: guess who")).to_be_visible()
