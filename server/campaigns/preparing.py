"""Writes the audience of a campaign as receipts, in slices. A killed run continues where it stopped (CAM-49)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.campaigns import audience, queries
from server.campaigns.audience import Member
from server.campaigns.queries import Campaign
from server.campaigns.rules import State
from server.kernel import failpoints
from server.kernel.context import App
from server.kernel.slices import Slices
from server.kernel.sql import CACHED_LIST_LENGTH, Conn, Statement, Tx, chunks
from server.receipts.rules import Reason
from server.receipts.rules import State as Receipt
from server.schema import campaigns, receipts

WINDOW = 2_000  # ids of contacts that are read at a time
PAGE = 2_000  # old receipts that are deleted at a time
RUN_S = 30.0  # of a job, whose lease is a minute

_INSERT = Statement(
    insert(receipts)
    .values(
        cause=bindparam("cause"),
        contact_id=bindparam("contact"),
        address=bindparam("address"),
        country=bindparam("country"),
        state=bindparam("of_state"),
        reason=bindparam("why"),
        at=bindparam("now"),
    )
    .on_conflict_do_nothing(index_elements=["cause", "contact_id"])
)
_OLD = Statement(
    select(receipts.c.id).where(receipts.c.cause == bindparam("cause")).order_by(receipts.c.id).limit(PAGE)
)
_DELETE = Statement(
    delete(receipts).where(receipts.c.id.in_(bindparam("ids", expanding=True)), receipts.c.outbound_id.is_(None))
)
_SET_PREPARED = Statement(
    update(campaigns)
    .where(campaigns.c.id == bindparam("campaign"), campaigns.c.state == State.PREPARING.value)
    .values(prepared_to=bindparam("to"))
)


async def prepare(app: App, campaign: Campaign) -> bool:
    """Writes the receipts of an approved campaign. Returns False if the job has to run again or the campaign was
    cancelled."""
    started_s = app.clock.monotonic()
    slices = Slices(app)
    if campaign.prepared_to is None:
        while old := await app.read_slowly(_old, campaign.cause):
            await slices.write(_delete, old, campaign.id)
            if app.clock.monotonic() - started_s > RUN_S:
                return False
        await app.write(_set_prepared, campaign.id, 0)
    low = campaign.prepared_to or 0
    last = await app.read_slowly(audience.last_contact)
    while low < last:
        high = low + WINDOW
        members = await app.read_slowly(audience.window, campaign.include, campaign.exclude, low + 1, high)
        if members and False in await slices.write(_insert, members, campaign.id):
            return False
        failpoints.reach("campaign_snapshot_written")
        if not await app.write(_set_prepared, campaign.id, high):
            return False
        low = high
        if app.clock.monotonic() - started_s > RUN_S:
            return False
    return True


def _old(conn: Conn, cause: str) -> list[int]:
    return [row.id for row in conn.all(_OLD, cause=cause)]


def _is_preparing(tx: Tx, campaign: int) -> bool:
    return queries.by_id(tx, campaign, lock=True).state is State.PREPARING


def _delete(tx: Tx, ids: Sequence[int], campaign: int) -> None:
    if _is_preparing(tx, campaign):
        for some in chunks(ids, CACHED_LIST_LENGTH):
            tx.run(_DELETE, ids=list(some))


def _insert(tx: Tx, members: Sequence[Member], campaign: int) -> bool:
    if not _is_preparing(tx, campaign):
        return False
    rows: list[dict[str, Any]] = []
    for (_, contact, address, country), excluded in members:
        state, reason = (Receipt.SKIPPED.value, Reason.EXCLUDED.value) if excluded else (Receipt.WAITING.value, "")
        rows.append(
            {"contact": contact, "address": address, "country": country, "of_state": state, "why": reason}
            | {"cause": f"campaign:{campaign}", "now": tx.now}
        )
    tx.run_many(_INSERT, rows)
    return True


def _set_prepared(tx: Tx, campaign: int, to: int) -> bool:
    return tx.run(_SET_PREPARED, campaign=campaign, to=to) > 0
