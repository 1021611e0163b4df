"""Making short links, and writing down that they were followed."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, case, func, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.accounts.audit import settings_changed
from server.accounts.rules import Agent
from server.errors import Refused
from server.kernel.sql import Statement, Tx
from server.links import rules
from server.links.settings import LINKS, LinkSettings
from server.schema import link_clicks, short_links

_PUT = Statement(
    insert(short_links)
    .values(
        code=bindparam("code"),
        target=bindparam("target"),
        contact_id=bindparam("contact"),
        outbound_id=bindparam("outbound"),
        created_at=bindparam("now"),
    )
    .on_conflict_do_nothing(index_elements=["code"])
)
_ATTACH = Statement(
    update(short_links)
    .where(
        short_links.c.code.in_(bindparam("codes", expanding=True)),
        short_links.c.outbound_id.is_(None),
    )
    .values(outbound_id=bindparam("outbound"))
)


def shorten(tx: Tx, text: str, contact: int | None, outbound: int | None, base: str) -> tuple[str, list[str]]:
    """`text` with each address in it replaced by a short link, and the codes of these links in their order.

    `base`: the server's public URL. What is no good target, and what is a short link of ours already, stays as it
    was typed. The same address twice is one link.
    """
    domain = LINKS.load(tx).domain
    start = rules.prefix(base, domain)
    made: dict[str, str] = {}
    parts, at = [], 0
    for found, target in rules.shortable(text, base, domain):
        if target not in made:
            made[target] = _make(tx, target, contact, outbound)
        parts += [text[at : found.start], start, made[target]]
        at = found.end
    return "".join([*parts, text[at:]]), list(made.values())


def _make(tx: Tx, target: str, contact: int | None, outbound: int | None) -> str:
    for _ in range(20):
        token = tx.token(24)
        code = rules.code_from(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        if code is None:
            continue
        if tx.run(_PUT, code=code, target=target, contact=contact, outbound=outbound, now=tx.now):
            return code
    raise RuntimeError("no free code in twenty attempts: the ids are not random")


def attach(tx: Tx, codes: Sequence[str], outbound: int) -> None:
    """Says which message carries these links, where it became known only after they were made."""
    if codes:
        tx.run(_ATTACH, codes=list(codes), outbound=outbound)


# --- clicks ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Click:
    """One visit. `token` is its own: however often it is written, it counts once."""

    link: int
    token: str
    at: datetime
    bot: bool
    user_agent: str
    referrer: str


_CLICK = Statement(
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
_COUNT = Statement(
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
)


def count(tx: Tx, batch: Sequence[Click]) -> int:
    """Writes visits down and adds them up on their links. Returns how many were new."""
    people: dict[int, int] = {}
    bots: dict[int, int] = {}
    first: dict[int, datetime] = {}
    new = 0
    for click in batch:
        if not tx.run(
            _CLICK,
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
            first.setdefault(click.link, click.at)
    # In the order of their ids, so that two processes never wait for each other in a circle.
    for link in sorted(people.keys() | bots.keys()):
        tx.run(_COUNT, link=link, people=people.get(link, 0), bots=bots.get(link, 0), at=first.get(link, tx.now))
    return new


def change(tx: Tx, agent: Agent, wanted: LinkSettings, address: str, public_url: str) -> LinkSettings:
    """Raises `Refused` "invalid" for the server's own address, where every page would hide a link."""
    if wanted.domain and wanted.domain == public_url.partition("://")[2]:
        raise Refused(
            "invalid",
            "This is the address of the console. Links need a domain of their own; leave it empty to use this one with /l/.",
            field="domain",
        )
    return settings_changed(tx, agent, LINKS, wanted, address)
