"""G12: STOP is final and fast. From its commit on nothing more begins to that person, whatever is typed afterwards."""

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
from sqlalchemy import insert, select

from server.app import build, close
from server.consent import actions as consent
from server.consent import chain, proof
from server.consent.actions import Change
from server.consent.rules import Method, Purpose, Status
from server.consent.settings import KEYWORDS, KeywordSettings
from server.contacts import actions as people
from server.contacts.rules import Phone, normal_phone
from server.delivery import actions as delivery
from server.delivery import senders as numbers
from server.delivery.actions import Send
from server.delivery.rules import SenderKind
from server.delivery.senders import Wanted
from server.delivery.settings import SMS
from server.kernel.bus import LocalBus
from server.kernel.context import App
from server.kernel.sql import Conn, Tx
from server.schema import consent_ledger, consents, contacts, outbound, suppressions
from server.settings import Settings
from tests.faults.site import PUBLIC_URL, SECRET, Node, Site
from tests.faults.tally import Tally
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
WISHES = ["please stop texting me", "no more texts", "Take me off your list", "leave me alone!", "stop messaging me"]


def us(place: int) -> str:
    return f"+1202555{place:04d}"


# --- the carrier ----------------------------------------------------------------------------------


@dataclass
class Carrier:
    """Takes every text over HTTP, as Twilio does, and remembers when; refuses those who opted out there."""

    refuses: set[str]
    taken: list[tuple[str, str, float]] = field(default_factory=list)  # to, body, when
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
        self.taken.append((to, body, time.time()))
        sid = f"SM{len(self.taken):032x}"
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

    def promotions(self) -> dict[str, list[float]]:
        found: dict[str, list[float]] = defaultdict(list)
        for to, body, at in self.taken:
            if body.startswith(("Offer", "Answer")):
                found[to].append(at)
        return found

    def confirmations(self) -> dict[str, int]:
        found: dict[str, int] = defaultdict(int)
        for to, body, _ in self.taken:
            found[to] += "unsubscribed" in body
        return found


class Phones:
    """People who text us, through the webhooks of whichever node answers; a text is repeated until it is stored."""

    def __init__(self, site: Site, tally: Tally) -> None:
        self.site, self.tally = site, tally
        self.answered: dict[str, float] = {}  # number → when its opt-out was known to be committed
        self.sent = 0

    async def text(self, number: str, body: str, to: str = OURS, repeats: int = 0) -> float:
        """When it was stored. `repeats`: as often again the same webhook comes, to all nodes at once."""
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


# --- the database by hand, while no server runs ---------------------------------------------------


@contextlib.asynccontextmanager
async def by_hand(site: Site, carrier_url: str) -> AsyncIterator[App]:
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
        numbers.add(tx, Wanted(address, SenderKind.LONG_CODE, "US", rate=1_000))


def _agrees(tx: Tx, number: str, status: Status = Status.SUBSCRIBED) -> int:
    contact = people.by_phone(tx, number, number, "US").contact
    for purpose in (Purpose.SMS_MARKETING, Purpose.SMS_TRANSACTIONAL):
        consent.record(tx, Change(contact, purpose, status, Method.FORM, "form:1", "Text me offers"))
    return contact


def _queue(
    tx: Tx, wave: str, whom: Iterable[tuple[int, str]], start: datetime | None = None, purpose: str = "marketing"
) -> None:
    body = "Answer" if purpose == "conversation" else "Offer"
    for place, (contact, number) in enumerate(whom):
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
                priority=20,
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
        wishing = tally.random.sample(sorted(set(crowd) - set(stopping)), len(WISHES))
        lasts = (count + 5) * waves / PER_S
        async with by_hand(site, url) as app:
            await app.write(_set_up, app)
            whom = [(await app.write(_agrees, number), number) for number in [*crowd, *sorted(carrier.refuses)]]
            tally.random.shuffle(whom)
            began = datetime.now(UTC) + timedelta(seconds=3)
            for wave in range(waves):
                at = began + timedelta(seconds=wave * len(whom) / PER_S)
                await app.write(_queue, f"wave {wave}", whom, at)
        await site.start()
        phones = Phones(site, tally)
        kills = await _campaign(tally, site, phones, stopping, wishing, began, lasts)
        await _settled(site)
        asked = phones.answered.copy()
        # Every second one comes back; strangers who say STOP and START get nothing by it.
        back, gone = stopping[::2], stopping[1::2]
        strangers = [us(8_000 + n) for n in range(5)]
        await asyncio.gather(*(phones.text(number, "START") for number in back))
        for word in ("STOP", "START"):
            await asyncio.gather(*(phones.text(number, word) for number in strangers))
        refused = await _agents_try(site, dict((number, contact) for contact, number in whom), gone)
        tally.zero("yes of an agent taken after a STOP", len(gone) - refused)
        for node in _servers(site):
            await node.stop()
        async with by_hand(site, url) as app:
            risen = await app.write(_resurrections, gone, dict((number, contact) for contact, number in whom))
            tally.zero("imports, copies or retyped numbers that brought a yes back", risen)
            everybody = [(row.id, row.phone) for row in await app.read(_with_numbers)]
            last = [one for one in everybody if one[1] in {*gone, *back, *strangers, *wishing, *carrier.refuses}]
            mixed = [(last[(place + 1) % len(last)][0], number) for place, (_, number) in enumerate(last)]
            await app.write(_queue, "last", last)
            await app.write(_queue, "last answer", last, None, "conversation")
            await app.write(_queue, "merged", mixed)
        mark = time.time()
        for node in _servers(site):
            node.start()
            await node.ready() if node is not site.worker else None
        await _settled(site)
        async with _stopped(site), by_hand(site, url) as app:
            await app.read(
                _judge,
                app,
                tally,
                carrier,
                asked,
                wishing,
                mark,
                {"back": set(back), "gone": set(gone), "strangers": set(strangers)},
            )
    tally.floor("opt-outs in different spellings", len(SPELLINGS), 40)
    tally.floor("people who opted out under load", len(asked) - len(wishing), stoppers)
    tally.floor("servers killed", kills, 2)


def _servers(site: Site) -> list[Node]:
    return [*site.nodes, *([site.worker] if site.worker else [])]


@contextlib.asynccontextmanager
async def _stopped(site: Site) -> AsyncIterator[None]:
    for node in _servers(site):
        await node.stop()
    yield


async def _campaign(
    tally: Tally, site: Site, phones: Phones, stopping: list[str], wishing: list[str], began: datetime, lasts: float
) -> int:
    """Texts leave at 50 a second while people opt out at random moments, and servers are killed right after."""
    first = began.timestamp()
    slowest: list[float] = []

    async def opts_out(place: int, number: str) -> None:
        await asyncio.sleep(max(0.0, first - time.time()) + tally.random.uniform(0, lasts))
        word = SPELLINGS[place % len(SPELLINGS)]
        phones.answered[number] = await phones.text(number, word, tally.random.choice((OURS, OTHER)), repeats=place % 3)
        await phones.text(number, tally.random.choice(SPELLINGS), tally.random.choice((OURS, OTHER)))

    calm = asyncio.Event()

    async def wishes(place: int, number: str) -> None:
        await calm.wait()
        phones.answered[number] = await phones.text(number, WISHES[place])
        asked = time.monotonic()
        while True:
            _, found = await site.call("support", "GET", "/api/tickets?channel=sms&limit=100")
            if any(ticket["contact"]["phone"] == number and ticket["stop_asked"] for ticket in found["tickets"]):
                break
            assert time.monotonic() - asked < 30, "nobody is asked about a wish to stop"
            await asyncio.sleep(0.02)
        slowest.append(time.monotonic() - asked)

    kills = 0

    async def kill() -> None:
        nonlocal kills
        for _ in range(max(2, round(lasts / 5))):
            before = len(phones.answered)
            while len(phones.answered) == before and time.time() < first + lasts:
                await asyncio.sleep(0.005)
            node = tally.random.choice(_servers(site))
            node.kill()
            kills += 1
            node.start()
            await (node.ready() if node is not site.worker else asyncio.sleep(0.5))
            await asyncio.sleep(lasts / 10)
        calm.set()

    await asyncio.gather(
        kill(),
        *(opts_out(place, number) for place, number in enumerate(stopping)),
        *(wishes(place, number) for place, number in enumerate(wishing)),
    )
    tally.quick("a wish to stop waits for an agent's tap after, s", max(slowest), 1.0)
    return kills


async def _settled(site: Site, within: float = 90.0) -> None:
    """Until nothing is queued, claimed or on its way: asked of the running product."""
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
            found = db.execute(sql).fetchone()
    else:
        import sqlite3

        with contextlib.closing(sqlite3.connect(f"file:{site.sqlite_path()}?mode=ro", uri=True, timeout=10)) as file:
            found = file.execute(sql).fetchone()
    assert found is not None
    return int(found[0])


# --- who tries to bring them back -----------------------------------------------------------------


async def _agents_try(site: Site, contact_of: dict[str, int], gone: list[str]) -> int:
    refused = 0
    for number in gone:
        body = {"purpose": "sms_marketing", "status": "subscribed", "reason": "they said so on the phone"}
        status, answer = await site.call("manager", "POST", f"/api/contacts/{contact_of[number]}/consents", body)
        refused += status == 409 and answer["error"]["code"] == "opted_out"
    return refused


def _resurrections(tx: Tx, gone: list[str], contact_of: dict[str, int]) -> int:
    """An import, the number on another contact, the number typed in another form, a merge. How many brought a yes back."""
    risen = 0
    for place, number in enumerate(gone):
        typed = (f"1-{number[2:5]}-{number[5:8]}-{number[8:]}", f"({number[2:5]}) {number[5:8]} {number[8:]}", number)[
            place % 3
        ]
        again = normal_phone(typed, "US")
        assert isinstance(again, Phone)
        copy = int(tx.value(insert(contacts).values(phone=again.e164, created_at=tx.now).returning(contacts.c.id)))
        tx.run(contacts.update().where(contacts.c.id == contact_of[number]).values(phone=again.e164))
        for who in (contact_of[number], copy):
            for purpose in (Purpose.SMS_MARKETING, Purpose.SMS_TRANSACTIONAL):
                change = Change(
                    who, purpose, Status.SUBSCRIBED, Method.IMPORT, "import:1", "consent=yes", reason=f"row {place}"
                )
                risen += consent.record(tx, change).applied
    return risen


def _with_numbers(conn: Conn) -> list[Any]:
    return conn.all(
        select(contacts.c.id, contacts.c.phone).where(contacts.c.phone.is_not(None)).order_by(contacts.c.id)
    )


# --- the verdict ----------------------------------------------------------------------------------


def _judge(
    conn: Conn,
    app: App,
    tally: Tally,
    carrier: Carrier,
    asked: dict[str, float],
    wishing: list[str],
    mark: float,
    who: dict[str, set[str]],
) -> None:
    rows = conn.all(select(outbound))
    late = [
        (row.recipient, row.key)
        for row in rows
        if row.kind == "campaign" and row.dispatched_at is not None and row.recipient in asked
        and asked[row.recipient] < row.dispatched_at.timestamp() < mark
    ]  # fmt: skip
    tally.zero("sends whose dispatch began after the opt-out was committed", len(late), late[:5])
    promotions = carrier.promotions()
    after = [at - asked[number] for number in asked for at in promotions[number] if asked[number] < at < mark]
    tally.quick("from an opt-out to the last text that was under way then, s", max(after, default=0.0), 1.0)
    sent = sum(len(times) for times in promotions.values())
    tally.floor("texts the carrier took", sent, round(len(promotions) * 1.25))
    blocked = sum(row.state == "skipped" for row in rows)
    tally.floor("texts the gate held back", blocked, len(asked))

    again = [number for number in who["gone"] | who["strangers"] if any(at > mark for at in promotions[number])]
    tally.zero("resurrections", len(again), again[:5])
    lacking = [number for number in who["back"] if not any(at > mark for at in promotions[number])]
    tally.zero("people whose START brought nothing back", len(lacking), lacking[:5])

    promoted = [to for to, body, _ in carrier.taken if to in wishing and body in ("Offer last", "Offer merged")]
    tally.zero("promotions to somebody whose wish to stop waits for a decision", len(promoted), promoted)

    confirmations = carrier.confirmations()
    twice = [number for number, times in confirmations.items() if times > 1]
    tally.zero("people with more than one confirmation", len(twice), twice[:5])
    tally.floor("confirmations sent", sum(confirmations.values()), round(len(asked) * 0.6))
    offering = [body for _, body, _ in carrier.taken if "unsubscribed" in body and "ffer" in body]
    tally.zero("confirmations with marketing in them", len(offering))

    held = {row.address: row.reason for row in conn.all(select(suppressions))}
    missing = [number for number in carrier.refuses if held.get(number) != "gateway"]
    tally.zero("21610 without a suppression", len(missing), missing)
    told = [row for row in rows if row.reason == "21610" and row.settled_at is not None]
    first = {
        number: min(row.settled_at for row in told if row.recipient == number)
        for number in {row.recipient for row in told}
    }
    # `settled_at` is when the step began that notes it: what another process began before that step's commit is no
    # breach, so the promise's own second is the measure (the carrier itself delivers none of these).
    anew = [
        (row.dispatched_at - first[row.recipient]).total_seconds()
        for row in rows
        if row.recipient in first and row.dispatched_at and row.dispatched_at > first[row.recipient]
    ]
    tally.quick("from the carrier's word to the last send that began, s", max(anew, default=0.0), 1.0)
    tally.floor("opt-outs that only the carrier told of", len(first), len(carrier.refuses))
    subscribed = conn.all(
        select(contacts.c.phone)
        .join(consents, consents.c.contact_id == contacts.c.id)
        .where(consents.c.status == "subscribed")
    )
    still = {row.phone for row in subscribed} & (set(carrier.refuses) | who["gone"] | who["strangers"])
    tally.zero("subscribed although they opted out", len(still), sorted(still)[:5])
    paused = conn.all(select(consents.c.paused_at).where(consents.c.paused_at.is_not(None)))
    tally.floor("wishes that paused marketing", len(paused), len(wishing))
    found = proof.verify(conn, app.key(chain.PURPOSE))
    tally.zero("rows of the ledger that do not fit after the kills", len(found.findings), found.findings[:3])
    tally.floor("rows of the ledger", len(conn.all(select(consent_ledger.c.id))), len(asked) * 4)
