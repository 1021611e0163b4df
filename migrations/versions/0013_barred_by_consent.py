"""Stores in `tickets.barred` only reasons from consent or from the customer's number.

Earlier the column could also be "no_sender" if none of our numbers could text the country, and the job `inbox.numbers`
updated every ticket after each change of our numbers. Now "no_sender" is computed when a ticket is shown. This
migration computes the reason of each ticket with "no_sender", and of every ticket that a waiting job would have
updated.
"""

import re

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SLICE = 1_000
JOB = "inbox.numbers"

# Copies from `server/consent/rules.py`, as they were when this migration was written.
PURPOSES = ("sms_marketing", "sms_transactional")
UNDONE_BY_START = {"keyword", "request", "gateway", "deactivation"}
UNREACHABLE = {"invalid", "landline", "dead"}
ANONYMOUS = {"+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253", "+865966"}
E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)


def _table(name: str, numbers: str, texts: str) -> sa.TableClause:
    columns = [sa.column(column, sa.BigInteger) for column in numbers.split()]
    return sa.table(name, *columns, *(sa.column(column, sa.Text) for column in texts.split()))


tickets = _table("tickets", "id thread_id contact_id", "channel barred")
threads = _table("threads", "id", "peer")
consents = _table("consents", "contact_id", "purpose status method")
suppressions = _table("suppressions", "", "channel address reason")
litigators = _table("litigators", "", "phone")
settings = _table("settings", "", "name value")
jobs = _table("jobs", "id", "kind")


def upgrade() -> None:
    bind = op.get_bind()
    waiting = bind.execute(sa.select(jobs.c.id).where(jobs.c.kind == JOB).limit(1)).first() is not None
    affected = tickets.c.barred == "no_sender"
    if waiting:
        affected = sa.or_(tickets.c.barred.is_(None), tickets.c.barred.in_(("no_sender", "not_subscribed")))
    after = 0
    while True:
        rows = bind.execute(
            sa.select(tickets.c.id, tickets.c.contact_id, tickets.c.barred, threads.c.peer)
            .select_from(tickets.join(threads, tickets.c.thread_id == threads.c.id))
            .where(tickets.c.channel == "sms", tickets.c.id > after, affected)
            .order_by(tickets.c.id)
            .limit(SLICE)
        ).all()
        _update_reasons(bind, rows)
        if len(rows) < SLICE:
            break
        after = rows[-1].id
    bind.execute(sa.delete(jobs).where(jobs.c.kind == JOB))


def _update_reasons(bind: sa.Connection, rows: list[sa.Row]) -> None:
    if not rows:
        return
    peers = [row.peer for row in rows if row.peer]
    suppressed = dict(
        bind.execute(
            sa.select(suppressions.c.address, suppressions.c.reason).where(
                suppressions.c.channel == "sms", suppressions.c.address.in_(peers)
            )
        ).all()
    )
    listed = set()
    if _litigators_are_blocked(bind):
        listed = set(bind.scalars(sa.select(litigators.c.phone).where(litigators.c.phone.in_(peers))))
    consented: dict[int, list[tuple[str, str]]] = {}
    for contact, status, method in bind.execute(
        sa.select(consents.c.contact_id, consents.c.status, consents.c.method).where(
            consents.c.contact_id.in_([row.contact_id for row in rows]), consents.c.purpose.in_(PURPOSES)
        )
    ):
        consented.setdefault(contact, []).append((status, method))
    changed = []
    for row in rows:
        peer = row.peer or ""
        reason = _reason(peer, suppressed.get(peer), peer in listed, consented.get(row.contact_id, []))
        if reason != row.barred:
            changed.append({"ticket": row.id, "reason": reason})
    if changed:
        update = sa.update(tickets).where(tickets.c.id == sa.bindparam("ticket"))
        bind.execute(update.values(barred=sa.bindparam("reason")), changed)


def _litigators_are_blocked(bind: sa.Connection) -> bool:
    value = bind.scalar(sa.select(settings.c.value).where(settings.c.name == "litigators"))
    return value is None or '"hold_litigators":false' not in value.replace(" ", "")


def _reason(peer: str, suppressed: str | None, litigator: bool, consented: list[tuple[str, str]]) -> str | None:
    if E164.fullmatch(peer) is None or peer in ANONYMOUS or suppressed in UNREACHABLE:
        return "unreachable"
    if litigator:
        return "litigator"
    if suppressed is not None:
        return "deactivated" if suppressed == "deactivated" else "opted_out"
    if any(status == "subscribed" for status, _ in consented):
        return None
    refused = [method for status, method in consented if status == "unsubscribed"]
    if any(method in UNDONE_BY_START for method in refused):
        return "opted_out"
    return "taken_off" if refused else "not_subscribed"
