"""What people change about SMS, each with its line in the audit log; never a secret in it."""

from __future__ import annotations

from typing import Any

from server.accounts.audit import record, settings_changed
from server.accounts.rules import Agent
from server.delivery import deactivations, jobs, senders
from server.delivery.rules import Sender
from server.delivery.senders import Wanted
from server.delivery.settings import SMS, SmsSettings
from server.errors import Refused
from server.kernel.sealing import PURPOSE, seal
from server.kernel.sql import Tx

PLAIN = ("on", "account_sid", "api_key", "messaging_service", "monthly_credits", "prices")


def change_settings(
    tx: Tx,
    agent: Agent,
    wanted: dict[str, Any],
    secrets: dict[str, Any],
    paused_countries: list[str] | None,
    address: str,
) -> SmsSettings:
    """`secrets`: those to change; "" forgets one. Raises `Refused` `credentials_missing` for `on` without an account."""
    before = SMS.load(tx)
    key = tx.key(PURPOSE)
    values = before.model_dump() | wanted
    for name in ("auth_token", "secondary_token", "api_secret"):
        if name in secrets:
            values[f"{name}_sealed"] = seal(key, secrets[name])
    if "shared_keys" in secrets:
        values["shared_keys_sealed"] = {
            # A name without a value keeps the key it had; a name that is missing, or "", forgets it.
            name: before.shared_keys_sealed.get(name, "") if value is None else seal(key, value)
            for name, value in secrets["shared_keys"].items()
            if value or (value is None and name in before.shared_keys_sealed)
        }
    if paused_countries is not None:
        values["paused_countries"] = {
            country: why for country, why in before.paused_countries.items() if country in paused_countries
        }
    document = SmsSettings.model_validate(values)
    # Another account's numbers and secrets mean nothing here.
    if document.on and not (document.account_sid and document.auth_token_sealed):
        raise Refused(
            "credentials_missing",
            "Enter the account SID and the auth token before you switch SMS on.",
            field="account_sid" if not document.account_sid else "auth_token",
        )
    if bool(document.api_key) != bool(document.api_secret_sealed):
        raise Refused("credentials_missing", "An API key needs its secret, and the other way round.", field="api_key")
    saved = settings_changed(tx, agent, SMS, document, address)
    if document.on:
        if (before.account_sid, before.api_key) != (document.account_sid, document.api_key) or secrets or not before.on:
            senders.start_all(tx)  # stopped for the old account, or because it was refused
            deactivations.ask_now(tx)
        jobs.look_now(tx)
    return saved


def add_sender(tx: Tx, agent: Agent, wanted: Wanted, address: str) -> Sender:
    made = senders.add(tx, wanted)
    record(tx, agent.id, "sms_sender_added", made.address, address)
    return made


def change_sender(tx: Tx, agent: Agent, sender: int, wanted: Wanted, start: bool, address: str) -> Sender:
    saved = senders.change(tx, sender, wanted, start)
    record(tx, agent.id, "sms_sender_changed", saved.address, address, started=start, enabled=saved.enabled)
    return saved


def remove_sender(tx: Tx, agent: Agent, sender: int, address: str) -> None:
    gone = senders.remove(tx, sender)
    record(tx, agent.id, "sms_sender_removed", gone.address, address)
