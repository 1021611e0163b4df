"""Consent over HTTP: parse, call, render. Contract: PROTOCOL.md 3, 'Consent'."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from server.accounts.audit import record
from server.accounts.rules import Agent, Can, authorise
from server.consent import actions, answers, chain, keywords, kinds, proof, queries, settings, wordings
from server.consent.keywords import BadKeyword
from server.consent.rules import Status
from server.consent.settings import KEYWORDS, KeywordSettings
from server.errors import NotFound, Refused
from server.kernel.clock import rfc3339
from server.kernel.context import App
from server.kernel.documents import TOPIC
from server.kernel.sql import Tx
from server.web.http import Call, Endpoint, path_id


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
    """Show where a contact stands and how it came to that."""
    found = await app.read(queries.contact_consents, path_id(call, "contact"))
    if found is None:
        raise NotFound()
    return _wire(found)


async def change_consent(app: App, call: Call) -> Any:
    """Record what a customer said about one consent; support may only take it away."""
    body: ConsentBody = call.body
    if body.status == "subscribed":
        authorise(call.actor, Can.CONSENT_GRANT)
    wish = actions.Wish(
        path_id(call, "contact"), body.purpose, Status(body.status), body.reason, _moment(body.happened_at)
    )
    return _wire(await app.write(_change, call.agent, wish, call.address))


def _change(tx: Tx, agent: Agent, wish: actions.Wish, address: str) -> queries.ContactConsents:
    done = actions.decide(tx, agent, wish)
    found = queries.contact_consents(tx, wish.contact)
    assert found is not None
    if done.applied:
        name = queries.name_of(tx, wish.purpose)
        told = {"purpose": wish.purpose, "consent": name, "status": [done.before, done.status]}
        if wish.status is Status.SUBSCRIBED:
            record(tx, agent.id, "consent_given", str(wish.contact), address, **told)
        else:
            record(tx, agent.id, "consent_withdrawn", str(wish.contact), address, **told)
    return found


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        words = "Write the time as 2026-11-21T09:00:00Z, with its zone."
        raise Refused("invalid", words, field="happened_at")
    return at


def _wire(found: queries.ContactConsents) -> dict[str, Any]:
    return {
        "contact": found.contact,
        "phone": found.phone,
        "suppressed": found.suppressed and {"reason": found.suppressed.reason, "at": rfc3339(found.suppressed.at)},
        "barred": found.barred,
        "consents": [
            {
                "purpose": one.purpose,
                "name": one.name,
                "channel": one.channel,
                "required": one.required,
                "status": one.status,
                "method": one.method,
                "source": one.source,
                "happened_at": one.happened_at and rfc3339(one.happened_at),
                "recorded_at": one.recorded_at and rfc3339(one.recorded_at),
                "paused_at": one.paused_at and rfc3339(one.paused_at),
            }
            for one in found.consents
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
            for line in found.history
        ],
    }


# --- consents an owner defines ------------------------------------------------------------------


async def list_kinds(app: App, call: Call) -> Any:
    """Show the consents that were defined here, beside the built-in ones, and how many people gave each."""
    return answers.Kinds(consents=await app.read_slowly(kinds.counted))


async def add_kind(app: App, call: Call) -> Any:
    """Define a consent."""
    return answers.OneKind(consent=await app.write(kinds.add, call.agent, call.body, call.address))


async def change_kind(app: App, call: Call) -> Any:
    """Change a consent's name, description, channel, or whether every message needs it."""
    saved = await app.write(kinds.change, call.agent, path_id(call, "kind"), call.body, call.address)
    return answers.OneKind(consent=saved)


async def remove_kind(app: App, call: Call) -> Any:
    """Ask a consent of nobody any more, unless messages need it; what people said to it stays on record."""
    await app.write(kinds.remove, call.agent, path_id(call, "kind"), call.address)
    return {}


async def message_evidence(app: App, call: Call) -> Any:
    """Export what proves that a message could be sent: who agreed, to what, when, how; and that nobody edited it."""
    outbound = path_id(call, "outbound")
    found = await app.read_slowly(proof.evidence, app.key(chain.PURPOSE), outbound)
    if found is None:
        raise NotFound()
    # After the reading and before the answer: nobody holds an export that is not on record.
    await app.write(_exported, call.agent, outbound, call.address)
    return found


def _exported(tx: Tx, agent: Agent, outbound: int, address: str) -> None:
    record(tx, agent.id, "evidence_exported", str(outbound), address)


# --- keywords -----------------------------------------------------------------------------------


def _keywords(found: KeywordSettings) -> dict[str, Any]:
    languages = sorted({language for spoken in wordings.COUNTRIES.values() for language in spoken})
    return {
        **found.model_dump(mode="json"),
        "countries": [
            {
                "country": country,
                "languages": list(spoken),
                "editable": [kind for kind in wordings.KINDS if wordings.editable(kind, country)],
            }
            for country, spoken in wordings.COUNTRIES.items()
        ],
        "defaults": [
            {
                "language": language,
                "texts": {
                    kind: wordings.worded(kind, language, found.brand or "{brand}", found.help_contact)
                    for kind in wordings.KINDS
                },
            }
            for language in languages
        ],
    }


async def get_keywords(app: App, call: Call) -> Any:
    """Show how texts are read and what keywords are answered with."""
    return _keywords(await app.read(KEYWORDS.load))


async def put_keywords(app: App, call: Call) -> Any:
    """Change how texts are read and what keywords are answered with."""
    saved = await app.write(settings.change, call.agent, call.body, call.address)
    KEYWORDS.cached(app).heard(TOPIC, None)
    return _keywords(saved)


async def check_keyword(app: App, call: Call) -> Any:
    """Say whether a word can be a subscribe keyword, and why not."""
    word = keywords.subscribe_keyword(call.body.word)
    if isinstance(word, BadKeyword):
        return {"ok": False, "word": None, "reason": word.reason}
    return {"ok": True, "word": word, "reason": None}


ENDPOINTS: list[Endpoint] = [
    Endpoint(
        "GET", "/api/contacts/{contact}/consents", contact_consents, Can.CONTACTS_SEE, answer=answers.ContactConsents
    ),
    # Whoever may only take consent away may come in; granting is asked for separately.
    Endpoint(
        "POST", "/api/contacts/{contact}/consents", change_consent, Can.CONSENT_WITHDRAW, ConsentBody,
        answer=answers.ContactConsents,
    ),
    Endpoint("GET", "/api/consents", list_kinds, Can.CONTACTS_SEE, answer=answers.Kinds),
    Endpoint("POST", "/api/consents", add_kind, Can.CONSENT_GRANT, kinds.Kind, answer=answers.OneKind),
    Endpoint("PUT", "/api/consents/{kind}", change_kind, Can.CONSENT_GRANT, kinds.Kind, answer=answers.OneKind),
    Endpoint("DELETE", "/api/consents/{kind}", remove_kind, Can.CONSENT_GRANT),
    Endpoint("GET", "/api/outbound/{outbound}/evidence", message_evidence, Can.EXPORT, answer=answers.Evidence),
    Endpoint("GET", "/api/sms/keywords", get_keywords, Can.CHANNELS, answer=answers.Keywords),
    Endpoint("PUT", "/api/sms/keywords", put_keywords, Can.CHANNELS, KeywordSettings, answer=answers.Keywords),
    Endpoint("POST", "/api/sms/keywords/check", check_keyword, Can.CHANNELS, WordBody, answer=answers.KeywordCheck),
]  # fmt: skip
