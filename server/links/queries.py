"""Reads of short links."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select

from server.kernel.sql import Conn, Statement
from server.schema.short_links import short_links


@dataclass(frozen=True, slots=True)
class Link:
    """A short link with its clicks by people (`clicks`) and by programs (`bot_clicks`)."""

    code: str
    target: str
    clicks: int
    bot_clicks: int
    first_click_at: datetime | None


_TARGET = Statement(select(short_links.c.id, short_links.c.target).where(short_links.c.code == bindparam("code")))
_OF_OUTBOUND = Statement(
    select(short_links).where(short_links.c.outbound_id == bindparam("outbound")).order_by(short_links.c.id)
)


def target(conn: Conn, code: str) -> tuple[int, str] | None:
    """Id and target of a code."""
    row = conn.first(_TARGET, code=code)
    return None if row is None else (row.id, row.target)


def of_outbound(conn: Conn, outbound: int) -> list[Link]:
    """The links of one message, in the order of its text."""
    rows = conn.all(_OF_OUTBOUND, outbound=outbound)
    return [Link(row.code, row.target, row.clicks, row.bot_clicks, row.first_click_at) for row in rows]
