"""Operations that the running server carries out for the command line (`serving.COMMANDS`)."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

from server.errors import Busy
from server.kernel.context import App
from server.operations import backup as taking
from server.operations import doctor as examining

TELL_EVERY_S = 0.2


async def backup(
    app: App, target: str, with_key: bool = False, report: taking.Report = taking.silent
) -> dict[str, Any]:
    """What was written. The copying happens in a thread of its own; stopping the server ends it."""
    stop = threading.Event()
    told = 0.0

    def tell(progress: dict[str, Any]) -> None:
        nonlocal told
        if stop.is_set():
            raise Busy("The server stopped before the backup was complete.")
        if time.monotonic() - told >= TELL_EVERY_S:
            told = time.monotonic()
            report(progress)

    try:
        taken = await asyncio.to_thread(taking.take, app.settings, Path(target), with_key=with_key, report=tell)
    finally:
        stop.set()
    return taking.as_json(taken)


async def doctor(app: App) -> dict[str, Any]:
    """The findings, as `GET /api/doctor` gives them."""
    return examining.as_json(await examining.examine(app))
