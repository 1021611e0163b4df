"""G20, follow-ups: a visitor who left gets at most one mail for each absence, and none after they returned.

Visitors left before an agent's reply. The processes that look at them and send are killed with SIGKILL at random moments,
their clocks are two hours ahead or behind, the mail server refuses, hangs and resets, and a fifth of the visitors return and
read the reply in the last second before the mail is due.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import func, select

from server import migrate
from server.chat_mail import follow_ups
from server.delivery import mail
from server.delivery.mail_settings import MailSettings
from server.delivery.rules import State
from server.frames import PROTOCOL_VERSION
from server.kernel.context import App
from server.kernel.sql import Tx
from server.schema import outbound
from server.settings import Settings
from server.sms.settings import INBOX, InboxSettings
from server.threads import tickets
from server.threads.timeline import Author, append
from server.web import auth
from server.webchat import receiving, visitors
from server.webchat.actions import VisitorInfo
from server.webchat.receiving import Inbound
from tests.faults.g11_once_out import SECRET, _kill_one, _with_app
from tests.faults.g20_mail import FINAL, UNCLEAR, MailServer, _continued, _mail_server
from tests.faults.sender import Nursery, nursery
from tests.faults.tally import Tally
from tests.services import create_database, free_port

SHIFTS_H = (0, 0, -2, 0, 2, 0)  # of the clocks of successive processes
LAST_SHIFT_H = 3  # makes everything due that a process with a clock ahead has postponed

LAST_BEGUN_S = 3.0  # a mail whose dispatch began before the return reaches the mail server within this


@dataclass
class Visitor:
    token: str
    address: str
    due_in_s: float
    due_at: float = 0.0  # monotonic
    returned: float | None = None  # when the server had answered (monotonic)
    seen: int = 0


async def run(tally: Tally) -> None:
    count, kills = (500, 40) if tally.full else (60, 6)
    url = create_database() if tally.database == "postgres" else None
    with tempfile.TemporaryDirectory(prefix="g20f-") as name:
        folder, port = Path(name), free_port()
        settings = Settings(
            _env_file=None, data_dir=folder, database_url=url, secret_key=SECRET, public_url=f"http://127.0.0.1:{port}"
        )
        await asyncio.to_thread(migrate.run, settings)
        people: list[Visitor] = []
        async with _mail_server(tally.seed) as (faulty, mail_port):
            begun: dict[str, list[float]] = {}
            _note_times(faulty, begun)
            orders = {
                "folder": name,
                "url": url,
                "secret": SECRET,
                "public_url": settings.public_url,
                "twilio_url": "https://127.0.0.1:9",
                "full": tally.full,
                "mail": True,
                "follow_ups": True,
                "log": str(folder / "failpoints"),
            }
            (folder / "failpoints").touch()
            with nursery(**orders) as processes:
                people += await _with_app(settings, _fill, tally, count, mail_port)
                began = time.monotonic()
                pid = await _storm(tally, processes, port, people, kills, settings.public_url)
                while unfinished := await _count_unfinished(settings, pid):
                    if time.monotonic() - began > (900 if tally.full else 240):
                        tally.zero("follow-ups without an outcome", unfinished)
                        break
                    pid = processes.start(port, clock_h=LAST_SHIFT_H)
                    await asyncio.sleep(8)
                await _kill_one(pid)
            await _with_app(settings, _verdict, tally, faulty, begun, people)


def _note_times(faulty: MailServer, begun: dict[str, list[float]]) -> None:
    """Records when each attempt reached the mail server."""
    act = faulty._act

    def noted(kind: str, recipient: str) -> None:
        begun.setdefault(recipient, []).append(time.monotonic())
        act(kind, recipient)

    faulty._act = noted  # type: ignore[method-assign]


async def _fill(app: App, tally: Tally, count: int, port: int) -> list[Visitor]:
    def configure(tx: Tx) -> None:
        mail.configure(
            tx,
            MailSettings(mail_on=True, host="127.0.0.1", port=port, security="plain", from_address="care@shop.example"),
        )
        INBOX.save(tx, InboxSettings(support_from="help@shop.example"))

    await app.write(configure)
    people = []
    for number in range(count):
        address = f"visitor{number}@customer.example"
        visitor = Visitor(auth.mint_visitor_token(app), address, tally.random.uniform(10, 40))
        key = auth.visitor_key(app, visitor.token, None).key
        message = Inbound(key, f"g20-first-{number:06}", "Hello?", (), "", VisitorInfo(typed_email=address))
        await app.write_joined(receiving.receive, message)

        def reply(tx: Tx, key: str = key, visitor: Visitor = visitor) -> int:
            view = visitors.visitor_view(tx, key)
            assert view is not None and view.thread is not None
            ticket = tickets.lock_by_thread(tx, view.thread)
            assert ticket is not None
            entry, _ = append(
                tx, view.thread, "message", Author("agent", None, "Ana"), body="Here.", data={"origin": "chat"}
            )
            follow_ups.note_reply(tx, ticket, entry.seq, timedelta(seconds=visitor.due_in_s))
            return entry.public_seq or 0

        visitor.seen = await app.write(reply)
        visitor.due_at = time.monotonic() + visitor.due_in_s
        people.append(visitor)
    return people


async def _storm(tally: Tally, processes: Nursery, port: int, people: list[Visitor], kills: int, url: str) -> int:
    """Kills the process again and again while a fifth of the visitors return shortly before their mail is due."""
    dice = tally.random
    returning = people[::5]
    tasks = [asyncio.create_task(_return_late(one, one.due_at - dice.uniform(0, 1), url)) for one in returning]
    pid = -1
    for number in range(kills):
        pid = processes.start(port, clock_h=SHIFTS_H[number % len(SHIFTS_H)])
        await asyncio.sleep(dice.uniform(4, 12))
        await _kill_one(pid)
    pid = processes.start(port, clock_h=LAST_SHIFT_H)
    await asyncio.gather(*tasks)
    tally.floor("kills", kills, kills)
    tally.floor("visitors who returned", sum(one.returned is not None for one in returning), len(returning))
    return pid


async def _return_late(visitor: Visitor, at: float, url: str) -> None:
    """Connects, as the widget does, and reads the reply; tries until the server has answered."""
    await asyncio.sleep(max(0.0, at - time.monotonic()))
    headers = {"authorization": f"Bearer {visitor.token}", "origin": url}
    hello = {"hello": {"type": "hello", "version": PROTOCOL_VERSION, "token": visitor.token}, "wait": 0}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as http:
        while True:
            try:
                async with http.post(f"{url}/widget/poll", json=hello, headers=headers) as answer:
                    answer.raise_for_status()
                returned = time.monotonic()
                seen = {"type": "seen", "seq": visitor.seen}
                async with http.post(f"{url}/widget/send", json=seen, headers=headers) as answer:
                    answer.raise_for_status()
                visitor.returned = returned
                return
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(0.2)


async def _count_unfinished(settings: Settings, pid: int) -> int:
    """Follow-ups that wait, and mails without an outcome."""
    await _kill_one(pid)

    async def count(app: App) -> int:
        from server.schema import follow_ups as rows

        finished = [state.value for state in (State.ACCEPTED, State.FAILED, State.UNKNOWN, State.SKIPPED)]
        mails = select(func.count().label("n")).where(outbound.c.state.not_in(finished))
        waiting = select(func.count().label("n")).where(rows.c.state == "waiting")
        return int(await app.read(lambda conn: conn.value(mails) + conn.value(waiting)))

    return int(await _with_app(settings, count))


async def _verdict(
    app: App, tally: Tally, faulty: MailServer, begun: dict[str, list[float]], people: list[Visitor]
) -> None:
    mails: dict[str, list[Any]] = {}
    for row in await app.read(lambda conn: conn.all(select(outbound))):
        mails.setdefault(row.recipient, []).append(row)
    stayed = [one for one in people if one.returned is None]
    returned = [one for one in people if one.returned is not None]
    tally.zero("absences with two mails", sum(len(rows) > 1 for rows in mails.values()))
    tally.zero("mails delivered twice", sum(count > 1 for count in faulty.delivered.values()))
    tally.zero("lost: visitors who stayed away without a mail", sum(one.address not in mails for one in stayed))
    states = {one.address: mails[one.address][0] for one in stayed if one.address in mails}
    tally.zero(
        "lost: stored as sent and not delivered",
        sum(row.state == "accepted" and not faulty.delivered[address] for address, row in states.items()),
    )
    tally.zero(
        "mails that were withdrawn although nobody returned", sum(row.state == "skipped" for row in states.values())
    )
    late = [
        one.address
        for one in returned
        if any(at > (one.returned or 0) + LAST_BEGUN_S for at in begun.get(one.address, []))
    ]
    tally.zero("returned visitors mailed", len(late), late[:5])
    tally.zero("sent again after an unclear outcome", sum(_continued(faulty.events[a], UNCLEAR) for a in mails))
    tally.zero("sent again after a final refusal", sum(_continued(faulty.events[a], FINAL) for a in mails))
    tally.floor("follow-ups delivered", sum(faulty.delivered.values()), len(stayed) // 2)
    tally.floor(
        "returned before the mail left", sum(not begun.get(one.address) for one in returned), max(1, len(returned) // 6)
    )
