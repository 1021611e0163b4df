"""Links that a person asks for and gets by mail: to sign in, or to set a new password; and the link in an invitation mail.

A link is created when its mail is sent, so that only its hash is stored.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select

from server.accounts import queries, rules
from server.accounts.queries import Invite, User
from server.accounts.rules import MAILED_LIFE, LinkRequested, Purpose, Role
from server.accounts.single_use_links import add_link
from server.audit.actions import record
from server.errors import RateLimited
from server.kernel import jobs
from server.kernel.clock import rfc3339
from server.kernel.context import App
from server.kernel.ids import digest
from server.kernel.jobs import Handler, Job
from server.kernel.sql import Tx
from server.schema import links, login_failures, users

REQUEST_JOB = "accounts.mail_link"


async def request(app: App, purpose: Purpose, email: str, language: str, address: str) -> None:
    """Mails a link if the address has an account. The caller learns nothing: an unknown address costs the same writes.

    Raises `RateLimited` after too many requests for the address or from the client, known or not.
    """
    await app.write(_request, purpose, rules.required_email(email), language, address)


def _request(tx: Tx, purpose: Purpose, email: str, language: str, address: str) -> RateLimited | None:
    subject = digest(email)
    if (refusal := _count(tx, subject, address)) is not None:
        return refusal
    # An unknown address is not stored: people type passwords into the wrong field.
    payload = {
        "user": tx.value(select(users.c.id).where(users.c.email == email)),
        "purpose": purpose,
        "language": language,
        "address": address,
        "at": rfc3339(tx.now),
    }
    jobs.enqueue(tx, REQUEST_JOB, payload, run_at=tx.now, key=f"link:{purpose}:{subject}", priority=0)
    return None


def _count(tx: Tx, subject: str, address: str) -> RateLimited | None:
    """Counts the request per account, per address and in total, in a sliding window."""
    bounds = {
        f"link:account:{subject}": rules.LINKS_PER_ACCOUNT,
        f"link:address:{address}": rules.LINKS_PER_ADDRESS,
        "link:all": rules.LINKS_IN_TOTAL,
    }
    tx.run(delete(login_failures).where(login_failures.c.at <= tx.now - rules.LOGIN_WINDOW))
    for name, most in bounds.items():
        full = tx.first(
            select(func.count().label("n"), func.min(login_failures.c.at).label("first")).where(
                login_failures.c.subject == name
            )
        )
        if full is not None and full.n >= most:
            wait_s = (full.first + rules.LOGIN_WINDOW - tx.now).total_seconds()
            return RateLimited("Too many requests for a link. Wait a moment.", max(1.0, wait_s))
    tx.run(login_failures.insert().values([{"subject": name, "at": tx.now} for name in bounds]))
    return None


async def announce_request(app: App, job: Job) -> None:
    await app.write(_announce_request, job.payload)


def _announce_request(tx: Tx, payload: dict[str, Any]) -> None:
    user = None if payload["user"] is None else queries.user(tx, payload["user"], tx.now)
    if user is None or user.disabled:
        return
    purpose: Purpose = payload["purpose"]
    record(tx, None, f"{purpose}_link_requested", str(user.id), payload["address"])
    tx.announce(
        LinkRequested(
            purpose,
            user.id,
            user.email,
            user.language or payload["language"],
            payload["address"],
            datetime.fromisoformat(payload["at"]),
        )
    )


# --- for the mails --------------------------------------------------------------------------------


def add_mailed_link(tx: Tx, purpose: Purpose, user_id: int, token: str) -> User | None:
    """Creates the link of a mail. Returns its user; None if the account is disabled meanwhile."""
    user = queries.user(tx, user_id, tx.now)
    if user is None or user.disabled:
        return None
    add_link(tx, purpose, token, user_id=user_id, expires_at=tx.now + MAILED_LIFE)
    return user


def add_mailed_invite(tx: Tx, invite_id: int, email: str, token: str) -> Invite | None:
    """Creates the link of an invitation mail; the link of an earlier attempt ends. None if the invitation is not open."""
    row = tx.first(
        select(links).where(
            links.c.id == invite_id,
            links.c.email == email,  # SQLite gives the id of a deleted invitation again
            links.c.purpose == "invite",
            links.c.used_at.is_(None),
            links.c.expires_at > tx.now,
        )
    )
    if row is None:
        return None
    tx.run(delete(links).where(links.c.mailed_for == invite_id, links.c.used_at.is_(None)))
    role = Role(row.role)
    add_link(
        tx,
        "invite",
        token,
        email=row.email,
        role=role,
        by=row.created_by,
        expires_at=row.expires_at,
        mailed_for=invite_id,
    )
    return Invite(row.id, row.email, role, row.expires_at)


HANDLERS: dict[str, Handler] = {REQUEST_JOB: announce_request}
