"""Turns rows into people: identifiers, values and statements in canonical form. Pure; runs in the child process.

A faulty identifier or phone number refuses the whole row; any other faulty cell is left out and reported (AMB-17, IMP-54).
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from server.consent.rules import Purpose
from server.contacts.property_rules import EARLIEST, LATEST, MAX_ITEMS, MAX_NUMBER, SCALE, TEXT_CHARS
from server.contacts.rules import NAME_CHARS
from server.imports import values
from server.imports.consent_words import Said, said, suppression_reason
from server.imports.countries import country_code
from server.imports.headers import SENDERS, Sender
from server.imports.mapping import Column, Plan
from server.imports.values import LOST, BadCell, DateForm, clean, decimal_text
from server.text import clean_text, one_line

MICROS = 1_000_000
MILLIONTH = Decimal(1) / SCALE
FUTURE_ALLOWED = 300 * MICROS  # clocks differ
_SUPPRESSING: dict[Said, str] = {"bounced": "bounced", "invalid": "invalid", "suppressed": "suppressed"}
DATE_FIELDS = ("date_added", "last_open", "last_click")

# A person is a JSON object, because it goes through a file:
#   n row, f file, l line · r refusal [code, column, value] · x bad cells [[column, code, value], …]
#   email, phone, country, crm, name · dates {field: µs} · props {column: value} · empty [column, …] to clear
#   says [[purpose, what, µs or null, column, cell], …] · stop [reason, µs or null] · role 1 · key of the main identifier
Person = dict[str, Any]


def micros(moment: datetime) -> int:
    return round(moment.timestamp() * MICROS)


class Normaliser:
    """Normalises the rows of one import."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._mapping = plan, plan.mapping
        self._sender: Sender | None = next((sender for sender in SENDERS if sender.id == plan.sender), None)
        self._columns = list(enumerate(self._mapping.columns))
        self._forms = {n: self._form(n, column) for n, column in self._columns}
        self._of: dict[str, list[int]] = {}
        for n, column in self._columns:
            self._of.setdefault(column.to, []).append(n)
        self._no_plus = self._sender is not None and self._sender.no_plus
        self._footer = self._sender.footer if self._sender is not None else ()
        self._in_footer: set[int] = set()

    def _form(self, n: int, column: Column) -> DateForm:
        header = self._plan.headers[n] if n < len(self._plan.headers) else ""
        return DateForm(
            "dmy" if column.day_first else "mdy",
            self._sender is not None and self._sender.dashes,
            values.zone_in_header(header),
        )

    def person(self, n: int, row: list[Any]) -> Person:
        """`row`: a line of the rows file. `n`: its number, from 0."""
        file, line, broken, raw = row
        person: Person = {"n": n, "f": file, "l": line}
        if broken:
            return person | {"r": [broken, None, (raw[0] if raw else "")[:80]]}
        cells = [clean(cell) for cell in raw]
        if self._is_footer(file, cells):
            return person | {"r": ["footer", None, cells[0][:80]]}
        self._identify(person, cells)
        if "r" in person:
            return person
        if self._plan.kind == "suppressions":
            self._suppress(person, cells)
            return person
        self._describe(person, cells)
        self._listen(person, cells)
        return person

    def _is_footer(self, file: int, cells: list[str]) -> bool:
        """Lines that reports of some programs have below the table: copyright, author."""
        if self._footer and sum(map(bool, cells)) <= 1 and (text := next(filter(None, cells), "")):
            if text.casefold().startswith(self._footer):
                self._in_footer.add(file)
        return False if not self._in_footer else file in self._in_footer and sum(map(bool, cells)) <= 1

    # --- identifiers

    def _first(self, cells: list[str], to: str) -> tuple[int, str]:
        """The first filled cell of the columns with this meaning."""
        for n in self._of.get(to, ()):
            if n < len(cells) and cells[n]:
                return n, cells[n]
        return -1, ""

    def _identify(self, person: Person, cells: list[str]) -> None:
        mapping = self._mapping
        column, cell = self._first(cells, "email")
        if cell:
            address = values.email(cell)
            if isinstance(address, BadCell):
                person["r"] = [address.code, column, cell[:80]]
                return
            person["email"] = address
            if values.is_role(address):
                person["role"] = 1
        region = mapping.country or None
        column, cell = self._first(cells, "country")
        if cell:
            code = country_code(cell)
            if code is None:
                self._bad(person, column, "bad_country", cell)
            else:
                region = code
        column, cell = self._first(cells, "phone")
        if cell:
            number = values.phone(cell, region, without_plus=self._no_plus)
            if isinstance(number, BadCell):
                person["r"] = [number.code, column, cell[:80]]
                return
            person["phone"], person["country"] = number.e164, number.country
        column, cell = self._first(cells, "crm")
        if cell:
            if LOST in cell or len(cell) > 200:
                person["r"] = ["bad_crm", column, cell[:80]]
                return
            person["crm"] = cell
        present = [kind for kind in ("email", "phone", "crm") if kind in person]
        if not present:
            person["r"] = ["missing_id", None, ""]
        elif mapping.identifier in person:
            person["key"] = f"{mapping.identifier}:{person[mapping.identifier]}"
        elif not mapping.replace_empty:
            person["r"] = ["missing_main_id", next(iter(self._of.get(mapping.identifier, ())), None), ""]
        else:
            person["key"] = f"{present[0]}:{person[present[0]]}"

    # --- what the person is like

    def _bad(self, person: Person, column: int, code: str, cell: str) -> None:
        person.setdefault("x", []).append([column, code, cell[:80]])

    def _describe(self, person: Person, cells: list[str]) -> None:
        self._name(person, cells)
        for n, column in self._columns:
            if column.to not in ("property", *DATE_FIELDS):
                continue
            cell = cells[n] if n < len(cells) else ""
            if not cell:
                if column.clear and self._mapping.replace_empty:
                    person.setdefault("empty", []).append(n)
                continue
            value = self._value(n, column, cell)
            if isinstance(value, BadCell):
                self._bad(person, n, value.code, cell)
            elif column.to == "property":
                person.setdefault("props", {})[str(n)] = value
            else:
                person.setdefault("dates", {})[column.to] = value

    def _name(self, person: Person, cells: list[str]) -> None:
        column, name = self._first(cells, "name")
        if not name:
            first_column, first = self._first(cells, "first_name")
            last_column, last = self._first(cells, "last_name")
            column = first_column if first else last_column
            name = f"{first} {last}".strip()
        name = one_line(name)
        if LOST in name:
            self._bad(person, column, "unreadable", name)
        elif len(name) > NAME_CHARS:
            self._bad(person, column, "name_too_long", name)
        elif name:
            person["name"] = name

    def _value(self, n: int, column: Column, cell: str) -> Any:
        if LOST in cell:
            return BadCell("unreadable")
        if column.to in DATE_FIELDS or column.type == "date":
            moment = values.date(cell, self._forms[n])
            if isinstance(moment, BadCell):
                return moment
            return micros(moment) if EARLIEST <= moment < LATEST else BadCell("bad_date")
        match column.type:
            case "number":
                number = values.number(cell)
                if isinstance(number, BadCell):
                    return number
                return decimal_text(number.quantize(MILLIONTH)) if abs(number) < MAX_NUMBER else BadCell("bad_number")
            case "boolean":
                return values.boolean(cell)
            case "list" | "tags":
                items = values.json_list(cell) if column.type == "list" else values.comma_list(cell)
                if isinstance(items, BadCell):
                    return items
                items = list(dict.fromkeys(filter(None, (clean_text(item).strip() for item in items))))
                too_long = len(items) > MAX_ITEMS or any(len(item) > TEXT_CHARS for item in items)
                return BadCell("bad_list") if too_long else items
            case _:
                return clean_text(cell) if len(cell) <= TEXT_CHARS else BadCell("text_too_long")

    # --- consents

    def _listen(self, person: Person, cells: list[str]) -> None:
        """What the row says about consents. Of several statements about one purpose, a refusal wins over a grant."""
        heard: dict[str, list[tuple[Said, int, str]]] = {}
        for n in self._of.get("consent", ()):
            column = self._mapping.columns[n]
            cell = cells[n] if n < len(cells) else ""
            meaning = BadCell("unreadable") if LOST in cell else said(cell, column.words)
            if isinstance(meaning, BadCell):
                self._bad(person, n, meaning.code, cell)
            elif meaning != "nothing":
                heard.setdefault(column.purpose, []).append((meaning, n, cell))
        state = self._state(person["f"])
        if state:
            heard.setdefault(Purpose.EMAIL_MARKETING, []).append((state, -1, ""))
        dated = {self._mapping.columns[n].purpose for to in ("in_at", "out_at") for n in self._of.get(to, ())}
        for purpose in [*heard, *sorted(dated - heard.keys())]:
            self._conclude(person, cells, purpose, heard.get(purpose, []))

    def _state(self, file: int) -> Said | None:
        states = self._mapping.file_states
        state = states[file] if file < len(states) else ""
        return state or None

    def _conclude(
        self, person: Person, cells: list[str], purpose: str, statements: list[tuple[Said, int, str]]
    ) -> None:
        opted_in, opted_out = self._time(person, cells, "in_at", purpose), self._time(person, cells, "out_at", purpose)
        at = self._time(person, cells, "at", purpose)
        if "bad" in (opted_in, opted_out, at):
            return  # a consent with an unreadable date proves nothing
        rank = {
            "unsubscribed": 0,
            "withdrawn": 1,
            "bounced": 2,
            "invalid": 3,
            "suppressed": 4,
            "subscribed": 5,
            "never": 6,
        }
        if statements:
            meaning, column, cell = min(statements, key=lambda statement: rank[statement[0]])
            for other, _, _ in statements:
                if other in _SUPPRESSING:
                    person["stop"] = [_SUPPRESSING[other], opted_out or at]
        elif opted_in or opted_out:
            # No status: the newest of opt-in and opt-out counts.
            meaning, column, cell = ("subscribed" if (opted_in or 0) > (opted_out or 0) else "unsubscribed"), -1, ""
        else:
            return
        if meaning in _SUPPRESSING:
            return
        if meaning == "subscribed" and opted_out and opted_out > (opted_in or at or 0):
            meaning = "unsubscribed"
        moment = at or (opted_in if meaning == "subscribed" else opted_out if meaning == "unsubscribed" else None)
        person.setdefault("says", []).append([purpose, meaning, moment, column, cell[:80]])

    def _time(self, person: Person, cells: list[str], to: str, purpose: str) -> Any:
        """Microseconds, None without a time, or "bad"."""
        for n in self._of.get(to, ()):
            cell = cells[n] if n < len(cells) else ""
            if self._mapping.columns[n].purpose != purpose or not cell:
                continue
            moment = values.date(cell, self._forms[n])
            if isinstance(moment, BadCell):
                self._bad(person, n, "bad_date", cell)
                return "bad"
            if micros(moment) > self._plan.now + FUTURE_ALLOWED:
                self._bad(person, n, "future_date", cell)
                return "bad"
            return micros(moment)
        return None

    # --- suppression files

    def _suppress(self, person: Person, cells: list[str]) -> None:
        column, cell = self._first(cells, "reason")
        state = self._state(person["f"])
        meaning = state if not cell and state else suppression_reason(cell)
        if isinstance(meaning, BadCell) or meaning in ("subscribed", "never"):
            person["r"] = ["not_suppressed", column if column >= 0 else None, cell[:80]]
            return
        at = self._time(person, cells, "out_at", Purpose.EMAIL_MARKETING)
        at = None if at == "bad" else at
        if meaning == "unsubscribed":
            person["says"] = [[Purpose.EMAIL_MARKETING, "unsubscribed", at, column, cell[:80]]]
        person["stop"] = [meaning, at]
