"""Suppressed addresses over HTTP (SUP-1..6). Contract: PROTOCOL.md 3, 'Consent'."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from server.accounts.rules import Can
from server.consent import rules, suppressing, suppression_queries
from server.consent.rules import Channel, Suppressed
from server.consent.suppression_queries import Filter, Listed
from server.contacts.rules import clean_email
from server.errors import Refused
from server.kernel.clock import rfc3339
from server.kernel.columns import from_micros, to_micros
from server.kernel.context import App, Conn
from server.web.http import WHOLE_NUMBER, Call, Done, Endpoint, whole_number
from server.web.paging import PAGING_QUERY, Paging

MAX_LINES = 5_000
MAX_BODY = 2 * 1024 * 1024
FIND_CHARS = 254
Reason = Literal["stop", "gateway", "agent", "deactivated", "invalid", "landline", "dead", "soft_bounces"]


class Body(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class SuppressBody(Body):
    """`lines`: e-mail addresses as pasted, one in each line. `reason`: why, kept with each address."""

    lines: list[Annotated[str, Field(max_length=1_000)]] = Field(min_length=1, max_length=MAX_LINES)
    reason: str = Field("", max_length=suppressing.REASON_CHARS)


class LiftBody(Body):
    channel: Channel
    address: str = Field(min_length=1, max_length=FIND_CHARS)
    reason: str = Field(max_length=suppressing.REASON_CHARS)


class SuppressedPerson(BaseModel):
    id: int
    name: str


class SuppressedAddress(BaseModel):
    """`by`: the user who suppressed it. `contact`: who has the address now. `liftable`: false if only the owner of the number
    can lift it, by texting START."""

    channel: Channel
    address: str
    reason: Reason
    detail: str
    at: str
    source: str
    by: str | None
    contact: SuppressedPerson | None
    liftable: bool


class SuppressedAddresses(BaseModel):
    """`count`: how many match, counted up to 10,000."""

    suppressions: list[SuppressedAddress]
    count: int
    before: str | None
    after: str | None


class LineResult(BaseModel):
    """What became of one pasted line. `known`: the address was suppressed before. `repeated`: an earlier line has it."""

    line: int
    text: str
    result: Literal["added", "known", "repeated", "refused"]


class SuppressedNow(BaseModel):
    added: int
    known: int
    refused: int
    lines: list[LineResult]


def _filter(channel: str, reason: str, find: str) -> Filter:
    if channel not in ("", "sms", "email"):
        raise Refused("invalid", "channel must be sms or email.", field="channel", fault="no_choice")
    if reason and reason not in set(Suppressed):
        allowed = ", ".join(sorted(Suppressed))
        raise Refused("invalid", f"reason must be one of {allowed}.", field="reason", fault="no_choice")
    return Filter(channel, reason, find.strip().lower()[:FIND_CHARS])


async def list_suppressions(app: App, call: Call) -> Any:
    """List suppressed addresses of all channels, newest first."""
    wanted = _filter(call.query.get("channel", ""), call.query.get("reason", ""), call.query.get("find", ""))
    limit = whole_number(call, "limit", 50, 200)
    paging = Paging(app, "suppressions", 3)
    place = paging.place(call)

    def read(conn: Conn) -> SuppressedAddresses:
        after, before = (
            None if key is None else (from_micros(key[0]), str(key[1]), str(key[2]))
            for key in (place.after, place.before)
        )
        rows = suppression_queries.page(conn, wanted, limit + 1, after=after, before=before)
        page = paging.page(rows, limit, place, lambda row: (to_micros(row.at), row.channel, row.address))
        return SuppressedAddresses(
            suppressions=_shown(conn, page.rows), count=suppression_queries.count(conn, wanted), **page.cursors
        )

    return await app.read_slowly(read)


def _shown(conn: Conn, rows: list[Listed]) -> list[SuppressedAddress]:
    people = suppression_queries.people_with(conn, rows)
    names = suppression_queries.names_of_users(conn, [row.source for row in rows])
    shown = []
    for row in rows:
        person = people.get((row.channel, row.address))
        user = rules.user_of_source(row.source)
        shown.append(
            SuppressedAddress(
                **{**row._asdict(), "at": rfc3339(row.at)},
                by=None if user is None else names.get(user),
                contact=None if person is None else SuppressedPerson(id=person.id, name=person.name),
                liftable=rules.liftable(row.channel, row.reason),
            )
        )
    return shown


async def suppress(app: App, call: Call) -> Any:
    """Suppress e-mail addresses, one per line; invalid lines are returned and the rest is suppressed."""
    body: SuppressBody = call.body
    lines = await asyncio.to_thread(_emails_in, body.lines)
    emails = [email for _, _, email, result in lines if result == "added"]
    new: set[str] = set()
    for start in range(0, len(emails), suppressing.ADDRESSES_AT_ONCE):
        some = emails[start : start + suppressing.ADDRESSES_AT_ONCE]
        results = await app.write(suppressing.suppress_by_hand, call.agent, some, body.reason, call.address)
        new.update(email for email, added in zip(some, results, strict=True) if added)
    outcomes = [
        LineResult(line=number, text=text, result="known" if result == "added" and email not in new else result)
        for number, text, email, result in lines
    ]
    results_of = [line.result for line in outcomes]
    return SuppressedNow(
        added=len(new), known=results_of.count("known"), refused=results_of.count("refused"), lines=outcomes
    )


def _emails_in(lines: list[str]) -> list[tuple[int, str, str, Literal["added", "repeated", "refused"]]]:
    """Line number, its text, the address, and what to do with it. Empty lines are left out."""
    found: list[tuple[int, str, str, Literal["added", "repeated", "refused"]]] = []
    seen: set[str] = set()
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("\ufeff").strip(" \t,;\"'<>")
        if not text:
            continue
        email = clean_email(text)
        if email is None:
            found.append((number, text[:60], "", "refused"))
            continue
        found.append((number, email, email, "repeated" if email in seen else "added"))
        seen.add(email)
    return found


async def lift(app: App, call: Call) -> Any:
    """Lift a suppression, with a reason that the audit log keeps."""
    body: LiftBody = call.body
    channel: Channel = body.channel
    await app.write(suppressing.lift, call.agent, channel, body.address.strip().lower(), body.reason, call.address)
    return {}


TEXT = {"type": "string"}
ENDPOINTS: list[Endpoint] = [
    Endpoint(
        "GET",
        "/api/suppressions",
        list_suppressions,
        Can.CONTACTS_SEE,
        response=SuppressedAddresses,
        query={**PAGING_QUERY, "limit": WHOLE_NUMBER, "channel": TEXT, "reason": TEXT, "find": TEXT},
    ),
    Endpoint(
        "POST", "/api/suppressions", suppress, Can.SUPPRESS, SuppressBody, response=SuppressedNow, max_body=MAX_BODY
    ),
    Endpoint("POST", "/api/suppressions/lift", lift, Can.UNSUPPRESS, LiftBody, response=Done),
]
