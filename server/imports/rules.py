"""Decides what an import does to one row: the rehearsal and the run ask the same function. Pure (IMP-42, 50..54, CIM-33, 34,
AMB-16, 17, 21).

Values are JSON here: times are microseconds, numbers are decimal texts, because they go through files and before-images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

State = Literal[
    "draft",  # no file yet
    "reading",
    "unreadable",
    "read",  # the user decides what the columns mean
    "rehearsing",
    "rehearsed",
    "running",
    "done",
    "cancelled",
    "undoing",
    "undone",
]
WORKING = ("reading", "rehearsing", "running", "undoing")
# `skipped`: the import type leaves this row out.
VerdictKind = Literal["new", "updated", "unchanged", "duplicate", "skipped", "refused"]
VERDICTS: tuple[VerdictKind, ...] = ("new", "updated", "unchanged", "duplicate", "skipped", "refused")

SUPPRESSED_AS = {"bounced": "dead", "invalid": "invalid", "suppressed": "agent", "unsubscribed": "agent"}
INACTIVE_AFTER = timedelta(days=120)  # AMB-15


@dataclass(frozen=True, slots=True)
class CurrentConsent:
    status: str
    at: int  # µs


@dataclass(frozen=True, slots=True)
class Known:
    """The contact that a row means, as it is now. `values`: by property. `suppressed`: why its e-mail address is suppressed."""

    contact: int
    name: str = ""
    email: str | None = None
    phone: str | None = None
    crm: str | None = None
    country: str = ""
    vouched: bool = False  # name and e-mail address come from the shop
    values: Mapping[int, Any] = field(default_factory=dict)
    consents: Mapping[str, CurrentConsent] = field(default_factory=dict)
    in_list: bool = False


@dataclass(frozen=True, slots=True)
class Setting:
    """What is the same for every row. `columns`: the property of each column. `grants`: whoever started the import may grant
    consent; `suppresses`: may suppress addresses. `texts_to`: countries that we can text; None: SMS is not set up."""

    kind: str
    type: str
    columns: Mapping[int, int]
    keeps_later: frozenset[int]
    grants: bool
    suppresses: bool
    vouched: Sequence[str] = ()  # purposes that the user vouches for
    joins: bool = False
    texts_to: frozenset[str] | None = frozenset()
    leave_out: Sequence[str] = ()
    now: int = 0  # µs
    uploaded: int = 0  # µs


@dataclass(slots=True)
class Statement:
    """A statement about consent to record. `at` None: now. `column`: where it is from; -1: the file or the user says it."""

    purpose: str
    status: str
    at: int | None
    column: int
    cell: str
    before: str


@dataclass(slots=True)
class Verdict:
    """What happens to a row. `changes`: field → before, after; a field is `name`, `email`, `phone`, `country`, `crm` or `p:<property>`.
    `cells`: cells that are not taken: column, code, text. `stop`: why the e-mail address is suppressed."""

    kind: VerdictKind
    reason: str = ""
    changes: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    consents: list[Statement] = field(default_factory=list)
    stop: str = ""
    joins: bool = False
    cells: list[list[Any]] = field(default_factory=list)

    @property
    def writes(self) -> bool:
        return self.kind in ("new", "updated", "unchanged")


def decide(person: Mapping[str, Any], known: Known | None, setting: Setting) -> Verdict:
    """The verdict about one row. `known`: the contact that it means, if there is one."""
    cells = [list(cell) for cell in person.get("x", ())]
    if (refusal := person.get("r")) is not None:
        return Verdict(
            "refused", refusal[0], cells=[[refusal[1], refusal[0], refusal[2]]] if refusal[1] is not None else []
        )
    if (first := person.get("d")) is not None:
        return Verdict("duplicate", f"line {first[1]}")
    if "role" in setting.leave_out and person.get("role"):
        return Verdict("skipped", "role_address")
    if "inactive" in setting.leave_out and is_inactive(person, setting.now):
        return Verdict("skipped", "inactive")
    if setting.kind == "suppressions":
        return _suppress(person, known, setting, cells)
    if known is None and setting.type == "update":
        return Verdict("skipped", "unknown_contact")
    if known is not None and setting.type == "add":
        return Verdict("skipped", "known_contact")
    verdict = Verdict("new", cells=cells)
    verdict.changes = _changes(person, known or Known(0), setting)
    verdict.joins = setting.joins and not (known is not None and known.in_list)
    _consents(verdict, person, known, setting)
    if known is None and "again" in person:
        # The rehearsal does not know the contact that an earlier row will create.
        verdict.kind, verdict.reason = "updated", f"line {person['again'][1]}"
    if known is not None:
        changed = verdict.changes or verdict.joins or verdict.stop or any(_alters(said) for said in verdict.consents)
        verdict.kind = "updated" if changed else "unchanged"
    return verdict


def _suppress(person: Mapping[str, Any], known: Known | None, setting: Setting, cells: list[list[Any]]) -> Verdict:
    """A row of a suppression file: suppresses the address also if nobody has it (SUP-5), and creates no contact."""
    reason = SUPPRESSED_AS[person["stop"][0]]
    if "email" not in person:
        return Verdict("refused", "missing_id")
    verdict = Verdict("updated", stop=reason, cells=cells)
    if known is not None:
        _consents(verdict, person, known, setting)
    return verdict


def is_inactive(person: Mapping[str, Any], now: int) -> bool:
    """No open, click or joining within the last 120 days, for somebody with a known date (AMB-15)."""
    dates = person.get("dates", {}).values()
    return bool(dates) and max(dates) <= now - INACTIVE_AFTER // timedelta(microseconds=1)


def _changes(person: Mapping[str, Any], known: Known, setting: Setting) -> dict[str, tuple[Any, Any]]:
    changes: dict[str, tuple[Any, Any]] = {}
    for name in ("name", "email", "phone", "crm"):
        value, before = person.get(name), getattr(known, name)
        if not value or value == before or (known.vouched and name in ("name", "email")):
            continue
        if name == "crm" and before:  # the id of another system does not change; matching has refused this
            continue
        changes[name] = (before, value)
    if "phone" in changes and person.get("country", "") != known.country:
        changes["country"] = (known.country, person.get("country", ""))
    for place, value in _values(person, setting):
        before = known.values.get(place)
        if place in setting.keeps_later and before is not None and value is not None:
            value = max(before, value)
        if value != before:
            changes[f"p:{place}"] = (before, value)
    return changes


def _values(person: Mapping[str, Any], setting: Setting) -> list[tuple[int, Any]]:
    values = [(setting.columns[int(column)], value) for column, value in person.get("props", {}).items()]
    values += [(DATE_PROPERTIES[name], value) for name, value in person.get("dates", {}).items()]
    values += [(setting.columns[column], None) for column in person.get("empty", ()) if column in setting.columns]
    return values


DATE_PROPERTIES = {"date_added": -1, "last_open": -2, "last_click": -3}
_SMS = ("sms_marketing", "sms_transactional")


def _consents(verdict: Verdict, person: Mapping[str, Any], known: Known | None, setting: Setting) -> None:
    said = {item[0]: item for item in person.get("says", ())}
    for purpose in setting.vouched:
        said.setdefault(purpose, [purpose, "subscribed", None, -1, ""])
    current = known.consents if known is not None else {}
    for purpose, what, at, column, cell in said.values():
        before = current[purpose].status if purpose in current else "never_subscribed"
        if what == "subscribed":
            problem = _why_not(purpose, person, known, setting)
            if problem:
                verdict.cells.append([column, problem, cell])
                continue
            if at is None:
                at = _undated_grant(current.get(purpose), setting)
            verdict.consents.append(Statement(purpose, "subscribed", at, column, cell, before))
        elif what == "unsubscribed" or (what == "withdrawn" and before == "subscribed"):
            if not (before == "unsubscribed" and at is None):
                verdict.consents.append(Statement(purpose, "unsubscribed", at, column, cell, before))
        elif what == "withdrawn" and purpose not in current:
            verdict.consents.append(Statement(purpose, "never_subscribed", None, column, cell, before))
    if (stop := person.get("stop")) is not None and "email" in person and not verdict.stop:
        if setting.suppresses:
            verdict.stop = SUPPRESSED_AS[stop[0]]
        else:
            verdict.cells.append([-1, "suppressing_not_allowed", stop[0]])


def _undated_grant(current: CurrentConsent | None, setting: Setting) -> int:
    """A grant without a date is at most as new as the file, and never newer than a "no": it is kept as evidence only."""
    if current is not None and current.status == "unsubscribed":
        return min(setting.uploaded, current.at)
    return setting.uploaded


def _why_not(purpose: str, person: Mapping[str, Any], known: Known | None, setting: Setting) -> str:
    """Why a grant is not recorded (AMB-20, IMP-77)."""
    if not setting.grants:
        return "grant_not_allowed"
    if purpose not in _SMS:
        return ""
    phone = person.get("phone") or (known.phone if known is not None else None)
    country = person.get("country") or (known.country if known is not None else "")
    if not phone:
        return "no_phone"
    if setting.texts_to is None:
        return "sms_not_set_up"
    return "" if country in setting.texts_to else "country_not_served"


def _alters(said: Statement) -> bool:
    """Whether the statement may change the current consent; the consent rules decide when it is recorded."""
    return said.status != said.before and not (said.before == "unsubscribed" and said.status == "never_subscribed")


# --- the words of counts --------------------------------------------------------------------------


def count(counts: dict[str, int], verdict: Verdict) -> None:
    """Adds a row to the counts: by verdict, by reason, by code of each cell that was not taken."""
    counts[verdict.kind] = counts.get(verdict.kind, 0) + 1
    if verdict.kind in ("refused", "skipped"):
        key = f"{verdict.kind}:{verdict.reason}"
        counts[key] = counts.get(key, 0) + 1
    elif verdict.kind != "duplicate":
        for _, code, _ in verdict.cells:
            counts[f"cell:{code}"] = counts.get(f"cell:{code}", 0) + 1


def is_problem(verdict: Verdict) -> bool:
    """Whether the row belongs to the file of rows to correct and upload again."""
    return verdict.kind in ("refused", "duplicate", "skipped") or bool(verdict.cells)


# --- undo -----------------------------------------------------------------------------------------


def restores(after: Any, now: Any) -> bool:
    """Undo restores a value only if nobody has changed it since the import."""
    return bool(after == now)


def rate(done: int, started: datetime, now: datetime) -> float:
    """Rows per second."""
    return done / max((now - started).total_seconds(), 0.001)
