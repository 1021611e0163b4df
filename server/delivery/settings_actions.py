"""Changes the SMS settings and senders, and records each change without secrets in the audit log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from server.accounts.rules import Agent
from server.audit import versions
from server.audit.actions import record, settings_changed
from server.audit.versions import Versioned
from server.delivery import deactivations, jobs, queries, senders
from server.delivery.rules import Sender
from server.delivery.senders import SenderInput
from server.delivery.settings import ACCOUNT_LOCK, SMS, SmsSettings
from server.errors import Fault, Refused, all_of
from server.kernel.sealing import PURPOSE, seal
from server.kernel.sql import Conn, Tx

PLAIN = ("on", "account_sid", "api_key", "messaging_service", "monthly_credits", "prices")


def editable(document: SmsSettings) -> dict[str, Any]:
    """The fields that a form can overwrite, as JSON. Paused countries are not among them, because Threadline sets them."""
    return document.model_dump(mode="json", exclude={"paused_countries"})


def load(conn: Conn) -> Versioned[SmsSettings]:
    settings = SMS.load(conn)
    return Versioned(settings, versions.version_of(conn, (SMS.name,), editable(settings)))


def change_settings(
    tx: Tx,
    agent: Agent,
    settings: dict[str, Any],
    secrets: dict[str, Any],
    paused_countries: list[str] | None,
    version: str | None,
    shown: Callable[[SmsSettings], dict[str, Any]],
    address: str,
) -> Versioned[SmsSettings]:
    """`secrets`: those to change; "" deletes one. `shown`: the document as GET answers it. Raises `Conflict`
    "stale_version", and `Refused` `credentials_missing` for `on` without an account, or
    for an API key without its secret."""
    tx.lock_names(ACCOUNT_LOCK)
    before = SMS.load(tx)
    versions.check(tx, version, (SMS.name,), editable(before), shown(before))
    key = tx.key(PURPOSE)
    values = before.model_dump() | settings
    for name in ("auth_token", "secondary_token", "api_secret"):
        if name in secrets:
            values[f"{name}_sealed"] = seal(key, secrets[name])
    if "shared_keys" in secrets:
        values["shared_keys_sealed"] = {
            # None keeps the stored key; "" or a missing name deletes it.
            name: before.shared_keys_sealed.get(name, "") if value is None else seal(key, value)
            for name, value in secrets["shared_keys"].items()
            if value or (value is None and name in before.shared_keys_sealed)
        }
    if paused_countries is not None:
        values["paused_countries"] = {
            country: reason for country, reason in before.paused_countries.items() if country in paused_countries
        }
    document = SmsSettings.model_validate(values)

    all_of(lambda: _check_account(document), lambda: _check_api_key(document))
    settings_changed(tx, agent.id, SMS, document, address)
    if document.on:
        if (before.account_sid, before.api_key) != (document.account_sid, document.api_key) or secrets or not before.on:
            senders.start_all(tx)  # they were stopped because of the old credentials
            deactivations.run_now(tx)
        jobs.wake_and_catch_up(tx)
    return Versioned(document, versions.version_of(tx, (SMS.name,), editable(document)))


def _check_account(document: SmsSettings) -> None:
    values = {"account_sid": document.account_sid, "auth_token": document.auth_token_sealed}
    missing = [name for name, value in values.items() if not value]
    if document.on and missing:
        raise Refused(
            "credentials_missing",
            "Enter the account SID and the auth token before you switch SMS on.",
            field=missing[0],
            faults=[Fault(name, "credentials_missing") for name in missing],
        )


def _check_api_key(document: SmsSettings) -> None:
    if bool(document.api_key) != bool(document.api_secret_sealed):
        field = "api_secret" if document.api_key else "api_key"
        raise Refused(
            "credentials_missing",
            "Enter both the API key and its secret, or neither.",
            field=field,
            fault="api_key_incomplete",
        )


def add_sender(tx: Tx, agent: Agent, entered: SenderInput, address: str) -> tuple[Sender, str]:
    sender = senders.add(tx, entered)
    record(tx, agent.id, "sms_sender_added", sender.address, address)
    return sender, sender_version(tx, sender)


SENDER = "sms_sender"


def _sender_values(sender: Sender) -> dict[str, Any]:
    """The fields that a form can overwrite. `stopped` is not among them, because Threadline sets it."""
    return {
        "kind": sender.kind.value,
        "country": sender.country,
        "countries": list(sender.countries),
        "mms": sender.mms,
        "inbound": sender.inbound,
        "rate": sender.rate,
        "enabled": sender.enabled,
    }


def sender_version(conn: Conn, sender: Sender) -> str:
    return versions.version_of(conn, (SENDER,), _sender_values(sender))


def versioned_senders(conn: Conn) -> list[tuple[Sender, str]]:
    """All senders with their versions."""
    return [(sender, sender_version(conn, sender)) for sender in queries.all_senders(conn)]


def change_sender(
    tx: Tx,
    agent: Agent,
    sender_id: int,
    entered: SenderInput,
    start: bool,
    version: str | None,
    shown: Callable[[Sender], dict[str, Any]],
    address: str,
) -> tuple[Sender, str]:
    """`shown`: the sender as GET answers it. Raises `Conflict` "stale_version", and as `senders.change`."""
    versions.lock(tx, SENDER)
    before = senders.existing(tx, sender_id)
    old = _sender_values(before)
    versions.check(tx, version, (SENDER,), old, shown(before), lambda line: bool(line.target == before.address))
    saved = senders.change(tx, sender_id, entered, start)
    changed = sorted(name for name, value in _sender_values(saved).items() if value != old[name])
    detail = {"settings": changed} if changed else {}
    record(tx, agent.id, "sms_sender_changed", saved.address, address, started=start, enabled=saved.enabled, **detail)
    return saved, sender_version(tx, saved)


def remove_sender(tx: Tx, agent: Agent, sender: int, address: str) -> None:
    removed = senders.remove(tx, sender)
    record(tx, agent.id, "sms_sender_removed", removed.address, address)
