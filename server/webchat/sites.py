"""Records the sites that load the widget."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.kernel.sql import Conn, Statement, Tx
from server.schema import sites_seen


@dataclass(frozen=True, slots=True)
class Site:
    origin: str
    page: str
    first_seen: datetime
    last_seen: datetime


def sites(conn: Conn) -> list[Site]:
    rows = conn.all(
        select(sites_seen.c.origin, sites_seen.c.page, sites_seen.c.first_seen, sites_seen.c.last_seen)
        .order_by(sites_seen.c.last_seen.desc())
        .limit(20)
    )
    return [Site(*row) for row in rows]


_put_site = insert(sites_seen).values(
    origin=bindparam("origin"), page=bindparam("page"), first_seen=bindparam("now"), last_seen=bindparam("now")
)


_RECORD_SITE = Statement(
    _put_site.on_conflict_do_update(
        index_elements=["origin"], set_={"page": _put_site.excluded.page, "last_seen": _put_site.excluded.last_seen}
    )
)


def record_site(tx: Tx, origin: str, page: str) -> None:
    """Records that the widget was loaded on a configured site, for Settings → Chat widget."""
    tx.run(_RECORD_SITE, origin=origin, page=page, now=tx.now)
