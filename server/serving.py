"""Running processes: the web server, a worker, and commands that find the running server."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
import uvicorn

from server import migrate
from server.accounts import commands
from server.app import Serving, Web, build, close, running
from server.consent import commands as consent
from server.errors import Refused
from server.kernel import control
from server.kernel import log as logs
from server.kernel.clock import SystemClock
from server.kernel.context import App
from server.kernel.log import configure
from server.live.frames import MAX_FRAME_BYTES
from server.live.transport import Socket
from server.operations import commands as operations
from server.operations import doctor as examining
from server.settings import Settings
from server.web.door import Http

log = structlog.get_logger()

GRACE_S = 4  # seconds a shutdown waits for open requests
LAST_RESORT_S = 9.0  # then the process ends, whatever still holds it

COMMANDS: dict[str, Callable[..., Awaitable[Any]]] = {
    "create-owner": commands.create_owner,
    "reset-link": commands.reset_link,
    "signin-link": commands.signin_link,
    "backup": operations.backup,
    "doctor": operations.doctor,
    "verify": consent.verify,
    "evidence": consent.evidence,
}
LONG_COMMANDS = {"backup": 6 * 3600.0, "verify": 3600.0}  # seconds


class Server(uvicorn.Server):
    """uvicorn, telling when it serves, with our own command socket beside it."""

    def __init__(self, config: uvicorn.Config, web: Web, started: Callable[[App], Awaitable[None]] | None) -> None:
        super().__init__(config)
        self._web, self._started = web, started
        self._control: control.Server | None = None

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        app = self._web.app
        if app is None or not self.started:
            return
        # What lives for the whole run is not worth looking at in every collection.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        if app.settings.database_url is None:
            self._control = await control.serve(app, COMMANDS, LONG_COMMANDS)
        if self._started is not None:
            await self._started(app)
        elif (link := await commands.setup_link(app)) is not None:
            print(f"Threadline has no owner yet. Create the account at {link}", file=sys.stderr, flush=True)

    async def shutdown(self, sockets: Any = None) -> None:
        if self._control is not None:
            await self._control.close()
        if self.started:
            end_for_sure()
        self._web.let_go()
        await super().shutdown(sockets)


def end_for_sure() -> None:
    """Ends the process after `LAST_RESORT_S` although a thread or a handler hangs. Losing nothing by it is what every
    acknowledgement rests on anyway: what was acknowledged is on disk."""

    def end() -> None:
        log.error("shutdown_forced", after_s=LAST_RESORT_S)
        if logs.sink is not None:
            logs.sink.drain()
        os._exit(0)

    timer = threading.Timer(LAST_RESORT_S, end)
    timer.daemon = True
    timer.start()


def uvicorn_config(settings: Settings, web: Web) -> uvicorn.Config:
    return uvicorn.Config(
        web,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=Http,
        ws=Socket,
        ws_max_size=MAX_FRAME_BYTES,
        ws_ping_interval=None,  # clients ping, one wheel watches (live/hub.py)
        ws_per_message_deflate=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE_S,
        server_header=False,
        date_header=True,
        access_log=False,
        log_config=None,
        proxy_headers=False,  # web.limits reads them, from trusted peers only
        lifespan="on",
    )


def serve(settings: Settings, *, worker: bool, started: Callable[[App], Awaitable[None]] | None = None) -> None:
    """Serves until a signal. Raises `Refused` when the database is not ready."""
    configure(settings.log_format, settings.log_level, apart=True)
    web = Web(settings, Serving(web=True, worker=worker))
    server = Server(uvicorn_config(settings, web), web, started)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        raise Refused("not_started", "The server could not start; the line above says why.")


async def work(settings: Settings) -> None:
    """A worker without web, until a signal."""
    configure(settings.log_format, settings.log_level, apart=True)
    app = await build(settings)
    try:
        await app.read(migrate.check_current)
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with running(app, Serving(web=False, worker=True)):
            log.info("worker_started")
            await stop.wait()
            end_for_sure()
    finally:
        await close(app)


async def command(settings: Settings, name: str, args: dict[str, Any]) -> Any:
    """Runs a command in the running server, or here when none runs. Raises `Refused`."""
    if settings.database_url is None:
        try:
            return await control.ask(settings, name, args, seconds=LONG_COMMANDS.get(name, control.ANSWER_S))
        except control.NobodyThere:
            pass
    app = await build(settings)
    try:
        await app.read(migrate.check_current)
        return await COMMANDS[name](app, **args)
    finally:
        await close(app)


async def doctor(settings: Settings) -> dict[str, Any]:
    """Findings of the running server, or, where none runs, of what can be seen without one."""
    if settings.database_url is None:
        try:
            return dict(await control.ask(settings, "doctor", {}))
        except control.NobodyThere:
            pass
        if not settings.sqlite_path().is_file():
            advice = "threadline migrate makes one; or set THREADLINE_DATA_DIR to where it is."
            return examining.as_json(
                examining.hopeless(f"There is no database in {settings.data_dir}.", advice, SystemClock())
            )
    try:
        app = await build(settings)
    except (Refused, OSError) as error:
        return examining.as_json(examining.hopeless(str(error), "Mend this, then look again.", SystemClock()))
    try:
        return examining.as_json(await examining.examine(app, serving=settings.database_url is not None))
    finally:
        await close(app)
