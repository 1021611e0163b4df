"""Reviews a draft: who would get it, who would not and why, what it costs, and whether it finishes in time.

The review asks the same functions as the send, page after page, and writes only its result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, update

from server.campaigns import audience, queries, zones
from server.campaigns.content import missing_compliance
from server.campaigns.queries import Campaign
from server.campaigns.terms import brand, terms
from server.delivery import bulk
from server.delivery import queries as delivery
from server.delivery.bulk_settings import CAMPAIGNS
from server.delivery.rules import Sender, month_start
from server.delivery.settings import SMS
from server.errors import NotFound
from server.kernel import jobs
from server.kernel.clock import rfc3339
from server.kernel.context import App
from server.kernel.jobs import Handler, Job
from server.kernel.sql import Conn, Statement, Tx
from server.links import rules as links
from server.receipts.deciding import Deciding, Go
from server.receipts.rules import Reason
from server.schema import campaigns

JOB = "campaigns.review"
WINDOW = 1_000  # ids of contacts that are read at a time
RUN_S = 40.0

_SAVE = Statement(
    update(campaigns)
    .where(campaigns.c.id == bindparam("campaign"), campaigns.c.edits == bindparam("of"))
    .values(review=bindparam("result", type_=campaigns.c.review.type), review_of=bindparam("of"))
)


def begin(tx: Tx, campaign_id: int, at: datetime | None) -> Campaign:
    """Starts the review of the present draft for a start at `at`; None: now."""
    campaign = queries.by_id(tx, campaign_id)
    tx.run(_SAVE, campaign=campaign.id, of=campaign.edits, result={"done": False, "at": rfc3339(at or tx.now)})
    payload = {"campaign": campaign.id, "edits": campaign.edits, "at": None if at is None else at.isoformat()}
    jobs.enqueue(tx, JOB, payload, run_at=tx.now, key=f"{JOB}:{campaign.id}", priority=10)
    return queries.by_id(tx, campaign.id)


async def run(app: App, job: Job) -> None:
    try:
        campaign = await app.read(queries.by_id, job.payload["campaign"])
    except NotFound:
        return
    if campaign.edits != job.payload["edits"]:
        return  # a newer draft has a review of its own
    at = job.payload["at"]
    found = await review(app, campaign, app.clock.now() if at is None else datetime.fromisoformat(at))
    await app.write(save, campaign, found)


def save(tx: Tx, campaign: Campaign, found: Mapping[str, Any]) -> None:
    """Stores the result, unless the draft was edited meanwhile."""
    tx.run(_SAVE, campaign=campaign.id, of=campaign.edits, result=dict(found))
    tx.publish("campaigns", str(campaign.id))


@dataclass
class Sums:
    """What the pages add up to."""

    reasons: Counter[str] = field(default_factory=Counter)
    recipients: Counter[str] = field(default_factory=Counter)  # by country
    segments: Counter[str] = field(default_factory=Counter)
    credits: Counter[str] = field(default_factory=Counter)
    sender_people: Counter[str] = field(default_factory=Counter)
    sender_segments: Counter[str] = field(default_factory=Counter)
    zones: Counter[tuple[str, ...]] = field(default_factory=Counter)
    most_segments: int = 0
    links: int = 0


async def review(app: App, campaign: Campaign, at: datetime) -> dict[str, Any]:
    """The result for a start at `at`."""
    base = app.settings.public_url
    deciding: Deciding = await app.read(_deciding, campaign, base, app.clock.now())
    sums, seen, taken = Sums(), set[int](), set[str]()
    last = await app.read_slowly(audience.last_contact)
    for low in range(0, last, WINDOW):
        await app.read_slowly(_add, campaign, deciding, sums, seen, taken, low + 1, low + WINDOW, at)
    result: dict[str, Any] = await app.read(_result, campaign, deciding, sums, at, app.clock.now())
    return result


def _deciding(conn: Conn, campaign: Campaign, base: str, now: datetime) -> Deciding:
    return Deciding(terms(conn, campaign, base), bulk.credits_left(conn, SMS.load(conn), now))


def _add(
    conn: Conn,
    campaign: Campaign,
    deciding: Deciding,
    sums: Sums,
    seen: set[int],
    taken: set[str],
    low: int,
    high: int,
    at: datetime,
) -> None:
    members = [
        member
        for member in audience.window(conn, campaign.include, campaign.exclude, low, high)
        if member.person.contact not in seen
    ]
    seen.update(member.person.contact for member in members)
    people = [member.person for member in members if not member.excluded]
    sums.reasons[Reason.EXCLUDED] += len(members) - len(people)
    for decision in deciding.page(conn, people, at, taken) if people else ():
        if not isinstance(decision, Go):
            sums.reasons[decision.reason] += 1
            continue
        country = decision.person.country
        sums.recipients[country] += 1
        sums.segments[country] += decision.segments
        sums.credits[country] += decision.cost
        sums.sender_people[decision.sender] += 1
        sums.sender_segments[decision.sender] += decision.segments
        sums.zones[zones.zones_of(zones.area(decision.person.address))] += 1
        sums.most_segments = max(sums.most_segments, decision.segments)
        sums.links = max(sums.links, len(decision.text.links))


def _result(
    conn: Conn, campaign: Campaign, deciding: Deciding, sums: Sums, at: datetime, now: datetime
) -> dict[str, Any]:
    limit = timedelta(hours=CAMPAIGNS.load(conn).time_limit_hours)
    per_sender = [
        _finish(sender, sums, at, limit) for sender in delivery.all_senders(conn) if sums.sender_people[sender.address]
    ]
    ends_at = max((each["ends_at"] for each in per_sender), default=at)
    document = SMS.load(conn)
    reasons = {str(reason): n for reason, n in sorted(sums.reasons.items()) if n}
    recipients = sums.recipients.total()
    chosen = recipients + sum(reasons.values())
    quiet, certain = zones.quiet_people(sums.zones, at)
    quiet_end, certain_end = zones.quiet_people(sums.zones, ends_at)
    used = sum(each.credits for each in delivery.credits_used(conn, month_start(now)))
    return {
        "done": True,
        "at": rfc3339(at),
        "chosen": chosen,
        "recipients": recipients,
        "reasons": reasons,
        "funnel": _funnel(chosen, reasons),
        "countries": {
            country: {
                "recipients": sums.recipients[country],
                "segments": sums.segments[country],
                "credits": sums.credits[country],
            }
            for country in sorted(sums.recipients)
        },
        "credits": {"needed": sums.credits.total(), "used": used, "plan": document.monthly_credits},
        "most_segments": sums.most_segments,
        "tracking": _tracking(campaign, sums.links),
        "quiet_hours": {
            "at_start": {"people": quiet, "certain": certain},
            "at_end": {"people": quiet_end, "certain": certain_end},
        },
        "compliance": missing_compliance(campaign.content, sums.recipients, brand(conn)),
        "senders": [{**each, "ends_at": rfc3339(each["ends_at"])} for each in per_sender],
        "ends_at": rfc3339(ends_at),
        "limit_hours": int(limit.total_seconds() // 3600),
        "left_out": sum(each["left_out"] for each in per_sender),
    }


def _finish(sender: Sender, sums: Sums, at: datetime, limit: timedelta) -> dict[str, Any]:
    """When this number has sent its texts, and how many people it does not reach within the limit (CAM-48)."""
    people, count = sums.sender_people[sender.address], sums.sender_segments[sender.address]
    seconds = count / sender.rate
    reached = people if seconds <= limit.total_seconds() else int(people * limit.total_seconds() / seconds)
    return {
        "sender": sender.address,
        "recipients": people,
        "segments": count,
        "rate": sender.rate,
        "ends_at": at + timedelta(seconds=seconds),
        "left_out": people - reached,
        "stopped": sender.stopped,
    }


# The steps of the funnel, each with the reasons that it takes away.
STEPS: Sequence[tuple[str, frozenset[str]]] = (
    ("not_excluded", frozenset({Reason.EXCLUDED})),
    (
        "textable",
        frozenset(Reason)
        - {
            Reason.EXCLUDED,
            Reason.SMART_SENDING,
            Reason.QUIET_HOURS,
            Reason.DUPLICATE_ADDRESS,
            Reason.MISSING_VALUE,
            Reason.TOO_LONG,
            Reason.NO_FUNDS,
        },
    ),
    ("allowed_now", frozenset({Reason.QUIET_HOURS})),
    ("after_smart_sending", frozenset({Reason.SMART_SENDING})),
    ("one_per_number", frozenset({Reason.DUPLICATE_ADDRESS})),
    ("composed", frozenset({Reason.MISSING_VALUE, Reason.TOO_LONG})),
    ("paid_for", frozenset({Reason.NO_FUNDS})),
)


def _funnel(chosen: int, reasons: Mapping[str, int]) -> list[dict[str, Any]]:
    """How many people each step leaves, from everybody who is chosen to everybody who gets the text."""
    left, steps = chosen, [{"step": "chosen", "people": chosen, "reasons": {}}]
    for step, causes in STEPS:
        here = {reason: n for reason, n in reasons.items() if reason in causes}
        left -= sum(here.values())
        steps.append({"step": step, "people": left, "reasons": here})
    return steps


def _tracking(campaign: Campaign, shortened: int) -> str:
    """Whether clicks can be counted (CAM-40): "on", "no_link" or "off"."""
    if not campaign.content.shorten_links:
        return "off" if links.find_urls(campaign.content.text) else "no_link"
    return "on" if shortened else "no_link"


HANDLERS: dict[str, Handler] = {JOB: run}
