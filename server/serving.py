"""Runs the web server, a worker, or a command inside the running server."""

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
from server.contact_data import commands as contact_data
from server.errors import Refused
from server.frames import MAX_FRAME_BYTES
from server.imports import commands as imports
from server.kernel import control
from server.kernel import log as logs
from server.kernel.clock import SystemClock
from server.kernel.context import App
from server.kernel.log import configure
from server.live.transport import Socket
from server.operations import commands as operations
from server.operations.doctor import as_json, examine, start_failed
from server.settings import Settings
from server.web.http_protocol import HttpProtocol

log = structlog.get_logger()

GRACE_S = 4  # seconds a shutdown waits for open requests
FORCED_EXIT_S = 9.0  # then the process exits, even if a thread hangs

COMMANDS: dict[str, Callable[..., Awaitable[Any]]] = {
    "check-no-owner": commands.check_no_owner,
    "create-owner": commands.create_owner,
    "reset-link": commands.reset_link,
    "signin-link": commands.signin_link,
    "backup": operations.backup,
    "doctor": operations.doctor,
    "send-test": operations.send_test,
    "verify": consent.verify,
    "evidence": consent.evidence,
    "erase-preview": contact_data.erase_preview,
    "erase": contact_data.erase,
    "import-begin": imports.begin,
    "import-map": imports.decide,
    "import-rehearse": imports.rehearse,
    "import-run": imports.run,
    "import-show": imports.show,
}
LONG_COMMANDS = {
    "backup": 6 * 3600.0,
    "send-test": 120.0,
    "verify": 3600.0,
    "erase": 600.0,
    "import-begin": 120.0,
}  # seconds


class Server(uvicorn.Server):
    """uvicorn with the command socket; calls `on_started` when it serves."""

    def __init__(self, config: uvicorn.Config, web: Web, on_started: Callable[[App], Awaitable[None]] | None) -> None:
        super().__init__(config)
        self._web, self._on_started = web, on_started
        self._control: control.Server | None = None

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        app = self._web.app
        if app is None or not self.started:
            return
        # Objects that live for the whole run need no garbage collection.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        if app.settings.database_url is None:
            self._control = await control.serve(app, COMMANDS, LONG_COMMANDS)
        if self._on_started is not None:
            await self._on_started(app)
            return
        print(f"Threadline listens on {self._listening()}; people open {app.settings.public_url}", file=sys.stderr)
        if (link := await commands.setup_link(app)) is not None:
            print(f"Threadline has no owner yet. Create the account at {link}", file=sys.stderr)
        sys.stderr.flush()

    def _listening(self) -> str:
        """The address and port that the server listens on, like `0.0.0.0:8000` or `[::1]:8000`."""
        sockets = [socket for server in self.servers for socket in server.sockets]
        bound = [socket.getsockname()[:2] for socket in sockets]
        return ", ".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in bound)

    async def shutdown(self, sockets: Any = None) -> None:
        if self._control is not None:
            await self._control.close()
        if self.started:
            force_exit_later()
        self._web.announce_restart()
        await super().shutdown(sockets)


def force_exit_later() -> None:
    """Ends the process after `FORCED_EXIT_S` even if a thread hangs. No acknowledged data is lost: it is on disk."""

    def end() -> None:
        log.error("shutdown_forced", after_s=FORCED_EXIT_S)
        if logs.sink is not None:
            logs.sink.drain()
        os._exit(0)

    timer = threading.Timer(FORCED_EXIT_S, end)
    timer.daemon = True
    timer.start()


def uvicorn_config(settings: Settings, web: Web) -> uvicorn.Config:
    return uvicorn.Config(
        web,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=HttpProtocol,
        ws=Socket,
        ws_max_size=MAX_FRAME_BYTES,
        ws_ping_interval=None,  # clients ping; the hub closes silent sockets (live/hub.py)
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


def serve(settings: Settings, *, worker: bool, on_started: Callable[[App], Awaitable[None]] | None = None) -> None:
    """Serves until a signal. Raises `Refused` when the database is not ready."""
    configure(settings.log_format, settings.log_level, in_thread=True)
    web = Web(settings, Serving(web=True, worker=worker))
    server = Server(uvicorn_config(settings, web), web, on_started)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        raise Refused("not_started", "The server could not start. The line above says why.")


async def work(settings: Settings) -> None:
    """A worker without web, until a signal."""
    configure(settings.log_format, settings.log_level, in_thread=True)
    app = await build(settings)
    try:
        await app.read(migrate.check_current)
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with running(app, Serving(web=False, worker=True)):
            log.info("worker_started")
            await stop.wait()
            force_exit_later()
    finally:
        await close(app)


async def command(settings: Settings, name: str, args: dict[str, Any]) -> Any:
    """Runs a command in the running server, or in this process if none runs. Raises `Refused`."""
    if settings.database_url is None:
        try:
            return await control.run_command(settings, name, args, seconds=LONG_COMMANDS.get(name, control.RESPONSE_S))
        except control.NotRunning:
            pass
    app = await build(settings)
    try:
        await app.read(migrate.check_current)
        return await COMMANDS[name](app, **args)
    finally:
        await close(app)


async def doctor(settings: Settings) -> dict[str, Any]:
    """Findings of the running server, or of this process if none runs."""
    if settings.database_url is None:
        try:
            return dict(await control.run_command(settings, "doctor", {}))
        except control.NotRunning:
            pass
        if not settings.sqlite_path().is_file():
            advice = "`threadline migrate` creates one. If you have one, set THREADLINE_DATA_DIR to its folder."
            return as_json(start_failed(f"There is no database in {settings.data_dir}.", advice, SystemClock()))
    try:
        app = await build(settings)
    except (Refused, OSError) as error:
        return as_json(start_failed(str(error), "Fix this, then check again.", SystemClock()))
    try:
        return as_json(await examine(app, serving=settings.database_url is not None))
    finally:
        await close(app)
