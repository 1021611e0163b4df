"""Creates short links and changes their settings."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Callable, Sequence

from sqlalchemy import bindparam, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.accounts.rules import Agent
from server.audit import versions
from server.audit.versions import Versioned
from server.errors import Refused
from server.kernel.sql import LostRace, Statement, Tx
from server.links import rules
from server.links.settings import LINKS, LinkSettings
from server.schema.short_links import short_links

_INSERT_LINK = Statement(
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
_SET_OUTBOUND = Statement(
    update(short_links)
    .where(
        short_links.c.code.in_(bindparam("codes", expanding=True)),
        short_links.c.outbound_id.is_(None),
    )
    .values(outbound_id=bindparam("outbound"))
)


def shorten(tx: Tx, text: str, contact: int | None, outbound: int | None, base: str) -> tuple[str, list[str]]:
    """Replaces each URL in `text` by a short link; returns the text and the codes of the links in order.

    `base`: the server's public URL. Invalid targets and our own short links stay unchanged. A repeated URL shares one
    link.
    """
    domain = LINKS.load(tx).domain
    start = rules.link_prefix(base, domain)
    links_by_target: dict[str, str] = {}
    parts, position = [], 0
    for url, target in rules.shortable(text, base, domain):
        if target not in links_by_target:
            links_by_target[target] = _create(tx, target, contact, outbound)
        parts += [text[position : url.start], start, links_by_target[target]]
        position = url.end
    return "".join([*parts, text[position:]]), list(links_by_target.values())


def _create(tx: Tx, target: str, contact: int | None, outbound: int | None) -> str:
    for _ in range(20):
        token = tx.token(24)
        code = rules.code_from(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        if code is None:
            continue
        if tx.run(_INSERT_LINK, code=code, target=target, contact=contact, outbound=outbound, now=tx.now):
            return code
    raise RuntimeError("no free code in twenty attempts: the ids are not random")


_INSERT_NEW = Statement(
    insert(short_links)
    .values(
        code=bindparam("code"),
        target=bindparam("target"),
        contact_id=bindparam("contact"),
        outbound_id=bindparam("outbound"),
        created_at=bindparam("at"),
    )
    .on_conflict_do_nothing(index_elements=["code"])
)


def new_code(token: Callable[[int], str]) -> str:
    """A random code for a short link. `token`: makes random text, as `Ids.token` does."""
    while True:
        text = token(24)
        code = rules.code_from(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if code is not None:
            return code


def insert_links(tx: Tx, links: Sequence[tuple[str, str, int, int]]) -> None:
    """Stores links whose codes are in texts already: (code, target, contact, message) of each. Raises `LostRace` if a code
    exists: the texts are then composed again."""
    names = ("code", "target", "contact", "outbound")
    rows = [{**dict(zip(names, link, strict=True)), "at": tx.now} for link in links]
    if tx.run_many(_INSERT_NEW, rows) < len(rows):
        raise LostRace("a short link's code exists already")


def attach(tx: Tx, codes: Sequence[str], outbound: int) -> None:
    """Stores the message that contains these links, whose id was unknown when they were created."""
    if codes:
        tx.run(_SET_OUTBOUND, codes=list(codes), outbound=outbound)


def change(
    tx: Tx, agent: Agent, settings: LinkSettings, version: str | None, address: str, public_url: str
) -> Versioned[LinkSettings]:
    """Raises `Conflict` "stale_version", and `Refused` "invalid" for the server's own address, where every page would hide a link."""
    if settings.domain and settings.domain == public_url.partition("://")[2]:
        raise Refused(
            "invalid",
            "This is the address of the console. Short links need a separate domain. Leave this empty to use the console's address with /l/.",
            field="domain",
            fault="own_domain",
        )
    return versions.save(tx, agent.id, LINKS, settings, version, address)
