"""Adds episodes of tickets: one for each time a ticket is open. The episodes of existing tickets are read from the
timeline."""

import json

import sqlalchemy as sa
from alembic import op

from server.kernel.columns import Instant, Key

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SLICE = 500


def upgrade() -> None:
    op.create_table(
        "episodes",
        sa.Column("id", Key, primary_key=True),
        sa.Column("ticket_id", sa.BigInteger, sa.ForeignKey("tickets.id"), nullable=False),
        sa.Column("opened_at", Instant, nullable=False),
        sa.Column("opened_by", sa.Text, nullable=False),
        sa.Column("opened_by_id", sa.BigInteger),
        sa.Column("first_reply_at", Instant),
        sa.Column("first_reply_by", sa.BigInteger, sa.ForeignKey("users.id")),
        sa.Column("closed_at", Instant),
        sa.Column("closed_by", sa.Text),
        sa.Column("closed_by_id", sa.BigInteger),
        sa.Column("assignee_id", sa.BigInteger, sa.ForeignKey("users.id")),
    )
    op.create_index("ix_episodes_ticket", "episodes", ["ticket_id", "id"])
    op.create_index(
        "uq_episodes_open",
        "episodes",
        ["ticket_id"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
        sqlite_where=sa.text("closed_at IS NULL"),
    )
    fill(op.get_bind())


def _table(name: str, columns: str) -> sa.TableClause:
    texts = {"channel", "status", "kind", "author_type", "data", "opened_by", "closed_by"}
    return sa.table(
        name, *(sa.column(column, sa.Text if column in texts else sa.BigInteger) for column in columns.split())
    )


tickets = _table("tickets", "id thread_id channel status opened_at closed_at assignee_id")
timeline = _table("timeline", "thread_id seq kind author_type author_id data at")
episodes = _table(
    "episodes",
    "ticket_id opened_at opened_by opened_by_id first_reply_at first_reply_by closed_at closed_by closed_by_id assignee_id",
)


def fill(bind: sa.Connection) -> None:
    after = 0
    while True:
        slice_of_tickets = bind.execute(
            sa.select(tickets).where(tickets.c.id > after).order_by(tickets.c.id).limit(SLICE)
        ).all()
        entries: dict[int, list[sa.Row]] = {}
        for row in bind.execute(
            sa.select(timeline)
            .where(
                timeline.c.thread_id.in_([ticket.thread_id for ticket in slice_of_tickets]),
                sa.or_(
                    timeline.c.kind.in_(("status", "assigned")),
                    sa.and_(timeline.c.kind == "message", timeline.c.author_type == "agent"),
                ),
            )
            .order_by(timeline.c.thread_id, timeline.c.seq)
        ):
            entries.setdefault(row.thread_id, []).append(row)
        rows = [row for ticket in slice_of_tickets for row in episodes_of(ticket, entries.get(ticket.thread_id, []))]
        if rows:
            bind.execute(sa.insert(episodes), rows)
        if len(slice_of_tickets) < SLICE:
            return
        after = slice_of_tickets[-1].id


def episodes_of(ticket: sa.Row, entries: list[sa.Row]) -> list[dict[str, object]]:
    """The ticket's episodes, oldest first. All are closed, except the last episode of a ticket that is not closed."""
    assignee: int | None = None
    episodes = [
        _new_episode(ticket.id, ticket.opened_at, "visitor" if ticket.channel == "webchat" else "contact", None)
    ]
    for entry in entries:
        current = episodes[-1]
        data = json.loads(entry.data)
        if entry.kind == "assigned":
            assignee = data.get("user")
        elif entry.kind == "message":
            assignee = assignee or entry.author_id  # the first reply assigns the ticket (INB-58)
            if current["closed_at"] is None and current["first_reply_at"] is None:
                current["first_reply_at"], current["first_reply_by"] = entry.at, entry.author_id
        elif data.get("to") == "closed" and current["closed_at"] is None:
            current.update(
                closed_at=entry.at, closed_by=entry.author_type, closed_by_id=entry.author_id, assignee_id=assignee
            )
        elif data.get("to") == "open" and current["closed_at"] is not None:
            episodes.append(_new_episode(ticket.id, entry.at, entry.author_type, entry.author_id))
    last = episodes[-1]
    if ticket.status == "closed" and last["closed_at"] is None:
        last.update(closed_at=ticket.closed_at or last["opened_at"], closed_by="system", assignee_id=ticket.assignee_id)
    elif ticket.status != "closed" and last["closed_at"] is not None:
        episodes.append(_new_episode(ticket.id, last["closed_at"], "system", None))
    return episodes


def _new_episode(ticket: int, opened_at: object, by: str, user: int | None) -> dict[str, object]:
    empty = dict.fromkeys(("first_reply_at", "first_reply_by", "closed_at", "closed_by", "closed_by_id", "assignee_id"))
    return {"ticket_id": ticket, "opened_at": opened_at, "opened_by": by, "opened_by_id": user, **empty}
