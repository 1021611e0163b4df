"""Row 5, SMS part: texts a second through the SDK and through the whole send path, beside raw HTTP to the same
carrier."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlencode

import aiohttp
import uvloop
from sqlalchemy import func, select

from server import migrate
from server.app import build, close
from server.channels import twilio_sms
from server.channels.base import Text
from server.delivery import actions, pump, senders
from server.delivery.actions import Send
from server.delivery.rules import SenderKind
from server.delivery.senders import SenderInput
from server.delivery.settings import SMS
from server.kernel.bus import LocalBus
from server.schema import outbound
from server.settings import Settings
from tests.bench.report import Line, compare
from tests.bench.setting import Setting
from tests.faults.carrier import carrier
from tests.sms import ACCOUNT, TOKEN, TOLL_FREE, new_person, new_thread, settings_of

IN_FLIGHT = 128
CALLBACK = "https://desk.example/webhooks/twilio/status?m=abcdefghijklmnopqrstuvwx.1"


class _Clock:
    """Measures from its creation: sends a second, and CPU of this process per 1,000 sends, in ms."""

    def __init__(self) -> None:
        self.started, self.used = time.perf_counter(), time.process_time()

    def result(self, count: int) -> dict[str, float]:
        seconds, used = time.perf_counter() - self.started, time.process_time() - self.used
        return {"rate": count / seconds, "cpu": used * 1e6 / count}


async def _run_concurrently(count: int, send: Callable[[int], Coroutine[Any, Any, Any]]) -> dict[str, float]:
    """Runs `count` sends, `IN_FLIGHT` at a time."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await send(number)

    clock = _Clock()
    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    return clock.result(count)


async def _raw(url: str, count: int) -> dict[str, float]:
    """Sends the same requests with aiohttp alone and ignores the responses."""
    address = f"{url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    headers = {"content-type": "application/x-www-form-urlencoded", "authorization": "Basic " + "x" * 90}
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def send(number: int) -> None:
            form = {"To": "+12025550123", "From": TOLL_FREE, "Body": f"reply {number}", "StatusCallback": CALLBACK}
            async with session.post(address, data=urlencode(form).encode(), headers=headers) as answer:
                assert answer.status == 201
                await answer.read()

        await _run_concurrently(IN_FLIGHT, send)
        return await _run_concurrently(count, send)


async def _sdk(url: str, count: int) -> dict[str, float]:
    channel = twilio_sms.connect(ACCOUNT, ACCOUNT, TOKEN, "", url)

    async def send(number: int) -> None:
        await channel.send(Text("+12025550123", TOLL_FREE, f"reply {number}", callback=CALLBACK))

    try:
        await _run_concurrently(IN_FLIGHT, send)
        return await _run_concurrently(count, send)
    finally:
        await channel.close()


async def _send_path(setting: Setting, url: str, count: int) -> dict[str, float]:
    """Measures the path from queued rows to accepted ones: claims, consent gate, credits, and each state committed to disk."""
    folder = setting.folder / "sends"
    shutil.rmtree(folder, ignore_errors=True)
    settings = Settings(
        _env_file=None, data_dir=folder, secret_key="k3y-of-the-bench-0123456789abcdefgh", twilio_url=url
    )
    await asyncio.to_thread(migrate.run, settings)
    app = await build(settings, bus=LocalBus())

    def fill(tx: Any) -> None:
        SMS.save(tx, settings_of(app))
        senders.add(tx, SenderInput(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=1_000_000))
        for number in range(count):
            phone = f"+1202{5_550_000 + number}"
            contact = new_person(tx, phone)
            thread = new_thread(tx, contact, phone)
            recipient = (contact, phone, f"reply {number}", thread)
            actions.queue(tx, Send(f"reply:{number}", "reply", "conversation", *recipient))

    try:
        await app.write(fill)
        await _sdk(url, 1)  # the first send imports the SDK
        clock = _Clock()
        await pump.of(app).run()
        result = clock.result(count)
        query = select(func.count().label("n")).where(outbound.c.state == "accepted")
        accepted = await app.read(lambda conn: conn.value(query))
        assert accepted == count, f"{accepted} of {count} were accepted"
        return result
    finally:
        await close(app)
        await asyncio.to_thread(shutil.rmtree, folder, True)


def run(setting: Setting) -> list[Line]:
    lines = []
    for delay_s, count in ((0.0, setting.few(6_000)), (0.05, setting.few(6_000))):
        raw, sdk, send_path = [], [], []
        for _ in range(setting.rounds):
            with carrier(delay_s=delay_s) as provider:
                raw.append(uvloop.run(_raw(provider.url, count)))
                sdk.append(uvloop.run(_sdk(provider.url, count)))
                send_path.append(uvloop.run(_send_path(setting, provider.url, count)))
        where = f"{delay_s * 1000:.0f} ms carrier"
        if delay_s:
            bound = [{"rate": IN_FLIGHT / delay_s}] * setting.rounds
            lines.append(compare("5 sends", f"SDK, {where}, beside the bound of {IN_FLIGHT} in flight", "/s", "rate", bound, sdk, gate=0.9, stretch=0.95))  # fmt: skip
            lines.append(compare("5 sends", f"whole send path, {where}, beside the bound", "/s", "rate", bound, send_path, gate=0.9, stretch=0.95))  # fmt: skip
        else:
            lines.append(compare("5 sends", f"SDK, {where}, beside aiohttp", "/s", "rate", raw, sdk, gate=0.6, stretch=0.9))  # fmt: skip
            lines.append(compare("5 sends", f"whole send path, {where}, beside aiohttp", "/s", "rate", raw, send_path, gate=0.6, stretch=0.9))  # fmt: skip
        lines.append(compare("5 sends", f"SDK, {where}, CPU per 1,000, beside aiohttp", "ms", "cpu", raw, sdk, better="less"))  # fmt: skip
        lines.append(compare("5 sends", f"whole send path, {where}, CPU per 1,000, beside aiohttp", "ms", "cpu", raw, send_path, better="less"))  # fmt: skip
    return lines
