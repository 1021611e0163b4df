"""Mail over HTTP: the settings of the server and of the sender, and the test mail."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import HTMLResponse

from server.accounts.rules import Can
from server.channels import dkim
from server.channels.bounces import MAX_READ
from server.channels.bounces import read as read_bounce
from server.channels.mail import Security
from server.delivery import bounces, mail_copies, mail_domain, mail_records_rules, testing_mail
from server.delivery import mail_settings_actions as settings_actions
from server.delivery.mail_copies import MailCopy
from server.delivery.mail_domain import DkimSettings
from server.delivery.mail_settings import MAIL, MailSettings
from server.delivery.responses import Secret
from server.errors import Conflict, NotFound
from server.kernel.clock import rfc3339
from server.kernel.context import App
from server.kernel.documents import TOPIC
from server.kernel.sql import Conn
from server.web.http import Call, EmptyBody, Endpoint, path_id, receive_body

WAIT_S = 7.0  # for the outcome of a test mail; shorter than the deadline of a response

MAX_BOUNCE = 10 * 1024 * 1024  # bytes; only the first `MAX_READ` are kept

Signing = Literal["relay", "own"]
Text = Annotated[str, Field(max_length=254)]


class Body(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


# A mail's HTML: no script, no request to anywhere, not even to this server, and an origin of its own.
MAIL_PAGE_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


class SentMail(BaseModel):
    """A mail to a contact, without the links that sign somebody in. `has_html`: `mail.html` has it with its layout."""

    recipient: str
    subject: str
    text: str
    has_html: bool


class MailServerBody(Body):
    """A password that is null stays as it is; "" deletes it."""

    mail_on: bool
    host: Text
    port: int = Field(ge=1, le=65_535)
    security: Security
    user: Text
    password: Annotated[str, Field(max_length=1_000)] | None = None
    version: str | None = None


class MailSenderBody(Body):
    from_address: Text
    from_name: Annotated[str, Field(max_length=80)]
    reply_to: Text
    return_path: Text
    version: str | None = None


class MailDomainBody(Body):
    signing: Signing
    relay_selector: Annotated[str, Field(max_length=63)]
    version: str | None = None


class TestMailBody(Body):
    language: Literal["en", "ko", "pl", "ru"] = "en"


class MailServerOut(BaseModel):
    mail_on: bool
    host: str
    port: int
    security: Security
    user: str
    password: Secret
    stopped: str  # why mail was stopped automatically
    version: str


class MailSenderOut(BaseModel):
    from_address: str
    from_name: str
    reply_to: str
    return_path: str
    version: str


class DkimKeyOut(BaseModel):
    """`name` and `value` are the DNS record to publish."""

    selector: str
    active: bool
    created_at: str
    name: str
    value: str


class MailDomainOut(BaseModel):
    """`signing`: own: Threadline signs mail with the active key; relay: the mail server signs, or nobody."""

    domain: str
    signing: Signing
    relay_selector: str
    dkim_keys: list[DkimKeyOut]
    version: str


class RecordOut(BaseModel):
    """A check of one DNS record. `wanted`: the exact value to publish; empty if there is nothing to publish."""

    kind: Literal["spf", "dkim", "dmarc"]
    name: str
    state: Literal["ok", "missing", "wrong", "unknown"]
    code: str
    found: list[str]
    wanted: str


class RecordsOut(BaseModel):
    records: list[RecordOut]


class BounceOut(BaseModel):
    """`outbound`: the mail that the report is about; null if it names none. `suppressed`: its address gets no more mail."""

    outcome: Literal["hard", "soft", "delayed", "delivered", "other"]
    outbound: int | None
    suppressed: bool


class TestMailOut(BaseModel):
    """`state`: a state of `OutboundOut`. `detail`: what the mail server answered."""

    outbound: int
    recipient: str
    state: str
    reason: str
    detail: str


def server_out(document: MailSettings, version: str) -> MailServerOut:
    values = document.model_dump(include=set(settings_actions.SERVER))
    return MailServerOut(
        **values, password=Secret(set=bool(document.password_sealed)), stopped=document.stopped, version=version
    )


def sender_out(document: MailSettings, version: str) -> MailSenderOut:
    return MailSenderOut(**document.model_dump(include=set(settings_actions.SENDER)), version=version)


async def show_server(app: App, call: Call) -> Any:
    """Show the mail server without its password."""
    loaded = await app.read(settings_actions.load_server)
    return server_out(loaded.values, loaded.version)


async def change_server(app: App, call: Call) -> Any:
    """Change the mail server, or switch mail on or off."""
    body: MailServerBody = call.body
    saved = await app.write(
        settings_actions.change_server,
        call.agent,
        body.model_dump(include=set(settings_actions.SERVER)),
        body.password,
        body.version,
        lambda document: server_out(document, "").model_dump(mode="json"),
        call.address,
    )
    MAIL.cached(app).on_published(TOPIC, None)
    return server_out(saved.values, saved.version)


async def show_sender(app: App, call: Call) -> Any:
    """Show the addresses that mail is sent from."""
    loaded = await app.read(settings_actions.load_sender)
    return sender_out(loaded.values, loaded.version)


async def change_mail_sender(app: App, call: Call) -> Any:
    """Change the addresses that mail is sent from."""
    body: MailSenderBody = call.body
    saved = await app.write(
        settings_actions.change_sender,
        call.agent,
        body.model_dump(include=set(settings_actions.SENDER)),
        body.version,
        lambda document: sender_out(document, "").model_dump(mode="json"),
        call.address,
    )
    MAIL.cached(app).on_published(TOPIC, None)
    return sender_out(saved.values, saved.version)


def domain_out(settings: DkimSettings, document: MailSettings, version: str) -> MailDomainOut:
    domain = mail_domain.domain_of(document)
    return MailDomainOut(
        domain=domain,
        signing=settings.signing,
        relay_selector=settings.relay_selector,
        dkim_keys=[
            DkimKeyOut(
                selector=key.selector,
                active=settings.signing == "own" and key.selector == settings.active,
                created_at=rfc3339(key.created_at),
                name=mail_records_rules.dkim_name(key.selector, domain),
                value=mail_records_rules.dkim_record(key.public),
            )
            for key in settings.dkim_keys
        ],
        version=version,
    )


def _load_domain(conn: Conn) -> MailDomainOut:
    loaded = mail_domain.load(conn)
    return domain_out(loaded.values, MAIL.load(conn), loaded.version)


async def show_mail_domain(app: App, call: Call) -> Any:
    """Show who signs mail (DKIM), and the public records of your keys."""
    return await app.read(_load_domain)


async def change_mail_domain(app: App, call: Call) -> Any:
    """Choose who signs mail: Threadline or the mail server."""
    body: MailDomainBody = call.body
    await app.write(
        mail_domain.change_signing, call.agent, body.signing, body.relay_selector, body.version, call.address
    )
    return await app.read(_load_domain)


async def add_dkim_key(app: App, call: Call) -> Any:
    """Create a DKIM key. It signs nothing until its record is published and `use` is called."""
    private, public = await asyncio.to_thread(dkim.generate)
    await app.write(mail_domain.add_key, call.agent, private, public, call.address)
    return await app.read(_load_domain)


async def use_dkim_key(app: App, call: Call) -> Any:
    """Sign mail with this key, after a check that its record is published."""
    selector = str(call.path["selector"])
    check = await mail_domain.key_published(app, selector)
    if check.state != "ok":
        raise Conflict("dkim_unpublished", "The record of this key is not visible in DNS yet. Try again later.")
    await app.write(mail_domain.use_key, call.agent, selector, call.address)
    return await app.read(_load_domain)


async def remove_dkim_key(app: App, call: Call) -> Any:
    """Remove a key that signs nothing."""
    await app.write(mail_domain.remove_key, call.agent, str(call.path["selector"]), call.address)
    return await app.read(_load_domain)


async def check_records(app: App, call: Call) -> Any:
    """Look up SPF, DKIM and DMARC of the From address, and say what to publish."""
    return RecordsOut(records=[RecordOut(**asdict(check)) for check in await mail_domain.look_up(app)])


async def send_test(app: App, call: Call) -> Any:
    """Send a test mail to your own address and wait some seconds for the mail server's answer."""
    outbound = await app.write(testing_mail.queue_test, call.agent.email, call.body.language)
    mail = await testing_mail.outcome(app, outbound, WAIT_S)
    return TestMailOut(
        outbound=mail.id, recipient=mail.recipient, state=mail.state.value, reason=mail.reason, detail=mail.detail
    )


async def receive_bounce(app: App, call: Call) -> Any:
    """Take a message in which a mail server reports what became of a mail (DSN, RFC 3464), as it was received."""
    start = bytearray()

    async def keep(chunk: bytes) -> None:
        start.extend(chunk[: MAX_READ - len(start)])

    await receive_body(call.request, MAX_BOUNCE, keep)
    bounce = await asyncio.to_thread(read_bounce, bytes(start))
    applied = await app.write(bounces.apply_bounce, bounce)
    return BounceOut(outcome=applied.fate.value, outbound=applied.outbound, suppressed=applied.suppressed)


async def _mail_copy(app: App, call: Call) -> MailCopy:
    found = await app.read(mail_copies.find, path_id(call, "outbound"))
    if found is None:
        raise NotFound("This mail is not stored.")
    return found


async def mail_copy(app: App, call: Call) -> Any:
    """Show a mail to a contact as text, and whether it has HTML."""
    mail = await _mail_copy(app, call)
    return SentMail(recipient=mail.recipient, subject=mail.subject, text=mail.text, has_html=bool(mail.html))


async def mail_page(app: App, call: Call) -> Any:
    """Serve the HTML of a mail to a contact, for a frame without scripts that loads nothing."""
    mail = await _mail_copy(app, call)
    if not mail.html:
        raise NotFound("This mail has no HTML.")
    return HTMLResponse(mail.html, headers=MAIL_PAGE_HEADERS)


ENDPOINTS = [
    Endpoint(
        "POST",
        "/api/mail/bounces",
        receive_bounce,
        Can.SUPPRESS,
        raw=True,
        keys=True,
        body_type="message/rfc822",
        response=BounceOut,
    ),
    Endpoint("GET", "/api/mail/server", show_server, Can.CHANNELS, response=MailServerOut),
    Endpoint("PUT", "/api/mail/server", change_server, Can.SECRETS, MailServerBody, response=MailServerOut),
    Endpoint("GET", "/api/mail/sender", show_sender, Can.CHANNELS, response=MailSenderOut),
    Endpoint("PUT", "/api/mail/sender", change_mail_sender, Can.CHANNELS, MailSenderBody, response=MailSenderOut),
    Endpoint("GET", "/api/mail/domain", show_mail_domain, Can.CHANNELS, response=MailDomainOut),
    Endpoint("PUT", "/api/mail/domain", change_mail_domain, Can.SECRETS, MailDomainBody, response=MailDomainOut),
    Endpoint("POST", "/api/mail/domain/keys", add_dkim_key, Can.SECRETS, EmptyBody, response=MailDomainOut),
    Endpoint(
        "POST", "/api/mail/domain/keys/{selector}/use", use_dkim_key, Can.SECRETS, EmptyBody, response=MailDomainOut
    ),
    Endpoint("DELETE", "/api/mail/domain/keys/{selector}", remove_dkim_key, Can.SECRETS, response=MailDomainOut),
    Endpoint("GET", "/api/mail/records", check_records, Can.CHANNELS, response=RecordsOut),
    Endpoint("POST", "/api/mail/test-mail", send_test, Can.CHANNELS, TestMailBody, response=TestMailOut),
    Endpoint("GET", "/api/outbound/{outbound}/mail", mail_copy, Can.INBOX, response=SentMail),
    Endpoint("GET", "/api/outbound/{outbound}/mail.html", mail_page, Can.INBOX, response_type="text/html"),
]
