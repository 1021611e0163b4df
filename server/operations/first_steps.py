"""What an owner sets up first (UX 2): which steps are done, from what the product has stored. Read-only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import bindparam, func, select

from server.delivery.mail_settings import MAIL
from server.delivery.settings import SMS
from server.kernel.context import App
from server.kernel.sql import Conn, Statement
from server.operations.findings import Finding, ok
from server.schema import links, senders, settings, sites_seen, users
from server.sms.settings import INBOX
from server.webchat.hours import HOURS

StepId = Literal["widget", "sms", "mail", "hours", "auto_response", "team"]

_WIDGET_SEEN = Statement(select(sites_seen.c.origin).order_by(sites_seen.c.last_seen.desc()).limit(1))
_SAVED = Statement(select(func.count().label("n")).where(settings.c.name == bindparam("document")))
_NUMBERS = Statement(select(func.count().label("n")).select_from(senders).where(senders.c.enabled))
_PEOPLE = Statement(select(func.count().label("n")).select_from(users))
_INVITED = Statement(select(func.count().label("n")).where(links.c.purpose == "invite", links.c.used_at.is_(None)))


@dataclass(frozen=True, slots=True)
class Step:
    """`about`: the site where the widget was seen last."""

    id: StepId
    done: bool
    about: str = ""


def first_steps(conn: Conn) -> list[Step]:
    """Each step in the order in which it is best done. A saved document counts as checked, whatever it says: some teams
    want no hours and no automatic reply."""
    site: str = conn.value(_WIDGET_SEEN) or ""
    texts = SMS.load(conn).on and conn.value(_NUMBERS) > 0
    return [
        Step("widget", bool(site), site),
        Step("sms", bool(texts)),
        Step("mail", MAIL.load(conn).usable),
        Step("hours", _saved(conn, HOURS.name)),
        Step("auto_response", _saved(conn, INBOX.name)),
        Step("team", conn.value(_PEOPLE) > 1 or conn.value(_INVITED) > 0),
    ]


def _saved(conn: Conn, document: str) -> bool:
    return bool(conn.value(_SAVED, document=document))


_WORDS: dict[StepId, str] = {
    "widget": "install the chat widget on your site",
    "sms": "connect Twilio",
    "mail": "connect a mail server",
    "hours": "set business hours",
    "auto_response": "check the SMS auto-response",
    "team": "invite the team",
}


async def set_up(app: App) -> list[Finding]:
    """The open steps, as the console's checklist shows them. An open step is no fault, because each is optional."""
    steps = await app.read(first_steps)
    still_open = [_WORDS[step.id] for step in steps if not step.done]
    if not still_open:
        return [ok("The first steps are done.")]
    return [ok(f"First steps that are still open: {', '.join(still_open)}.")]
