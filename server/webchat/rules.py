"""Pure rules for visitors: which names they may use, and how their page, language and time zone are cleaned."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from server.text import clean_line, is_blank
from server.threads.ticket_rules import Refusal, TicketFacts
from server.webchat.impersonation import impersonates


def may_carry_over(ticket: TicketFacts, own_status: str | None) -> bool:
    """Whether an anonymous visitor's chat may move to the customer they signed in as (AMB-37). `own_status`: the status of the
    customer's own chat, if any. A customer has at most one open chat (INB-23)."""
    return ticket.status != "closed" and own_status in (None, "closed")


@dataclass(frozen=True, slots=True)
class Name:
    value: str


def visitor_name(raw: str, colleagues: frozenset[str]) -> Name | Refusal:
    """Checks the name a visitor enters; refuses one that looks like the team's (W34). `colleagues`: the `text.visual_keys` of
    all agents' names."""
    name = clean_line(raw, 80)
    if not name or is_blank(name):
        return Refusal("invalid", "Please enter a name with letters in it.")
    if impersonates(name, colleagues):
        return Refusal("reserved_name", "This name belongs to the team. Please use your own.")
    return Name(name)


TOKEN_PARAMETERS = re.compile(
    r"(?i)^(.*(token|password|passwd|secret|api_?key|auth|signature|session).*|code|key|sig|jwt|sid)$"
)


def clean_url(raw: str) -> str:
    """An http(s) address without credentials and with secret-looking parameters hidden; "" for anything else (W35)."""
    raw = clean_line(raw, 4_000)
    try:
        parts = urlsplit(raw)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not host:
        return ""
    query = parts.query
    if query:
        pairs = parse_qsl(query, keep_blank_values=True)[:50]
        query = urlencode([(name, "hidden" if TOKEN_PARAMETERS.match(name) else value) for name, value in pairs])
    host = f"[{host}]" if ":" in host else host
    return urlunsplit((parts.scheme, host + port, parts.path, query, ""))[:2_000]


def clean_locale(raw: str) -> str:
    return raw if re.fullmatch(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}", raw) else ""


def clean_time_zone(raw: str) -> str:
    return raw if re.fullmatch(r"[A-Za-z]+(/[A-Za-z0-9_+\-]+){0,2}", raw) and len(raw) <= 40 else ""
