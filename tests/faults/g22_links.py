"""G22: short links lead only to targets that the team entered; codes cannot be guessed; each click is counted once and
never delays a visitor."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
from starlette.requests import Request

from server.app import build, close
from server.errors import Refused
from server.kernel.bus import LocalBus
from server.kernel.sql import Conn
from server.links import actions, http, queries, rules
from server.links.click_buffer import FLUSH_S
from server.schema.short_links import link_clicks, short_links
from server.settings import Settings
from tests.faults.site import PUBLIC_URL, SECRET, Site
from tests.faults.tally import Tally
from tests.world import World, open_world

PER_S = 200
ADDRESSES = 50
PERSON = {
    "accept": "text/html,application/xhtml+xml",
    "accept-language": "en",
    "user-agent": "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Safari/604.1",
}

# Link targets that an attacker might try and that must be refused. Each is the only link in its text.
BAD = (
    "https://good.example@evil.example/", "https://user:pw@shop.example/", "https://good.example\\@evil.example/",
    "javascript:alert(1)", "data:text/html,<b>x", "ftp://a.example/x", "file:///etc/passwd", "//evil.example/x",
    "https://", "https:///x", "https://a..example/", "https://[::1/", "https://a.example:99999/", "http://1.2.3.4.5/",
    "https://a.example/" + "x" * 8192, "https://a.example/\u202egpj.exe", "https://a.example/\u200bx",
    f"{PUBLIC_URL}/l/aB3dE6gH", f"{PUBLIC_URL}//l/aB3dE6gH", f"{PUBLIC_URL}/%6c/aB3dE6gH", f"{PUBLIC_URL}/x/../l/aB3dE6gH",
)  # fmt: skip
# Valid targets, each with the form in which it must be stored.
GOOD = {
    "https://good.evil.example": "https://good.evil.example/",
    "http://192.168.0.7:8080/x": "http://192.168.0.7:8080/x",
    "http://2130706433/": "http://127.0.0.1/",
    "https://аррӏе.example/": "https://xn--80ak6aa92e.example/",
    "https://a.example/x\r\nSet-Cookie: a=b": "https://a.example/x",
    "https://a.example/x\x00y": "https://a.example/x",
    "https://a.example/%0d%0aX: y": "https://a.example/%0d%0aX",
    "https://a.example/?next=//evil.example&url=https://b.example": "https://a.example/?next=//evil.example&url=https://b.example",
}


async def run(tally: Tally) -> None:
    async with open_world(Path(tempfile.mkdtemp(prefix="links-")) / "data", tally.database) as world:
        await _bad_targets(tally, world)
        await _guesses(tally, world)
    await _clicks(tally)


# --- targets and codes -----------------------------------------------------------------------------


async def _bad_targets(tally: Tally, world: World) -> None:
    stored = [text for text in BAD if (await _shorten(world, text))[1]]
    tally.zero("invalid targets stored", len(stored), stored)
    misspelled = []
    for text, target in GOOD.items():
        _, codes = await _shorten(world, text)
        results = [(await world.app.read(queries.target, code))[1] for code in codes]  # type: ignore[index]
        if results != [target]:
            misspelled.append((text, results))
    tally.zero("targets stored with another spelling", len(misspelled), misspelled)
    dice = random.Random(tally.seed)
    pieces = ["https://", "http://", "www.", "a.example", "가", "@", "\\", "/", ":", "[", "]", "%0d", "\r\n", "\0", " ", "?", "#", "\u202e", "x" * 60, "127.1"]  # fmt: skip
    texts = 20_000 if tally.full else 1_000
    for _ in range(texts // 200):
        text = "\n".join("".join(dice.choices(pieces, k=dice.randint(1, 9))) for _ in range(200))
        await _shorten(world, text)
    tally.floor("texts tried as a target", texts + len(BAD) + len(GOOD), 1_000)
    rows = await world.rows(short_links)
    wrong_clicks = [
        row.target for row in rows if not row.target.startswith(("http://", "https://")) or not _one_line(row.target)
    ]
    tally.zero("targets that are not a one-line http(s) URL", len(wrong_clicks), wrong_clicks)
    tally.note("targets stored", len(rows))


def _one_line(target: str) -> bool:
    return target.isascii() and target.isprintable() and " " not in target and len(target) <= rules.MAX_TARGET


async def _shorten(world: World, text: str) -> tuple[str, list[str]]:
    return await world.app.write(actions.shorten, text, None, None, PUBLIC_URL)


async def _guesses(tally: Tally, world: World) -> None:
    """Tries random codes: from fifty addresses through the HTTP handler, and again directly in the table, without a rate
    limit."""
    guesses = 100_000 if tally.full else 10_000
    for _ in range(20 if tally.full else 4):
        await world.app.write(_many_links, 500)
    stored = {row.code: row.target for row in await world.rows(short_links)}
    dice = random.Random(tally.seed)
    answers: Counter[int] = Counter()
    first_refusal = [0] * ADDRESSES
    for number in range(guesses):
        place = number % ADDRESSES
        code = "".join(dice.choices(rules.ALPHABET, k=rules.CODE_LENGTH))
        status = await _guess(world, f"203.0.113.{place}", code)
        answers[status] += 1
        if status == 429 and not first_refusal[place]:
            first_refusal[place] = number // ADDRESSES + 1
    tally.floor("codes guessed", answers.total(), guesses)
    tally.zero("guesses that found a link", answers[302])
    tally.at_most("guesses looked up in the database", answers[404], ADDRESSES * (http.WRONG_CODES + 1))
    tally.at_most("guesses of one address before 429", max(first_refusal), http.WRONG_CODES + 1)
    tally.zero("addresses never refused", first_refusal.count(0))
    tally.zero(
        "responses other than 302, 404 and 429", answers.total() - answers[404] - answers[429] - answers[302], answers
    )
    tally.zero(
        "guesses that would find a link without the limit", await world.app.read_slowly(_hits, guesses, tally.seed)
    )
    code, target = next(iter(stored.items()))
    tally.zero("existing links that stopped working", int(await _guess(world, "198.51.100.1", code) != 302), target)


def _many_links(tx: object, count: int) -> None:
    for number in range(count):
        actions.shorten(tx, f"https://shop.example/{number}", None, None, PUBLIC_URL)  # type: ignore[arg-type]


async def _guess(world: World, address: str, code: str) -> int:
    scope = {
        "type": "http", "method": "GET", "path": f"/l/{code}", "query_string": b"", "client": ("127.0.0.1", 1),
        "headers": [(b"x-forwarded-for", address.encode()), (b"accept", b"text/html")],
    }  # fmt: skip
    try:
        return (await http.follow(world.app, Request(scope), code)).status_code
    except Refused as refused:
        return refused.status


def _hits(conn: Conn, guesses: int, seed: int) -> int:
    dice = random.Random(seed + 1)
    return sum(
        queries.target(conn, "".join(dice.choices(rules.ALPHABET, k=rules.CODE_LENGTH))) is not None
        for _ in range(guesses)
    )


# --- clicks ---------------------------------------------------------------------------------------------


@dataclass
class Clicked:
    """One click that got a response; `mark` is in its user agent, so that its row can be found."""

    mark: str
    node: int
    status: int
    location: str
    answered_at: float
    seconds: float


@dataclass
class Clickers:
    """Sends two hundred clicks a second, whatever the responses are."""

    site: Site
    links: dict[str, str]  # code -> target
    seed: int
    answered: list[Clicked] = field(default_factory=list)
    failed: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _count: int = 0

    async def click_for(self, seconds: float) -> None:
        dice = random.Random(self.seed + self._count)
        end = time.monotonic() + seconds
        due = time.monotonic()
        while (now := time.monotonic()) < end:
            while due <= now:
                due += 1 / PER_S
                self._count += 1
                task = asyncio.ensure_future(self._click(dice, f"mark-{self.seed}-{self._count}"))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def settle(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _click(self, dice: random.Random, mark: str) -> None:
        node = dice.choice([node for node in self.site.nodes if node.alive] or self.site.nodes)
        code = dice.choice(list(self.links))
        started = time.monotonic()
        headers = PERSON | {"user-agent": f"{PERSON['user-agent']} {mark}"}
        try:
            async with self.site.http.get(
                f"{node.url}/l/{code}", headers=headers, allow_redirects=False, timeout=aiohttp.ClientTimeout(10)
            ) as answer:
                now = time.monotonic()
                location = answer.headers.get("location", "")
                if location != self.links[code]:
                    location = f"{location} instead of {self.links[code]}"
                self.answered.append(Clicked(mark, node.number, answer.status, location, now, now - started))
        except (aiohttp.ClientError, OSError, TimeoutError):
            self.failed += 1


async def _clicks(tally: Tally) -> None:
    kills = 20 if tally.full else 2
    async with Site(tally.database, seed=tally.seed) as site:
        links = await _fill(site)
        await site.start()
        clickers = Clickers(site, links, tally.seed)
        killed: list[tuple[int, float]] = []
        for _ in range(kills):
            node = tally.random.choice(site.nodes)
            clicking = asyncio.ensure_future(clickers.click_for(tally.random.uniform(1.2, 3.0) + 0.2))
            await asyncio.sleep(tally.random.uniform(1.2, 3.0))
            node.kill()
            killed.append((node.number, time.monotonic()))
            await clicking
            await clickers.settle()
            node.start()
            await node.ready()
        tally.floor("kills under clicks", len(killed), kills)
        clicks_before = len(clickers.answered)
        slowest = await _locked(tally, site, clickers)
        tally.floor(
            "clicks answered while the database was locked", len(clickers.answered) - clicks_before, 5 * PER_S // 2
        )
        tally.quick("slowest redirect while locked, s", slowest, 1.0)
        for node in site.nodes:
            await node.stop()  # a clean shutdown writes the clicks that are not stored yet
        await _verdict(tally, site, clickers, killed)


async def _fill(site: Site) -> dict[str, str]:
    """Creates short links with the product's own code before the servers start."""
    settings = Settings(
        _env_file=None, data_dir=site.folder / "data", database_url=site.database_url or None, public_url=PUBLIC_URL,
        secret_key=SECRET,
    )  # fmt: skip
    app = await build(settings, bus=LocalBus())
    try:
        text = " ".join(f"https://shop.example/{number}?a=1&b=%0d%0a" for number in range(30))
        _, codes = await app.write(actions.shorten, text, None, None, PUBLIC_URL)
        result = {}
        for code in codes:
            row = await app.read(queries.target, code)
            assert row is not None
            result[code] = row[1]
        return result
    finally:
        await close(app)


async def _locked(tally: Tally, site: Site, clickers: Clickers) -> float:
    """Blocks all writes for five seconds; returns the slowest redirect meanwhile."""
    clicking = asyncio.ensure_future(clickers.click_for(6.5))
    await asyncio.sleep(0.5)
    clicks_before = len(clickers.answered)
    if site.kind == "sqlite":
        with closing(sqlite3.connect(site.sqlite_path(), timeout=10, isolation_level=None)) as conn:
            conn.execute("BEGIN IMMEDIATE")
            await asyncio.sleep(5)
            conn.execute("ROLLBACK")
    else:
        with psycopg.connect(site.database_url) as conn:
            conn.execute("LOCK TABLE link_clicks, short_links IN SHARE ROW EXCLUSIVE MODE")
            await asyncio.sleep(5)
            conn.rollback()
    await clicking
    await clickers.settle()
    during = clickers.answered[clicks_before:]
    tally.zero("redirects that failed while locked", sum(item.status != 302 for item in during))
    return max((item.seconds for item in during), default=99.0)


async def _verdict(tally: Tally, site: Site, clickers: Clickers, killed: list[tuple[int, float]]) -> None:
    rows = await asyncio.to_thread(_stored, site)
    marks = Counter(agent.rpartition(" ")[2] for agent in rows)
    wrong_clicks = [item for item in clickers.answered if item.status != 302 or "instead of" in item.location]
    tally.floor("clicks answered", len(clickers.answered), len(killed) * PER_S)
    tally.note("requests cut by a kill", clickers.failed)
    tally.zero("redirects to anything but the stored target", len(wrong_clicks), wrong_clicks[:3])
    tally.zero("clicks counted twice", sum(count - 1 for count in marks.values()))
    sent_marks = {f"mark-{clickers.seed}-{number}" for number in range(1, clickers._count + 1)}
    tally.zero("counted clicks that nobody made", len(marks.keys() - sent_marks))
    lost = [item for item in clickers.answered if item.mark not in marks]
    ages = [
        min(
            (
                killed_at - item.answered_at
                for node, killed_at in killed
                if node == item.node and killed_at >= item.answered_at - 0.05
            ),
            default=99.0,
        )
        for item in lost
    ]
    tally.note("clicks lost by kills", len(lost))
    tally.note("flush interval, s", FLUSH_S)
    # A kill loses the batch that is being written: the clicks of one interval and of one commit.
    tally.quick("oldest lost click before its kill, s", max(ages, default=0.0), FLUSH_S + 0.5)
    wrong_totals = await asyncio.to_thread(_sums, site)
    tally.zero("links whose total differs from their clicks", len(wrong_totals), wrong_totals)


def _stored(site: Site) -> list[str]:
    return [row[0] for row in _select(site, f"SELECT user_agent FROM {link_clicks.name}")]


def _sums(site: Site) -> list[Any]:
    return _select(
        site,
        "SELECT s.id, s.clicks, s.bot_clicks FROM short_links s WHERE s.clicks + s.bot_clicks <> "
        "(SELECT count(*) FROM link_clicks c WHERE c.link_id = s.id)",
    )


def _select(site: Site, sql: str) -> list[Any]:
    if site.kind == "sqlite":
        with closing(sqlite3.connect(site.sqlite_path())) as conn:
            return conn.execute(sql).fetchall()
    with psycopg.connect(site.database_url) as conn:
        return conn.execute(sql).fetchall()
