"""Roles, capabilities and the one question everything asks: may this actor do this to that?

`TABLE` is SPEC ROL-8, whole; what it does not list is refused. `authorise` is asked by HTTP routes,
socket commands, socket deliveries, files and exports alike. Below it: who may change whose account,
how long sessions and links live, and what a shop may say about its customer.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from server.errors import Conflict, Forbidden, NotFound, Refused, SignInRequired


class Role(StrEnum):
    """SPEC ROL-1: exactly seven."""

    OWNER = "owner"
    ADMIN = "admin"
    MANAGER = "manager"
    ANALYST = "analyst"
    COORDINATOR = "coordinator"
    CREATOR = "creator"
    SUPPORT = "support"


class Can(StrEnum):
    """What can be done, in the words of SPEC ROL-8."""

    SIGNED_IN = "signed_in"  # one's own account: sessions, password, presence
    INBOX = "inbox"
    CONTACTS_SEE = "contacts_see"
    CONTACTS_EDIT = "contacts_edit"
    CONSENT_GRANT = "consent_grant"
    CONSENT_WITHDRAW = "consent_withdraw"
    IMPORT = "import"
    IMPORT_CONSENT = "import_consent"
    EXPORT = "export"
    SUPPRESS = "suppress"
    UNSUPPRESS = "unsuppress"
    LISTS_SEE = "lists_see"
    LISTS_EDIT = "lists_edit"
    CAMPAIGNS_PREPARE = "campaigns_prepare"
    CAMPAIGNS_SEND = "campaigns_send"
    CAMPAIGNS_REPORT = "campaigns_report"
    FLOWS_EDIT = "flows_edit"
    FLOWS_RUN = "flows_run"
    FLOWS_REPORT = "flows_report"
    CHANNELS = "channels"  # SMS set-up, numbers, quiet hours, hours, chat widget
    SECRETS = "secrets"
    USERS = "users"
    AUDIT = "audit"
    ERASE = "erase"
    OWN = "own"  # backup, restore, key rotation, closing the account


_O, _A, _M, _AN = Role.OWNER, Role.ADMIN, Role.MANAGER, Role.ANALYST
_CC, _CR, _S = Role.COORDINATOR, Role.CREATOR, Role.SUPPORT

TABLE: dict[Can, frozenset[Role]] = {
    Can.SIGNED_IN: frozenset(Role),
    Can.INBOX: frozenset({_O, _A, _M, _S}),
    Can.CONTACTS_SEE: frozenset({_O, _A, _M, _S, _AN, _CC}),
    Can.CONTACTS_EDIT: frozenset({_O, _A, _M, _S}),
    Can.CONSENT_GRANT: frozenset({_O, _A, _M}),
    Can.CONSENT_WITHDRAW: frozenset({_O, _A, _M, _S}),
    Can.IMPORT: frozenset({_O, _A, _M, _AN}),
    Can.IMPORT_CONSENT: frozenset({_O, _A}),
    Can.EXPORT: frozenset({_O, _A, _AN}),
    Can.SUPPRESS: frozenset({_O, _A, _M}),
    Can.UNSUPPRESS: frozenset({_O, _A}),
    Can.LISTS_SEE: frozenset({_O, _A, _M, _CC, _AN, _CR, _S}),
    Can.LISTS_EDIT: frozenset({_O, _A, _M, _CC}),
    Can.CAMPAIGNS_PREPARE: frozenset({_O, _A, _M, _CC, _CR}),
    Can.CAMPAIGNS_SEND: frozenset({_O, _A, _M, _CC}),
    Can.CAMPAIGNS_REPORT: frozenset({_O, _A, _M, _AN, _CC}),
    Can.FLOWS_EDIT: frozenset({_O, _A, _M, _CR}),
    Can.FLOWS_RUN: frozenset({_O, _A, _M}),
    Can.FLOWS_REPORT: frozenset({_O, _A, _M, _AN, _CC}),
    Can.CHANNELS: frozenset({_O, _A, _M}),
    Can.SECRETS: frozenset({_O, _A}),
    Can.USERS: frozenset({_O, _A}),
    Can.AUDIT: frozenset({_O, _A}),
    Can.ERASE: frozenset({_O, _A}),
    Can.OWN: frozenset({_O}),
}


@dataclass(frozen=True, slots=True)
class Anonymous:
    """Nobody in particular."""


@dataclass(frozen=True, slots=True)
class Agent:
    """A signed-in user."""

    id: int
    name: str
    email: str
    role: Role
    session: int


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whoever holds a visitor token (`key` = its hash) or a signed identity (`key` = "ext:<sub>")."""

    key: str


Actor = Anonymous | Agent | Visitor


@dataclass(frozen=True, slots=True)
class Owned:
    """The object a question is about: whose conversation it stands in, and whether visitors may see it."""

    visitor: str | None  # the visitor key of the thread; None for SMS
    public: bool = True


def may(who: Actor, what: Can, which: Owned | None = None) -> bool:
    """The one authorisation question. A visitor may only reach what is public in their own conversation."""
    match who:
        case Agent(role=role):
            return role in TABLE[what]
        case Visitor(key=key):
            return what is Can.INBOX and which is not None and which.public and which.visitor == key
        case _:
            return False


def authorise(who: Actor, what: Can, which: Owned | None = None) -> None:
    """Raises the refusal that fits: sign in, forbidden, or "nothing here" where even existence is private."""
    if may(who, what, which):
        return
    match who:
        case Agent():
            raise Forbidden()
        case Visitor():
            raise NotFound()
        case _:
            raise SignInRequired()


def capabilities(role: Role) -> list[str]:
    return sorted(can for can, roles in TABLE.items() if role in roles)


# --- who may change whose account ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """What is asked for an account; None leaves it as it is."""

    role: Role | None = None
    disabled: bool | None = None


def may_give(actor: Role, role: Role) -> Refused | None:
    """May `actor` hand out `role`, by invitation or by changing it? None: yes."""
    if role is Role.OWNER:
        return Conflict("one_owner", "An account has exactly one owner. Choose another role.", field="role")
    if actor not in TABLE[Can.USERS] or (role is Role.ADMIN and actor not in (Role.OWNER, Role.ADMIN)):
        return Forbidden("Nobody gives a role above their own.")
    return None


def may_change(actor_id: int, actor: Role, target_id: int, target: Role, change: Change) -> Refused | None:
    """May `actor` make this change to `target`? None: yes.

    The owner stays the owner and stays able to sign in (A11), nobody locks themselves out, and an
    admin never touches the owner.
    """
    if actor not in TABLE[Can.USERS]:
        return Forbidden()
    role = None if change.role is target else change.role
    if target is Role.OWNER and (role is not None or change.disabled):
        if actor_id != target_id:
            return Forbidden("Only the owner can change the owner's account.")
        return Conflict("last_owner", "An account needs its owner: this would leave it without one.")
    if target is Role.OWNER and actor is not Role.OWNER:
        return Forbidden("Only the owner can change the owner's account.")
    if actor_id == target_id and (role is not None or change.disabled):
        return Conflict("own_account", "You cannot change your own role or disable yourself. Ask another admin.")
    return None if role is None else may_give(actor, role)


def may_reset(actor_id: int, actor: Role, target_id: int, target: Role) -> Refused | None:
    """May `actor` make a link that sets `target`'s password? None: yes. Never for oneself: that would be a way
    around one's current password."""
    if actor_id == target_id:
        return Conflict("own_account", "Change your own password under “Your account”.")
    return may_change(actor_id, actor, target_id, target, Change())


# --- names and addresses ------------------------------------------------------------------------

_EMAIL = re.compile(r"[^@\s<>()\[\]\\,;:\"]{1,64}@[^@\s<>()\[\]\\,;:\"/?#]{1,255}")
NAME_CHARS = 80


def email_address(text: str) -> str | None:
    """The form under which an address signs in: NFC, lower case, at most 254 characters; None: it is not one.

    Deliberately loose about the domain (`anna@shop.local` is an address in somebody's house).
    """
    text = unicodedata.normalize("NFC", text[:400].strip()).lower()
    if len(text) > 254 or not _EMAIL.fullmatch(text) or not text.isprintable():
        return None
    domain = text.rpartition("@")[2]
    return None if any(not part or len(part) > 63 for part in domain.split(".")) else text


def required_email(text: str) -> str:
    email = email_address(text)
    if email is None:
        raise Refused("invalid", "This is not an e-mail address.", field="email")
    return email


def one_line(text: str) -> str:
    """NFC on one line, without control characters, zero-width spaces and marks that turn the writing direction."""
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") else c for c in text if c not in HIDDEN)
    return unicodedata.normalize("NFC", " ".join(kept.split()))


# Half a bracketed direction mark in a name would turn the sentence it stands in; with a zero-width space it is another
# name that looks the same. Joiners (U+200C, U+200D) stay: Persian and families of emoji are written with them.
HIDDEN = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u2060\ufeff")


def is_blank(text: str) -> bool:
    """Nothing a person could see: spaces, zero-width characters or bare combining marks only (W11)."""
    if text.isascii() and text.isprintable():
        return not text.strip()
    return all(_is_invisible(char) for char in text)


FILLERS = "\u115f\u1160\u3164\uffa0\u2800"  # letters and signs by category, blank to the eye


def _is_invisible(char: str) -> bool:
    category = unicodedata.category(char)
    if category == "Cn":  # newer than our tables (an emoji of this year), unless it is none for ever
        code = ord(char)
        return code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    return category[0] in "ZM" or category in ("Cc", "Cf", "Cs") or char in FILLERS


def person_name(text: str) -> str:
    """A name as shown to customers: one line, 1 to 80 characters; else refused."""
    name = one_line(text[:1000])
    if is_blank(name) or len(name) > NAME_CHARS:
        raise Refused("invalid", f"A name has 1 to {NAME_CHARS} characters.", field="name")
    return name


# --- sessions, links, guessing ------------------------------------------------------------------

LOOPBACK_6 = "0000:0000:0000:0000::/64"  # ::1 as `web.limits` names it

Purpose = Literal["signin", "invite", "reset"]

LINK_LIFE: dict[Purpose, timedelta] = {
    "signin": timedelta(minutes=15),
    "invite": timedelta(days=7),
    "reset": timedelta(hours=24),
}

LOGIN_WINDOW = timedelta(minutes=15)
# Of one address and of everybody together, as multiples of what one account may fail in the window.
PER_ADDRESS, ALTOGETHER = 10, 100

# A session's `seen_at` is written at most this often.
TOUCH_EVERY = timedelta(minutes=5)

# Someone counts as there for this long after the last sign of life (presence, with a TTL).
ONLINE_FOR = timedelta(seconds=45)


def session_valid(
    *, ended: bool, disabled: bool, seen_at: datetime, expires_at: datetime, idle: timedelta, now: datetime
) -> bool:
    """Neither ended nor too old nor too long unused, and its user may still sign in."""
    return not ended and not disabled and now < expires_at and now - seen_at < idle


# --- what a shop says about its customer --------------------------------------------------------

IDENTITY_AHEAD = timedelta(hours=24)  # the farthest `exp` that is accepted
IDENTITY_LEEWAY = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class VisitorIdentity:
    """Who writes: `key` is "ext:<sub>" or the hash of a visitor token. E-mail and name only from a signed identity."""

    key: str
    email: str | None = None
    name: str | None = None
    verified: bool = False


@dataclass(frozen=True, slots=True)
class BadIdentity:
    """Why a signed identity does not count, in words for the shop's developer; quotes nothing of it."""

    reason: str


def identity(claims: Any, now: datetime) -> VisitorIdentity | BadIdentity:
    """Reads the claims of a token whose signature is already verified.

    `sub`: text of 1 to 200 printable characters. `exp`: required, at most 24 h ahead (60 s of grace either way).
    `email` and `name` are taken where they make sense and ignored where not.
    """
    if not isinstance(claims, dict):
        return BadIdentity("the claims are not an object")
    sub, exp = claims.get("sub"), claims.get("exp")
    if not isinstance(sub, str) or not 1 <= len(sub) <= 200 or not sub.isprintable():
        return BadIdentity("`sub` must be text of 1 to 200 characters")
    if isinstance(exp, bool) or not isinstance(exp, int | float) or not math.isfinite(exp):
        return BadIdentity("`exp` must be a time in seconds")
    if now.timestamp() > exp + IDENTITY_LEEWAY.total_seconds():
        return BadIdentity("`exp` has passed")
    if exp > (now + IDENTITY_AHEAD + IDENTITY_LEEWAY).timestamp():
        return BadIdentity("`exp` is more than 24 hours ahead")
    email, name = claims.get("email"), claims.get("name")
    shown = one_line(name[:1000])[:NAME_CHARS] if isinstance(name, str) else ""
    return VisitorIdentity(
        key="ext:" + sub,
        email=email_address(email) if isinstance(email, str) else None,
        name=shown or None,
        verified=True,
    )


@dataclass(frozen=True, slots=True)
class Rotation:
    """Which identity secret is in force: `number`, and until when the one before it still counts."""

    number: int = 1
    previous_until: datetime | None = None

    def accepted(self, now: datetime) -> list[int]:
        both = self.number > 1 and self.previous_until is not None and now < self.previous_until
        return [self.number, self.number - 1] if both else [self.number]


def rotation(value: Any) -> Rotation:
    """From the settings document `identity`: {"number": n, "previous_until": RFC 3339 | None}."""
    if not isinstance(value, dict):
        return Rotation()
    until = value.get("previous_until")
    at = datetime.fromisoformat(until) if isinstance(until, str) else None
    if at is not None and at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return Rotation(int(value.get("number", 1)), at)
