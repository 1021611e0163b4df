"""G12: STOP is final and fast. After its commit no text to that person begins to be sent, whatever anybody types
later."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from aiohttp import web
from sqlalchemy import select

from server.app import build, close
from server.consent import actions as consent
from server.consent import chain, proof
from server.consent.ledger import ConsentChange
from server.consent.rules import Method, Purpose, Status
from server.consent.settings import KEYWORDS, KeywordSettings
from server.contacts import actions as people
from server.contacts.rules import Phone, normal_phone
from server.delivery import actions as delivery
from server.delivery import senders as numbers
from server.delivery.actions import Send
from server.delivery.rules import SenderKind
from server.delivery.senders import SenderInput
from server.delivery.settings import SMS
from server.kernel.bus import LocalBus
from server.kernel.context import App
from server.kernel.sql import Conn, Tx
from server.schema import consent_ledger, consents, contacts, outbound, suppressions
from server.settings import Settings
from tests.faults.site import PUBLIC_URL, SECRET, Node, Site
from tests.faults.tally import Tally
from tests.people import add_contact
from tests.services import free_port
from tests.sms import ACCOUNT, TOKEN, settings_of

OURS, OTHER = "+12125550100", "+12125550101"
PER_S = 50
WEBHOOK = "/webhooks/twilio/sms"
SPELLINGS = [
    "STOP", "stop", "Stop.", " STOP ", "STOP!", "Ｓｔｏｐ", "STOP\n", "stop stop", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE",
    "OPTOUT", "opt out", "opt-out", "Stop All", "s\u200btop", "𝐒𝐓𝐎𝐏", "Arrêt", "ARRET", "Désabonner", "стоп", "СТОП!!", "수신거부", "停止", "stop 🙏",
    '"STOP"', "Rezygnuję", "ⓈⓉⓄⓅ", "🆂🆃🅾🅿", "S T O P", "S.T.O.P.", "s-t-o-p", "STOP\n\nSent from my iPhone", "*stop*", "¡ALTO!", "ABMELDEN", "Unsub",
]  # fmt: skip
STOP_REQUESTS = [
    "please stop texting me",
    "no more texts",
    "Take me off your list",
    "leave me alone!",
    "stop messaging me",
]


def us(place: int) -> str:
    return f"+1202555{place:04d}"


# --- the carrier ----------------------------------------------------------------------------------


@dataclass
class Carrier:
    """Accepts every text over HTTP as Twilio does and records the time; refuses texts to people who opted out at the
    carrier."""

    refuses: set[str]
    accepted: list[tuple[str, str, float]] = field(default_factory=list)  # recipient, body, time
    refused: int = 0

    async def create(self, request: web.Request) -> web.Response:
        form = await request.post()
        to, body = str(form["To"]), str(form.get("Body", ""))
        if to in self.refuses:
            self.refused += 1
            problem = {
                "code": 21610,
                "message": "Attempt to send to unsubscribed recipient",
                "status": 400,
                "more_info": "",
            }
            return web.json_response(problem, status=400)
        self.accepted.append((to, body, time.time()))
        sid = f"SM{len(self.accepted):032x}"
        answer = dict.fromkeys(
            ("price", "price_unit", "error_code", "error_message", "date_created", "date_updated", "date_sent", "messaging_service_sid")
        ) | {"sid": sid, "status": "queued", "body": body, "from": str(form.get("From", "")), "to": to, "num_segments": "1", "num_media": "0",
             "direction": "outbound-api", "account_sid": ACCOUNT, "api_version": "2010-04-01", "uri": "", "subresource_uris": {}}  # fmt: skip
        return web.json_response(answer, status=201)

    async def listing(self, request: web.Request) -> web.Response:
        return web.json_response({"messages": [], "next_page_uri": None, "page": 0, "page_size": 50})

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        app = web.Application()
        path = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
        app.add_routes([web.post(path, self.create), web.get(path, self.listing)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            await runner.cleanup()

    def promotions_of(self, word: str) -> set[str]:
        """The numbers that got a text with this word."""
        return {to for to, body, _ in self.accepted if word in body}

    def promotions(self) -> dict[str, list[float]]:
        result: dict[str, list[float]] = defaultdict(list)
        for to, body, accepted_at in self.accepted:
            if body.startswith(("Offer", "Answer")):
                result[to].append(accepted_at)
        return result

    def confirmations(self) -> dict[str, int]:
        result: dict[str, int] = defaultdict(int)
        for to, body, _ in self.accepted:
            result[to] += "unsubscribed" in body
        return result


class Phones:
    """People who text us through the webhooks of any node that answers; each text is repeated until it is stored."""

    def __init__(self, site: Site, tally: Tally) -> None:
        self.site, self.tally = site, tally
        self.opted_out_at: dict[str, float] = {}  # number → when its opt-out was committed
        self.sent = 0

    async def text(self, number: str, body: str, to: str = OURS, repeats: int = 0) -> float:
        """Sends a text; returns when it was stored. `repeats`: how often the same webhook is posted again, to all nodes
        at once."""
        self.sent += 1
        form = {
            "MessageSid": f"SM{self.sent:032x}",
            "AccountSid": ACCOUNT,
            "From": number,
            "To": to,
            "Body": body,
            "NumMedia": "0",
        }
        stored = await self._until_stored(form)
        if repeats:
            await asyncio.gather(*(self._until_stored(form) for _ in range(repeats)))
        return stored

    async def _until_stored(self, form: dict[str, str]) -> float:
        signed = PUBLIC_URL + WEBHOOK + "".join(name + form[name] for name in sorted(form))
        signature = base64.b64encode(hmac.digest(TOKEN.encode(), signed.encode(), hashlib.sha1)).decode()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            node = self.tally.random.choice(self.site.nodes)
            with contextlib.suppress(OSError, aiohttp.ClientError, TimeoutError):
                async with self.site.http.post(
                    node.url + WEBHOOK,
                    data=form,
                    headers={"x-twilio-signature": signature},
                    timeout=aiohttp.ClientTimeout(5),
                ) as answer:
                    if answer.status == 200:
                        await answer.read()
                        return time.time()
                    if answer.status != 503:
                        raise AssertionError(f"the webhook answered {answer.status}: {await answer.text()}")
            await asyncio.sleep(0.05)
        raise TimeoutError("a text could not be stored for a minute")


# --- direct writes to the database while no server runs -------------------------------------------


@contextlib.asynccontextmanager
async def app_on_database(site: Site, carrier_url: str) -> AsyncIterator[App]:
    settings = Settings(
        _env_file=None, data_dir=site.folder / "data", database_url=site.database_url or None, public_url=PUBLIC_URL,
        secret_key=SECRET, twilio_url=carrier_url,
    )  # fmt: skip
    app = await build(settings, bus=LocalBus())
    try:
        yield app
    finally:
        await close(app)


def _set_up(tx: Tx, app: App) -> None:
    SMS.save(tx, settings_of(app))
    KEYWORDS.save(tx, KeywordSettings(brand="Kettle", gateway="off"))
    for address in (OURS, OTHER):
        numbers.add(tx, SenderInput(address, SenderKind.LONG_CODE, "US", rate=1_000))


def _give_consent(tx: Tx, number: str, status: Status = Status.SUBSCRIBED) -> int:
    contact = people.by_phone(tx, number, number, "US").contact
    for purpose in (Purpose.SMS_MARKETING, Purpose.SMS_TRANSACTIONAL):
        consent.record(tx, ConsentChange(contact, purpose, status, Method.FORM, "form:1", "Text me offers"))
    return contact


def _queue(
    tx: Tx, wave: str, recipients: Iterable[tuple[int, str]], start: datetime | None = None, purpose: str = "marketing"
) -> None:
    body = "Answer" if purpose == "conversation" else "Offer"
    for place, (contact, number) in enumerate(recipients):
        due = None if start is None else start + timedelta(seconds=place / PER_S)
        delivery.queue(
            tx,
            Send(
                f"{wave}:{contact}:{number}",
                "campaign",
                purpose,
                contact,
                number,
                f"{body} {wave}",
                due_at=due,
            ),
        )


# --- the run --------------------------------------------------------------------------------------


async def run(tally: Tally) -> None:
    count, waves, stoppers = (1_000, 3, 100) if tally.full else (100, 2, len(SPELLINGS))
    carrier = Carrier(refuses={us(9_000 + n) for n in range(5)})
    async with (
        carrier.open() as url,
        Site(tally.database, seed=tally.seed, worker=True, THREADLINE_TWILIO_URL=url) as site,
    ):
        crowd = [us(1_000 + n) for n in range(count)]
        stopping = tally.random.sample(crowd, stoppers)
        asking_to_stop = tally.random.sample(sorted(set(crowd) - set(stopping)), len(STOP_REQUESTS))
        duration_s = (count + 5) * waves / PER_S
        async with app_on_database(site, url) as app:
            await app.write(_set_up, app)
            recipients = [
                (await app.write(_give_consent, number), number) for number in [*crowd, *sorted(carrier.refuses)]
            ]
            tally.random.shuffle(recipients)
            began = datetime.now(UTC) + timedelta(seconds=3)
            for wave in range(waves):
                due_at = began + timedelta(seconds=wave * len(recipients) / PER_S)
                await app.write(_queue, f"wave {wave}", recipients, due_at)
        await site.start()
        phones = Phones(site, tally)
        kills = await _campaign(tally, site, phones, stopping, asking_to_stop, began, duration_s)
        await _wait_until_settled(site)
        opted_out_at = phones.opted_out_at.copy()
        # Every second person opts in again; START from somebody who never agreed must not subscribe them.
        opted_in_again, opted_out = stopping[::2], stopping[1::2]
        unknown_numbers = [us(8_000 + n) for n in range(5)]
        await asyncio.gather(*(phones.text(number, "START") for number in opted_in_again))
        for keyword in ("STOP", "START"):
            await asyncio.gather(*(phones.text(number, keyword) for number in unknown_numbers))
        refused = await _agents_record_consent(
            site, dict((number, contact) for contact, number in recipients), opted_out
        )
        tally.zero("consents of agents accepted after a STOP", len(opted_out) - refused)
        for node in _servers(site):
            await node.stop()
        async with app_on_database(site, url) as app:
            restored = await app.write(
                _try_to_restore_consent, opted_out, dict((number, contact) for contact, number in recipients)
            )
            tally.zero("imports, copies or retyped numbers that restored consent", restored)
            everybody = [(row.id, row.phone) for row in await app.read(_with_numbers)]
            last = [
                row
                for row in everybody
                if row[1] in {*opted_out, *opted_in_again, *unknown_numbers, *asking_to_stop, *carrier.refuses}
            ]
            mixed = [(last[(place + 1) % len(last)][0], number) for place, (_, number) in enumerate(last)]
            await app.write(_queue, "last", last)
            await app.write(_queue, "last answer", last, None, "conversation")
            await app.write(_queue, "merged", mixed)
        restarted_at = time.time()
        for node in _servers(site):
            node.start()
            await node.ready() if node is not site.worker else None
        await _wait_until_settled(site)
        async with _stopped(site), app_on_database(site, url) as app:
            await app.read(
                _verdict,
                app,
                tally,
                carrier,
                opted_out_at,
                asking_to_stop,
                restarted_at,
                {
                    "opted_in_again": set(opted_in_again),
                    "opted_out": set(opted_out),
                    "unknown_numbers": set(unknown_numbers),
                },
            )
    tally.floor("opt-outs in different spellings", len(SPELLINGS), 40)
    tally.floor("people who opted out under load", len(opted_out_at) - len(asking_to_stop), stoppers)
    tally.floor("servers killed", kills, 2)


def _servers(site: Site) -> list[Node]:
    return [*site.nodes, *([site.worker] if site.worker else [])]


@contextlib.asynccontextmanager
async def _stopped(site: Site) -> AsyncIterator[None]:
    for node in _servers(site):
        await node.stop()
    yield


async def _campaign(
    tally: Tally,
    site: Site,
    phones: Phones,
    stopping: list[str],
    asking_to_stop: list[str],
    began: datetime,
    duration_s: float,
) -> int:
    """Texts are sent at 50 a second while people opt out at random moments, each followed by the kill of a server."""
    first = began.timestamp()
    slowest: list[float] = []

    async def opt_out(place: int, number: str) -> None:
        await asyncio.sleep(max(0.0, first - time.time()) + tally.random.uniform(0, duration_s))
        keyword = SPELLINGS[place % len(SPELLINGS)]
        phones.opted_out_at[number] = await phones.text(
            number, keyword, tally.random.choice((OURS, OTHER)), repeats=place % 3
        )
        await phones.text(number, tally.random.choice(SPELLINGS), tally.random.choice((OURS, OTHER)))

    kills_ended = asyncio.Event()

    async def ask_to_stop(place: int, number: str) -> None:
        await kills_ended.wait()
        phones.opted_out_at[number] = await phones.text(number, STOP_REQUESTS[place])
        asked_at = time.monotonic()
        while True:
            _, result = await site.call("support", "GET", "/api/tickets?channel=sms&limit=100")
            if any(ticket["contact"]["phone"] == number and ticket["stop_asked"] for ticket in result["tickets"]):
                break
            assert time.monotonic() - asked_at < 30, "no agent is asked about a request to stop"
            await asyncio.sleep(0.02)
        slowest.append(time.monotonic() - asked_at)

    kills = 0

    async def kill() -> None:
        nonlocal kills
        for _ in range(max(2, round(duration_s / 5))):
            before = len(phones.opted_out_at)
            while len(phones.opted_out_at) == before and time.time() < first + duration_s:
                await asyncio.sleep(0.005)
            node = tally.random.choice(_servers(site))
            node.kill()
            kills += 1
            node.start()
            await (node.ready() if node is not site.worker else asyncio.sleep(0.5))
            await asyncio.sleep(duration_s / 10)
        kills_ended.set()

    await asyncio.gather(
        kill(),
        *(opt_out(place, number) for place, number in enumerate(stopping)),
        *(ask_to_stop(place, number) for place, number in enumerate(asking_to_stop)),
    )
    tally.quick("slowest request to stop shown to an agent, s", max(slowest), 1.0)
    return kills


async def _wait_until_settled(site: Site, within: float = 90.0) -> None:
    """Asks the running product until no text is queued, claimed or being sent."""
    deadline = time.monotonic() + within
    quiet = 0
    while quiet < 2:
        assert time.monotonic() < deadline, "texts are still waiting"
        await asyncio.sleep(0.25)
        quiet = quiet + 1 if await asyncio.to_thread(_waiting, site) == 0 else 0


def _waiting(site: Site) -> int:
    sql = "SELECT count(*) FROM outbound WHERE state IN ('queued', 'claimed', 'sending')"
    if site.kind == "postgres":
        import psycopg

        with psycopg.connect(site.database_url) as db:
            result = db.execute(sql).fetchone()
    else:
        import sqlite3

        with contextlib.closing(sqlite3.connect(f"file:{site.sqlite_path()}?mode=ro", uri=True, timeout=10)) as file:
            result = file.execute(sql).fetchone()
    assert result is not None
    return int(result[0])


# --- attempts to bring people back who opted out --------------------------------------------------


async def _agents_record_consent(site: Site, contact_of: dict[str, int], opted_out: list[str]) -> int:
    refused = 0
    for number in opted_out:
        body = {"purpose": "sms_marketing", "status": "subscribed", "reason": "they said so on the phone"}
        status, answer = await site.call("manager", "POST", f"/api/contacts/{contact_of[number]}/consents", body)
        refused += status == 409 and answer["error"]["code"] == "opted_out"
    return refused


def _try_to_restore_consent(tx: Tx, opted_out: list[str], contact_of: dict[str, int]) -> int:
    """Tries to restore consent by an import, by the same number on another contact, and by another spelling of the number.
    Returns how many attempts succeeded."""
    restored = 0
    for row, number in enumerate(opted_out):
        typed = (f"1-{number[2:5]}-{number[5:8]}-{number[8:]}", f"({number[2:5]}) {number[5:8]} {number[8:]}", number)[
            row % 3
        ]
        parsed = normal_phone(typed, "US")
        assert isinstance(parsed, Phone)
        copy = add_contact(tx, phone=parsed.e164)
        for contact in (contact_of[number], copy):
            for purpose in (Purpose.SMS_MARKETING, Purpose.SMS_TRANSACTIONAL):
                change = ConsentChange(
                    contact, purpose, Status.SUBSCRIBED, Method.IMPORT, "import:1", "consent=yes", reason=f"row {row}"
                )
                restored += consent.record(tx, change).applied
    return restored


def _with_numbers(conn: Conn) -> list[Any]:
    return conn.all(
        select(contacts.c.id, contacts.c.phone).where(contacts.c.phone.is_not(None)).order_by(contacts.c.id)
    )


# --- the verdict ----------------------------------------------------------------------------------


def _verdict(
    conn: Conn,
    app: App,
    tally: Tally,
    carrier: Carrier,
    opted_out_at: dict[str, float],
    asking_to_stop: list[str],
    restarted_at: float,
    groups: dict[str, set[str]],
) -> None:
    rows = conn.all(select(outbound))
    late_sends = [
        (row.recipient, row.key)
        for row in rows
        if row.kind == "campaign" and row.dispatched_at is not None and row.recipient in opted_out_at
        and opted_out_at[row.recipient] < row.dispatched_at.timestamp() < restarted_at
    ]  # fmt: skip
    tally.zero("sends whose dispatch began after the opt-out was committed", len(late_sends), late_sends[:5])
    promotions = carrier.promotions()
    delays = [
        sent_at - opted_out_at[number]
        for number in opted_out_at
        for sent_at in promotions[number]
        if opted_out_at[number] < sent_at < restarted_at
    ]
    tally.quick("from an opt-out to the last text already being sent, s", max(delays, default=0.0), 1.0)
    sent = sum(len(times) for times in promotions.values())
    tally.floor("texts the carrier accepted", sent, round(len(promotions) * 1.25))
    blocked = sum(row.state == "skipped" for row in rows)
    tally.floor("texts the consent check blocked", blocked, len(opted_out_at))

    texted_again = [
        number
        for number in groups["opted_out"] | groups["unknown_numbers"]
        if any(sent_at > restarted_at for sent_at in promotions[number])
    ]
    tally.zero("people texted again after their opt-out", len(texted_again), texted_again[:5])
    without_texts = [
        number
        for number in groups["opted_in_again"]
        if not any(sent_at > restarted_at for sent_at in promotions[number])
    ]
    tally.zero("people whose START restored no consent", len(without_texts), without_texts[:5])

    promoted = [
        to for to, body, _ in carrier.accepted if to in asking_to_stop and body in ("Offer last", "Offer merged")
    ]
    tally.zero("promotions to somebody whose request to stop waits for a decision", len(promoted), promoted)

    confirmations = carrier.confirmations()
    confirmed_twice = [number for number, times in confirmations.items() if times > 1]
    tally.zero("people with more than one confirmation", len(confirmed_twice), confirmed_twice[:5])
    tally.floor("confirmations sent", sum(confirmations.values()), round(len(opted_out_at) * 0.6))
    offering = [body for _, body, _ in carrier.accepted if "unsubscribed" in body and "ffer" in body]
    tally.zero("confirmations with marketing in them", len(offering))

    suppressed = {row.address: row.reason for row in conn.all(select(suppressions))}
    without_suppression = [number for number in carrier.refuses if suppressed.get(number) != "gateway"]
    tally.zero("people with error 21610 but no suppression", len(without_suppression), without_suppression)
    opted_out_rows = [row for row in rows if row.reason == "21610" and row.settled_at is not None]
    first_refusal = {
        number: min(row.settled_at for row in opted_out_rows if row.recipient == number)
        for number in {row.recipient for row in opted_out_rows}
    }
    # `settled_at` is when the step that settles the send began. A send that another process began before that step's
    # commit is no breach, so the limit is the promised second. The carrier itself delivers none of these texts.
    sends_after_report = [
        (row.dispatched_at - first_refusal[row.recipient]).total_seconds()
        for row in rows
        if row.recipient in first_refusal and row.dispatched_at and row.dispatched_at > first_refusal[row.recipient]
    ]
    tally.quick("from the carrier's refusal to the last send that began, s", max(sends_after_report, default=0.0), 1.0)
    tally.floor("opt-outs that only the carrier reported", len(first_refusal), len(carrier.refuses))
    subscribed = conn.all(
        select(contacts.c.phone)
        .join(consents, consents.c.contact_id == contacts.c.id)
        .where(consents.c.status == "subscribed")
    )
    still_subscribed = {row.phone for row in subscribed} & (
        set(carrier.refuses) | groups["opted_out"] | groups["unknown_numbers"]
    )
    tally.zero("people subscribed although they opted out", len(still_subscribed), sorted(still_subscribed)[:5])
    paused = conn.all(select(consents.c.paused_at).where(consents.c.paused_at.is_not(None)))
    tally.floor("requests that paused marketing", len(paused), len(asking_to_stop))
    result = proof.verify(conn, app.key(chain.PURPOSE))
    tally.zero("findings in the ledger after the kills", len(result.findings), result.findings[:3])
    tally.floor("rows of the ledger", len(conn.all(select(consent_ledger.c.id))), len(opted_out_at) * 4)
