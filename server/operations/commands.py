"""Operations that the running server carries out for the command line (`serving.COMMANDS`)."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from server.delivery import testing_mail
from server.delivery.pump import MailPump
from server.errors import Busy
from server.kernel.context import App
from server.operations.backup import Report, no_report, take_backup
from server.operations.doctor import as_json, examine

REPORT_EVERY_S = 0.2
SEND_TEST_S = 80.0  # a slow mail server may take this long


async def backup(app: App, target: str, with_key: bool = False, report: Report = no_report) -> dict[str, Any]:
    """Takes a backup in a thread and returns its description. Stopping the server cancels the backup."""
    stop = threading.Event()
    reported_at = 0.0

    def report_progress(progress: dict[str, Any]) -> None:
        nonlocal reported_at
        if stop.is_set():
            raise Busy("The server stopped before the backup was complete.")
        if time.monotonic() - reported_at >= REPORT_EVERY_S:
            reported_at = time.monotonic()
            report(progress)

    try:
        result = await asyncio.to_thread(
            take_backup, app.settings, Path(target), with_key=with_key, report=report_progress
        )
    finally:
        stop.set()
    return asdict(result)


async def doctor(app: App) -> dict[str, Any]:
    """The findings, as `GET /api/doctor` gives them."""
    return as_json(await examine(app))


async def send_test(app: App, address: str) -> dict[str, str]:
    """Sends a test mail and returns its state and the mail server's answer."""
    outbound = await app.write(testing_mail.queue_test, address)
    sending = asyncio.create_task(app.part(MailPump).run())  # also where no worker runs
    mail = await testing_mail.outcome(app, outbound, SEND_TEST_S)
    await sending
    return {"state": mail.state.value, "detail": mail.detail}
