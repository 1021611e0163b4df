"""What the doctor sees of SMS: the account, where each number reports to, a signed round trip, what is stuck."""

from __future__ import annotations

import asyncio
import http.client
from contextlib import closing
from datetime import datetime, timedelta
from urllib.parse import urlencode, urlsplit

from server.channels.base import Checked
from server.channels.twilio_webhooks import SIGNATURE, sign
from server.delivery import pump, queries, rules
from server.delivery.deactivations import LISTS, Lists
from server.delivery.rules import Sender
from server.delivery.settings import SMS, Account, current
from server.delivery.webhooks import PROBE
from server.kernel.context import App
from server.operations.findings import Finding, fail, ok, warn

REACH_S = 6.0
SETTINGS = "Settings → SMS"


async def sms(app: App) -> list[Finding]:
    """Everything about SMS, one finding after the other; one alone while it is off."""
    document = await app.read(SMS.load)
    if not document.on:
        return [ok("SMS is off.")]
    account = await current(app)
    if not account.usable or not account.tokens:
        return [
            fail(
                "The account of SMS cannot be opened: its secrets are missing, or sealed with another secret key.",
                f"Enter the auth token again under {SETTINGS}.",
            )
        ]
    channel = await pump.of(app).channel()
    assert channel is not None
    numbers = await app.read(queries.all_senders)
    checked = await channel.check()
    found = [*_account(checked), *_numbers(app, checked, numbers), *_stopped(numbers)]
    if document.paused_countries:
        countries = ", ".join(sorted(document.paused_countries))
        found.append(
            warn(
                f"Nothing is sent to {countries}: Twilio refused it.",
                f"Allow these countries at Twilio (Messaging, Geo permissions), then resume them under {SETTINGS}.",
            )
        )
    found.append(given_up(await app.read(LISTS.load), app.clock.now()))
    found += await round_trip(app, account)
    unknown = (await app.read(queries.waiting))["unknown"]
    if unknown:
        found.append(
            warn(
                f"{unknown} texts may or may not have been sent; Twilio does not say.",
                "Each stands in its conversation: say there whether it arrived.",
            )
        )
    return found


def _account(checked: Checked) -> list[Finding]:
    if checked.problem:
        return [fail(f"Twilio: {checked.problem}", f"Look at the account SID and the token under {SETTINGS}.")]
    if checked.status and checked.status != "active":
        return [fail(f"The Twilio account is {checked.status}.", "See Twilio's console.")]
    return [ok(f"Twilio lets us in{f' ({checked.name})' if checked.name else ''}.")]


def _numbers(app: App, checked: Checked, numbers: list[Sender]) -> list[Finding]:
    """Each of our numbers that receives must report here, with repetitions switched on."""
    if checked.problem:
        return []
    if not numbers:
        return [warn("There is no number to send from.", f"Add one under {SETTINGS}.")]
    wanted = rules.webhook_url(app.settings.public_url)
    theirs = {one.address: one for one in checked.numbers}
    found = []
    for one in numbers:
        at = theirs.get(one.address)
        if not one.inbound or (at is None and one.kind is rules.SenderKind.SHORT_CODE):
            continue
        if at is None:
            found.append(fail(f"{one.address} is not among the numbers of this account.", "Check it at Twilio."))
        elif at.sms_url.partition("#")[0] != wanted.partition("#")[0] or at.sms_method.upper() != "POST":
            said = at.sms_url.partition("?")[0] or "nowhere"
            found.append(
                fail(f"Texts to {one.address} go to {said}.", f"Enter {wanted} (POST) for incoming messages at Twilio.")
            )
        elif not rules.repeats(at.sms_url):
            found.append(
                warn(
                    f"Twilio would not repeat a text to {one.address} that we could not store.",
                    f"Enter the whole address at Twilio, with its end: {wanted}",
                )
            )
        else:
            found.append(ok(f"Texts to {one.address} come here."))
    return found


def _stopped(numbers: list[Sender]) -> list[Finding]:
    return [
        fail(f"{one.address} is stopped. {one.stopped}", f"Mend this at Twilio, then start it under {SETTINGS}.")
        for one in numbers
        if one.stopped
    ]


LATE = timedelta(days=3)


def given_up(lists: Lists, now: datetime) -> Finding:
    """Carriers want their lists of numbers given up to be read daily; who does not, texts strangers."""
    if lists.problem:
        return warn(
            f"The carriers' lists of numbers given up are not being read: {lists.problem}",
            "They are asked for again every day. The account needs Twilio's permission to read Deactivations; the log says more.",
        )
    last = lists.read_at or lists.since
    if last is None:
        return ok("The carriers' lists of numbers given up are asked for soon.")
    if now - last > LATE:
        return warn(
            f"The last list of numbers given up was read on {last:%Y-%m-%d}." if lists.read_at else
            f"Twilio has had no list of numbers given up since {last:%Y-%m-%d}.",
            "They come daily. See the server's log, and at Twilio whether this account may read Deactivations.",
        )  # fmt: skip
    return ok(f"The carriers' lists of numbers given up are read; last on {last:%Y-%m-%d}.")


async def round_trip(app: App, account: Account) -> list[Finding]:
    """A report of our own, signed as Twilio signs, to our own public address: shows what a proxy does to it."""
    url = app.settings.public_url + rules.STATUS_PATH
    params = [("AccountSid", account.sid), ("MessageSid", PROBE), ("MessageStatus", PROBE)]
    try:
        good = await asyncio.to_thread(_post, url, params, sign(account.tokens[0], url, params))
        bad = await asyncio.to_thread(_post, url, params, sign("not the token", url, params))
    except OSError as error:
        return [
            fail(
                f"Our own webhook address cannot be reached ({type(error).__name__}): {url}",
                "Twilio has to reach it from the internet. Look at the address, the proxy and the certificate.",
            )
        ]
    if good == 403:
        return [
            fail(
                "A signed message to our own webhook address arrives with a signature that does not fit.",
                "THREADLINE_PUBLIC_URL must be exactly the address Twilio is given, and the proxy must pass path and query on.",
            )
        ]
    if (good, bad) != (200, 403):
        return [fail(f"Our own webhook address answers {good} to a signed message.", "See what answers there instead.")]
    return [ok("A signed message to our own webhook address arrives, and a forged one is refused.")]


def _post(url: str, params: list[tuple[str, str]], signature: str) -> int:
    parts = urlsplit(url)
    assert parts.hostname is not None
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    with closing(kind(parts.hostname, parts.port, timeout=REACH_S)) as connection:
        headers = {"content-type": "application/x-www-form-urlencoded", SIGNATURE: signature}
        try:
            connection.request("POST", parts.path, urlencode(params), headers)
            answer = connection.getresponse()
            answer.read(1024)
        except http.client.HTTPException as error:
            raise OSError(type(error).__name__) from error
        return answer.status
