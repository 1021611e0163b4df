"""Notifications over HTTP (PROTOCOL 3, "Notifications"): a user's own list and wishes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from server.accounts.rules import Can
from server.delivery.mail_settings import MAIL
from server.errors import Refused
from server.kernel.clock import rfc3339
from server.kernel.context import App
from server.kernel.sql import Conn
from server.notifications import actions, queries, responses
from server.notifications.rules import Scope, Wishes
from server.web.http import Call, Done, Endpoint


class Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class SeenBody(Body):
    until: str = Field(max_length=40)  # `at` of the newest notification that was shown


class WishesBody(Body):
    tickets: Scope
    mail: bool
    reminder_minutes: int = Field(ge=0, le=10_000)


async def list_notifications(app: App, call: Call) -> Any:
    """List your newest notifications."""

    def read(conn: Conn) -> dict[str, Any]:
        rows, tickets = queries.notifications_of(conn, call.agent.id)
        listed = []
        for row in rows:
            ticket = tickets[row.ticket]
            listed.append(
                {
                    "id": row.id,
                    "kind": row.kind,
                    "count": row.count,
                    "ticket": row.ticket,
                    "name": ticket.contact_name or ticket.contact_phone or ticket.contact_email or "",
                    "channel": ticket.channel,
                    "status": ticket.status,
                    "at": rfc3339(row.at),
                    "seen": row.seen,
                }
            )
        return {"notifications": listed, "unseen": queries.count_unseen(conn, call.agent.id)}

    return await app.read(read)


async def mark_seen(app: App, call: Call) -> Any:
    """Mark your notifications up to this time as seen."""
    body: SeenBody = call.body
    try:
        until = datetime.fromisoformat(body.until)
        if until.tzinfo is None:
            raise ValueError
        until = until.astimezone(UTC) + timedelta(milliseconds=1)  # JSON has milliseconds, the database microseconds
    except (ValueError, OverflowError):
        raise Refused("invalid", "Send the time of a notification, as `at` has it.", field="until") from None
    await app.write(actions.mark_seen, call.agent, until)
    return {}


async def _wishes_json(app: App, call: Call) -> dict[str, Any]:
    user = await app.read(queries.notified_user, call.agent.id, app.clock.now())
    wishes = Wishes() if user is None else user.wishes
    return {
        "tickets": wishes.tickets,
        "mail": wishes.mail,
        "reminder_minutes": wishes.reminder_minutes,
        "email": call.agent.email,
        "mail_possible": (await MAIL.latest(app)).usable,
    }


async def get_wishes(app: App, call: Call) -> Any:
    """Show what you are told about tickets, and how."""
    return await _wishes_json(app, call)


async def put_wishes(app: App, call: Call) -> Any:
    """Change what you are told about tickets, and how."""
    body: WishesBody = call.body
    await app.write(actions.save_wishes, call.agent, Wishes(body.tickets, body.mail, body.reminder_minutes))
    return await _wishes_json(app, call)


ENDPOINTS: list[Endpoint] = [
    Endpoint("GET", "/api/notifications", list_notifications, Can.INBOX, response=responses.Notifications),
    Endpoint("POST", "/api/notifications/seen", mark_seen, Can.INBOX, SeenBody, response=Done),
    Endpoint("GET", "/api/notifications/wishes", get_wishes, Can.INBOX, response=responses.NotificationWishes),
    Endpoint(
        "PUT", "/api/notifications/wishes", put_wishes, Can.INBOX, WishesBody, response=responses.NotificationWishes
    ),
]
