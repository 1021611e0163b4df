"""Random people and random filter trees, and the comparison of both back ends (`compare`).

People are stored directly, so that merged sets, ties and exact boundaries are frequent.
"""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, update

from server.audiences import catalogue, filter_sql, people_facts
from server.audiences.conditions import KINDS
from server.audiences.filter_person import Decision, decide
from server.audiences.filters import FilterTree, check, parse_tree
from server.contacts.property_rules import value_rows
from server.kernel.sql import Conn, Tx
from server.schema import (
    addresses,
    consent_kinds,
    consents,
    contacts,
    events,
    list_members,
    lists,
    litigators,
    postal_codes,
    properties,
    property_values,
    segments,
    settings,
    suppressions,
)

MICROSECOND = timedelta(microseconds=1)
TEXT, NUMBER, BOOLEAN, DATE, LIST, POSTCODE = range(1, 7)
TYPES = {TEXT: "text", NUMBER: "number", BOOLEAN: "boolean", DATE: "date", LIST: "list", POSTCODE: "text"}
WORDS = ("Gold", "gold plus", "Zoë", "ZOE", "50%", "under_score", "ŁÓDŹ", "a\\b", "silver")
METRICS = ("order_placed", "link_clicked", "visited")
DAYS = (1, 30, 120)
LISTS, SEGMENTS = (1, 2), (1, 2, 3)
PURPOSES = ("sms_marketing", "sms_transactional", "email_marketing", "consent:1", "consent:2")
STATUSES = ("subscribed", "unsubscribed", "never_subscribed")
METHODS = ("keyword", "agent", "deactivation", "import", "litigator", "request")
CODES = {"90210": (3_410_000, -11_841_000), "10001": (4_075_000, -7_399_000), "10451": (4_082_000, -7_392_000)}
COUNTRIES = ("", "US", "PL", "KR", "PR")
PHONES = (*(f"+1202555{n:04}" for n in range(30)), "+266696687", "+123")


class Maker:
    """Makes people and trees from one seed."""

    def __init__(self, seed: int, now: datetime) -> None:
        self.random, self.now = random.Random(seed), now

    def chance(self, of: float) -> bool:
        return self.random.random() < of

    def moment(self, ahead: bool = False) -> datetime:
        """Often exactly at a boundary, or a microsecond beside it."""
        pick = self.random
        days = pick.choice((0, *DAYS, *(-day for day in DAYS if ahead)))
        beside = pick.choice((timedelta(0), MICROSECOND, -MICROSECOND, timedelta(hours=pick.randint(-40, 40))))
        at = self.now - timedelta(days=days) + beside
        return at if ahead or at <= self.now else self.now

    # --- people

    def fill(self, tx: Tx, people: int) -> None:
        """Stores people, and everything that filters ask of them."""
        pick = self.random
        at = self.now - timedelta(days=400)
        tx.run(insert(lists).values([{"id": n, "name": f"L{n}", "name_key": f"l{n}", "created_at": at} for n in LISTS]))
        for key, type in TYPES.items():
            tx.run(insert(properties).values(id=key, key=f"p{key}", name=f"P{key}", type=type, created_at=at))
        for n, channel in ((1, "sms"), (2, "general")):
            tx.run(
                insert(consent_kinds).values(
                    id=n, name=f"C{n}", channel=channel, required=n == 1 and self.chance(0.5), created_at=at
                )
            )
        for code, (latitude, longitude) in CODES.items():
            tx.run(insert(postal_codes).values(country="US", code=code, latitude=latitude, longitude=longitude))
        if self.chance(0.5):
            tx.run(insert(settings).values(name="litigators", value={"hold_litigators": False}, updated_at=at))
        ids = [self._contact(tx, n) for n in range(people)]
        for phone in PHONES:
            if self.chance(0.15):
                tx.run(insert(litigators).values(phone=phone, added_at=at))
            if self.chance(0.3):
                self._suppress(tx, "sms", phone)
        for n in range(10):
            if self.chance(0.3):
                self._suppress(tx, "email", f"p{n}@mail.example")
        merged: set[int] = set()
        for root in pick.sample(ids, len(ids) // 6):
            if root in merged:
                continue
            for other in pick.sample(ids, pick.randint(1, 3)):
                if other != root and other not in merged:
                    merged |= {other, root}
                    tx.run(update(contacts).where(contacts.c.id == other).values(merged_into=root))

    def _suppress(self, tx: Tx, channel: str, address: str) -> None:
        reason = self.random.choice(("stop", "invalid", "agent", "deactivated"))
        tx.run(insert(suppressions).values(channel=channel, address=address, reason=reason, at=self.now))

    def _contact(self, tx: Tx, n: int) -> int:
        pick = self.random
        phone = pick.choice(PHONES) if self.chance(0.7) else None
        row: dict[str, Any] = {
            "guid": f"guid-{n}",
            "country": pick.choice(COUNTRIES),
            "phone": phone,
            "email": pick.choice(("", *(f"p{n}@mail.example" for n in range(10)))) if self.chance(0.7) else None,
            "created_at": self.moment(),
        }
        for date in ("date_added", "last_open", "last_click"):
            row[date] = self.moment() if self.chance(0.6) else None
        contact = int(tx.value(insert(contacts).values(**row).returning(contacts.c.id)))
        if phone is not None:
            tx.run(
                insert(addresses).values(
                    contact_id=contact,
                    kind="phone",
                    value=phone,
                    verified=True,
                    created_at=self.now,
                    active_at=self.now,
                )
            )
        for property_id, type in TYPES.items():
            if self.chance(0.6):
                for value_row in value_rows(self._value(property_id, type)):
                    tx.run(
                        insert(property_values).values(
                            contact_id=contact, property_id=property_id, **value_row._asdict()
                        )
                    )
        for list_id in LISTS:
            if self.chance(0.3):
                tx.run(insert(list_members).values(list_id=list_id, contact_id=contact, joined_at=self.now))
        for purpose in PURPOSES:
            if self.chance(0.7):
                tx.run(
                    insert(consents).values(
                        contact_id=contact,
                        purpose=purpose,
                        status=pick.choice((*STATUSES, "subscribed", "subscribed")),
                        method=pick.choice(METHODS),
                        happened_at=self.now - timedelta(days=pick.randint(0, 2)),  # ties are frequent
                        recorded_at=self.now,
                        paused_at=self.now if purpose == "sms_marketing" and self.chance(0.1) else None,
                    )
                )
        for _ in range(pick.choice((0, 0, 1, 2, 5))):
            self._store_event(tx, contact)
        return contact

    def _value(self, property_id: int, type: str) -> Any:
        pick = self.random
        match type:
            case "text":
                return pick.choice((*CODES, "1000 1", "99999") if property_id == POSTCODE else WORDS)
            case "number":
                return pick.choice([self._decimal(n) for n in (-1.5, 0, 3, 3.000001, 10**11)])
            case "boolean":
                return self.chance(0.5)
            case "date":
                return self.moment(ahead=True)
            case _:
                return tuple(pick.sample(WORDS, pick.randint(1, 3)))

    @staticmethod
    def _decimal(number: float) -> Any:
        from server.contacts.property_rules import parse_value

        return parse_value("number", number)

    def _store_event(self, tx: Tx, contact: int) -> None:
        pick = self.random
        value = pick.choice((None, 0, 50_000, 123_400))
        tx.run(
            insert(events).values(
                contact_id=contact,
                metric=pick.choice(METRICS),
                happened_at=self.moment(),
                recorded_at=self.now,
                source="key:1",
                data=pick.choice(
                    (None, {}, {"sku": "a"}, {"sku": "A b"}, {"sku": 3}, {"n": 3.5, "sku": True}, {"n": "3.5"})
                ),
                value=value,
                currency=None if value is None else pick.choice(("EUR", "USD")),
            )
        )

    # --- trees

    def segments(self, tx: Tx) -> None:
        """Stores some segments; each may ask for those before it."""
        for n in SEGMENTS:
            tree = self.tree(segments=tuple(range(1, n)))
            tx.run(
                insert(segments).values(
                    id=n,
                    name=f"S{n}",
                    name_key=f"s{n}",
                    filter=tree.json_form(),
                    created_at=self.now,
                    changed_at=self.now,
                )
            )

    def tree(self, segments: tuple[int, ...] = SEGMENTS) -> FilterTree:
        pick = self.random
        # Dates and events more often, because the clock changes them.
        kinds = [kind for kind in (*KINDS, *("date", "event") * 3) if segments or kind != "segment"]
        groups = [
            [self.condition(pick.choice(kinds), segments) for _ in range(pick.choice((1, 1, 2, 3)))]
            for _ in range(pick.choice((1, 1, 2, 3)))
        ]
        return parse_tree({"groups": groups})

    def condition(self, kind: str, segments: tuple[int, ...] = SEGMENTS) -> dict[str, Any]:
        return {"kind": kind, "negate": self.chance(0.35), **getattr(self, f"_{kind}")(segments)}

    def _list(self, segments: Any) -> dict[str, Any]:
        return {"list": self.random.choice(LISTS)}

    def _segment(self, segments: tuple[int, ...]) -> dict[str, Any]:
        return {"segment": self.random.choice(segments)}

    def _event_times(self) -> dict[str, Any]:
        pick = self.random
        found: dict[str, Any] = {"metric": pick.choice(METRICS)}
        found["op"] = pick.choice(("at_least", "at_least", "at_most", "exactly"))
        found["times"] = pick.randint(1 if found["op"] == "at_least" else 0, 3)
        match pick.randint(0, 3):
            case 0 | 1:
                found["days"] = pick.choice(DAYS)
            case 2:
                found["since"] = self.moment().isoformat()
                if self.chance(0.5):
                    found["until"] = (self.now + MICROSECOND).isoformat()
        return found

    def _event_data(self) -> dict[str, Any]:
        pick = self.random
        return pick.choice(
            [
                {"key": "sku", "op": "is", "value": pick.choice(("a", "A b", "A"))},
                {"key": "sku", "op": "contains", "value": pick.choice(("a", "A", "%", ""))},
                {"key": "sku", "op": "is", "value": 3},
                {"key": "n", "op": pick.choice(("at_least", "at_most", "is")), "value": pick.choice((3, 3.5, 4))},
                {"key": "constructor", "op": "is", "value": "a"},
            ]
        )

    def _event_values(self) -> dict[str, Any]:
        pick = self.random
        found: dict[str, Any] = {}
        if self.chance(0.5):
            found["min_value"] = pick.choice((0, 5, 12.34))
        if self.chance(0.5):
            found["max_value"] = pick.choice((0, 5, 12.34))
        if self.chance(0.5):
            found["currency"] = "EUR"
        return found

    def _event(self, segments: Any) -> dict[str, Any]:
        found = self._event_times()
        if self.chance(0.3):
            found["data"] = [self._event_data()]
        if self.chance(0.3):
            found |= self._event_values()
        return found

    def _channel(self, segments: Any) -> dict[str, Any]:
        pick = self.random
        return {"channel": pick.choice(("sms", "email")), "purpose": pick.choice(("marketing", "transactional"))}

    def _consent(self, segments: Any) -> dict[str, Any]:
        return {"purpose": self.random.choice(PURPOSES), "status": self.random.choice(STATUSES)}

    def _suppressed(self, segments: Any) -> dict[str, Any]:
        pick = self.random
        return {"channel": pick.choice(("sms", "email")), "reasons": pick.choice(([], ["stop"], ["agent", "invalid"]))}

    def _text(self, segments: Any) -> dict[str, Any]:
        pick = self.random
        op = pick.choice(("is", "contains", "starts_with", "set"))
        words = pick.sample((*WORDS, "o", "%", "_"), pick.randint(1, 2))
        return {"property": TEXT, "op": op, "values": [] if op == "set" else words}

    def _number(self, segments: Any) -> dict[str, Any]:
        pick = self.random
        op = pick.choice(("equals", "more_than", "less_than", "at_least", "at_most", "set"))
        found: dict[str, Any] = {"property": NUMBER, "op": op}
        return found if op == "set" else found | {"value": pick.choice((-1.5, 0, 3, 3.000001, 1e11))}

    def _boolean(self, segments: Any) -> dict[str, Any]:
        return {"property": BOOLEAN, "value": self.random.choice((True, False, None))}

    def _date(self, segments: Any) -> dict[str, Any]:
        pick = self.random
        op = pick.choice(("within_last", "within_last", "before_last", "within_next", "before", "since", "set"))
        found: dict[str, Any] = {"property": pick.choice((DATE, -1, -2, -3, -4, -5)), "op": op}
        if op in ("before", "since"):
            return found | {"at": self.moment(ahead=True).isoformat()}
        return found if op == "set" else found | {"days": pick.choice(DAYS)}

    def _items(self, segments: Any) -> dict[str, Any]:
        pick = self.random
        op = pick.choice(("has", "has", "set"))
        words = pick.sample(WORDS, pick.randint(1, 2))
        return {"property": LIST, "op": op, "values": [] if op == "set" else words}

    def _place(self, segments: Any) -> dict[str, Any]:
        return self.random.choice(
            [{"countries": ["US"]}, {"regions": ["eu"]}, {"countries": ["KR"], "regions": ["us"]}]
        )

    def _distance(self, segments: Any) -> dict[str, Any]:
        pick = self.random
        return {"property": POSTCODE, "country": "US", "code": pick.choice((*CODES,)), "km": pick.choice((1, 15, 900))}

    def _sample(self, segments: Any) -> dict[str, Any]:
        return {"percent": self.random.choice((0.5, 10, 50, 99)), "salt": self.random.choice((0, 7))}


def counted(trees: list[FilterTree]) -> Counter[str]:
    return Counter(condition.kind for tree in trees for group in tree.groups for condition in group)


def compare(conn: Conn, tree: FilterTree, now: datetime) -> int:
    """Compares both back ends now and around the next moment when the clock changes something. Returns how many people
    change then."""
    known = catalogue.load(conn, [tree])
    check(tree, known)
    people = people_facts.load(
        conn,
        [row.id for row in conn.all(contacts.select()) if row.merged_into is None],
        people_facts.Needs.of([tree], known, now),
        known,
    )
    assert len(people) > 20
    decisions = {person.id: decide(person, tree, now, known) for person in people}

    def found_at(moment: datetime) -> set[int]:
        return {row.id for row in conn.all(filter_sql.matching(tree, moment, known))}

    members = {contact for contact, decision in decisions.items() if decision.matches}
    found = found_at(now)
    assert found == members, _differ(tree, found, members, decisions)
    next_change = min((decision.changes_at for decision in decisions.values() if decision.changes_at), default=None)
    if next_change is None:
        later = now + timedelta(days=5_000)
        assert found_at(later) == members, f"nobody changes, yet in 5,000 days the members are others: {tree}"
        return 0
    assert found_at(next_change - MICROSECOND) == members, f"too late: {tree}"
    changed = {contact for contact, decision in decisions.items() if decision.changes_at == next_change}
    assert found_at(next_change) == members ^ changed, f"wrong moment: {tree}"
    return len(changed)


def _differ(tree: FilterTree, found: set[int], members: set[int], decisions: dict[int, Decision]) -> str:
    return f"SQL only: {sorted(found - members)}, in memory only: {sorted(members - found)}: {tree.model_dump_json()}"
