"""G20: no mail is lost or sent twice because of our server, whatever process dies and whatever the mail server does.

The mail server refuses, hangs and resets at random at each step. Product processes are killed with SIGKILL at random moments
and at failpoints around the final dot.
"""

from __future__ import annotations

import asyncio
import email.policy
import random
import re
import socket
import struct
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import asynccontextmanager
from email import message_from_bytes
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from server import migrate
from server.delivery import mail, testing_mail
from server.delivery.mail import Mailing
from server.delivery.mail_settings import MailSettings
from server.delivery.rules import State
from server.kernel.context import App
from server.kernel.sql import Tx
from server.schema import outbound
from server.settings import Settings
from tests.faults.g11_once_out import SECRET, _is_alive, _kill_one, _until, _with_app
from tests.faults.sender import Nursery, nursery
from tests.faults.tally import Tally
from tests.services import create_database, free_port

FAILPOINTS = (
    "outbound_claimed",
    "outbound_attempt_written",
    "mail_before_dot",
    "mail_after_dot",
    "outbound_result_written",
)
# What the server does with one mail, in percent. A `taken` mail is delivered, whatever the client learns.
MIX = {
    "250": 56,  # delivered
    "421 mail": 5,  # closes the connection at MAIL
    "450 rcpt": 8,
    "550 rcpt": 5,  # there is no such mailbox
    "450 dot": 5,
    "550 dot": 3,
    "hang data": 3,  # no answer to DATA
    "reset data": 4,
    "hang dot": 3,  # no answer to the dot, not delivered
    "taken, hang": 4,
    "reset dot": 2,  # not delivered
    "taken, reset": 4,
}
UNCLEAR = ("hang dot", "taken, hang", "reset dot", "taken, reset")
FINAL = ("550 rcpt", "550 dot")
TEMPORARY = ("421 mail", "450 rcpt", "450 dot")


class MailServer:
    """Decides by a seeded random what happens to each mail, and records it by recipient."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.acted: Counter[str] = Counter()
        self.events: dict[str, list[str]] = defaultdict(list)  # by recipient: what happened to each attempt
        self.delivered: Counter[str] = Counter()
        self.message_ids: dict[str, set[str]] = defaultdict(set)
        self.kind_by_connection: dict[int, str] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            pass  # the client was killed or gave up, or the test ends
        finally:
            self.tasks.discard(task)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def answer(line: str) -> None:
            writer.write(f"{line}\r\n".encode())

        answer("220 mail.faulty ESMTP")
        kind = recipient = ""
        while line := (await reader.readline()).decode():
            verb = line[:4].upper()
            if verb == "EHLO":
                answer("250 mail.faulty")
            elif verb == "MAIL":
                kind = self.chance.choices([*MIX], [*MIX.values()])[0]
                if kind == "421 mail":
                    self.acted[kind] += 1
                    answer("421 4.3.2 closing")
                    return
                answer("250 2.1.0 fine")
            elif verb == "RCPT":
                recipient = line.partition("<")[2].partition(">")[0]
                if kind.endswith(" rcpt"):
                    self._act(kind, recipient)
                    answer("450 4.2.1 later" if kind.startswith("450") else "550 5.1.1 no such user")
                    continue
                answer("250 2.1.5 fine")
            elif verb == "DATA":
                if kind.endswith(" data"):
                    self._act(kind, recipient)
                    if await _misbehave(kind, writer):
                        return
                answer("354 go on")
                content = await reader.readuntil(b"\r\n.\r\n")
                if not await self._dot(kind, recipient, content, writer):
                    return
            elif verb == "QUIT":
                answer("221 bye")
                return
            else:
                answer("250 2.0.0 fine")

    async def _dot(self, kind: str, recipient: str, content: bytes, writer: asyncio.StreamWriter) -> bool:
        """Handles a mail whose dot was received. Returns whether the connection is still used."""
        self._act(kind, recipient)
        message = message_from_bytes(content, policy=email.policy.default)
        self.message_ids[recipient].add(str(message["Message-ID"]))
        if kind == "250" or kind.startswith("taken"):
            self.delivered[recipient] += 1
        if await _misbehave(kind, writer):
            return False
        answers = {"450 dot": "450 4.3.0 later", "550 dot": "550 5.7.1 not wanted"}
        writer.write(f"{answers.get(kind, '250 2.0.0 queued')}\r\n".encode())
        return True

    def _act(self, kind: str, recipient: str) -> None:
        self.acted[kind] += 1
        self.events[recipient].append(kind)


async def _misbehave(kind: str, writer: asyncio.StreamWriter) -> bool:
    """Hangs or resets the connection if the kind says so."""
    if "hang" in kind:
        await asyncio.sleep(30)
        return True
    if "reset" in kind:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        return True
    return False


@asynccontextmanager
async def _mail_server(seed: int) -> Any:
    faulty = MailServer(seed)
    server = await asyncio.start_server(faulty.serve, "127.0.0.1", 0, limit=1 << 20)
    try:
        yield faulty, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in set(faulty.tasks):
            task.cancel()


async def run(tally: Tally) -> None:
    mails, kills = (1_500, 120) if tally.full else (240, 12)
    url = create_database() if tally.database == "postgres" else None
    with tempfile.TemporaryDirectory(prefix="g20-") as name:
        folder = Path(name)
        port = free_port()
        settings = Settings(
            _env_file=None, data_dir=folder, database_url=url, secret_key=SECRET, public_url=f"http://127.0.0.1:{port}"
        )
        await asyncio.to_thread(migrate.run, settings)
        async with _mail_server(tally.seed) as (faulty, mail_port):
            await _with_app(settings, _fill, mails, mail_port)
            orders = {
                "folder": name,
                "url": url,
                "secret": SECRET,
                "public_url": settings.public_url,
                "twilio_url": "https://127.0.0.1:9",
                "full": tally.full,
                "mail": True,
                "log": str(folder / "failpoints"),
            }
            (folder / "failpoints").touch()
            with nursery(**orders) as processes:
                pid = await _kill_processes(tally, processes, port, kills)
                kills_ended_at = time.monotonic()
                # SQLite's file belongs to one process, so the count of unfinished mails needs a pause of the server.
                while unfinished := await _count_unfinished(settings, pid):
                    if time.monotonic() - kills_ended_at > (900 if tally.full else 150):
                        tally.zero("mails without an outcome", unfinished)
                        break
                    pid = processes.start(port)
                    await asyncio.sleep(8)
                tally.note("seconds until all mails were settled", time.monotonic() - kills_ended_at)
                await _kill_one(pid)
            reached = Counter((await asyncio.to_thread((folder / "failpoints").read_text)).split())
            await _with_app(settings, _verdict, tally, faulty, mails, reached)


async def _fill(app: App, mails: int, port: int) -> None:
    def queue_mails(tx: Tx) -> None:
        mail.configure(
            tx,
            MailSettings(mail_on=True, host="127.0.0.1", port=port, security="plain", from_address="care@shop.example"),
        )
        for n in range(mails):
            mailing = Mailing(
                f"g20:{n}", "account", f"reader{n}@customer.example", testing_mail.TEMPLATE, {"language": "en"}
            )
            mail.queue_mail(tx, mailing)
            mail.queue_mail(tx, mailing)  # the cause was repeated

    await app.write(queue_mails)


async def _kill_processes(tally: Tally, processes: Nursery, port: int, kills: int) -> int:
    """Kills the sending process again and again, at failpoints first. Returns the pid of the last one."""
    dice = tally.random
    places = [*FAILPOINTS] * (4 if tally.full else 1)
    killed, tried = 0, 0
    pid = -1
    while killed < kills or places:
        tried += 1
        if tried > 3 * kills:
            raise TimeoutError(f"never reached: {places}")
        point = f"{places[-1]}=kill@{dice.randint(1, 3)}" if places else ""
        pid = processes.start(port, point)
        if point:
            if await _until(lambda pid=pid: not _is_alive(pid), 20.0):
                places.pop()
        else:
            await asyncio.sleep(dice.uniform(0.8, 2.5))
        await _kill_one(pid)
        killed += 1
    tally.floor("kills", killed, kills)
    return pid


async def _count_unfinished(settings: Settings, pid: int) -> int:
    await _kill_one(pid)

    async def count(app: App) -> int:
        finished = [State.ACCEPTED.value, State.FAILED.value, State.UNKNOWN.value]
        query = select(func.count().label("n")).where(outbound.c.state.not_in(finished))
        return int(await app.read(lambda conn: conn.value(query)))

    return int(await _with_app(settings, count))


async def _verdict(app: App, tally: Tally, faulty: MailServer, mails: int, reached: Counter[str]) -> None:
    rows = await app.read(lambda conn: conn.all(select(outbound)))
    by_state: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        by_state[row.state].append(row)
    tally.floor("mails", len(rows), mails)
    tally.zero("missing or surplus rows", abs(len(rows) - mails))
    for kind in MIX:
        tally.floor(f"mails that the server answered with {kind}", faulty.acted[kind], 1)
    for place in FAILPOINTS:
        tally.floor(f"killed at {place}", sum(re.match(place, line) is not None for line in reached), 1)
    twice = {recipient: count for recipient, count in faulty.delivered.items() if count > 1}
    tally.zero("mails delivered twice", len(twice), {one: faulty.events[one] for one in twice})
    accepted, failed, unknown = (by_state[state] for state in ("accepted", "failed", "unknown"))
    tally.zero(
        "lost: stored as sent and not delivered",
        sum(not faulty.delivered[row.recipient] for row in accepted),
    )
    tally.zero(
        "lost: without an outcome",
        len(rows) - len(accepted) - len(failed) - len(unknown),
        Counter(row.state for row in rows),
    )
    refused = {recipient for recipient, events in faulty.events.items() if any(event in FINAL for event in events)}
    tally.zero("failed without a final refusal", sum(row.recipient not in refused for row in failed))
    tally.zero("failed although delivered", sum(faulty.delivered[row.recipient] > 0 for row in failed))
    tally.zero("sent again after a final refusal", sum(_continued(faulty.events[row.recipient], FINAL) for row in rows))
    tally.zero(
        "sent again after an unclear outcome", sum(_continued(faulty.events[row.recipient], UNCLEAR) for row in rows)
    )
    unclear = {recipient for recipient, events in faulty.events.items() if any(event in UNCLEAR for event in events)}
    unclear_recipients = {row.recipient for row in unknown}
    tally.zero(
        "unclear mails that nobody was told about",
        len(unclear - unclear_recipients),
        sorted(unclear - unclear_recipients)[:5],
    )
    tally.zero("unknown without a reason in words", sum(not row.detail for row in unknown))
    tally.zero("mails with two Message-IDs", sum(len(ids) > 1 for ids in faulty.message_ids.values()))
    retried = [row for row in accepted if any(event in TEMPORARY for event in faulty.events[row.recipient])]
    tally.floor("sent after a temporary refusal", len(retried), 5)
    tally.floor("sent", len(accepted), mails // 2)
    tally.note("failed", len(failed))
    tally.note("unclear, left for a person", len(unknown))
    tally.note("unclear because of a kill", len(unclear_recipients - unclear))


def _continued(events: list[str], last: tuple[str, ...]) -> bool:
    """Whether another attempt followed one of these events."""
    return any(event in last for event in events[:-1])
