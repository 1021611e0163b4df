"""Authorisation: roles, capabilities and `may`; and the rules for accounts, sessions, links and signed identities.

`TABLE` lists the roles of each capability; everything else is refused. HTTP routes, sockets, files and exports all use
`authorise` or `may`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from server.audit.rules import ActedBy, ActorType
from server.errors import Conflict, Forbidden, NotFound, Refused, SignInRequired
from server.text import is_blank, one_line


class Role(StrEnum):
    """ROL-1: exactly seven."""

    OWNER = "owner"
    ADMIN = "admin"
    MANAGER = "manager"
    ANALYST = "analyst"
    COORDINATOR = "coordinator"
    CREATOR = "creator"
    SUPPORT = "support"


class Can(StrEnum):
    """The capabilities, in the words of ROL-8."""

    SIGNED_IN = "signed_in"  # your own account: sessions, password, presence
    INBOX = "inbox"
    UNBLOCK = "unblock"  # blocking is a right of the inbox
    CONTACTS_SEE = "contacts_see"
    CONTACTS_EDIT = "contacts_edit"
    CONSENT_GRANT = "consent_grant"
    CONSENT_WITHDRAW = "consent_withdraw"
    IMPORT = "import"
    IMPORT_CONSENT = "import_consent"
    EXPORT = "export"
    SUPPRESS = "suppress"
    UNSUPPRESS = "unsuppress"
    PROPERTIES = "properties"  # which properties contacts have, and the table of postal codes
    LISTS_SEE = "lists_see"
    LISTS_EDIT = "lists_edit"
    CAMPAIGNS_PREPARE = "campaigns_prepare"
    CAMPAIGNS_SEND = "campaigns_send"
    CAMPAIGNS_REPORT = "campaigns_report"
    CAMPAIGNS_SEE = "campaigns_see"  # who prepares them or sees their reports
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
    Can.UNBLOCK: frozenset({_O, _A}),
    Can.CONTACTS_SEE: frozenset({_O, _A, _M, _S, _AN, _CC}),
    Can.CONTACTS_EDIT: frozenset({_O, _A, _M, _S}),
    Can.CONSENT_GRANT: frozenset({_O, _A, _M}),
    Can.CONSENT_WITHDRAW: frozenset({_O, _A, _M, _S}),
    Can.IMPORT: frozenset({_O, _A, _M, _AN}),
    Can.IMPORT_CONSENT: frozenset({_O, _A}),
    Can.EXPORT: frozenset({_O, _A, _AN}),
    Can.SUPPRESS: frozenset({_O, _A, _M}),
    Can.UNSUPPRESS: frozenset({_O, _A}),
    Can.PROPERTIES: frozenset({_O, _A, _M}),
    Can.LISTS_SEE: frozenset({_O, _A, _M, _CC, _AN, _CR, _S}),
    Can.LISTS_EDIT: frozenset({_O, _A, _M, _CC}),
    Can.CAMPAIGNS_PREPARE: frozenset({_O, _A, _M, _CC, _CR}),
    Can.CAMPAIGNS_SEND: frozenset({_O, _A, _M, _CC}),
    Can.CAMPAIGNS_REPORT: frozenset({_O, _A, _M, _AN, _CC}),
    Can.CAMPAIGNS_SEE: frozenset({_O, _A, _M, _AN, _CC, _CR}),
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
    """A client without valid credentials."""


@dataclass(frozen=True, slots=True)
class Agent:
    """A signed-in user."""

    id: int
    name: str
    email: str
    role: Role
    session: int

    @property
    def by(self) -> ActedBy:
        return ActedBy(ActorType.AGENT, self.id, self.name)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A program of the owner's, with its scopes."""

    id: int
    name: str
    scopes: frozenset[Can]

    @property
    def by(self) -> ActedBy:
        return ActedBy(ActorType.API_KEY, self.id, self.name)


@dataclass(frozen=True, slots=True)
class Visitor:
    """A visitor: `key` is the hash of the visitor token, or "ext:<sub>" of a signed identity."""

    key: str


Actor = Anonymous | Agent | ApiKey | Visitor


# What an API key may be allowed. Answering customers, accounts, secrets and ownership need a person.
KEY_SCOPES = frozenset(Can) - {Can.SIGNED_IN, Can.INBOX, Can.UNBLOCK, Can.USERS, Can.SECRETS, Can.AUDIT, Can.OWN}


@dataclass(frozen=True, slots=True)
class Owned:
    """The object that a check is about: who the visitor of its conversation is, and whether visitors may see it."""

    visitor: str | None  # the visitor key of the thread; None for SMS
    public: bool = True


def may(actor: Actor, capability: Can, target: Owned | None = None) -> bool:
    """Whether this actor may do this. A visitor may only see public objects of their own conversation."""
    match actor:
        case Agent(role=role):
            return role in TABLE[capability]
        case ApiKey(scopes=scopes):
            return capability in scopes & KEY_SCOPES
        case Visitor(key=key):
            return capability is Can.INBOX and target is not None and target.public and target.visitor == key
        case _:
            return False


def authorise(actor: Actor, capability: Can, target: Owned | None = None) -> None:
    """Raises `SignInRequired` or `Forbidden` unless `may` allows it; `NotFound` if even the object's existence is
    private."""
    if may(actor, capability, target):
        return
    match actor:
        case Agent():
            raise Forbidden()
        case ApiKey():
            raise Forbidden(f"This API key does not have the scope {capability.value}.", "missing_scope")
        case Visitor():
            raise NotFound()
        case _:
            raise SignInRequired()


def capabilities(role: Role) -> list[str]:
    return sorted(can for can, roles in TABLE.items() if role in roles)


@dataclass(frozen=True, slots=True)
class AccountChange:
    """The requested change of an account; None changes nothing."""

    role: Role | None = None
    disabled: bool | None = None


def may_grant(actor: Role, role: Role) -> Refused | None:
    """The refusal if `actor` must not assign `role`; else None."""
    if role is Role.OWNER:
        return Conflict("one_owner", "An account has exactly one owner. Choose another role.", field="role")
    if actor not in TABLE[Can.USERS] or (role is Role.ADMIN and actor not in (Role.OWNER, Role.ADMIN)):
        return Forbidden("You cannot give a role above your own.")
    return None


def may_change(actor_id: int, actor: Role, target_id: int, target: Role, change: AccountChange) -> Refused | None:
    """The refusal if `actor` must not make this change to `target`; else None.

    The owner keeps the role and can always sign in (A11). Nobody can change their own role or disable themselves. An admin
    cannot change the owner.
    """
    if actor not in TABLE[Can.USERS]:
        return Forbidden()
    role = None if change.role is target else change.role
    if target is Role.OWNER and (role is not None or change.disabled):
        if actor_id != target_id:
            return Forbidden("Only the owner can change the owner's account.")
        return Conflict("last_owner", "An account needs an owner. This would leave it without one.")
    if target is Role.OWNER and actor is not Role.OWNER:
        return Forbidden("Only the owner can change the owner's account.")
    if actor_id == target_id and (role is not None or change.disabled):
        return Conflict("own_account", "You cannot change your own role or disable yourself. Ask another admin.")
    return None if role is None else may_grant(actor, role)


def may_reset(actor_id: int, actor: Role, target_id: int, target: Role) -> Refused | None:
    """The refusal if `actor` must not make a link that sets `target`'s password; else None.

    Nobody may for their own account, because the link avoids the check of the current password."""
    if actor_id == target_id:
        return Conflict("own_account", "Change your own password under “My account”.")
    return may_change(actor_id, actor, target_id, target, AccountChange())


_EMAIL = re.compile(r"[^@\s<>()\[\]\\,;:\"]{1,64}@[^@\s<>()\[\]\\,;:\"/?#]{1,255}")
NAME_CHARS = 80


def email_address(text: str) -> str | None:
    """The e-mail address in the form used to sign in: NFC, lower case, at most 254 characters; None if it is invalid.

    The domain is checked loosely, because internal domains such as `shop.local` are valid.
    """
    text = unicodedata.normalize("NFC", text[:400].strip()).lower()
    if len(text) > 254 or not _EMAIL.fullmatch(text) or not text.isprintable():
        return None
    domain = text.rpartition("@")[2]
    return None if any(not label or len(label) > 63 for label in domain.split(".")) else text


def required_email(text: str) -> str:
    email = email_address(text)
    if email is None:
        raise Refused("invalid", "Enter a valid e-mail address.", field="email", fault="bad_email")
    return email


def person_name(text: str) -> str:
    """A name as shown to customers: one line, 1 to 80 characters; else refused."""
    name = one_line(text[:1000])
    if is_blank(name) or len(name) > NAME_CHARS:
        advice = f"A name must have 1 to {NAME_CHARS} characters."
        raise Refused("invalid", advice, field="name", fault="bad_name", params={"max": NAME_CHARS})
    return name


Purpose = Literal["signin", "invite", "reset"]


LINK_LIFE: dict[Purpose, timedelta] = {
    "signin": timedelta(minutes=15),
    "invite": timedelta(days=7),
    "reset": timedelta(hours=24),
}


MAILED_LIFE = timedelta(hours=1)  # of a link that its owner asked for and got by mail
LANGUAGES = ("en", "ko", "pl", "ru")


@dataclass(frozen=True, slots=True)
class Invited:
    """Announced when somebody is invited. `language`: of the colleague who invites."""

    invite_id: int
    email: str
    inviter: str
    language: str


@dataclass(frozen=True, slots=True)
class LinkRequested:
    """Announced when a user asks for a link by mail. `language`: of the user, else of the page."""

    purpose: Purpose
    user_id: int
    email: str
    language: str
    address: str
    requested_at: datetime


# Requests for a link within `LOGIN_WINDOW`: for one account, from one address, and in total.
LINKS_PER_ACCOUNT, LINKS_PER_ADDRESS, LINKS_IN_TOTAL = 3, 20, 300


LOGIN_WINDOW = timedelta(minutes=15)
# Limits per address and in total, as multiples of the limit per account.
ADDRESS_FACTOR, TOTAL_FACTOR = 10, 100


# A session's `seen_at` is written at most this often.
TOUCH_EVERY = timedelta(minutes=5)


# How long a user counts as online after `seen_at`.
ONLINE_FOR = timedelta(seconds=45)


def is_online(seen_at: datetime | None, now: datetime) -> bool:
    return seen_at is not None and now - seen_at < ONLINE_FOR


def session_valid(
    *, ended: bool, disabled: bool, seen_at: datetime, expires_at: datetime, idle: timedelta, now: datetime
) -> bool:
    """Whether the session is not ended, not expired, not idle for too long, and its user not disabled."""
    return not ended and not disabled and now < expires_at and now - seen_at < idle


IDENTITY_AHEAD = timedelta(hours=24)  # the farthest `exp` that is accepted
IDENTITY_LEEWAY = timedelta(seconds=60)
# What templates and string conversions produce if nobody is signed in; compared word by word, without case.
NO_CUSTOMER_WORDS = frozenset(
    "null undefined none nil nan void empty true false object guest anonymous anon unknown visitor user na"
    " gast invitado gosc gość anonim гость аноним 손님 익명".split()
)
_UNRENDERED = ("{{", "{%", "${", "<%", "<?", "%{")


@dataclass(frozen=True, slots=True)
class VisitorIdentity:
    """A visitor: `key` is "ext:<sub>" or the hash of a visitor token. E-mail and name come only from a signed identity."""

    key: str
    email: str | None = None
    name: str | None = None
    verified: bool = False


@dataclass(frozen=True, slots=True)
class BadIdentity:
    """Why a signed identity is invalid, for the shop's developer, without quoting it."""

    reason: str


@dataclass(frozen=True, slots=True)
class NoCustomer:
    """A valid signature over a `sub` that names no one customer: all signed-out visitors would share one chat."""


def identity(claims: Any, now: datetime) -> VisitorIdentity | BadIdentity | NoCustomer:
    """Reads the claims of a token whose signature is already verified.

    `sub`: text of at most 200 printable characters. `exp`: required, at most 24 h ahead. `nbf`: optional, not in the
    future (60 s of leeway for each). An invalid `email` or `name` is ignored.
    """
    if not isinstance(claims, dict):
        return BadIdentity("the claims are not an object")
    sub, exp, nbf = claims.get("sub"), _seconds(claims.get("exp")), claims.get("nbf")
    if "sub" in claims and sub in (None, False, 0):  # values of a shop page without a signed-in customer
        sub = ""
    if not isinstance(sub, str) or len(sub) > 200 or not sub.isprintable():
        return BadIdentity("`sub` must be text of 1 to 200 characters")
    if exp is None:
        return BadIdentity("`exp` must be a time in seconds")
    if now.timestamp() > exp + IDENTITY_LEEWAY.total_seconds():
        return BadIdentity("`exp` has passed")
    if exp > (now + IDENTITY_AHEAD + IDENTITY_LEEWAY).timestamp():
        return BadIdentity("`exp` is more than 24 hours ahead")
    if nbf is not None:
        not_before = _seconds(nbf)
        if not_before is None:
            return BadIdentity("`nbf` must be a time in seconds")
        if not_before > (now + IDENTITY_LEEWAY).timestamp():
            return BadIdentity("`nbf` is in the future")
    if names_no_customer(sub):
        return NoCustomer()
    email, name = claims.get("email"), claims.get("name")
    display_name = one_line(name[:1000])[:NAME_CHARS] if isinstance(name, str) else ""
    return VisitorIdentity(
        key="ext:" + sub,
        email=email_address(email) if isinstance(email, str) else None,
        name=display_name or None,
        verified=True,
    )


def _seconds(value: Any) -> float | None:
    """A time in seconds since 1970, or None. Compared before it is converted: 400 digits do not fit into a float."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -(2**53) < value < 2**53:
        return None
    return float(value)


def names_no_customer(sub: str) -> bool:
    """Whether this is a value that a page without a signed-in customer sends: empty, "0", "null", "undefined", "{{
    customer.id }}"."""
    visible = "".join(char for char in unicodedata.normalize("NFKC", sub) if unicodedata.category(char) != "Cf")
    words = re.findall(r"[^\W_]+", visible.casefold())
    if visible.strip() == "-1" or any(mark in visible for mark in _UNRENDERED) or "".join(words) in NO_CUSTOMER_WORDS:
        return True
    return all(word in NO_CUSTOMER_WORDS or not word.strip("0") for word in words)


@dataclass(frozen=True, slots=True)
class Rotation:
    """The number of the current identity secret, and the time until which the previous one is accepted."""

    number: int = 1
    previous_until: datetime | None = None

    def accepted_numbers(self, now: datetime) -> list[int]:
        previous_accepted = self.number > 1 and self.previous_until is not None and now < self.previous_until
        return [self.number, self.number - 1] if previous_accepted else [self.number]


def rotation(value: Any) -> Rotation:
    """From the settings document `identity`: {"number": n, "previous_until": RFC 3339 | None}."""
    if not isinstance(value, dict):
        return Rotation()
    until = value.get("previous_until")
    expires_at = datetime.fromisoformat(until) if isinstance(until, str) else None
    if expires_at is not None and expires_at.tzinfo is None:
        expires_at = expires_at.replace(tzinfo=UTC)
    return Rotation(int(value.get("number", 1)), expires_at)
