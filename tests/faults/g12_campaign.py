"""G12 during a running campaign: after the commit of a STOP, in any of 40 spellings, the campaign begins no text to that
person, and everybody is accounted for."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

from sqlalchemy import select

from server.accounts.rules import Agent, Role
from server.audiences import lists
from server.campaigns import actions, queries, review
from server.campaigns.actions import Approval, Draft
from server.campaigns.audience import Groups
from server.campaigns.content import Content
from server.consent.settings import KEYWORDS, KeywordSettings
from server.delivery import senders as numbers
from server.delivery.bulk_rules import Smart
from server.delivery.rules import SenderKind
from server.delivery.senders import SenderInput
from server.delivery.settings import SMS
from server.kernel.context import App
from server.kernel.sql import Conn, Tx
from server.schema import outbound, receipts, users
from tests.faults.g12_stop import OTHER, OURS, SPELLINGS, Carrier, Phones, _give_consent, _servers, _stopped, us
from tests.faults.g12_stop import app_on_database as on_database
from tests.faults.site import Site
from tests.faults.tally import Tally
from tests.sms import settings_of

PATIENCE_S = 90.0


async def run(tally: Tally) -> None:
    people, rate = (1_000, 25) if tally.full else (160, 10)
    carrier = Carrier(refuses=set())
    async with (
        carrier.open() as url,
        Site(tally.database, seed=tally.seed, worker=True, THREADLINE_TWILIO_URL=url) as site,
    ):
        crowd = [us(1_000 + n) for n in range(people)]
        stopping = tally.random.sample(crowd, 2 * len(SPELLINGS) if tally.full else len(SPELLINGS))
        async with on_database(site, url) as app:
            campaign = await _approve(app, crowd, rate)
        await site.start()
        phones = Phones(site, tally)
        duration_s = people / rate * 0.9

        async def stop(place: int, number: str) -> None:
            await asyncio.sleep(tally.random.uniform(0.5, duration_s))
            to = OTHER if place % 3 == 0 else OURS
            repeats = 2 if place % 5 == 0 else 0
            phones.opted_out_at[number] = await phones.text(number, SPELLINGS[place % len(SPELLINGS)], to, repeats)

        stops = [asyncio.create_task(stop(place, number)) for place, number in enumerate(stopping)]
        await asyncio.sleep(duration_s / 2)
        killed = tally.random.choice(_servers(site))
        killed.kill()
        killed.start()
        if killed is not site.worker:
            await killed.ready()
        await asyncio.gather(*stops)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and len(carrier.promotions_of("Sale")) < people - len(stopping):
            await asyncio.sleep(0.5)
        await asyncio.sleep(3)
        async with _stopped(site), on_database(site, url) as app:
            await app.read(_verdict, tally, people, campaign, phones.opted_out_at)


async def _approve(app: App, crowd: list[str], rate: int) -> int:
    def prepare(tx: Tx) -> tuple[Agent, int]:
        SMS.save(tx, settings_of(app))
        KEYWORDS.save(tx, KeywordSettings(brand="Kettle", gateway="off"))
        for address in (OURS, OTHER):
            numbers.add(tx, SenderInput(address, SenderKind.LONG_CODE, "US", rate=rate))
        owner = tx.one(select(users).where(users.c.role == Role.OWNER.value))
        agent = Agent(owner.id, owner.name, owner.email, Role.OWNER, 0)
        audience = lists.create(tx, "Crowd", agent.by).id
        lists.add_members(tx, audience, [_give_consent(tx, number) for number in crowd], agent.by)
        draft = Draft("Sale", Groups((audience,)), Groups(), Content(text="Sale"), Smart.CAMPAIGN, "approval")
        campaign = actions.create(tx, agent, "Sale")
        actions.save(tx, agent, campaign.id, draft, actions.version_of(tx, campaign))
        return agent, campaign.id

    agent, campaign_id = await app.write(prepare)
    campaign = await app.read(queries.by_id, campaign_id)
    found = await review.review(app, campaign, app.clock.now())
    await app.write(review.save, campaign, found)
    version = await app.read(actions.version_of, campaign)
    await app.write(actions.approve, agent, campaign_id, Approval(None), version)
    return campaign_id


def _verdict(conn: Conn, tally: Tally, people: int, campaign: int, opted_out_at: dict[str, float]) -> None:
    rows = conn.all(select(receipts).where(receipts.c.cause == f"campaign:{campaign}"))
    texts = {row.recipient: row for row in conn.all(select(outbound).where(outbound.c.kind == "campaign"))}
    states = Counter(f"{row.state} {row.reason}".strip() for row in rows)
    late: list[Any] = [
        (number, texts[number].dispatched_at.timestamp() - at)
        for number, at in opted_out_at.items()
        if number in texts and texts[number].dispatched_at and texts[number].dispatched_at.timestamp() > at
    ]
    tally.zero("campaign texts whose dispatch began after the opt-out was committed", len(late), late[:5])
    waiting = [row for row in rows if row.state in ("waiting", "queued")]
    tally.zero("people of the campaign who are not accounted for", len(waiting) + people - len(rows), states)
    blocked = states["skipped opted_out"]
    tally.floor("people whose opt-out came before their campaign text", blocked, len(opted_out_at) // 8)
    tally.floor("people who opted out during the campaign", len(opted_out_at), len(SPELLINGS))
    wrong = [row.address for row in rows if row.reason == "opted_out" and row.address not in opted_out_at]
    tally.zero("people skipped as opted out who did not opt out", len(wrong), wrong[:5])
