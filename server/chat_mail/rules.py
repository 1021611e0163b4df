"""Rules of follow-up mails to visitors who left the chat (FUP-1 to FUP-9, AMB-10, AMB-11). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from server.accounts.rules import is_online

# A visitor with an open chat refreshes their presence every 20 s. The wall clock may jump between two checks, so a visitor
# counts as away only if two checks, this long apart, find the same old presence.
CONFIRM = timedelta(seconds=25)
RECHECK = timedelta(seconds=30)  # for a visitor who is online and has not seen the reply
LINK_LIFE = timedelta(days=30)

# Providers of free mail. Mail servers distrust mail from these domains that another server sends (FUP-2).
FREE_MAIL = frozenset(
    "gmail.com googlemail.com outlook.com hotmail.com live.com msn.com yahoo.com yahoo.co.uk ymail.com icloud.com me.com"
    " aol.com gmx.com gmx.de gmx.net web.de mail.com proton.me protonmail.com zoho.com yandex.com yandex.ru ya.ru mail.ru"
    " bk.ru inbox.ru list.ru rambler.ru wp.pl o2.pl onet.pl op.pl interia.pl naver.com daum.net hanmail.net kakao.com"
    " nate.com qq.com 163.com 126.com".split()
)


@dataclass(frozen=True, slots=True)
class Absence:
    """What the decision about a follow-up depends on. `seen_at`: when the visitor was last present. `absent_since`: `seen_at`
    at the last check, if the visitor was away then. `unseen`: whether there is a reply that the visitor has not seen."""

    unseen: bool
    wrote_since: bool  # the visitor wrote after the first of these replies
    seen_at: datetime | None
    absent_since: datetime | None
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Send:
    """The visitor is away and the delay is over."""


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Check again at `at`."""

    at: datetime
    absent_since: datetime | None


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is nothing to mail."""


def decide(absence: Absence, now: datetime) -> Send | LookAgain | Nothing:
    if not absence.unseen or absence.wrote_since:
        return Nothing()
    if is_online(absence.seen_at, now):
        return LookAgain(now + RECHECK, None)
    if absence.absent_since is None or has_returned(absence.seen_at, absence.absent_since):
        return LookAgain(max(absence.due_at, now + CONFIRM), absence.seen_at or now)
    if now < absence.due_at:
        return LookAgain(absence.due_at, absence.absent_since)
    return Send()


def has_returned(seen_at: datetime | None, absent_since: datetime | None) -> bool:
    """Whether the visitor was present after a check had found them away."""
    return seen_at is not None and absent_since is not None and seen_at > absent_since


def first_look(replied_at: datetime, delay: timedelta) -> tuple[datetime, datetime]:
    """When the mail is due after a reply (AMB-10), and when to check for the first time."""
    due = replied_at + delay
    return due, max(replied_at, due - CONFIRM)


def mask_address(address: str) -> str:
    """`m…@example.com`, for a screen that others may see."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}"
