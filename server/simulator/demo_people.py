"""Fills the demo with customers whom the shop knows from before: properties, lists, segments and suppressed addresses."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

from server.accounts.rules import Agent
from server.audiences import lists, segments
from server.audiences.presets import PRESETS
from server.audit.rules import ActedBy, ActorType
from server.consent import actions as consent
from server.consent import suppressing
from server.consent.ledger import ConsentChange
from server.consent.rules import Method, Purpose, Status
from server.contacts import actions as people
from server.contacts import properties
from server.contacts.property_rules import FIXED
from server.contacts.rules import Identifiers
from server.kernel.context import App
from server.kernel.sql import Tx

SHOP = ActedBy(ActorType.SYSTEM, name="Demo")
FIRST = "Ada Bruno Chloé Daria Emil Freya Gustav Hana Iwo Jun Kasia Liam Mirela Noor Oskar Pia".split()
LAST = "Abbott Bielak Choi Dąbrowska Ek Ferrari Green Han".split()
COUNTRIES = ("US", "GB", "PL", "KR")
TEAS = ("green", "black", "oolong", "rooibos", "white")
CUSTOMERS = 64


def fill(tx: Tx, owner: Agent) -> None:
    """All in one transaction: it is a few hundred rows."""
    rng = random.Random(11)  # noqa: S311 - repeatable on purpose
    plan = properties.define(tx, "plan", "Tea club", "text", owner.by).id
    orders = properties.define(tx, "orders", "Orders", "number", owner.by).id
    birthday = properties.define(tx, "birthday", "Birthday", "date", owner.by).id
    wholesale = properties.define(tx, "wholesale", "Wholesale", "boolean", owner.by).id
    teas = properties.define(tx, "favourite_teas", "Favourite teas", "list", owner.by).id
    added, opened, clicked = (fixed.id for fixed in FIXED)
    everybody: list[int] = []
    values: list[tuple[int, dict[int, Any]]] = []
    for n in range(CUSTOMERS):
        name = f"{FIRST[n % len(FIRST)]} {LAST[(n // len(FIRST) + n) % len(LAST)]}"
        person = Identifiers(email=f"customer{n + 1}@mail.example", name=name, country=COUNTRIES[n % len(COUNTRIES)])
        contact = people.find_or_create(tx, person, SHOP).contact
        everybody.append(contact)
        since = tx.now - timedelta(days=rng.randint(5, 700))
        known: dict[int, Any] = {
            added: since,
            orders: Decimal(rng.choice((0, 1, 1, 2, 3, 5, 8, 13))),
            wholesale: n % 9 == 0,
            teas: tuple(rng.sample(TEAS, rng.randint(1, 3))),
        }
        if n % 3:
            known[opened] = max(since, tx.now - timedelta(days=rng.randint(0, 300)))
        if n % 4 == 1:
            known[clicked] = max(since, tx.now - timedelta(days=rng.randint(0, 200)))
        if n % 5 < 3:
            known[plan] = rng.choice(("Gold", "Silver", "Free"))
        if n % 2:
            known[birthday] = since.replace(year=1990 - n % 30, hour=0, minute=0, second=0, microsecond=0)
        values.append((contact, known))
    properties.set_values(tx, values, SHOP)
    changes = [
        ConsentChange(
            contact, Purpose.EMAIL_MARKETING, Status.SUBSCRIBED, Method.FORM, "https://fern-kettle.example", "News"
        )
        for n, contact in enumerate(everybody)
        if n % 4
    ]
    consent.record_many(tx, changes)
    news = lists.create(tx, "Newsletter", owner.by)
    lists.add_members(tx, news.id, everybody[::2], owner.by)
    tasting = lists.create(tx, "Tasting evening", owner.by, double_opt_in=False)
    lists.add_members(tx, tasting.id, everybody[::7], owner.by)
    suppressing.suppress_by_hand(
        tx, owner, ["old-address@mail.example", "customer4@mail.example"], "Asked by letter", ""
    )
    for name, key in (("Engaged", "engaged"), ("Inactive", "inactive"), ("E-mail subscribers", "email_subscribers")):
        segments.create(tx, name, PRESETS[key].json_form(), owner.by)
    club = {"kind": "text", "property": plan, "op": "is", "values": ["gold", "silver"]}
    regulars = {"kind": "number", "property": orders, "op": "at_least", "value": 5}
    segments.create(tx, "Tea club or regulars", {"groups": [[club, regulars]]}, owner.by)


async def store(app: App, owner: Agent) -> None:
    await app.write(fill, owner)
