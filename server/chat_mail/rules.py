"""Rules of follow-up mails to visitors who left the chat (FUP-1 to FUP-9, AMB-10, AMB-11). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from server.accounts.rules import is_online

# A visitor who is there refreshes their presence every 20 s. Between two looks the wall clock may jump, so a visitor counts
# as away only if both looks, this long apart, find the same old presence.
CONFIRM = timedelta(seconds=25)
LOOK_AGAIN = timedelta(seconds=30)  # at a visitor who is there and has not seen the reply
LINK_LIFE = timedelta(days=30)

# Anybody can have an address at these, so mail servers distrust mail from them that another server sends (FUP-2).
FREE_MAIL = frozenset(
    "gmail.com googlemail.com outlook.com hotmail.com live.com msn.com yahoo.com yahoo.co.uk ymail.com icloud.com me.com"
    " aol.com gmx.com gmx.de gmx.net web.de mail.com proton.me protonmail.com zoho.com yandex.com yandex.ru ya.ru mail.ru"
    " bk.ru inbox.ru list.ru rambler.ru wp.pl o2.pl onet.pl op.pl interia.pl naver.com daum.net hanmail.net kakao.com"
    " nate.com qq.com 163.com 126.com".split()
)


@dataclass(frozen=True, slots=True)
class Absence:
    """What a decision about a follow-up depends on. `seen_at`: the visitor's presence. `absent_since`: that presence at the
    last look, if the visitor was away then. `unseen`: a reply that the visitor has not seen."""

    unseen: bool
    wrote_since: bool  # the visitor wrote after the first of these replies
    seen_at: datetime | None
    absent_since: datetime | None
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Send:
    """The visitor is away and the delay is over."""


@dataclass(frozen=True, slots=True)
class Look:
    """Look again at `at`."""

    at: datetime
    absent_since: datetime | None


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is nothing to mail."""


def decide(absence: Absence, now: datetime) -> Send | Look | Nothing:
    if not absence.unseen or absence.wrote_since:
        return Nothing()
    if is_online(absence.seen_at, now):
        return Look(now + LOOK_AGAIN, None)
    if absence.absent_since is None or returned(absence.seen_at, absence.absent_since):
        return Look(max(absence.due_at, now + CONFIRM), absence.seen_at or now)
    if now < absence.due_at:
        return Look(absence.due_at, absence.absent_since)
    return Send()


def returned(seen_at: datetime | None, absent_since: datetime | None) -> bool:
    """Whether the visitor was there after they were found away."""
    return seen_at is not None and absent_since is not None and seen_at > absent_since


def first_look(replied_at: datetime, delay: timedelta) -> tuple[datetime, datetime]:
    """When the mail is due after a reply (AMB-10), and when to look for the first time."""
    due = replied_at + delay
    return due, max(replied_at, due - CONFIRM)


def masked(address: str) -> str:
    """`m…@example.com`, for a screen that others may see."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}"
