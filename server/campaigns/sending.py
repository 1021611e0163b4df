"""Queues the texts of a campaign that is being sent, as fast as its numbers send them, and ends the rest.

Only a few seconds of texts are queued at a time, so that a pause or a cancel reaches all of them at once. Each receipt has
at most one text for ever: its key is the campaign and the contact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam, func, select

from server.campaigns import queries
from server.campaigns.queries import Campaign
from server.campaigns.rules import State
from server.campaigns.terms import terms
from server.delivery import actions as delivery
from server.delivery import bulk
from server.delivery.actions import Send
from server.delivery.rules import State as Outgoing
from server.kernel import failpoints
from server.kernel.context import App
from server.kernel.slices import Slices
from server.kernel.sql import CACHED_LIST_LENGTH, Conn, Statement, Tx, chunks
from server.links import actions as links
from server.receipts import settling
from server.receipts.deciding import Deciding, Go, No, Person
from server.receipts.rules import Reason
from server.receipts.rules import State as Receipt
from server.schema import receipts

AHEAD_S = 5  # of each number's rate that is queued
LEAST_AHEAD, MOST_AHEAD = 20, 5_000  # segments of each number
PAGE = 250  # people that are decided at a time
RUN_S = 20.0
DROP_PAGE = 5_000

_waiting = (receipts.c.cause == bindparam("cause"), receipts.c.state == Receipt.WAITING.value)
_FIRST_COUNTRY = Statement(select(func.min(receipts.c.country)).where(*_waiting), uses=("ix_receipts_waiting",))
_NEXT_COUNTRY = Statement(
    select(func.min(receipts.c.country)).where(*_waiting, receipts.c.country > bindparam("after")),
    uses=("ix_receipts_waiting",),
)
_PAGE = Statement(
    select(receipts.c.id, receipts.c.contact_id, receipts.c.address, receipts.c.country)
    .where(*_waiting, receipts.c.country == bindparam("of_country"))
    .order_by(receipts.c.id)
    .limit(bindparam("n")),
    uses=("ix_receipts_waiting",),
)
_TAKEN = Statement(
    select(receipts.c.address).where(
        receipts.c.cause == bindparam("cause"),
        receipts.c.address.in_(bindparam("addresses", expanding=True)),
        receipts.c.outbound_id.is_not(None),
    ),
    uses=("uq_receipts_address",),
)
_WAITING_IDS = Statement(
    select(receipts.c.id).where(*_waiting).order_by(receipts.c.country, receipts.c.id).limit(DROP_PAGE)
)
_QUEUED_IDS = Statement(
    select(receipts.c.outbound_id).where(
        receipts.c.cause == bindparam("cause"), receipts.c.state == Receipt.QUEUED.value
    ),
    uses=("ix_receipts_state",),
)


# --- queueing ---------------------------------------------------------------------------------------


class Decisions(NamedTuple):
    """`made`: nothing is written yet. `held`: texts that a pause held and no resume released."""

    made: list[Go | No]
    held: list[int]


def decide(conn: Conn, campaign: Campaign, base: str, new_code: Callable[[], str], now: datetime) -> Decisions:
    """Decides for the next people of each country, as far as the queue of their number has room."""
    deciding = Deciding(terms(conn, campaign, base, new_code))
    queued = queued_ids(conn, campaign.cause)
    backlog = bulk.backlog(conn, queued)
    room = {
        sender.address: max(LEAST_AHEAD, min(MOST_AHEAD, sender.rate * AHEAD_S))
        - backlog.segments.get(sender.address, 0)
        for sender in deciding.terms.senders
    }
    made: list[Go | No] = []
    country = conn.value(_FIRST_COUNTRY, cause=campaign.cause)
    while country is not None and len(made) < PAGE:
        sender = deciding.sender_of(country) if country else ("", "")
        free = PAGE if isinstance(sender, tuple) else min(PAGE, room[sender.address])
        if free > 0:
            for decision in _page(conn, campaign, deciding, country, free, now):
                if isinstance(decision, Go):
                    if room[decision.sender] <= 0:
                        continue
                    room[decision.sender] -= decision.segments
                made.append(decision)
        country = conn.value(_NEXT_COUNTRY, cause=campaign.cause, after=country)
    return Decisions(made, queued if backlog.held else [])


def _page(conn: Conn, campaign: Campaign, deciding: Deciding, country: str, limit: int, now: datetime) -> list[Go | No]:
    people = [Person(*row) for row in conn.all(_PAGE, cause=campaign.cause, of_country=country, n=limit)]
    taken: set[str] = set()
    for some in chunks([person.address for person in people], CACHED_LIST_LENGTH):
        taken |= {row.address for row in conn.all(_TAKEN, cause=campaign.cause, addresses=list(some))}
    return deciding.page(conn, people, now, taken)


async def queue_more(app: App, campaign: Campaign) -> bool:
    """Queues texts until the queue is full. Returns False if the campaign is not being sent any more."""
    started_s = app.clock.monotonic()
    slices = Slices(app)

    def code() -> str:
        return links.new_code(app.ids.token)

    while app.clock.monotonic() - started_s < RUN_S:
        found = await app.read_slowly(decide, campaign, app.settings.public_url, code, app.clock.now())
        if found.held and False in await slices.write(release, found.held, campaign.id):
            return False
        if not found.made:
            return True
        if False in await slices.write(store, found.made, campaign.id):
            return False
        failpoints.reach("campaign_slice_queued")
    return True


def store(tx: Tx, decisions: Sequence[Go | No], campaign_id: int) -> bool:
    """Stores decisions and queues the texts. Stores nothing and returns False unless the campaign is being sent; the lock
    on its row makes a pause or cancel wait for this transaction, and this one for theirs."""
    campaign = queries.by_id(tx, campaign_id, lock=True)
    if campaign.state is not State.SENDING:
        return False
    waiting = settling.lock_waiting(tx, [decision.person.receipt for decision in decisions])
    here = [decision for decision in decisions if decision.person.receipt in waiting]
    settling.skip_waiting(tx, [(no.person.receipt, no.reason, no.detail) for no in here if isinstance(no, No)])
    going = [go for go in here if isinstance(go, Go)]
    if not going:
        return True
    queued = delivery.queue_many(
        tx,
        [
            Send(
                key=f"{campaign.cause}:{go.person.contact}",
                kind="campaign",
                purpose="marketing",
                contact=go.person.contact,
                recipient=go.person.address,
                body=go.text.body,
                sender=go.sender,
                smart=campaign.smart.value,
                expires_at=campaign.ends_at,
            )
            for go in going
        ],
    )
    both = list(zip(going, queued, strict=True))
    links.insert_links(
        tx,
        [
            (code, target, go.person.contact, message.id)
            for go, message in both
            if not message.repeated
            for code, target in go.text.links
        ],
    )
    settling.set_queued(tx, {go.person.receipt: message.id for go, message in both})
    return True


def queued_ids(conn: Conn, cause: str) -> list[int]:
    """The texts of a campaign that have no outcome yet."""
    return [row.outbound_id for row in conn.all(_QUEUED_IDS, cause=cause)]


# --- pausing, resuming, dropping --------------------------------------------------------------------


def hold(tx: Tx, ids: Sequence[int], campaign: int) -> bool:
    if queries.by_id(tx, campaign, lock=True).state is not State.PAUSED:
        return False
    bulk.hold(tx, ids)
    return True


def release(tx: Tx, ids: Sequence[int], campaign: int) -> bool:
    if queries.by_id(tx, campaign, lock=True).state is not State.SENDING:
        return False
    bulk.release(tx, ids)
    return True


async def hold_queued(app: App, campaign: Campaign) -> None:
    """Keeps the queued texts of a paused campaign from leaving."""
    await Slices(app, 64).write(hold, await app.read(queued_ids, campaign.cause), campaign.id)


def _drop_queued(tx: Tx, ids: Sequence[int], reason: Reason) -> None:
    state = Outgoing.CANCELLED if reason is Reason.CANCELLED else Outgoing.SKIPPED
    settling.end_queued(tx, bulk.end(tx, ids, state, reason.value, ""), reason)


async def drop_queued(app: App, campaign: Campaign, reason: Reason = Reason.CANCELLED) -> None:
    """Ends the queued texts of a campaign."""
    await Slices(app, 64).write(_drop_queued, await app.read(queued_ids, campaign.cause), reason)


async def drop(app: App, campaign: Campaign, reason: Reason) -> bool:
    """Ends everybody to whom no text is being sent: those with a queued text first. Returns False if the job has to run
    again."""
    started_s = app.clock.monotonic()
    slices = Slices(app, 64)
    await drop_queued(app, campaign, reason)
    while waiting := await app.read_slowly(_waiting_ids, campaign.cause):
        await slices.write(settling.skip_all_waiting, waiting, reason)
        if app.clock.monotonic() - started_s > RUN_S:
            return False
    return True


def _waiting_ids(conn: Conn, cause: str) -> list[int]:
    return [row.id for row in conn.all(_WAITING_IDS, cause=cause)]
