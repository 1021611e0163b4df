"""Delivery over HTTP: SMS settings, senders, credits, litigators and single messages."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.responses import FileResponse, Response

from server.accounts.rules import Can, authorise
from server.consent import revocation
from server.contacts.lines import canonical
from server.contacts.rules import BadPhone, Phone, normal_phone, shown_phone
from server.delivery import actions, media, queries, responses, rules, settings_actions, settling
from server.delivery.queries import Outbound
from server.delivery.rules import Sender, SenderKind, State
from server.delivery.senders import SenderInput
from server.delivery.settings import CHECKED_ON, PRICES, SMS, Price, SmsSettings
from server.errors import NotFound, Refused
from server.kernel.clock import rfc3339
from server.kernel.context import App
from server.kernel.documents import TOPIC, input_error
from server.web.http import PUBLIC, Call, Done, EmptyBody, Endpoint, path_id

Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
Secret = Annotated[str, Field(max_length=200)]


class Body(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class SmsBody(Body):
    """A secret that is null stays as it is; "" deletes it."""

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
    paused_countries: list[Country] | None = Field(None, max_length=250)  # countries that stay paused; null: all
    version: str | None = None  # version of the settings that the change is based on

    @field_validator("prices", "paused_countries")
    @classmethod
    def _check_countries(cls, value: Any) -> Any:
        problem = rules.unknown_countries(sorted(value or ()))
        if problem:
            raise input_error("unknown_country", problem)
        return value

    def secrets(self) -> dict[str, Any]:
        """The secrets to change."""
        changed = {
            "auth_token": self.auth_token,
            "secondary_token": self.secondary_token,
            "shared_keys": self.shared_keys,
            "api_secret": self.api_secret,
        }
        return {name: value for name, value in changed.items() if value is not None}


class SenderBody(Body):
    address: str = Field(min_length=1, max_length=20)
    kind: responses.SenderKind
    country: Country
    countries: list[Country] | None = Field(None, max_length=250)
    mms: bool | None = None
    inbound: bool | None = None
    rate: int | None = Field(None, ge=1, le=10_000)
    enabled: bool = True
    start: bool = False  # restarts a stopped sender

    def sender_input(self) -> SenderInput:
        return SenderInput(
            self.address.strip(),
            SenderKind(self.kind),
            self.country,
            None if self.countries is None else tuple(self.countries),
            self.mms,
            self.inbound,
            self.rate,
            self.enabled,
        )


class SenderChange(SenderBody):
    """`version`: of the sender that the change is based on."""

    version: str | None = None


class DecideBody(Body):
    outcome: Literal["sent", "not_sent"]


class SwitchBody(Body):
    """`version`: of the switch that the change is based on."""

    on: bool
    version: str | None = None


class LitigatorsBody(Body):
    """`country`: for numbers without a +."""

    lines: list[Annotated[str, Field(max_length=200)]] = Field(max_length=5_000)
    country: Country = "US"


# --- the account ------------------------------------------------------------------------------------


def sms_out(app: App, document: SmsSettings, version: str) -> responses.SmsOut:
    def secret_out(sealed: str) -> responses.Secret:
        return responses.Secret(set=bool(sealed))

    return responses.SmsOut(
        on=document.on,
        account_sid=document.account_sid,
        auth_token=secret_out(document.auth_token_sealed),
        secondary_token=secret_out(document.secondary_token_sealed),
        shared_keys=sorted(document.shared_keys_sealed),
        api_key=document.api_key,
        api_secret=secret_out(document.api_secret_sealed),
        messaging_service=document.messaging_service,
        monthly_credits=document.monthly_credits,
        prices=document.prices,
        list_prices=PRICES,
        prices_checked_on=CHECKED_ON.isoformat(),
        paused_countries=document.paused_countries,
        webhooks=responses.Webhooks(sms=rules.webhook_url(app.settings.public_url)),
        version=version,
    )


async def show_settings(app: App, call: Call) -> Any:
    """Show the SMS settings without their secrets."""
    loaded = await app.read(settings_actions.load)
    return sms_out(app, loaded.values, loaded.version)


async def change_settings(app: App, call: Call) -> Any:
    """Change the SMS settings; secrets need their own permission."""
    body: SmsBody = call.body
    secrets = body.secrets()
    if secrets:
        authorise(call.actor, Can.SECRETS)
    values = body.model_dump(include=set(settings_actions.PLAIN))
    saved = await app.write(
        settings_actions.change_settings,
        call.agent,
        values,
        secrets,
        body.paused_countries,
        body.version,
        lambda document: sms_out(app, document, "").model_dump(mode="json"),
        call.address,
    )
    SMS.cached(app).on_published(TOPIC, None)
    return sms_out(app, saved.values, saved.version)


# --- numbers ----------------------------------------------------------------------------------------


def sender_out(sender: Sender, version: str) -> responses.SenderOut:
    return responses.SenderOut(
        id=sender.id,
        address=sender.address,
        shown=shown_phone(sender.address) or sender.address,
        kind=sender.kind.value,
        country=sender.country,
        countries=list(sender.countries),
        mms=sender.mms,
        inbound=sender.inbound,
        rate=sender.rate,
        enabled=sender.enabled,
        stopped=sender.stopped,
        version=version,
    )


async def list_senders(app: App, call: Call) -> Any:
    """List the numbers and names that you send from."""
    return responses.Senders(senders=[sender_out(*each) for each in await app.read(settings_actions.versioned_senders)])


async def add_sender(app: App, call: Call) -> Any:
    """Add a number or a name to send from."""
    added = await app.write(settings_actions.add_sender, call.agent, call.body.sender_input(), call.address)
    return responses.OneSender(sender=sender_out(*added))


async def change_sender(app: App, call: Call) -> Any:
    """Change a sender, or restart a stopped one."""
    body: SenderChange = call.body
    saved = await app.write(
        settings_actions.change_sender,
        call.agent,
        path_id(call, "sender"),
        body.sender_input(),
        body.start,
        body.version,
        lambda sender: sender_out(sender, "").model_dump(mode="json"),
        call.address,
    )
    return responses.OneSender(sender=sender_out(*saved))


async def remove_sender(app: App, call: Call) -> Any:
    """Remove a sender; another number of the country sends its waiting messages."""
    await app.write(settings_actions.remove_sender, call.agent, path_id(call, "sender"), call.address)
    return {}


# --- credits ----------------------------------------------------------------------------------------


async def show_credits(app: App, call: Call) -> Any:
    """Show this month's credits, used and left."""
    since = rules.month_start(app.clock.now())
    spent = await app.read(queries.credits_used, since)
    plan = (await app.read(SMS.load)).monthly_credits
    used = sum(spending.credits for spending in spent)
    return responses.Credits(
        month=since.strftime("%Y-%m"),
        used=used,
        plan=plan,
        left=None if plan is None else max(plan - used, 0),
        by=[
            responses.SpentOn(
                kind=spending.kind, country=spending.country, messages=spending.messages, credits=spending.credits
            )
            for spending in spent
        ],
    )


# --- litigators -------------------------------------------------------------------------------------


def _litigators(listed: revocation.LitigatorList) -> responses.Litigators:
    return responses.Litigators(on=listed.on, count=listed.count, numbers=list(listed.numbers), version=listed.version)


async def list_litigators(app: App, call: Call) -> Any:
    """Show whether texts to litigators are blocked, how many are listed, and the newest or those found."""
    digits = "".join(filter(str.isdecimal, call.query.get("find", "")[:40]))
    return _litigators(await app.read(revocation.litigator_list, canonical(f"+{digits}")[1:]))


async def switch_litigators(app: App, call: Call) -> Any:
    """Block texts to litigators (people known for suing over texts), or allow them."""
    body: SwitchBody = call.body
    await app.write(revocation.switch_litigators, call.agent, body.on, body.version, call.address)
    return _litigators(await app.read(revocation.litigator_list))


async def add_litigators(app: App, call: Call) -> Any:
    """Add numbers, one per line in any format; invalid lines are returned and the rest is added."""
    body: LitigatorsBody = call.body
    phones, refused, filled = await asyncio.to_thread(_numbers_in, body.lines, body.country)
    added = 0
    for start in range(0, len(phones), revocation.NUMBERS_AT_ONCE):
        slice_ = phones[start : start + revocation.NUMBERS_AT_ONCE]
        added += await app.write(revocation.add_litigators, call.agent, slice_, call.address)
    listed = await app.read(revocation.litigator_list)
    return responses.ListedNow(
        on=listed.on,
        count=listed.count,
        numbers=list(listed.numbers),
        version=listed.version,
        added=added,
        known=filled - len(refused) - added,
        refused=refused,
    )


def _numbers_in(lines: list[str], country: str) -> tuple[list[str], list[responses.RefusedLine], int]:
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
                refused.append(responses.RefusedLine(line=number, text=text[:60], code=code, reason=reason))
    return sorted(phones), refused, filled


async def remove_litigator(app: App, call: Call) -> Any:
    """Remove a number from the list; revoked consent stays revoked."""
    digits = call.path["digits"]
    if not (digits.isascii() and digits.isdecimal()):
        raise NotFound()
    if not await app.write(revocation.remove_litigator, call.agent, canonical(f"+{digits}"), call.address):
        raise NotFound()
    return _litigators(await app.read(revocation.litigator_list))


async def clear_litigators(app: App, call: Call) -> Any:
    """Empty the list."""
    while await app.write(revocation.clear_litigators, call.agent, call.address):
        pass
    return _litigators(await app.read(revocation.litigator_list))


# --- one message ------------------------------------------------------------------------------------


def outbound_out(outbound: Outbound) -> responses.OutboundOut:
    return responses.OutboundOut(
        id=outbound.id,
        channel=outbound.channel,
        kind=outbound.kind,
        contact=outbound.contact,
        thread=outbound.thread,
        seq=outbound.seq,
        recipient=outbound.recipient,
        sender=outbound.sender,
        body=outbound.body,
        segments=outbound.segments,
        mms=bool(outbound.media),
        state=outbound.state.value,
        reason=outbound.reason,
        detail=outbound.detail,
        attempts=outbound.attempts,
        created_at=rfc3339(outbound.created_at),
        dispatched_at=None if outbound.dispatched_at is None else rfc3339(outbound.dispatched_at),
    )


async def list_outbound(app: App, call: Call) -> Any:
    """List messages in one state, newest first; `unknown` ones need a decision."""
    try:
        state = State(call.query.get("state") or State.UNKNOWN)
    except ValueError:
        raise Refused("invalid", "This message state does not exist.", field="state") from None
    messages = await app.read_slowly(queries.in_state, state)
    return responses.Outbounds(outbound=[outbound_out(outbound) for outbound in messages])


async def retry(app: App, call: Call) -> Any:
    """Send a failed message again."""
    queued = await app.write(actions.retry, path_id(call, "outbound"))
    return responses.Again(outbound=queued.id)


async def decide(app: App, call: Call) -> Any:
    """Decide whether a message with an unclear outcome was sent."""
    settled = await app.write(
        settling.decide_unknown, call.agent, path_id(call, "outbound"), call.body.outcome, call.address
    )
    return responses.OneOutbound(outbound=outbound_out(settled))


async def picture(app: App, call: Call) -> Any:
    """Serve a picture of an MMS to the carrier, by a signed URL that expires."""
    token, _, extension = str(call.path["name"]).partition(".")
    message = call.query.get("m", "")
    if not media.is_signed(app, app.clock.now(), token, message, call.query.get("e", ""), call.query.get("s", "")):
        raise NotFound()
    image = await app.read(media.picture, token, message)
    if image is None or rules.MMS_TYPES[image[0]] != extension:
        raise NotFound()
    path = app.settings.file_path(token)
    if not path.is_file():
        raise NotFound("This file no longer exists.")
    headers = {"cache-control": "private, no-store", "x-content-type-options": "nosniff", "x-robots-tag": "noindex"}
    response: Response = FileResponse(path, media_type=image[0], headers=headers)
    return response


ENDPOINTS = [
    Endpoint("GET", "/api/sms/settings", show_settings, Can.CHANNELS, response=responses.SmsOut),
    Endpoint("PUT", "/api/sms/settings", change_settings, Can.CHANNELS, SmsBody, response=responses.SmsOut),
    Endpoint("GET", "/api/sms/senders", list_senders, Can.CHANNELS, response=responses.Senders, keys=True),
    Endpoint("POST", "/api/sms/senders", add_sender, Can.CHANNELS, SenderBody, response=responses.OneSender),
    Endpoint(
        "PUT", "/api/sms/senders/{sender}", change_sender, Can.CHANNELS, SenderChange, response=responses.OneSender
    ),
    Endpoint("DELETE", "/api/sms/senders/{sender}", remove_sender, Can.CHANNELS, response=Done),
    Endpoint(
        "GET",
        "/api/sms/litigators",
        list_litigators,
        Can.CHANNELS,
        response=responses.Litigators,
        query={"find": {"type": "string"}},
    ),
    Endpoint("PUT", "/api/sms/litigators", switch_litigators, Can.CHANNELS, SwitchBody, response=responses.Litigators),
    Endpoint("POST", "/api/sms/litigators", add_litigators, Can.CHANNELS, LitigatorsBody, response=responses.ListedNow),
    Endpoint("DELETE", "/api/sms/litigators", clear_litigators, Can.CHANNELS, response=responses.Litigators),
    Endpoint("DELETE", "/api/sms/litigators/{digits}", remove_litigator, Can.CHANNELS, response=responses.Litigators),
    Endpoint("GET", "/api/sms/credits", show_credits, Can.CHANNELS, response=responses.Credits, keys=True),
    Endpoint(
        "GET",
        "/api/outbound",
        list_outbound,
        Can.INBOX,
        response=responses.Outbounds,
        query={"state": {"type": "string", "enum": [state.value for state in State], "default": "unknown"}},
    ),
    Endpoint("POST", "/api/outbound/{outbound}/retry", retry, Can.INBOX, EmptyBody, response=responses.Again),
    Endpoint("POST", "/api/outbound/{outbound}/decide", decide, Can.INBOX, DecideBody, response=responses.OneOutbound),
    Endpoint(
        "GET",
        "/media/{name}",
        picture,
        PUBLIC,
        query={name: {"type": "string"} for name in "mes"},
        response_type="image/*",
    ),
]
