"""Settings of SMS, numbers, credits, and what a person does about a single message."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.responses import FileResponse, Response

from server.accounts.rules import Can, authorise
from server.consent import losses
from server.contacts.rules import BadPhone, Phone, normal_phone, shown_phone
from server.delivery import actions, answers, changes, media, queries, rules, settling
from server.delivery.queries import Outbound
from server.delivery.rules import Sender, SenderKind, State
from server.delivery.senders import Wanted
from server.delivery.settings import CHECKED_ON, PRICES, SMS, Price, SmsSettings
from server.errors import NotFound, Refused
from server.kernel.clock import rfc3339
from server.kernel.context import App
from server.kernel.documents import TOPIC, unfit
from server.web.http import PUBLIC, Call, Endpoint, path_id

Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
LISTED_AT_ONCE = 500  # numbers a transaction
Secret = Annotated[str, Field(max_length=200)]


class Body(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class SmsBody(Body):
    """A secret that is null stays as it is; "" forgets it."""

    on: bool
    account_sid: str = Field(pattern=r"^(AC[0-9a-fA-F]{32})?$")
    auth_token: Secret | None = None
    secondary_token: Secret | None = None
    shared_keys: dict[Annotated[str, Field(min_length=1, max_length=64)], Secret | None] | None = Field(
        None, max_length=5
    )
    api_key: str = Field("", pattern=r"^(SK[0-9a-fA-F]{32})?$")
    api_secret: Secret | None = None
    messaging_service: str = Field("", pattern=r"^(MG[0-9a-fA-F]{32})?$")
    monthly_credits: int | None = Field(None, ge=0, le=1_000_000_000)
    prices: dict[Country, Price] = Field(default_factory=dict, max_length=250)
    paused_countries: list[Country] | None = Field(None, max_length=250)  # which stay paused; null: all

    @field_validator("prices", "paused_countries")
    @classmethod
    def _somewhere(cls, value: Any) -> Any:
        nowhere = rules.no_countries(sorted(value or ()))
        if nowhere:
            raise unfit("unknown_country", nowhere)
        return value

    def secrets(self) -> dict[str, Any]:
        """Those that are to change."""
        found = {
            "auth_token": self.auth_token,
            "secondary_token": self.secondary_token,
            "shared_keys": self.shared_keys,
            "api_secret": self.api_secret,
        }
        return {name: value for name, value in found.items() if value is not None}


class SenderBody(Body):
    address: str = Field(min_length=1, max_length=20)
    kind: Literal["long_code", "toll_free", "short_code", "alphanumeric"]
    country: Country
    countries: list[Country] | None = Field(None, max_length=250)
    mms: bool | None = None
    inbound: bool | None = None
    rate: int | None = Field(None, ge=1, le=10_000)
    enabled: bool = True
    start: bool = False  # a stopped one sends again

    def wanted(self) -> Wanted:
        return Wanted(
            self.address.strip(),
            SenderKind(self.kind),
            self.country,
            None if self.countries is None else tuple(self.countries),
            self.mms,
            self.inbound,
            self.rate,
            self.enabled,
        )


class DecideBody(Body):
    outcome: Literal["sent", "not_sent"]


class SwitchBody(Body):
    on: bool


class LitigatorsBody(Body):
    """`country`: of numbers without a +."""

    lines: list[Annotated[str, Field(max_length=200)]] = Field(max_length=5_000)
    country: Country = "US"


class Nothing(Body):
    pass


# --- the account ------------------------------------------------------------------------------------


def sms_out(app: App, document: SmsSettings) -> answers.SmsOut:
    def kept(sealed: str) -> answers.Secret:
        return answers.Secret(set=bool(sealed))

    return answers.SmsOut(
        on=document.on,
        account_sid=document.account_sid,
        auth_token=kept(document.auth_token_sealed),
        secondary_token=kept(document.secondary_token_sealed),
        shared_keys=sorted(document.shared_keys_sealed),
        api_key=document.api_key,
        api_secret=kept(document.api_secret_sealed),
        messaging_service=document.messaging_service,
        monthly_credits=document.monthly_credits,
        prices=document.prices,
        list_prices=PRICES,
        prices_checked_on=CHECKED_ON.isoformat(),
        paused_countries=document.paused_countries,
        webhooks=answers.Webhooks(sms=rules.webhook_url(app.settings.public_url)),
    )


async def show_settings(app: App, call: Call) -> Any:
    """Show how SMS is set up, without its secrets."""
    return sms_out(app, await app.read(SMS.load))


async def change_settings(app: App, call: Call) -> Any:
    """Change how SMS is set up; secrets only by who may handle them."""
    body: SmsBody = call.body
    secrets = body.secrets()
    if secrets:
        authorise(call.actor, Can.SECRETS)
    wanted = body.model_dump(include=set(changes.PLAIN))
    saved = await app.write(changes.change_settings, call.agent, wanted, secrets, body.paused_countries, call.address)
    SMS.cached(app).heard(TOPIC, None)
    return sms_out(app, saved)


# --- numbers ----------------------------------------------------------------------------------------


def sender_out(one: Sender) -> answers.SenderOut:
    return answers.SenderOut(
        id=one.id,
        address=one.address,
        shown=shown_phone(one.address) or one.address,
        kind=one.kind.value,
        country=one.country,
        countries=list(one.countries),
        mms=one.mms,
        inbound=one.inbound,
        rate=one.rate,
        enabled=one.enabled,
        stopped=one.stopped,
    )


async def list_senders(app: App, call: Call) -> Any:
    """List the numbers and names you send from."""
    return answers.Senders(senders=[sender_out(one) for one in await app.read(queries.all_senders)])


async def add_sender(app: App, call: Call) -> Any:
    """Add a number or a name to send from."""
    made = await app.write(changes.add_sender, call.agent, call.body.wanted(), call.address)
    return answers.OneSender(sender=sender_out(made))


async def change_sender(app: App, call: Call) -> Any:
    """Change a sender, or start one again that was stopped."""
    body: SenderBody = call.body
    sender = path_id(call, "sender")
    saved = await app.write(changes.change_sender, call.agent, sender, body.wanted(), body.start, call.address)
    return answers.OneSender(sender=sender_out(saved))


async def remove_sender(app: App, call: Call) -> Any:
    """Remove a sender; what waits for it goes by another number of the country."""
    await app.write(changes.remove_sender, call.agent, path_id(call, "sender"), call.address)
    return {}


# --- credits ----------------------------------------------------------------------------------------


async def show_credits(app: App, call: Call) -> Any:
    """Show what this month's texts cost, against the plan."""
    since = rules.month_start(app.clock.now())
    spent = await app.read(queries.spent, since)
    plan = (await app.read(SMS.load)).monthly_credits
    used = sum(one.credits for one in spent)
    return answers.Credits(
        month=since.strftime("%Y-%m"),
        used=used,
        plan=plan,
        left=None if plan is None else max(plan - used, 0),
        by=[
            answers.SpentOn(kind=one.kind, country=one.country, messages=one.messages, credits=one.credits)
            for one in spent
        ],
    )


# --- people known for suing over texts --------------------------------------------------------------


def _litigators(found: losses.Listing) -> answers.Litigators:
    return answers.Litigators(on=found.on, count=found.count, numbers=list(found.numbers))


async def list_litigators(app: App, call: Call) -> Any:
    """Show whether people known for suing over texts are texted, how many are listed, and the newest or those looked for."""
    digits = "".join(filter(str.isdecimal, call.query.get("find", "")[:40]))
    return _litigators(await app.read(losses.listing, digits))


async def switch_litigators(app: App, call: Call) -> Any:
    """Never text people known for suing over texts, or do."""
    await app.write(losses.switch_litigators, call.agent, call.body.on, call.address)
    return _litigators(await app.read(losses.listing))


async def add_litigators(app: App, call: Call) -> Any:
    """List numbers, one a line, however they are written; lines that are none are named and the rest is kept."""
    body: LitigatorsBody = call.body
    phones, refused, filled = await asyncio.to_thread(_numbers_in, body.lines, body.country)
    added = 0
    for start in range(0, len(phones), LISTED_AT_ONCE):
        slice_ = phones[start : start + LISTED_AT_ONCE]
        added += await app.write(losses.add_litigators, call.agent, slice_, call.address)
    found = await app.read(losses.listing)
    return answers.ListedNow(
        on=found.on,
        count=found.count,
        numbers=list(found.numbers),
        added=added,
        known=filled - len(refused) - added,
        refused=refused,
    )


def _numbers_in(lines: list[str], country: str) -> tuple[list[str], list[answers.RefusedLine], int]:
    phones: set[str] = set()
    refused = []
    filled = 0
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("\ufeff").strip(" \t,;")
        if not text:
            continue
        filled += 1
        match normal_phone(text, country):
            case Phone(e164):
                phones.add(e164)
            case BadPhone(code, reason):
                refused.append(answers.RefusedLine(line=number, text=text[:60], code=code, reason=reason))
    return sorted(phones), refused, filled


async def remove_litigator(app: App, call: Call) -> Any:
    """Take a number off the list; what it lost stays lost until somebody says yes anew."""
    digits = call.path["digits"]
    if not (digits.isascii() and digits.isdecimal()):
        raise NotFound()
    if not await app.write(losses.remove_litigator, call.agent, f"+{digits}", call.address):
        raise NotFound()
    return _litigators(await app.read(losses.listing))


async def clear_litigators(app: App, call: Call) -> Any:
    """Empty the list."""
    await app.write(losses.clear_litigators, call.agent, call.address)
    return _litigators(await app.read(losses.listing))


# --- one message ------------------------------------------------------------------------------------


def outbound_out(one: Outbound) -> answers.OutboundOut:
    return answers.OutboundOut(
        id=one.id,
        kind=one.kind,
        contact=one.contact,
        thread=one.thread,
        seq=one.seq,
        recipient=one.recipient,
        sender=one.sender,
        body=one.body,
        segments=one.segments,
        mms=bool(one.media),
        state=one.state.value,
        reason=one.reason,
        detail=one.detail,
        attempts=one.attempts,
        created_at=rfc3339(one.created_at),
        dispatched_at=None if one.dispatched_at is None else rfc3339(one.dispatched_at),
    )


async def list_outbound(app: App, call: Call) -> Any:
    """List messages in one state, newest first: `unknown` ones wait for a person."""
    try:
        state = State(call.query.get("state") or State.UNKNOWN)
    except ValueError:
        raise Refused("invalid", "There is no such state of a message.", field="state") from None
    found = await app.read(queries.in_state, state)
    return answers.Outbounds(outbound=[outbound_out(one) for one in found])


async def retry(app: App, call: Call) -> Any:
    """Send a failed message again."""
    queued = await app.write(actions.retry, path_id(call, "outbound"))
    return answers.Again(outbound=queued.id)


async def decide(app: App, call: Call) -> Any:
    """Say what became of a message whose outcome nobody could tell."""
    settled = await app.write(settling.decide, call.agent, path_id(call, "outbound"), call.body.outcome, call.address)
    return answers.OneOutbound(outbound=outbound_out(settled))


async def picture(app: App, call: Call) -> Any:
    """A picture of an MMS, to the carrier: by a signed address that ends, and only for that message."""
    token, _, extension = str(call.path["name"]).partition(".")
    message = call.query.get("m", "")
    if not media.allowed(app, app.clock.now(), token, message, call.query.get("e", ""), call.query.get("s", "")):
        raise NotFound()
    found = await app.read(media.picture, token, message)
    if found is None or rules.MMS_TYPES[found[0]] != extension:
        raise NotFound()
    path = app.settings.file_path(token)
    if not path.is_file():
        raise NotFound("This file is not there any more.")
    headers = {"cache-control": "private, no-store", "x-content-type-options": "nosniff", "x-robots-tag": "noindex"}
    response: Response = FileResponse(path, media_type=found[0], headers=headers)
    return response


ENDPOINTS = [
    Endpoint("GET", "/api/sms/settings", show_settings, Can.CHANNELS, answer=answers.SmsOut),
    Endpoint("PUT", "/api/sms/settings", change_settings, Can.CHANNELS, SmsBody, answer=answers.SmsOut),
    Endpoint("GET", "/api/sms/senders", list_senders, Can.CHANNELS, answer=answers.Senders),
    Endpoint("POST", "/api/sms/senders", add_sender, Can.CHANNELS, SenderBody, answer=answers.OneSender),
    Endpoint("PUT", "/api/sms/senders/{sender}", change_sender, Can.CHANNELS, SenderBody, answer=answers.OneSender),
    Endpoint("DELETE", "/api/sms/senders/{sender}", remove_sender, Can.CHANNELS),
    Endpoint(
        "GET",
        "/api/sms/litigators",
        list_litigators,
        Can.CHANNELS,
        answer=answers.Litigators,
        query={"find": {"type": "string"}},
    ),
    Endpoint("PUT", "/api/sms/litigators", switch_litigators, Can.CHANNELS, SwitchBody, answer=answers.Litigators),
    Endpoint("POST", "/api/sms/litigators", add_litigators, Can.CHANNELS, LitigatorsBody, answer=answers.ListedNow),
    Endpoint("DELETE", "/api/sms/litigators", clear_litigators, Can.CHANNELS, answer=answers.Litigators),
    Endpoint("DELETE", "/api/sms/litigators/{digits}", remove_litigator, Can.CHANNELS, answer=answers.Litigators),
    Endpoint("GET", "/api/sms/credits", show_credits, Can.CHANNELS, answer=answers.Credits),
    Endpoint(
        "GET",
        "/api/outbound",
        list_outbound,
        Can.INBOX,
        answer=answers.Outbounds,
        query={"state": {"type": "string", "enum": [state.value for state in State], "default": "unknown"}},
    ),
    Endpoint("POST", "/api/outbound/{outbound}/retry", retry, Can.INBOX, Nothing, answer=answers.Again),
    Endpoint("POST", "/api/outbound/{outbound}/decide", decide, Can.INBOX, DecideBody, answer=answers.OneOutbound),
    Endpoint(
        "GET",
        "/media/{name}",
        picture,
        PUBLIC,
        query={name: {"type": "string"} for name in "mes"},
        gives="image/*",
    ),
]
