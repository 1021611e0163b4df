"""Proposes what the columns of a file mean, from headers, cells and known exports. Pure. The user confirms or changes it."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from typing import Any

from server.contacts.property_rules import COMPUTED, Definition
from server.errors import Refused
from server.imports.headers import Guess, Sender, fold, guess, recognise
from server.imports.mapping import Column, Kind, Mapping, Reading
from server.text import one_line

_REASONS = frozenset(map(fold, ("reason", "status", "suppression reason", "사유", "powód", "причина")))
_ONCE = ("name", "first_name", "last_name", "country", "crm", "date_added", "last_open", "last_click")


def sender_of(described: Dictionary[str, Any]) -> Sender | None:
    return recognise([column["header"] for column in described["columns"]])


def propose(
    described: Dictionary[str, Any],
    kind: Kind,
    named_consents: Dictionary[str, str],
    definitions: Sequence[Definition],
    identifier: str,
) -> Mapping:
    """`named_consents`: purposes of the owner's consents by name."""
    sender = sender_of(described)
    used: set[str] = set()
    columns = [
        _column(described_column, kind, sender, named_consents, definitions, used)
        for described_column in described["columns"]
    ]
    meanings = {column.to for column in columns}
    if identifier not in meanings:
        identifier = next((kind for kind in ("email", "phone", "crm") if kind in meanings), "email")
    only_consents = meanings <= {"email", "phone", "crm", "consent", "at", "skip"} and "consent" in meanings
    states = [file["state"] for file in described["files"]]
    by_name = (sender is not None and sender.id == "mailchimp") or kind == "suppressions"
    return Mapping(
        identifier=identifier,  # type: ignore[arg-type]
        # A file of consents is for people who are known already (CIM-21).
        type="update" if only_consents and any(c.words == "flags" for c in columns) else "add_update",
        columns=columns,
        file_states=states if by_name else [""] * len(states),
    )


def _column(
    described: Dictionary[str, Any],
    kind: Kind,
    sender: Sender | None,
    named_consents: Dictionary[str, str],
    definitions: Sequence[Definition],
    used: set[str],
) -> Column:
    header = described["header"]
    found = None if described["unnamed"] else guess(header, sender, named_consents)
    if described["same_as"] is not None and (found is None or found.to != "consent"):
        return Column(to="skip")  # look-alike and repeated headers: the user says which one is meant
    if kind == "suppressions":
        return _of_suppressions(described, found, used)
    if found is None and _existing(header, definitions) is None:
        found = _by_cells(described, used)
    if found is not None and found.to in _ONCE and found.to in used:
        found = None
    if found is not None and found.to == "phone" and "phone" in used:
        found = Guess("skip")
    if found is None or found.to == "property":
        return _property(described, found, definitions)
    used.add(found.to)
    return Column(to=found.to, purpose=found.purpose, words=found.words, day_first=_day_first(described, sender))


def _day_first(described: Dictionary[str, Any], sender: Sender | None) -> bool:
    return bool(described["day_first"]) or (sender is not None and sender.day_first)


def _by_cells(described: Dictionary[str, Any], used: set[str]) -> Guess | None:
    if described["emails"] and "email" not in used:
        return Guess("email")
    if described["unnamed"] and described["phones"] and "phone" not in used:
        return Guess("phone")
    return Guess("skip") if described["unnamed"] or not described["cells"] else None


def _of_suppressions(described: Dictionary[str, Any], found: Guess | None, used: set[str]) -> Column:
    is_email = found is not None and found.to == "email"
    if (is_email or described["emails"]) and "email" not in used:
        used.add("email")
        return Column(to="email")
    if fold(described["header"]) in _REASONS and "reason" not in used:
        used.add("reason")
        return Column(to="reason")
    if found is not None and found.to == "out_at":
        return Column(to="out_at", purpose="email_marketing")
    return Column(to="skip")


def _existing(header: str, definitions: Sequence[Definition]) -> Definition | None:
    """The property with this name or key."""
    name = fold(header)
    return next((each for each in definitions if not each.fixed and name in (fold(each.name), fold(each.key))), None)


def _property(described: Dictionary[str, Any], found: Guess | None, definitions: Sequence[Definition]) -> Column:
    name = one_line(described["header"])[:80]
    existing = _existing(name, definitions)
    if existing is not None:
        return Column(to="property", key=existing.key, type=existing.type.value, day_first=described["day_first"])
    if fold(name).replace(" ", "_") in COMPUTED:
        return Column(to="skip")
    kind = (found.type if found is not None else "") or described["type"]
    return Column(to="property", name=name, type=kind, day_first=described["day_first"])  # type: ignore[arg-type]


def check_reading(described: Dictionary[str, Any], reading: Reading) -> None:
    """Raises `Refused` `confirm_reading` for a separator that is not usual, until the user has confirmed it (IMP-23)."""
    unusual = [file for file in described["files"] if file["kind"] == "text" and file["separator"] in ";|"]
    if unusual and not reading.confirmed:
        name = {";": "semicolons", "|": "vertical bars"}[unusual[0]["separator"]]
        raise Refused(
            "confirm_reading",
            f"This file separates its columns by {name}. Check the preview and confirm that it is right.",
            field="confirmed",
            fault="confirm_reading",
        )
