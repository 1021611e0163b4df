"""The audit log over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

from server.accounts.rules import Can
from server.audit import queries, responses
from server.contacts.rules import shown_phone
from server.kernel.clock import rfc3339
from server.kernel.context import App
from server.web.csv_file import MEDIA_TYPE, csv_response
from server.web.http import WHOLE_NUMBER, Call, Endpoint, whole_number
from server.web.paging import PAGING_QUERY, Paging


def _customer(contact: queries.Contact | None) -> dict[str, Any] | None:
    return None if contact is None else asdict(contact) | {"phone_shown": shown_phone(contact.phone)}


async def audit_log(app: App, call: Call) -> Any:
    """Read who did what to accounts and settings, newest first."""
    limit = whole_number(call, "limit", 50, 200)
    paging = Paging(app, "audit", 1)
    requested = paging.place(call)
    older_than = requested.after[0] if requested.after else 2**62
    lines = await app.read(queries.page, limit + 1, older_than, requested.before[0] if requested.before else None)
    page = paging.page(lines, limit, requested, lambda line: (line.id,))
    return {
        "lines": [{**asdict(line), "at": rfc3339(line.at), "contact": _customer(line.contact)} for line in page.rows],
        **page.cursors,
    }


CSV_PAGE = 500
CSV_HEADER = ("time", "user", "action", "changed user", "customer", "target", "detail", "address")


async def audit_csv(app: App, call: Call) -> Any:
    """Download the whole log as CSV, newest first."""

    async def pages() -> AsyncIterator[list[list[str | None]]]:
        older_than = 2**62
        while lines := await app.read(queries.page, CSV_PAGE, older_than):
            yield [_csv_row(line) for line in lines]
            older_than = lines[-1].id

    return csv_response("audit.csv", CSV_HEADER, pages())


def _csv_row(line: queries.Line) -> list[str | None]:
    who, whom, contact = line.who, line.whom, line.contact
    return [
        rfc3339(line.at),
        who.name if who else None,
        line.action,
        whom.name if whom else None,
        (contact.name or contact.email or contact.phone) if contact else None,
        line.target,
        json.dumps(line.detail, ensure_ascii=False) if line.detail else None,
        line.address,
    ]


ENDPOINTS: list[Endpoint] = [
    Endpoint("GET", "/api/audit.csv", audit_csv, Can.AUDIT, area="accounts", response_type=MEDIA_TYPE),
    Endpoint(
        "GET",
        "/api/audit",
        audit_log,
        Can.AUDIT,
        response=responses.AuditPage,
        query={**PAGING_QUERY, "limit": WHOLE_NUMBER},
        area="accounts",
    ),
]
