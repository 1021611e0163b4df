"""Stores numbers of Mexico, Argentina and Brazil in one spelling per phone line.

A line could be stored in two spellings (+52 1 55… and +52 55…), and a STOP in one had no effect on the other. Contacts
are not merged: two contacts that now have the same number both keep it. The consent ledger and the carrier's data
(`carrier_inbound`, `carrier_reports`) stay unchanged. When a server starts, the job `inbox.numbers` updates the
tickets.
"""

import re
from datetime import UTC, datetime

import phonenumbers
import sqlalchemy as sa
from alembic import op

from server.kernel.columns import Instant, Json

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# A copy of the rules of `server/contacts/lines.py` at the time of this migration.
SPELLINGS = (
    (re.compile(r"\+52(?:1|044|045)([2-9]\d{9})", re.ASCII), r"+52\1", "MX"),
    (re.compile(r"\+54((?:11|[23]\d)\d{8})", re.ASCII), r"+549\1", "AR"),
    (re.compile(r"\+55([1-9]{2})([689]\d{7})", re.ASCII), r"+55\g<1>9\2", "BR"),
)
SLICE = 1_000
# If a line has two suppressions, the stricter reason stays; if both are equally strict, the older one.
STRICTEST_FIRST = ("stop", "gateway", "agent", "deactivated")


def upgrade() -> None:
    bind = op.get_bind()
    changed = _contacts(bind)
    for table, column in (("threads", "peer"), ("outbound", "recipient")):
        changed |= _rewrite(bind, table, column)
    changed |= _suppressions(bind)
    changed |= _litigators(bind)
    if changed:
        _schedule_ticket_update(bind)


def _canonical(number: str) -> tuple[str, str] | None:
    """The canonical spelling of this number and its country; None if the number is canonical already, or would become
    invalid."""
    for pattern, template, country in SPELLINGS:
        match = pattern.fullmatch(number)
        if match is not None:
            line = match.expand(template)
            return (line, country) if phonenumbers.is_valid_number(phonenumbers.parse(line)) else None
    return None


def _affected(column: sa.ColumnClause) -> sa.ColumnElement:
    return sa.or_(*(column.like(f"{code}%") for code in ("+521", "+520", "+54", "+55")))


def _rewrite(bind: sa.Connection, name: str, column: str) -> bool:
    table = sa.table(name, sa.column("id", sa.BigInteger), sa.column(column, sa.Text))
    changed, after = False, 0
    while True:
        rows = bind.execute(
            sa.select(table.c.id, table.c[column])
            .where(table.c.id > after, _affected(table.c[column]))
            .order_by(table.c.id)
            .limit(SLICE)
        ).all()
        changes = [{"row": row[0], "line": line[0]} for row in rows if (line := _canonical(row[1])) is not None]
        if changes:
            changed = True
            bind.execute(
                sa.update(table).where(table.c.id == sa.bindparam("row")).values({column: sa.bindparam("line")}),
                changes,
            )
        if len(rows) < SLICE:
            return changed
        after = rows[-1][0]


def _contacts(bind: sa.Connection) -> bool:
    """Rewrites phone numbers, also those stored as a sender's name because the library did not know them."""
    changed = _rewrite(bind, "contacts", "phone")
    names = ("id", "phone", "peer", "country")
    table = sa.table("contacts", *(sa.column(name, sa.BigInteger if name == "id" else sa.Text) for name in names))
    rows = bind.execute(sa.select(table).where(table.c.phone.is_(None), _affected(table.c.peer))).all()
    for row in rows:
        line = _canonical(row.peer)
        if line is not None:
            changed = True
            values = {"phone": line[0], "peer": None, "country": row.country or line[1]}
            bind.execute(sa.update(table).where(table.c.id == row.id).values(values))
    return changed


def _suppressions(bind: sa.Connection) -> bool:
    columns = [sa.column(name, sa.Text) for name in ("channel", "address", "reason", "detail")]
    table = sa.table("suppressions", *columns, sa.column("at", Instant))
    changed = False
    rows = bind.execute(sa.select(table).where(table.c.channel == "sms", _affected(table.c.address))).all()
    for row in rows:
        line = _canonical(row.address)
        if line is None:
            continue
        changed = True
        same = (table.c.channel == "sms", table.c.address == line[0])
        existing = bind.execute(sa.select(table).where(*same)).first()
        if existing is None:
            bind.execute(
                sa.update(table).where(table.c.channel == "sms", table.c.address == row.address).values(address=line[0])
            )
            continue
        if (_strictness(row.reason), row.at) < (_strictness(existing.reason), existing.at):
            bind.execute(sa.update(table).where(*same).values(reason=row.reason, detail=row.detail, at=row.at))
        bind.execute(sa.delete(table).where(table.c.channel == "sms", table.c.address == row.address))
    return changed


def _strictness(reason: str) -> int:
    return STRICTEST_FIRST.index(reason) if reason in STRICTEST_FIRST else len(STRICTEST_FIRST)


def _litigators(bind: sa.Connection) -> bool:
    table = sa.table("litigators", sa.column("phone", sa.Text))
    changed = False
    for (phone,) in bind.execute(sa.select(table.c.phone).where(_affected(table.c.phone))).all():
        line = _canonical(phone)
        if line is None:
            continue
        changed = True
        if bind.execute(sa.select(table.c.phone).where(table.c.phone == line[0])).first() is None:
            bind.execute(sa.update(table).where(table.c.phone == phone).values(phone=line[0]))
        else:
            bind.execute(sa.delete(table).where(table.c.phone == phone))
    return changed


def _schedule_ticket_update(bind: sa.Connection) -> None:
    """Schedules the update of `barred` in all tickets, as after a change of our own numbers."""
    kind = "inbox.numbers"
    jobs = sa.table(
        "jobs",
        *(sa.column(name, sa.Text) for name in ("kind", "key")),
        sa.column("payload", Json),
        sa.column("priority", sa.Integer),
        *(sa.column(name, Instant) for name in ("run_at", "created_at")),
    )
    now = datetime.now(UTC)
    if bind.execute(sa.select(jobs.c.key).where(jobs.c.key == kind)).first() is None:
        job = {"kind": kind, "key": kind, "payload": {"after": 0}, "priority": 30, "run_at": now, "created_at": now}
        bind.execute(sa.insert(jobs).values(job))
