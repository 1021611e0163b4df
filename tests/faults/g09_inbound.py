"""G9: each text that the carrier delivers is stored exactly once, and answered 2xx only after that (F27-F29).

The stand-in carrier behaves like the real one: it signs, waits 15 s, retries anything but a 2xx five times and then
gives up. It sends some texts twice, some to every node at once, and some again much later, byte for byte. Texts it gave
up on stay in its message list; the hourly catch-up receives them from there, and so does this test at the end.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlencode

import aiohttp
import psycopg

from server.app import build, close
from server.channels.twilio_webhooks import sign
from server.delivery import senders
from server.delivery.rules import SenderKind
from server.delivery.senders import SenderInput
from server.delivery.settings import SMS, SmsSettings
from server.kernel.bus import LocalBus
from server.kernel.sealing import PURPOSE, seal
from server.settings import Settings
from server.sms.webhooks import TEXTS
from tests.faults.site import PUBLIC_URL, SECRET, Site
from tests.faults.tally import Tally

ACCOUNT, TOKEN = "AC" + "9" * 32, "auth-token-of-the-fault-tests"
OURS = "+18885550199"
PEOPLE = 40
TRIES = 6  # the first attempt and the five retries that our webhook's address asks for
WORDS = ("HELP", "STOP", "START", "INFO")
PER_S = 60.0


@dataclass
class Text:
    """A text that the carrier delivers. `acked`: the carrier got a 2xx for it."""

    sid: str
    params: dict[str, str]
    body: bytes
    headers: dict[str, str]
    acked: bool = False
    given_up: bool = False


@dataclass
class Carrier:
    site: Site
    tally: Tally
    statuses: Counter[int] = field(default_factory=Counter)
    posts: int = 0
    durations: list[float] = field(default_factory=list)

    def text(self, number: int) -> Text:
        sid = f"SM{self.tally.seed % 10**8:08x}{number:024x}"
        person = number % PEOPLE
        words = WORDS[number // 21 % len(WORDS)] if number % 21 == 7 else f"text {number} of {self.tally.seed}"
        params = {
            "MessageSid": sid, "SmsSid": sid, "SmsMessageSid": sid, "AccountSid": ACCOUNT, "From": f"+1202555{1000 + person}",
            "To": OURS, "Body": words, "NumMedia": "0", "NumSegments": "1", "SmsStatus": "received", "ApiVersion": "2010-04-01",
            "FromCountry": "US", "FromCity": "", "FromZip": "",
        }  # fmt: skip
        headers = {
            "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
            "x-twilio-signature": sign(TOKEN, PUBLIC_URL + TEXTS, params.items()),
            "i-twilio-idempotency-token": f"{sid}-token",
        }
        return Text(sid, params, urlencode(params).encode(), headers)

    async def post(self, text: Text, base: str | None = None) -> int:
        """Posts the text once; returns the status, or 0 when no server answered."""
        base = base or self.tally.random.choice(self.site.nodes).url
        self.posts += 1
        began = time.monotonic()
        status = 0
        with suppress(aiohttp.ClientError, OSError, TimeoutError):
            timeout = aiohttp.ClientTimeout(total=15, connect=5)
            async with self.site.http.post(
                base + TEXTS, data=text.body, headers=text.headers, timeout=timeout
            ) as answer:
                body = await answer.read()
                status = answer.status
                if b"<Response/>" not in body or len(body) > 100:
                    self.tally.wrong.append(f"an answer that would be sent on: {body[:200]!r}")
        self.statuses[status] += 1
        self.durations.append(time.monotonic() - began)
        if 200 <= status < 300:
            text.acked = True
        return status

    async def deliver(self, text: Text) -> None:
        """Delivers as the real carrier does: retries anything but a 2xx, quickly at first, and then gives up."""
        for turn in range(TRIES):
            if 200 <= await self.post(text) < 300:
                return
            await asyncio.sleep(0.1 * 2**turn)
        text.given_up = True

    async def deliver_with_repeats(self, text: Text) -> None:
        luck = self.tally.random.random()
        if luck < 0.1:
            bases = [self.site.nodes[n % len(self.site.nodes)].url for n in range(5)]
            await asyncio.gather(*(self.post(text, base) for base in bases))
            if not text.acked:
                await self.deliver(text)
        elif luck < 0.4:
            await self.deliver(text)
            await self.post(text)
        else:
            await self.deliver(text)


async def set_up(site: Site) -> None:
    """Sets up SMS as an owner does, before the servers start."""
    url = site.database_url or None
    data = site.folder / "data"
    app = await build(
        Settings(_env_file=None, data_dir=data, database_url=url, public_url=PUBLIC_URL, secret_key=SECRET),
        bus=LocalBus(),
    )
    try:
        token = seal(app.key(PURPOSE), TOKEN)
        # Sending is off: inbound texts still arrive, and nothing is sent to a provider that does not exist.
        await app.write(SMS.save, SmsSettings(on=False, account_sid=ACCOUNT, auth_token_sealed=token))
        await app.write(senders.add, SenderInput(OURS, SenderKind.TOLL_FREE, "US"))
    finally:
        await close(app)


async def run(tally: Tally) -> None:
    count, kills, every, locked = (2_000, 60, 3.0, 10.0) if tally.full else (250, 20, 0.1, 2.0)
    async with Site(tally.database, seed=tally.seed) as site:
        await set_up(site)
        await site.start()
        carrier = Carrier(site, tally)
        texts = [carrier.text(number) for number in range(count)]
        await _deliver_with_faults(site, carrier, tally, texts, kills, every, locked)
        given_up = [text for text in texts if text.given_up and not text.acked]
        tally.note("texts that the carrier gave up and listed later", len(given_up))
        for text in given_up:
            await carrier.post(text)
        replayed = tally.random.sample(texts, count // 20)
        for text in replayed:
            await carrier.post(text)
        tally.floor("texts replayed later", len(replayed), count // 20)
        healthy = [carrier.text(count + number) for number in range(100)]
        carrier.durations.clear()
        await _at_rate(carrier, healthy)
        durations = sorted(carrier.durations)
        tally.quick("p99 of a response without faults, s", durations[int(len(durations) * 0.99) - 1], 3.0)
        await asyncio.to_thread(_verdict, site, tally, texts + healthy)
        tally.floor("webhooks posted", carrier.posts, int(count * 1.3))
        tally.note("responses by status (0: none)", dict(sorted(carrier.statuses.items())))
        tally.zero("responses other than 2xx, 503 or none", sum(
            n for status, n in carrier.statuses.items() if status not in (0, 503) and not 200 <= status < 300
        ))  # fmt: skip


async def _at_rate(carrier: Carrier, texts: list[Text]) -> None:
    tasks = []
    for text in texts:
        tasks.append(asyncio.create_task(carrier.deliver_with_repeats(text)))
        await asyncio.sleep(1 / PER_S)
    await asyncio.gather(*tasks)


async def _deliver_with_faults(
    site: Site, carrier: Carrier, tally: Tally, texts: list[Text], kills: int, every: float, locked: float
) -> None:
    kills_done = asyncio.Event()
    killed = locks = 0

    async def kill() -> None:
        nonlocal killed
        while killed < kills:
            await asyncio.sleep(every)
            node = site.nodes[killed % len(site.nodes)]
            node.kill()
            killed += 1
            node.start()
            await node.ready()
            # A short pause, so that texts are being received when the next kill happens.
            await asyncio.sleep(tally.random.uniform(0, 0.2))
        kills_done.set()

    async def lock() -> None:
        nonlocal locks
        for _ in range(2):
            await asyncio.sleep(every * 2)
            await asyncio.to_thread(_lock, site, locked)
            locks += 1

    async def send() -> None:
        waiting = list(texts)
        tasks = []
        # Sends are spread over the whole run; the last texts leave after the last kill.
        while waiting:
            tasks.append(asyncio.create_task(carrier.deliver_with_repeats(waiting.pop(0))))
            seconds_left = max(1, kills - killed) * (every + 1.0)
            pause = 0.0 if kills_done.is_set() else min(0.3, seconds_left / max(1, len(waiting)))
            await asyncio.sleep(pause)
        await asyncio.gather(*tasks)

    await asyncio.gather(kill(), lock(), send())
    tally.floor("kills", killed, kills)
    tally.floor(f"times locked for {locked:g} s", locks, 2)


def _lock(site: Site, seconds: float) -> None:
    """Locks rows that every text must write."""
    if site.kind == "postgres":
        with psycopg.connect(site.database_url) as connection:
            connection.execute("LOCK TABLE carrier_inbound IN ACCESS EXCLUSIVE MODE")
            time.sleep(seconds)
            connection.rollback()
        return
    connection = sqlite3.connect(site.sqlite_path(), isolation_level=None, timeout=20)
    try:
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        connection.execute("ROLLBACK")
    finally:
        connection.close()


def _verdict(site: Site, tally: Tally, texts: list[Text]) -> None:
    """Compares every stored row with every response the carrier got."""
    rows, messages, answers = _read(site)
    stored = Counter(sid for sid, _ in rows)
    entries_by_sid = Counter(json.loads(data)["sid"] for data, _ in messages)
    all_sids = {text.sid for text in texts}
    tally.floor("texts stored", len(stored), len(texts))
    tally.zero("texts never stored", len(all_sids - stored.keys()), sorted(all_sids - stored.keys())[:3])
    tally.zero("texts stored twice", sum(n - 1 for n in stored.values()) + sum(n - 1 for n in entries_by_sid.values()))
    tally.zero(
        "texts stored but missing in their thread",
        len(all_sids - entries_by_sid.keys()),
        sorted(all_sids - entries_by_sid.keys())[:3],
    )
    lost_sids = [text.sid for text in texts if text.acked and text.sid not in stored]
    tally.zero("texts answered 2xx but not stored", len(lost_sids), lost_sids[:3])
    bodies = Counter(body for _, body in messages if body.startswith("text "))
    tally.zero("texts shown twice", sum(n - 1 for n in bodies.values()), bodies.most_common(2))
    tally.zero("keywords answered twice", sum(n - 1 for n in Counter(answers).values()))
    people = {text.params["From"] for text in texts}
    threads, tickets = _people(site)
    tally.zero("surplus threads", max(0, threads - len(people)))
    tally.zero("surplus tickets", max(0, tickets - len(people)))  # a person who sends only keywords has no ticket
    tally.zero("gaps in a thread", _gaps(site))


ROWS = "SELECT sid, thread_id FROM carrier_inbound"
MESSAGES = "SELECT data, body FROM timeline WHERE kind = 'message' AND author_type = 'contact'"
ANSWERS = "SELECT key FROM outbound WHERE kind = 'keyword'"
GAPS = "SELECT count(*) FROM threads t WHERE t.last_seq <> (SELECT count(*) FROM timeline e WHERE e.thread_id = t.id)"


def _ask(site: Site, *questions: str) -> list[list[tuple]]:  # type: ignore[type-arg]
    if site.kind == "postgres":
        with psycopg.connect(site.database_url) as result:
            return [result.execute(question).fetchall() for question in questions]
    with sqlite3.connect(f"file:{site.sqlite_path()}?mode=ro", uri=True) as read:
        return [read.execute(question).fetchall() for question in questions]


def _read(site: Site) -> tuple[list[tuple], list[tuple], list[str]]:  # type: ignore[type-arg]
    rows, messages, answers = _ask(site, ROWS, MESSAGES, ANSWERS)
    return rows, messages, [key for (key,) in answers]


def _people(site: Site) -> tuple[int, int]:
    threads, tickets = _ask(site, "SELECT count(*) FROM threads WHERE channel = 'sms'", "SELECT count(*) FROM tickets")
    return int(threads[0][0]), int(tickets[0][0])


def _gaps(site: Site) -> int:
    return int(_ask(site, GAPS)[0][0][0])
