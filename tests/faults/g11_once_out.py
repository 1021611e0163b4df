"""G11: nobody is texted twice because of us, whatever dies and whatever the carrier says. Here for replies."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import tempfile
import time
import urllib.request
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import select

from server import migrate
from server.app import build, close
from server.delivery import actions, senders
from server.delivery.actions import Send
from server.delivery.rules import SenderKind, State
from server.delivery.senders import Wanted
from server.delivery.settings import SMS
from server.kernel.bus import LocalBus
from server.kernel.context import App
from server.kernel.sql import Tx
from server.schema import carrier_reports, outbound
from server.settings import Settings
from tests.faults.carrier import LYING, Running, carrier
from tests.faults.sender import Nursery, nursery
from tests.faults.tally import Tally
from tests.services import create_database, free_port
from tests.sms import TOKEN, TOLL_FREE, new_person, new_thread, settings_of

SECRET = "k3y-of-the-fault-tests-0123456789abcdef"
FAILPOINTS = (
    "outbound_claimed",
    "outbound_attempt_written",
    "outbound_request_sent",
    "outbound_response_received",
    "outbound_result_written",
)
OVER = {State.ACCEPTED, State.SENT, State.DELIVERED, State.UNDELIVERED, State.FAILED, State.SKIPPED}


async def run(tally: Tally) -> None:
    replies, kills = (2_000, 300) if tally.full else (160, 20)
    # All lives together last about as long as sending takes.
    rate = 4 if tally.full else 14
    url = create_database() if tally.database == "postgres" else None
    with tempfile.TemporaryDirectory(prefix="g11-") as name:
        folder = Path(name)
        ports = [free_port(), free_port()][: 2 if url else 1]
        settings = Settings(
            _env_file=None,
            data_dir=folder,
            database_url=url,
            secret_key=SECRET,
            public_url=f"http://127.0.0.1:{ports[0]}",
        )
        await asyncio.to_thread(migrate.run, settings)
        await _with(settings, _fill, replies, rate)
        lies = {"token": TOKEN, "seed": tally.seed, "mix": LYING, "delay_s": 0.02, "reports": True, "silent": 0.3}
        with (
            carrier(**lies) as provider,
            nursery(
                folder=name,
                url=url,
                secret=SECRET,
                public_url=settings.public_url,
                twilio_url=provider.url,
                full=tally.full,
                log=str(folder / "failpoints"),
            ) as births,
        ):
            lives = await _kill(tally, births, ports, kills)
            calm = time.monotonic()
            await _settled(ports[0], provider, replies, 700 if tally.full else 60)
            tally.note("seconds until all was settled", time.monotonic() - calm)
            for pid in lives.values():
                await _end(pid)
            reached = Counter((await asyncio.to_thread((folder / "failpoints").read_text)).split())
            await _with(settings, _verdict, tally, provider.journal(), replies, reached)


async def _with(settings: Settings, work: Any, *args: Any) -> Any:
    app = await build(settings, bus=LocalBus())
    try:
        return await work(app, *args)
    finally:
        await close(app)


async def _fill(app: App, replies: int, rate: int) -> None:
    """19 of 20 to a number of their own; the rest to one of the first hundred, once more, behind the first."""

    def rows(tx: Tx) -> None:
        SMS.save(tx, settings_of(app))
        senders.add(tx, Wanted(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=rate))
        numbers = [f"+1202555{n:04d}" for n in range(replies - replies // 20)]
        people = {number: new_person(tx, number) for number in numbers}
        threads = {number: new_thread(tx, people[number], number) for number in numbers[:100]}
        for n in range(replies):
            number = numbers[n] if n < len(numbers) else numbers[n % 100]
            whom = (people[number], number, f"reply {n}", threads.get(number))
            send = Send(f"reply:{n}", "reply", "conversation", *whom)
            actions.queue(tx, send)
            actions.queue(tx, send)  # pressed twice

    await app.write(rows)


async def _kill(tally: Tally, births: Nursery, ports: list[int], kills: int) -> dict[int, int]:
    """Lives that end by SIGKILL: at a random moment, or at a named place; with two nodes one lives on. Whoever lives
    at the end goes on."""
    turn = tally.random
    lives = {port: births.start(port) for port in ports}
    done = 0
    places = [*FAILPOINTS] * (4 if tally.full else 1)
    while done < kills or places:
        port = turn.choice(ports)
        if places:
            # Alone, or the other node sends and this place is never reached. A life that did not get there within
            # its time leaves the place for the next one: the first lives have the most to send.
            for pid in lives.values():
                await _end(pid)
            lives[port] = births.start(port, f"{places[-1]}=kill@{turn.randint(1, 2)}")
            if await _until(lambda pid=lives[port]: not _lives(pid), 6.0):
                places.pop()
            lives |= {other: births.start(other) for other in ports if other != port}
        else:
            await asyncio.sleep(turn.uniform(0.3, 3.0) if tally.full else turn.uniform(0.2, 0.6))
        await _end(lives[port])
        done += 1
        lives[port] = births.start(port)
        if done > 3 * kills:
            raise TimeoutError(f"never reached: {places}")
    tally.floor("kills", done, kills)
    return lives


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def _end(pid: int) -> None:
    """Gone when this returns: SQLite is for one process at a time."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    assert await _until(lambda: not _lives(pid), 10), f"process {pid} outlived SIGKILL"


async def _until(true: Any, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        await asyncio.sleep(0.02)
    return False


async def _settled(port: int, provider: Running, replies: int, seconds: float) -> None:
    """Until nothing waits and only what the carrier never took is unknown."""

    def all_is() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            return False
        found = {
            state: float(count) for state, count in re.findall(r'threadline_sms_waiting\{state="(\w+)"\} (\S+)', text)
        }
        taken = len({one["body"] for one in provider.journal()["messages"]})
        moving = sum(found.get(state, 1) for state in ("queued", "claimed", "sending"))
        return moving == 0 and found.get("unknown") == replies - taken

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not await asyncio.to_thread(all_is):
        await asyncio.sleep(0.5)


async def _verdict(app: App, tally: Tally, journal: dict[str, Any], replies: int, reached: Counter[str]) -> None:
    rows = await app.read(lambda conn: conn.all(select(outbound)))
    reports = await app.read(lambda conn: conn.all(select(carrier_reports)))
    taken = Counter(one["body"] for one in journal["messages"])
    answers = journal["answers"]
    tally.floor("replies", len(rows), replies)
    tally.floor("creates the carrier heard", sum(answers.values()), replies // 2)
    for kind in LYING:
        tally.floor(f"answered {kind}", answers.get(kind, 0), 1)
    for place in FAILPOINTS:
        tally.floor(f"killed at {place}", reached[place], 1)
    twice = {body: count for body, count in taken.items() if count > 1}
    tally.zero("sent twice", len(twice), twice)
    overtaken = _overtaken([one["body"] for one in journal["messages"]], rows)
    tally.zero("replies that overtook an earlier one to the same person", len(overtaken), overtaken)
    tally.zero("rows missing or too many", abs(len(rows) - replies))
    sids = {one["sid"]: one["body"] for one in journal["messages"]}
    over = [row for row in rows if row.state in OVER]
    tally.zero(
        "said to be sent, but the carrier never took it",
        sum(row.state in ("accepted", "sent", "delivered") and row.body not in taken for row in rows),
    )
    tally.zero("taken by the carrier, but not settled", sum(row.body in taken and row not in over for row in rows))
    tally.zero(
        "settled by another message's id", sum(row.sid is not None and sids.get(row.sid) != row.body for row in rows)
    )
    unknown = [row for row in rows if row.state == "unknown"]
    tally.zero("neither settled nor unknown", len(rows) - len(over) - len(unknown), Counter(row.state for row in rows))
    tally.zero("failed", sum(row.state == "failed" for row in rows))
    tally.zero("reports that match nothing", sum(one.outbound_id is None for one in reports))
    tally.note("left for a person", len(unknown))
    tally.floor("reports applied", len(reports), replies // 2)


def _overtaken(taken: list[str], rows: list[Any]) -> list[str]:
    """Replies that the carrier took before an earlier one of their thread."""
    places = {body: place for place, body in reversed([*enumerate(taken)])}
    last: dict[int, int] = {}
    found = []
    for row in sorted(
        (row for row in rows if row.thread_id is not None and row.body in places), key=lambda row: row.id
    ):
        if places[row.body] < last.get(row.thread_id, -1):
            found.append(row.body)
        last[row.thread_id] = places[row.body]
    return found
