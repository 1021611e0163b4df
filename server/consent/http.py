"""Consent over HTTP: parse, call, render. Contract: PROTOCOL.md 3, 'Consent'."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from server.accounts.rules import Agent, ApiKey, Can, authorise
from server.audit import versions
from server.audit.actions import record
from server.audit.versions import Versioned
from server.consent import actions, chain, default_replies, definitions, keywords, proof, queries, responses, settings
from server.consent.keywords import BadKeyword
from server.consent.rules import Status
from server.consent.settings import KEYWORDS, KeywordSettings
from server.errors import NotFound, Refused
from server.kernel.clock import rfc3339
from server.kernel.context import App
from server.kernel.documents import TOPIC
from server.kernel.sql import Tx
from server.web.http import Call, Done, Endpoint, path_id


class Body(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class ConsentBody(Body):
    purpose: str = Field(max_length=40)
    status: Literal["subscribed", "unsubscribed"]
    reason: str = Field(max_length=500)
    happened_at: str | None = Field(None, max_length=40)


class WordBody(Body):
    word: str = Field(max_length=200)


# --- one contact --------------------------------------------------------------------------------


async def contact_consents(app: App, call: Call) -> Any:
    """Show a contact's consents and their history."""
    consents = await app.read(queries.contact_consents, path_id(call, "contact"))
    if consents is None:
        raise NotFound()
    return contact_consents_out(consents)


async def change_consent(app: App, call: Call) -> Any:
    """Record a customer's decision about one consent; the support role may only withdraw it."""
    body: ConsentBody = call.body
    if body.status == "subscribed":
        authorise(call.actor, Can.CONSENT_GRANT)
    entry = actions.AgentEntry(
        path_id(call, "contact"), body.purpose, Status(body.status), body.reason, _moment(body.happened_at)
    )
    return contact_consents_out(await app.write(_change, call.changer, entry, call.address))


def _change(tx: Tx, actor: Agent | ApiKey, entry: actions.AgentEntry, address: str) -> queries.ContactConsents:
    recorded = actions.record_agent_entry(tx, actor, entry)
    consents = queries.contact_consents(tx, entry.contact)
    assert consents is not None
    if recorded.applied:
        name = queries.purpose_name(tx, entry.purpose)
        change = {"purpose": entry.purpose, "consent": name, "status": [recorded.before, recorded.status]}
        if entry.status is Status.SUBSCRIBED:
            record(tx, actor.by, "consent_given", str(entry.contact), address, **change)
        else:
            record(tx, actor.by, "consent_withdrawn", str(entry.contact), address, **change)
    return consents


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        advice = "Write the time with its zone, like 2026-11-21T09:00:00Z."
        raise Refused("invalid", advice, field="happened_at", fault="wrong_form")
    return moment


def contact_consents_out(consents: queries.ContactConsents) -> dict[str, Any]:
    return {
        "contact": consents.contact,
        "phone": consents.phone,
        "suppressed": consents.suppressed
        and {"reason": consents.suppressed.reason, "at": rfc3339(consents.suppressed.at)},
        "barred": consents.barred,
        "consents": [
            {
                "purpose": consent.purpose,
                "name": consent.name,
                "channel": consent.channel,
                "required": consent.required,
                "status": consent.status,
                "method": consent.method,
                "source": consent.source,
                "happened_at": consent.happened_at and rfc3339(consent.happened_at),
                "recorded_at": consent.recorded_at and rfc3339(consent.recorded_at),
                "paused_at": consent.paused_at and rfc3339(consent.paused_at),
            }
            for consent in consents.consents
        ],
        "history": [
            {
                "n": line.n,
                "purpose": line.purpose,
                "before": line.before,
                "status": line.status,
                "applied": line.applied,
                "method": line.method,
                "source": line.source,
                "who": line.who,
                "wording": line.wording,
                "language": line.language,
                "reason": line.reason,
                "address": line.address,
                "happened_at": rfc3339(line.happened_at),
                "recorded_at": rfc3339(line.recorded_at),
            }
            for line in consents.history
        ],
    }


# --- consents that an owner defines -------------------------------------------------------------


async def list_kinds(app: App, call: Call) -> Any:
    """List the consents that the owner defined, and how many people gave each."""
    return responses.Kinds(consents=await app.read_slowly(definitions.counted))


async def add_kind(app: App, call: Call) -> Any:
    """Define a consent."""
    return responses.OneKind(consent=await app.write(definitions.add, call.agent, call.body, call.address))


async def change_kind(app: App, call: Call) -> Any:
    """Change a consent's name, description or channel, or whether messages need it."""
    saved = await app.write(definitions.change, call.agent, path_id(call, "kind"), call.body, call.address)
    return responses.OneKind(consent=saved)


async def remove_kind(app: App, call: Call) -> Any:
    """Remove a consent that no message needs; recorded answers stay."""
    await app.write(definitions.remove, call.agent, path_id(call, "kind"), call.address)
    return {}


async def message_evidence(app: App, call: Call) -> Any:
    """Export the evidence for a message: who agreed, to what, when and how, and that nobody edited the records."""
    outbound = path_id(call, "outbound")
    exported = await app.read_slowly(proof.evidence, app.key(chain.PURPOSE), outbound)
    if exported is None:
        raise NotFound()
    # Before the response, so that no export is missing from the audit log.
    await app.write(_record_export, call.agent, outbound, call.address)
    return exported


def _record_export(tx: Tx, agent: Agent, outbound: int, address: str) -> None:
    record(tx, agent.id, "evidence_exported", str(outbound), address)


# --- keywords -----------------------------------------------------------------------------------


class KeywordBody(KeywordSettings):
    """`version`: of the settings that the change is based on."""

    version: str | None = None


def _keywords(versioned: Versioned[KeywordSettings]) -> dict[str, Any]:
    settings = versioned.values
    languages = sorted({language for spoken in default_replies.COUNTRIES.values() for language in spoken})
    return {
        **versioned.json(),
        "countries": [
            {
                "country": country,
                "languages": list(spoken),
                "editable": [kind for kind in default_replies.REPLY_KINDS if default_replies.editable(kind, country)],
            }
            for country, spoken in default_replies.COUNTRIES.items()
        ],
        "defaults": [
            {
                "language": language,
                "texts": {
                    kind: default_replies.default_text(
                        kind, language, settings.brand or "{brand}", settings.help_contact
                    )
                    for kind in default_replies.REPLY_KINDS
                },
            }
            for language in languages
        ],
    }


async def get_keywords(app: App, call: Call) -> Any:
    """Show how keywords are recognized and the replies to them."""
    return _keywords(await app.read(versions.load, KEYWORDS))


async def put_keywords(app: App, call: Call) -> Any:
    """Change how keywords are recognized and the replies to them."""
    new_settings = KeywordSettings.model_construct(
        **{name: getattr(call.body, name) for name in KeywordSettings.model_fields}
    )
    saved = await app.write(settings.change, call.agent, new_settings, call.body.version, call.address)
    KEYWORDS.cached(app).on_published(TOPIC, None)
    return _keywords(saved)


async def check_keyword(app: App, call: Call) -> Any:
    """Check whether a word can be a subscribe keyword, and if not, why."""
    word = keywords.subscribe_keyword(call.body.word)
    if isinstance(word, BadKeyword):
        return {"ok": False, "word": None, "code": word.code, "reason": word.reason}
    return {"ok": True, "word": word, "code": None, "reason": None}


ENDPOINTS: list[Endpoint] = [
    Endpoint(
        "GET", "/api/contacts/{contact}/consents", contact_consents, Can.CONTACTS_SEE, response=responses.ContactConsents,
        keys=True,
    ),
    # The route needs only CONSENT_WITHDRAW; `change_consent` also checks CONSENT_GRANT for a grant.
    Endpoint(
        "POST", "/api/contacts/{contact}/consents", change_consent, Can.CONSENT_WITHDRAW, ConsentBody,
        keys=True, response=responses.ContactConsents,
    ),
    Endpoint("GET", "/api/consents", list_kinds, Can.CONTACTS_SEE, response=responses.Kinds, keys=True),
    Endpoint("POST", "/api/consents", add_kind, Can.CONSENT_GRANT, definitions.ConsentDefinition, response=responses.OneKind),
    Endpoint("PUT", "/api/consents/{kind}", change_kind, Can.CONSENT_GRANT, definitions.ConsentChange, response=responses.OneKind),
    Endpoint("DELETE", "/api/consents/{kind}", remove_kind, Can.CONSENT_GRANT, response=Done),
    Endpoint("GET", "/api/outbound/{outbound}/evidence", message_evidence, Can.EXPORT, response=responses.Evidence),
    Endpoint("GET", "/api/sms/keywords", get_keywords, Can.CHANNELS, response=responses.Keywords),
    Endpoint("PUT", "/api/sms/keywords", put_keywords, Can.CHANNELS, KeywordBody, response=responses.Keywords),
    Endpoint("POST", "/api/sms/keywords/check", check_keyword, Can.CHANNELS, WordBody, response=responses.KeywordCheck),
]  # fmt: skip
