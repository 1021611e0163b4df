"""G11: nobody is texted twice because of our server, whatever process dies and whatever the carrier answers. Covers
replies."""

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
from server.delivery.senders import SenderInput
from server.delivery.settings import SMS
from server.kernel.bus import LocalBus
from server.kernel.context import App
from server.kernel.sql import Tx
from server.schema import carrier_reports, outbound
from server.settings import Settings
from tests.faults.carrier import WITH_FAULTS, Running, carrier
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
OUTCOMES = {
    "created": "201, accepted",
    "busy": "429, not accepted",
    "accepted_then_500": "500, although accepted",
    "error_500": "500, not accepted",
    "error_503": "503, not accepted",
    "accepted_no_response": "no response, although accepted",
    "no_response": "no response, not accepted",
    "accepted_then_reset": "connection reset, although accepted",
}
SETTLED_STATES = {State.ACCEPTED, State.SENT, State.DELIVERED, State.UNDELIVERED, State.FAILED, State.SKIPPED}


async def run(tally: Tally) -> None:
    replies, kills = (2_000, 300) if tally.full else (160, 20)
    # All processes together live about as long as sending takes.
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
        await _with_app(settings, _fill, replies, rate)
        faulty_orders = {
            "token": TOKEN,
            "seed": tally.seed,
            "mix": WITH_FAULTS,
            "delay_s": 0.02,
            "reports": True,
            "silent": 0.3,
        }
        with (
            carrier(**faulty_orders) as provider,
            nursery(
                folder=name,
                url=url,
                secret=SECRET,
                public_url=settings.public_url,
                twilio_url=provider.url,
                full=tally.full,
                log=str(folder / "failpoints"),
            ) as nursery_process,
        ):
            pids = await _kill_processes(tally, nursery_process, ports, kills)
            kills_ended_at = time.monotonic()
            await _settled(ports[0], provider, replies, 700 if tally.full else 60)
            tally.note("seconds until all replies were settled", time.monotonic() - kills_ended_at)
            for pid in pids.values():
                await _kill_one(pid)
            reached = Counter((await asyncio.to_thread((folder / "failpoints").read_text)).split())
            await _with_app(settings, _verdict, tally, provider.journal(), replies, reached)


async def _with_app(settings: Settings, work: Any, *args: Any) -> Any:
    app = await build(settings, bus=LocalBus())
    try:
        return await work(app, *args)
    finally:
        await close(app)


async def _fill(app: App, replies: int, rate: int) -> None:
    """Queues replies: 19 of 20 go each to a number of its own; the others follow an earlier reply to one of the first
    hundred numbers."""

    def queue_replies(tx: Tx) -> None:
        SMS.save(tx, settings_of(app))
        senders.add(tx, SenderInput(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=rate))
        numbers = [f"+1202555{n:04d}" for n in range(replies - replies // 20)]
        people = {number: new_person(tx, number) for number in numbers}
        threads = {number: new_thread(tx, people[number], number) for number in numbers[:100]}
        for n in range(replies):
            number = numbers[n] if n < len(numbers) else numbers[n % 100]
            recipient = (people[number], number, f"reply {n}", threads.get(number))
            send = Send(f"reply:{n}", "reply", "conversation", *recipient)
            actions.queue(tx, send)
            actions.queue(tx, send)  # the agent pressed Send twice

    await app.write(queue_replies)


async def _kill_processes(
    tally: Tally, nursery_process: Nursery, ports: list[int], kills: int, failpoints: tuple[str, ...] = FAILPOINTS
) -> dict[int, int]:
    """Starts sending processes and kills each with SIGKILL, at a random moment or at a failpoint; with two nodes one
    survives each kill. The processes started last send the rest."""
    dice = tally.random
    pids = {port: nursery_process.start(port) for port in ports}
    killed = 0
    places = [*failpoints] * (4 if tally.full else 1)
    while killed < kills or places:
        port = dice.choice(ports)
        if places:
            # With two nodes the other one would send, and this failpoint would not be reached. If a process does not
            # reach the failpoint in time, the next one tries. Failpoints come first, while there is most to send.
            for pid in pids.values():
                await _kill_one(pid)
            pids[port] = nursery_process.start(port, f"{places[-1]}=kill@{dice.randint(1, 2)}")
            if await _until(lambda pid=pids[port]: not _is_alive(pid), 6.0):
                places.pop()
            pids |= {node: nursery_process.start(node) for node in ports if node != port}
        else:
            await asyncio.sleep(dice.uniform(0.3, 3.0) if tally.full else dice.uniform(0.2, 0.6))
        await _kill_one(pids[port])
        killed += 1
        pids[port] = nursery_process.start(port)
        if killed > 3 * kills:
            raise TimeoutError(f"never reached: {places}")
    tally.floor("kills", killed, kills)
    return pids


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def _kill_one(pid: int) -> None:
    """Kills a process and waits until it is gone: SQLite allows one process at a time."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    assert await _until(lambda: not _is_alive(pid), 10), f"process {pid} outlived SIGKILL"


async def _until(condition: Any, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        await asyncio.sleep(0.02)
    return False


async def _settled(port: int, provider: Running, replies: int, seconds: float) -> None:
    """Waits until no reply is queued and only replies that the carrier never accepted are unknown."""

    def everything_is_settled() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            return False
        counts = {
            state: float(count) for state, count in re.findall(r'threadline_sms_waiting\{state="(\w+)"\} (\S+)', text)
        }
        accepted = len({message["body"] for message in provider.journal()["messages"]})
        # A state that the metrics do not report counts as unsent, so that the loop waits for it.
        unsent = sum(counts.get(state, 1) for state in ("queued", "claimed", "sending"))
        return unsent == 0 and counts.get("unknown") == replies - accepted

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not await asyncio.to_thread(everything_is_settled):
        await asyncio.sleep(0.5)


async def _verdict(app: App, tally: Tally, journal: dict[str, Any], replies: int, reached: Counter[str]) -> None:
    rows = await app.read(lambda conn: conn.all(select(outbound)))
    reports = await app.read(lambda conn: conn.all(select(carrier_reports)))
    accepted = Counter(message["body"] for message in journal["messages"])
    answers = journal["answers"]
    tally.floor("replies", len(rows), replies)
    tally.floor("create requests received by the carrier", sum(answers.values()), replies // 2)
    for kind in WITH_FAULTS:
        tally.floor(f"outcome of a create request: {OUTCOMES[kind]}", answers.get(kind, 0), 1)
    for place in FAILPOINTS:
        tally.floor(f"kills at `{place}`", reached[place], 1)
    twice = {body: count for body, count in accepted.items() if count > 1}
    tally.zero("replies sent twice", len(twice), twice)
    overtaken = _overtaken([message["body"] for message in journal["messages"]], rows)
    tally.zero("replies that overtook an earlier one to the same person", len(overtaken), overtaken)
    tally.zero("missing or surplus rows", abs(len(rows) - replies))
    sids = {message["sid"]: message["body"] for message in journal["messages"]}
    settled = [row for row in rows if row.state in SETTLED_STATES]
    tally.zero(
        "replies stored as sent that the carrier never accepted",
        sum(row.state in ("accepted", "sent", "delivered") and row.body not in accepted for row in rows),
    )
    tally.zero(
        "replies accepted by the carrier but not settled",
        sum(row.body in accepted and row not in settled for row in rows),
    )
    tally.zero(
        "replies with the id of another message",
        sum(row.sid is not None and sids.get(row.sid) != row.body for row in rows),
    )
    unknown = [row for row in rows if row.state == "unknown"]
    tally.zero(
        "replies neither settled nor unknown",
        len(rows) - len(settled) - len(unknown),
        Counter(row.state for row in rows),
    )
    tally.zero("replies marked as failed", sum(row.state == "failed" for row in rows))
    tally.zero("reports that match nothing", sum(report.outbound_id is None for report in reports))
    tally.note("replies left for a person to decide", len(unknown))
    tally.floor("reports applied", len(reports), replies // 2)


def _overtaken(accepted: list[str], rows: list[Any]) -> list[str]:
    """Replies that the carrier accepted before an earlier one of the same thread."""
    places = {body: place for place, body in reversed([*enumerate(accepted)])}
    last: dict[int, int] = {}
    waiting = []
    for row in sorted(
        (row for row in rows if row.thread_id is not None and row.body in places), key=lambda row: row.id
    ):
        if places[row.body] < last.get(row.thread_id, -1):
            waiting.append(row.body)
        last[row.thread_id] = places[row.body]
    return waiting
