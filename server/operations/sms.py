"""The doctor's checks of SMS: the account, each number's webhook, a signed round trip, texts with unknown outcome."""

from __future__ import annotations

import asyncio
import http.client
from contextlib import closing
from datetime import datetime, timedelta
from urllib.parse import urlencode, urlsplit

from server.channels.base import Checked
from server.channels.twilio_webhooks import SIGNATURE, origins, sign
from server.delivery import pump, queries, rules
from server.delivery.deactivations import DEACTIVATIONS, Deactivations
from server.delivery.rules import Sender
from server.delivery.settings import SMS, Account, current
from server.delivery.webhooks import PROBE
from server.kernel.context import App
from server.operations.findings import Finding, fail, ok, warn

TIMEOUT_S = 6.0
SETTINGS = "Settings → SMS"


async def check_sms(app: App) -> list[Finding]:
    """All findings about SMS; a single one while SMS is off."""
    document = await app.read(SMS.load)
    if not document.on:
        return [ok("SMS is off.")]
    account = await current(app)
    if not account.usable or not account.tokens:
        return [
            fail(
                "The SMS account cannot be used: its secrets are missing, or encrypted with another secret key.",
                f"Enter the auth token again under {SETTINGS}.",
            )
        ]
    channel = await pump.of(app).channel()
    assert channel is not None
    numbers = await app.read(queries.all_senders)
    checked = await channel.check()
    findings = [*_account(checked), *_numbers(app, checked, numbers), *_stopped_senders(numbers)]
    if document.paused_countries:
        countries = ", ".join(sorted(document.paused_countries))
        findings.append(
            warn(
                f"Nothing is sent to {countries}: Twilio refused it.",
                f"Allow these countries at Twilio (Messaging, Geo permissions), then resume them under {SETTINGS}.",
            )
        )
    findings.append(deactivation_lists(await app.read(DEACTIVATIONS.load), app.clock.now()))
    findings += await round_trip(app, account)
    unknown = await app.read(queries.count_unknown)
    if unknown:
        findings.append(
            warn(
                f"{unknown} {'text' if unknown == 1 else 'texts'} may or may not have been sent. Twilio does not say.",
                "Open the conversation and say whether it arrived."
                if unknown == 1
                else "Open their conversations and say whether each one arrived.",
            )
        )
    return findings


def _account(checked: Checked) -> list[Finding]:
    if checked.problem:
        return [fail(f"Twilio: {checked.problem}", f"Check the account SID and the token under {SETTINGS}.")]
    if checked.status and checked.status != "active":
        return [fail(f"The Twilio account is {checked.status}.", "See Twilio's console.")]
    return [ok(f"Twilio accepts the account{f' ({checked.name})' if checked.name else ''}.")]


def _numbers(app: App, checked: Checked, numbers: list[Sender]) -> list[Finding]:
    """Checks that each receiving number's webhook is ours and that Twilio repeats failed calls."""
    if checked.problem:
        return []
    if not numbers:
        return [warn("There is no number to send from.", f"Add one under {SETTINGS}.")]
    expected_url = rules.webhook_url(app.settings.public_url)
    # A signature over any of these addresses is accepted.
    accepted_urls = [origin + rules.INBOUND_PATH for origin in origins(app.settings.public_urls)]
    account_numbers = {number.address: number for number in checked.numbers}
    findings = []
    for number in numbers:
        account_number = account_numbers.get(number.address)
        if not number.inbound or (account_number is None and number.kind is rules.SenderKind.SHORT_CODE):
            continue
        if account_number is None:
            findings.append(fail(f"{number.address} is not among the numbers of this account.", "Check it at Twilio."))
        elif (
            account_number.sms_url.partition("#")[0] not in accepted_urls or account_number.sms_method.upper() != "POST"
        ):
            address = account_number.sms_url.partition("?")[0] or "nowhere"
            findings.append(
                fail(
                    f"Texts to {number.address} go to {address}.",
                    f"Enter {expected_url} (POST) for incoming messages at Twilio.",
                )
            )
        elif not rules.asks_for_retries(account_number.sms_url):
            findings.append(
                warn(
                    f"Twilio would not resend a text to {number.address} that could not be stored.",
                    f"Enter the complete address at Twilio, including its end: {expected_url}",
                )
            )
        else:
            findings.append(ok(f"Texts to {number.address} arrive here."))
    return findings


def _stopped_senders(numbers: list[Sender]) -> list[Finding]:
    return [
        fail(
            f"{number.address} is stopped. {number.stopped}",
            f"Fix this at Twilio, then start it again under {SETTINGS}.",
        )
        for number in numbers
        if number.stopped
    ]


LISTS_OVERDUE = timedelta(days=3)


def deactivation_lists(lists: Deactivations, now: datetime) -> Finding:
    """Checks that the carriers' daily lists of deactivated numbers are read: such a number may belong to another person."""
    if lists.problem:
        return warn(
            f"The carriers' lists of deactivated numbers cannot be read: {lists.problem}",
            "Threadline tries again every day. The account needs Twilio's permission to read Deactivations. See the log.",
        )
    last = lists.read_at or lists.since
    if last is None:
        return ok("The carriers' lists of deactivated numbers will be read soon.")
    if now - last > LISTS_OVERDUE:
        return warn(
            f"The last list of deactivated numbers was read on {last:%Y-%m-%d}." if lists.read_at else
            f"Twilio has had no list of deactivated numbers since {last:%Y-%m-%d}.",
            "A list is due every day. Check the server's log, and at Twilio whether this account may read Deactivations.",
        )  # fmt: skip
    return ok(f"The carriers' lists of deactivated numbers are read. The last one was read on {last:%Y-%m-%d}.")


async def round_trip(app: App, account: Account) -> list[Finding]:
    """Sends a report, signed as Twilio signs, to our own public address, to find a proxy that changes the request."""
    url = app.settings.public_url + rules.STATUS_PATH
    params = [("AccountSid", account.sid), ("MessageSid", PROBE), ("MessageStatus", PROBE)]
    try:
        signed_status = await asyncio.to_thread(_post, url, params, sign(account.tokens[0], url, params))
        forged_status = await asyncio.to_thread(_post, url, params, sign("not the token", url, params))
    except OSError as error:
        return [
            fail(
                f"Our own webhook address cannot be reached ({type(error).__name__}): {url}",
                "Twilio has to reach it from the internet. Check the address, the proxy and the certificate.",
            )
        ]
    if signed_status == 403:
        return [
            fail(
                "A signed message to our own webhook address arrives with a wrong signature.",
                "THREADLINE_PUBLIC_URL must be exactly the address entered at Twilio, and the proxy must pass on path and query.",
            )
        ]
    if (signed_status, forged_status) != (200, 403):
        return [
            fail(
                f"Our own webhook address answers {signed_status} to a signed message.",
                "Check what answers there instead.",
            )
        ]
    return [ok("A signed message to our own webhook address arrives, and a forged one is refused.")]


def _post(url: str, params: list[tuple[str, str]], signature: str) -> int:
    parts = urlsplit(url)
    assert parts.hostname is not None
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    with closing(kind(parts.hostname, parts.port, timeout=TIMEOUT_S)) as connection:
        headers = {"content-type": "application/x-www-form-urlencoded", SIGNATURE: signature}
        try:
            connection.request("POST", parts.path, urlencode(params), headers)
            answer = connection.getresponse()
            answer.read(1024)
        except http.client.HTTPException as error:
            raise OSError(type(error).__name__) from error
        return answer.status
