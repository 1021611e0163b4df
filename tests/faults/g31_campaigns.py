"""G31: nobody gets a campaign's text twice, whatever process dies and whatever the carrier answers, and
everybody in the audience is accounted for. No text begins to leave two seconds after a pause or a cancel."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from sqlalchemy import select

from server import migrate
from server.accounts.rules import Agent, Role
from server.audiences import lists
from server.campaigns import actions, queries, review
from server.campaigns.actions import Approval, Draft
from server.campaigns.audience import Groups
from server.campaigns.content import Content
from server.campaigns.rules import State
from server.consent.actions import record
from server.consent.ledger import ConsentChange
from server.consent.rules import Method, Purpose, Status
from server.delivery import senders
from server.delivery.bulk_rules import Smart
from server.delivery.bulk_settings import CAMPAIGNS, CampaignSettings
from server.delivery.rules import SenderKind
from server.delivery.senders import SenderInput
from server.delivery.settings import SMS
from server.errors import Conflict
from server.kernel.context import App
from server.kernel.sql import Tx
from server.schema import outbound, receipts, users
from server.settings import Settings
from tests.faults.carrier import WITH_FAULTS, Running, carrier
from tests.faults.g11_once_out import FAILPOINTS, SECRET, _kill_one, _kill_processes, _settled, _with_app
from tests.faults.sender import Nursery, nursery
from tests.faults.tally import Tally
from tests.people import add_contact
from tests.services import create_database, free_port
from tests.sms import TOKEN, TOLL_FREE, settings_of

# The last one is tried first: the snapshot is written once, at the beginning.
PLACES = (*FAILPOINTS, "campaign_slice_queued", "campaign_snapshot_written")
AFTER_PAUSE_S = 2.0
ACCOUNTED = {"sent", "delivered", "failed", "skipped", "unknown"}


def exact(tally: Tally, name: str, value: int, expected: int) -> None:
    tally.note(name, value)
    if value != expected:
        tally.wrong.append(f"{name} = {value}, must be {expected}")


async def run(tally: Tally) -> None:
    people, kills = (2_000, 300) if tally.full else (300, 12)
    rate = 4 if tally.full else 8
    url = create_database() if tally.database == "postgres" else None
    with tempfile.TemporaryDirectory(prefix="g11c-") as name:
        folder = Path(name)
        ports = [free_port(), free_port()][: 2 if url else 1]
        settings = Settings(
            _env_file=None, data_dir=folder, database_url=url, secret_key=SECRET, public_url=f"http://127.0.0.1:{ports[0]}"
        )  # fmt: skip
        await asyncio.to_thread(migrate.run, settings)
        agent, campaign = await _with_app(settings, _fill, people, rate, tally)
        numbers = people - people // 20
        orders = {
            "token": TOKEN,
            "seed": tally.seed,
            "mix": WITH_FAULTS,
            "delay_s": 0.02,
            "reports": True,
            "silent": 0.3,
        }
        with (
            carrier(**orders) as provider,
            nursery(
                folder=name, url=url, secret=SECRET, public_url=settings.public_url, twilio_url=provider.url,
                full=tally.full, log=str(folder / "failpoints"),
            ) as nursery_process,
        ):  # fmt: skip
            pids = await _kill_processes(tally, nursery_process, ports, kills, PLACES)
            for pid in pids.values():
                await _kill_one(pid)
            await _pause_and_resume(tally, settings, provider, nursery_process, ports, agent, campaign)
            pids = {port: nursery_process.start(port) for port in ports}
            began = time.monotonic()
            await _settled(ports[0], provider, numbers, 700 if tally.full else 90)
            await asyncio.sleep(2)  # the campaign's job finishes it
            tally.note("seconds until the campaign was settled", time.monotonic() - began)
            for pid in pids.values():
                await _kill_one(pid)
            reached = Counter((await asyncio.to_thread((folder / "failpoints").read_text)).split())
            await _with_app(settings, _verdict, tally, provider.journal(), people, numbers, campaign, reached)
            await _cancel(tally, settings, provider, nursery_process, ports, agent, campaign)


async def _fill(app: App, people: int, rate: int, tally: Tally) -> tuple[Agent, int]:
    """An audience of which one in twenty shares a number with somebody, and a campaign that is approved by twenty
    clicks at once."""

    def add_people(tx: Tx) -> tuple[Agent, int, str]:
        SMS.save(tx, settings_of(app))
        CAMPAIGNS.save(tx, CampaignSettings(pause_at_failed_percent=100))
        senders.add(tx, SenderInput(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=rate))
        row = {"email": "o@a.example", "name": "O", "role": Role.OWNER.value, "created_at": tx.now}
        user = int(tx.value(users.insert().values(**row).returning(users.c.id)))
        agent = Agent(user, "O", "o@a.example", Role.OWNER, 0)
        audience = lists.create(tx, "Everybody", agent.by).id
        numbers = [f"+1202555{n:04d}" for n in range(people - people // 20)]
        members = []
        for n in range(people):
            number = numbers[n % len(numbers)]
            contact = add_contact(tx, phone=number, name=f"P{n:05d}")
            record(
                tx,
                ConsentChange(contact, Purpose.SMS_MARKETING, Status.SUBSCRIBED, Method.AGENT, "test", address=number),
            )
            members.append(contact)
        lists.add_members(tx, audience, members, agent.by)
        campaign = actions.create(tx, agent, "Sale")
        content = Content(text="Offer for {{ name }}!")
        draft = Draft("Sale", Groups((audience,)), Groups(), content, Smart.CAMPAIGN, "approval")
        saved = actions.save(tx, agent, campaign.id, draft, actions.version_of(tx, campaign))
        return agent, campaign.id, actions.version_of(tx, saved)

    agent, campaign, version = await app.write(add_people)
    found = await review.review(app, await app.read(queries.by_id, campaign), app.clock.now())
    await app.write(review.save, await app.read(queries.by_id, campaign), found)
    exact(tally, "people that the review promises", found["recipients"], people - people // 20)

    async def click() -> bool:
        try:
            await app.write(actions.approve, agent, campaign, Approval(None), version)
        except Conflict:
            return False
        return True

    clicks = await asyncio.gather(*(click() for _ in range(20)))
    exact(tally, "clicks that started the campaign, of twenty at once", sum(clicks), 1)
    return agent, campaign


async def _pause_and_resume(
    tally: Tally,
    settings: Settings,
    provider: Running,
    nursery_process: Nursery,
    ports: list[int],
    agent: Agent,
    campaign: int,
) -> None:
    """Pauses the campaign while processes send it, from another one; then no request to the carrier may begin."""

    async def change(app: App, act: Any) -> State:
        return (await act(app, agent, campaign)).state

    before = await _with_app(settings, _state, campaign)
    if before is not State.SENDING:
        tally.note("the campaign ended before the pause", before.value)
        return
    await _with_app(settings, change, actions.pause)
    pids = {port: nursery_process.start(port) for port in ports}
    await asyncio.sleep(AFTER_PAUSE_S + 1)
    quiet_from = sum(provider.journal()["answers"].values())
    await asyncio.sleep(2)
    late = sum(provider.journal()["answers"].values()) - quiet_from
    tally.zero("requests to the carrier more than 2 s after the pause", late)
    for pid in pids.values():
        await _kill_one(pid)
    await _with_app(settings, change, actions.resume)
    tally.note("pauses and resumes", 1)


async def _state(app: App, campaign: int) -> State:
    return (await app.read(queries.by_id, campaign)).state


async def _cancel(
    tally: Tally,
    settings: Settings,
    provider: Running,
    nursery_process: Nursery,
    ports: list[int],
    agent: Agent,
    campaign: int,
) -> None:
    """Cancels a clone while processes send it."""

    async def begin(app: App) -> int:
        copy = await app.write(actions.clone, agent, campaign)
        version = await app.read(actions.version_of, copy)
        draft = Draft(copy.name, copy.include, copy.exclude, copy.content, Smart.OFF, "approval")
        copy = await app.write(actions.save, agent, copy.id, draft, version)
        found = await review.review(app, copy, app.clock.now())
        await app.write(review.save, copy, found)
        version = await app.read(actions.version_of, copy)
        await app.write(actions.approve, agent, copy.id, Approval(None), version)
        return copy.id

    async def cancel(app: App, clone: int) -> State:
        return (await actions.cancel(app, agent, clone)).state

    clone = await _with_app(settings, begin)
    pids = {port: nursery_process.start(port) for port in ports}
    await asyncio.sleep(6)
    for pid in pids.values():
        await _kill_one(pid)
    await _with_app(settings, cancel, clone)
    pids = {port: nursery_process.start(port) for port in ports}
    await asyncio.sleep(AFTER_PAUSE_S + 1)
    quiet_from = sum(provider.journal()["answers"].values())
    await asyncio.sleep(3)
    tally.zero(
        "requests to the carrier more than 2 s after the cancel",
        sum(provider.journal()["answers"].values()) - quiet_from,
    )
    for pid in pids.values():
        await _kill_one(pid)

    async def verdict(app: App) -> None:
        rows = await app.read(lambda conn: conn.all(select(receipts).where(receipts.c.cause == f"campaign:{clone}")))
        states = Counter(f"{row.state} {row.reason}".strip() for row in rows)
        # A text that was being sent when its process died becomes unknown after a while; nothing else is open.
        open_rows = [row for row in rows if row.state in ("waiting", "queued")]
        stuck = [row for row in open_rows if row.state == "waiting"]
        tally.zero("people waiting after the cancel", len(stuck), states)
        tally.floor("people dropped by the cancel", states["skipped cancelled"], 1)

    await _with_app(settings, verdict)


async def _verdict(
    app: App, tally: Tally, journal: dict[str, Any], people: int, numbers: int, campaign: int, reached: Counter[str]
) -> None:
    cause = f"campaign:{campaign}"
    rows = await app.read(lambda conn: conn.all(select(receipts).where(receipts.c.cause == cause)))
    texts = await app.read(lambda conn: conn.all(select(outbound).where(outbound.c.kind == "campaign")))
    state = await _state(app, campaign)
    accepted = Counter(message["to"] for message in journal["messages"])
    tally.floor("people in the audience", len(rows), people)
    for place in PLACES:
        tally.floor(f"campaign: kills at `{place}`", reached[place], 1)
    twice = {number: count for number, count in accepted.items() if count > 1}
    tally.zero("people who got the campaign twice", len(twice), twice)
    tally.zero("missing or surplus receipts", abs(len(rows) - people))
    tally.zero("missing or surplus texts", abs(len(texts) - numbers))
    states = Counter(row.state for row in rows)
    tally.zero("people not accounted for", people - sum(states[one] for one in ACCOUNTED), states)
    arrived = [row for row in rows if row.state in ("sent", "delivered")]
    tally.zero(
        "receipts that say sent although the carrier never accepted it",
        sum(row.address not in accepted for row in arrived),
    )
    unsettled = [row for row in rows if row.outbound_id is not None and row.address in accepted and row not in arrived]
    tally.zero("texts the carrier accepted whose receipt says otherwise", len(unsettled), unsettled[:3])
    reasons = Counter(row.reason for row in rows if row.state == "skipped")
    exact(tally, "people skipped because of a shared number", reasons["duplicate_address"], people - numbers)
    tally.zero("people skipped for another reason", states["skipped"] - reasons["duplicate_address"], reasons)
    tally.note("people whose text is unclear", states["unknown"])
    exact(tally, "campaigns that ended as sent", int(state is State.SENT), 1)
