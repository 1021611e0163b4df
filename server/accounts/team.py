"""Changes of accounts: role, name, disabled, away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import update

from server.accounts import queries, rules
from server.accounts.actions import end_sessions
from server.accounts.queries import TEAM_TOPIC
from server.accounts.rules import AccountChange, Agent, Can, Role
from server.accounts.single_use_links import revoke_links
from server.audit.actions import record
from server.errors import Forbidden, NotFound
from server.kernel.context import App
from server.kernel.sql import Tx
from server.schema import users


@dataclass(frozen=True, slots=True)
class UserChange:
    """The change an admin requests; None changes nothing."""

    role: Role | None = None
    name: str | None = None
    disabled: bool | None = None


async def change_user(app: App, agent: Agent, user_id: int, change: UserChange, address: str) -> queries.User:
    """Changes a user's role, name or disabled state; effective from the user's next request.

    `Conflict` "last_owner", "own_account" or "one_owner", and `Forbidden`, as `rules.may_change` says.
    """
    if change.name is not None:
        change = UserChange(change.role, rules.person_name(change.name), change.disabled)
    changed: queries.User = await app.write(_change_user, agent, user_id, change, address)
    return changed


def _change_user(tx: Tx, agent: Agent, user_id: int, change: UserChange, address: str) -> queries.User:
    actor = queries.existing_user(tx, agent.id, tx.now)
    target = queries.user(tx, user_id, tx.now)
    if actor.disabled:
        raise Forbidden()
    if target is None:
        raise NotFound()
    requested = AccountChange(change.role, change.disabled)
    if (refusal := rules.may_change(actor.id, actor.role, target.id, target.role, requested)) is not None:
        raise refusal
    values: dict[str, Any] = {}
    if change.role is not None and change.role is not target.role:
        values["role"] = change.role.value
    if change.name is not None and change.name != target.name:
        values["name"] = change.name
    if change.disabled is not None and change.disabled != target.disabled:
        values["disabled_at"] = tx.now if change.disabled else None
    if not values:
        return target
    # The update requires the role that was checked; another admin may have changed it.
    unchanged = [users.c.id == user_id, users.c.role == target.role.value]
    if not tx.run(update(users).where(*unchanged).values(**values)):
        raise NotFound("This account was just changed. Check it and try again.")
    _revoke_access(tx, user_id, target, change)
    changed = queries.existing_user(tx, user_id, tx.now)
    record(tx, agent.id, "user_changed", str(user_id), address, **_difference(target, changed))
    return changed


def _revoke_access(tx: Tx, user_id: int, target: queries.User, change: UserChange) -> None:
    if change.disabled:
        end_sessions(tx, user_id)
        revoke_links(tx, user_id)
    elif (
        change.role is not None
        and Can.USERS not in _capabilities_of(change.role)
        and Can.USERS in _capabilities_of(target.role)
    ):
        revoke_links(tx, user_id)
    tx.publish(f"user:{user_id}")
    tx.publish(TEAM_TOPIC)


def _capabilities_of(role: Role) -> set[Can]:
    return {can for can, roles in rules.TABLE.items() if role in roles}


def _difference(before: queries.User, after: queries.User) -> dict[str, Any]:
    """Old and new values of the changed fields, for the audit log."""
    return {
        field: [getattr(before, field), getattr(after, field)]
        for field in ("role", "name", "disabled")
        if getattr(before, field) != getattr(after, field)
    }


async def change_me(
    app: App, agent: Agent, name: str | None, away: bool | None, address: str, language: str | None = None
) -> queries.User:
    """Changes the agent's own name, away state or language of mail; None changes nothing."""
    name = None if name is None else rules.person_name(name)
    changed: queries.User = await app.write(_change_me, agent, name, away, language, address)
    return changed


def _change_me(
    tx: Tx, agent: Agent, name: str | None, away: bool | None, language: str | None, address: str
) -> queries.User:
    before = queries.existing_user(tx, agent.id, tx.now)
    values: dict[str, Any] = {}
    if name is not None:
        values["name"] = name
    if away is not None:
        values["away"] = away
    if language is not None:
        values["language"] = language
    if values:
        tx.run(update(users).where(users.c.id == agent.id).values(**values))
        tx.publish(f"user:{agent.id}")
        tx.publish(TEAM_TOPIC)
    after = queries.existing_user(tx, agent.id, tx.now)
    if after.name != before.name:
        record(tx, agent.id, "user_changed", str(agent.id), address, **_difference(before, after))
    return after
