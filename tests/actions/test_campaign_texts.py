"""The texts of campaigns: composition, threads, replies, clicks, reviews; on both databases."""

from __future__ import annotations

from typing import Any

from server.campaigns.audience import Groups
from server.channels.base import Report
from server.delivery import settling
from server.delivery.bulk_settings import CAMPAIGNS, CampaignSettings
from server.delivery.rules import SenderKind
from server.delivery.senders import SenderInput
from server.kernel.sql import Tx
from server.links.clicks import Click, count_clicks
from server.schema import receipts, short_links, tickets, timeline
from tests.campaigns import Campaigns, audience, campaigns, us
from tests.sms import TOLL_FREE, open_sms
from tests.texters import Texter
from tests.world import World


async def opened(world: World, **values: Any) -> tuple[Any, Campaigns]:
    fake = await open_sms(world, **values)
    return fake, await campaigns(world)


# --- texts ------------------------------------------------------------------------------------------


async def test_cam_33_variables_links_and_opt_out_are_composed_for_each_person(world: World) -> None:
    fake, team = await opened(world)
    people = await audience(world, [us(1), us(2)])
    names = receipts.metadata.tables["contacts"]

    def rename(tx: Tx) -> None:
        tx.run(names.update().where(names.c.phone == us(1)).values(name="Zoe Stone"))

    await world.app.write(rename)
    campaign = await team.send(
        await team.draft(people, text="Hi {{ first_name|default('you') }}: https://shop.example/a")
    )
    bodies = {text.recipient: text.body for text in fake.texts}
    links = {row.outbound_id: row for row in await world.rows(short_links)}
    assert len(links) == 2 and {row.target for row in links.values()} == {"https://shop.example/a"}
    for row in await team.texts():
        name = "Zoe" if row.recipient == us(1) else "you"
        assert f"Hi {name}: http://localhost:8000/l/{links[row.id].code}" in bodies[row.recipient]
        assert bodies[row.recipient].endswith("Reply STOP to opt out.")
    assert campaign.state == "sent"


async def test_t10_a_person_without_a_value_is_skipped(world: World) -> None:
    fake, team = await opened(world)
    people = await audience(world, [us(1), us(2)])
    table = receipts.metadata.tables["contacts"]
    await world.app.write(lambda tx: tx.run(table.update().where(table.c.phone == us(1)).values(email="zoe@a.example")))
    campaign = await team.send(await team.draft(people, text="Hi {{ email }}"))
    assert await team.outcomes(campaign) == {"sent": 1, "skipped missing_value": 1}
    assert "Hi zoe@a.example" in fake.texts[0].body


# --- the thread -------------------------------------------------------------------------------------


async def test_his_1_a_sent_text_stands_in_the_thread_and_opens_no_ticket(world: World) -> None:
    _, team = await opened(world)
    campaign = await team.send(await team.draft(await audience(world, [us(1)])))
    assert await world.count(tickets) == 0
    (entry,) = await world.rows(timeline)
    assert (entry.kind, entry.data["origin"], entry.data["campaign"], entry.data["name"]) == (
        "message", "campaign", campaign.id, "Sale",
    )  # fmt: skip
    (text,) = await team.texts()
    await world.app.write(settling.apply_report, Report(text.sid, "sent", None, {}))
    await world.app.write(settling.apply_report, Report(text.sid, "delivered", None, {}))
    _, delivery = await world.rows(timeline)
    assert (delivery.kind, delivery.ref_seq, delivery.data["state"]) == ("delivery", entry.seq, "delivered")
    assert await world.count(tickets) == 0


async def test_his_4_a_campaign_leaves_a_closed_ticket_closed(world: World) -> None:
    fake, team = await opened(world)
    people = await audience(world, [us(1)])
    zoe = Texter(world, us(1), to=TOLL_FREE)
    await zoe.says("Hello")
    ticket = await zoe.ticket()
    assert ticket is not None
    await team.desk.closes(ticket)
    closed = await world.ticket(ticket)
    await team.send(await team.draft(people))
    after = await world.ticket(ticket)
    assert (after.status, after.unread, after.last_message_at) == (closed.status, closed.unread, closed.last_message_at)
    assert fake.texts


async def test_his_3_a_skipped_person_gets_no_entry(world: World) -> None:
    _, team = await opened(world)
    agreed = await audience(world, [us(1)])
    await audience(world, [us(2)], name="No", subscribed=False)
    await team.send(await team.draft(Groups((agreed, agreed + 1))))
    assert len(await world.rows(timeline)) == 1


async def test_key_14_the_first_reply_within_the_window_is_credited_and_opens_the_ticket(world: World) -> None:
    _, team = await opened(world)
    campaign = await team.send(await team.draft(await audience(world, [us(1), us(2)])))
    zoe, max_ = (Texter(world, us(n), to=TOLL_FREE) for n in (1, 2))
    await zoe.says("Is it blue?")
    await zoe.says("Or red?")
    await max_.says("STOP")
    assert (await zoe.ticket()) is not None and (await max_.ticket()) is None
    first, second = sorted(await team.receipts(campaign), key=lambda row: row.address)
    texts = [entry for entry in await zoe.entries() if entry.author_type == "contact"]
    assert (first.reply_thread, first.reply_seq) == (texts[0].thread, texts[0].seq)
    assert [entry.data.get("answers") for entry in texts] == [campaign.cause, None]
    assert second.replied_at is None


async def test_key_14_a_late_reply_is_credited_to_nothing(world: World) -> None:
    _, team = await opened(world)
    campaign = await team.send(await team.draft(await audience(world, [us(1)])))
    await world.advance(hours=25)
    await Texter(world, us(1), to=TOLL_FREE).says("Still there?")
    assert (await team.receipts(campaign))[0].replied_at is None


async def test_a_click_counts_in_the_receipt(world: World) -> None:
    _, team = await opened(world)
    campaign = await team.send(await team.draft(await audience(world, [us(1)]), text="See https://shop.example/a"))
    (link,) = await world.rows(short_links)
    clicks = [Click(link.id, f"t{n}", world.now, bot, "", "") for n, bot in enumerate((False, False, True))]
    await world.app.write(count_clicks, clicks)
    (receipt,) = await team.receipts(campaign)
    assert (receipt.clicks, receipt.clicked_at) == (2, world.now)


# --- reminders, review ------------------------------------------------------------------------------


async def test_the_review_forecasts_cost_finish_quiet_hours_and_tracking(world: World) -> None:
    slow = SenderInput(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=1)
    await open_sms(world, slow)
    team = await campaigns(world)
    draft = await team.draft(
        await audience(world, [f"+1212555{n:04d}" for n in range(20)]), text="See https://shop.example/a", opt_out=False
    )
    await world.app.write(CAMPAIGNS.save, CampaignSettings(time_limit_hours=1))
    review = await team.reviewed(draft)
    assert review["chosen"] == review["recipients"] == 20 and review["credits"]["needed"] == 20
    assert review["tracking"] == "on"
    assert review["quiet_hours"]["at_start"] == {"people": 20, "certain": 20}  # 4:00 in New York
    assert review["compliance"] == {"opt_out": ["US"]}
    assert review["ends_at"] == "2026-11-21T09:00:20.000Z" and review["left_out"] == 0
    assert [step["people"] for step in review["funnel"]] == [20] * 8
    plain = await team.edit(await team.now(draft), text="No link")
    assert (await team.reviewed(plain))["tracking"] == "no_link"
