"""Counts clicks on short links: each visit once, people and programs apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, case, func, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.kernel.sql import Statement, Tx
from server.links.rules import ContactClick, LinksClicked
from server.schema.short_links import link_clicks, short_links


@dataclass(frozen=True, slots=True)
class Click:
    """One visit. `token`: its idempotency key."""

    link: int
    token: str
    at: datetime
    bot: bool
    user_agent: str
    referrer: str


_INSERT_CLICK = Statement(
    insert(link_clicks)
    .values(
        link_id=bindparam("link"),
        token=bindparam("token"),
        at=bindparam("at"),
        bot=bindparam("bot"),
        user_agent=bindparam("user_agent"),
        referrer=bindparam("referrer"),
    )
    .on_conflict_do_nothing(index_elements=["token"])
)
_at: Any = bindparam("at", type_=short_links.c.first_click_at.type)
_ADD_CLICKS = Statement(
    update(short_links)
    .where(short_links.c.id == bindparam("link"))
    .values(
        clicks=short_links.c.clicks + bindparam("people"),
        bot_clicks=short_links.c.bot_clicks + bindparam("bots"),
        first_click_at=case(
            (bindparam("people") == 0, short_links.c.first_click_at),
            else_=func.coalesce(short_links.c.first_click_at, _at),
        ),
    )
    .returning(short_links.c.contact_id)
)


def count_clicks(tx: Tx, batch: Sequence[Click]) -> int:
    """Stores clicks and adds them to their links' totals. Returns how many were new."""
    people: dict[int, int] = {}
    bots: dict[int, int] = {}
    first: dict[int, datetime] = {}
    new = 0
    counted: list[Click] = []
    for click in batch:
        if not tx.run(
            _INSERT_CLICK,
            link=click.link,
            token=click.token,
            at=click.at,
            bot=click.bot,
            user_agent=click.user_agent,
            referrer=click.referrer,
        ):
            continue
        new += 1
        per = bots if click.bot else people
        per[click.link] = per.get(click.link, 0) + 1
        if not click.bot:
            counted.append(click)
            first.setdefault(click.link, click.at)
    contacts: dict[int, int] = {}
    # In order of id, so that two processes cannot deadlock.
    for link in sorted(people.keys() | bots.keys()):
        contact = tx.value(
            _ADD_CLICKS, link=link, people=people.get(link, 0), bots=bots.get(link, 0), at=first.get(link, tx.now)
        )
        if contact is not None:
            contacts[link] = contact
    clicks = tuple(
        ContactClick(click.link, contacts[click.link], click.at) for click in counted if click.link in contacts
    )
    if clicks:
        tx.announce(LinksClicked(clicks))
    return new
