"""The domain that mail is sent from: DKIM keys, who signs, and the check of its DNS records.

A new key is not used until its record is published. While keys are exchanged, both records are valid, so mail that is
on its way stays verifiable.
"""

from __future__ import annotations

import asyncio
import re
from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from server.accounts.rules import Agent
from server.audit import versions
from server.audit.actions import record
from server.audit.versions import Versioned
from server.channels.dkim import DkimKey
from server.channels.dns import Dns
from server.delivery.mail_records_rules import (
    Found,
    RecordCheck,
    check_dkim,
    check_dmarc,
    check_spf,
    dkim_name,
    dmarc_names,
)
from server.delivery.mail_settings import MAIL, MailSettings
from server.errors import Conflict, NotFound, Refused
from server.kernel.context import App
from server.kernel.documents import Document
from server.kernel.sealing import PURPOSE, Unsealable, seal, unseal
from server.kernel.sql import Conn, Tx

MAX_KEYS = 3
_SELECTOR = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")


class StoredKey(BaseModel):
    selector: str
    public: str
    private_sealed: str
    created_at: datetime


class DkimSettings(BaseModel):
    """The document "dkim". `signing` own: Threadline signs with the key `active`."""

    signing: Literal["relay", "own"] = "relay"
    relay_selector: str = ""  # of the relay's key, to check its record
    active: str = ""
    dkim_keys: list[StoredKey] = []

    def key(self, selector: str) -> StoredKey | None:
        return next((key for key in self.dkim_keys if key.selector == selector), None)


DKIM: Document[DkimSettings] = Document("dkim", DkimSettings)


def domain_of(document: MailSettings) -> str:
    return document.from_address.rpartition("@")[2]


def signing_key(tx: Tx, document: MailSettings) -> DkimKey | None:
    """The key that signs our mail; None if the relay signs. A key that was sealed with another secret counts as
    missing."""
    settings = DKIM.load(tx)
    stored = settings.key(settings.active) if settings.signing == "own" else None
    if stored is None:
        return None
    try:
        private = unseal(tx.key(PURPOSE), stored.private_sealed)
    except Unsealable:
        return None
    return DkimKey(domain_of(document), stored.selector, private) if private else None


# --- changes ----------------------------------------------------------------------------------------


def load(conn: Conn) -> Versioned[DkimSettings]:
    return versions.load(conn, DKIM)


def change_signing(
    tx: Tx, agent: Agent, signing: Literal["relay", "own"], relay_selector: str, version: str | None, address: str
) -> Versioned[DkimSettings]:
    """Raises `Conflict` "stale_version", and `Refused` "bad_selector", or "dkim_key_missing" for `own` without a key in
    use."""
    relay_selector = relay_selector.strip().lower()
    if relay_selector and not _SELECTOR.fullmatch(relay_selector):
        raise Refused("bad_selector", "Enter the selector only, like s1 or mail2026.", field="relay_selector")
    settings = DKIM.load(tx)
    if signing == "own" and settings.key(settings.active) is None:
        raise Refused("dkim_key_missing", "Create a key and publish its record first.", field="signing")
    wanted = settings.model_copy(update={"signing": signing, "relay_selector": relay_selector})
    return versions.save(tx, agent.id, DKIM, wanted, version, address)


def add_key(tx: Tx, agent: Agent, private: str, public: str, address: str) -> DkimSettings:
    """Stores a new key, which signs nothing until `use_key`."""
    versions.lock(tx, DKIM.name)
    settings = DKIM.load(tx)
    if len(settings.dkim_keys) >= MAX_KEYS:
        raise Conflict("too_many_keys", f"There can be {MAX_KEYS} keys. Remove an old one first.")
    name = f"tl{tx.now:%y%m%d}"
    selector = next(name + end for end in ("", "b", "c", "d") if settings.key(name + end) is None)
    stored = StoredKey(
        selector=selector, public=public, private_sealed=seal(tx.key(PURPOSE), private), created_at=tx.now
    )
    record(tx, agent.id, "dkim_key_made", selector, address)
    return DKIM.save(tx, settings.model_copy(update={"dkim_keys": [stored, *settings.dkim_keys]}))


def use_key(tx: Tx, agent: Agent, selector: str, address: str) -> DkimSettings:
    """Signs all mail with this key from now on. The caller has seen its record in DNS."""
    versions.lock(tx, DKIM.name)
    settings = DKIM.load(tx)
    if settings.key(selector) is None:
        raise NotFound()
    record(tx, agent.id, "dkim_key_used", selector, address)
    return DKIM.save(tx, settings.model_copy(update={"signing": "own", "active": selector}))


def remove_key(tx: Tx, agent: Agent, selector: str, address: str) -> DkimSettings:
    versions.lock(tx, DKIM.name)
    settings = DKIM.load(tx)
    if settings.key(selector) is None:
        raise NotFound()
    if settings.signing == "own" and settings.active == selector:
        raise Conflict("key_in_use", "Mail is signed with this key. Use another key first.")
    record(tx, agent.id, "dkim_key_removed", selector, address)
    remaining = [key for key in settings.dkim_keys if key.selector != selector]
    active = "" if settings.active == selector else settings.active
    return DKIM.save(tx, settings.model_copy(update={"dkim_keys": remaining, "active": active}))


# --- records in DNS ---------------------------------------------------------------------------------


async def look_up(app: App) -> list[RecordCheck]:
    """Checks SPF, DKIM and DMARC of the From address; nothing without one."""
    document, settings = await app.read(MAIL.load), await app.read(DKIM.load)
    domain = domain_of(document)
    if not domain:
        return []
    bounce_domain = document.return_path.rpartition("@")[2] or domain
    spf, dkim, dmarc = await asyncio.gather(
        _look_up_txt(app, bounce_domain),
        _dkim(app, domain, settings),
        asyncio.gather(*(_look_up_txt(app, name) for name in dmarc_names(domain))),
    )
    return [check_spf(spf, document.host), dkim, check_dmarc(dmarc)]


async def key_published(app: App, selector: str) -> RecordCheck:
    """Checks the record of one of our keys. Raises `NotFound`."""
    document, settings = await app.read(MAIL.load), await app.read(DKIM.load)
    key = settings.key(selector)
    if key is None:
        raise NotFound()
    return check_dkim(await _look_up_txt(app, dkim_name(selector, domain_of(document))), key.public)


async def _dkim(app: App, domain: str, settings: DkimSettings) -> RecordCheck:
    key = settings.key(settings.active) if settings.signing == "own" else None
    selector = key.selector if key is not None else settings.relay_selector
    if not selector:
        return RecordCheck("dkim", dkim_name("…", domain), "unknown", "dkim_no_selector")
    return check_dkim(await _look_up_txt(app, dkim_name(selector, domain)), key.public if key is not None else "")


async def _look_up_txt(app: App, name: str) -> Found:
    answer = await app.part(Dns, lambda app: Dns()).txt(name)
    return Found(name, answer.values, answer.answered)
