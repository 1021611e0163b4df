"""Runs commands of the command line inside the running server, over a 0600 Unix socket in the data folder.

The request is one JSON line and so is the response; long commands send progress lines before it. A caller who can open
the socket already owns the data, so there is no other authentication.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import stat
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from server.errors import Refused
from server.kernel import reserve
from server.kernel.context import App
from server.settings import Settings

RESPONSE_S = 30.0
MAX_PATH_BYTES = 100  # bytes; Linux allows 107, other systems 103
MAX_RESPONSE_BYTES = 1 << 26  # one line
Report = Callable[[dict[str, Any]], None]  # progress of a long command


class NotRunning(Exception):
    """No server runs on this data folder."""


def socket_path(settings: Settings) -> Path:
    return settings.data_dir / "control.sock"


@contextlib.contextmanager
def _address(path: Path) -> Iterator[str]:
    """Returns an address that fits the length limit of Unix sockets, also for a long path."""
    if len(os.fsencode(path)) <= MAX_PATH_BYTES or not os.path.isdir("/proc/self/fd"):
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class Server:
    def __init__(self, server: asyncio.AbstractServer, path: Path) -> None:
        self._server, self._path = server, path

    async def close(self) -> None:
        self._server.close()
        self._path.unlink(missing_ok=True)


async def serve(
    app: App, commands: Mapping[str, Callable[..., Awaitable[Any]]], long: Mapping[str, float] | None = None
) -> Server:
    """Serves `commands` on the socket. `long`: the timeout in seconds of each command that may take more than `RESPONSE_S`; such
    a command also gets `report`."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reserve.allowed.set(True)  # an operator on this machine may use the disk reserve

        def send_line(line: dict[str, Any]) -> None:
            if not writer.is_closing():
                writer.write(json.dumps(line).encode() + b"\n")

        try:
            async with asyncio.timeout(RESPONSE_S):
                request = json.loads(await reader.readline())
            extra_args: dict[str, Any] = {}
            seconds = (long or {}).get(request["name"])
            if seconds is not None:
                loop = asyncio.get_running_loop()
                extra_args["report"] = lambda progress: loop.call_soon_threadsafe(send_line, {"progress": progress})
            async with asyncio.timeout(seconds or RESPONSE_S):
                try:
                    send_line({"result": await commands[request["name"]](app, **request["args"], **extra_args)})
                except Refused as error:
                    send_line({"error": [error.code, error.message]})
                except (KeyError, TypeError):
                    send_line(
                        {"error": ["unknown_command", "The running server has another version. Restart it first."]}
                    )
                await writer.drain()
        except (OSError, ValueError, KeyError, TypeError, TimeoutError):
            return
        finally:
            writer.close()

    path = socket_path(app.settings)
    path.unlink(missing_ok=True)
    mask = os.umask(stat.S_IRWXG | stat.S_IRWXO)
    try:
        with _address(path) as address:
            server = await asyncio.start_unix_server(answer, address, limit=1 << 16)
    finally:
        os.umask(mask)
    return Server(server, path)


async def run_command(
    settings: Settings, name: str, args: dict[str, Any], *, seconds: float = RESPONSE_S, report: Report | None = None
) -> Any:
    """Runs a command in the server that owns the data folder. Raises `NotRunning` or `Refused`."""
    try:
        with _address(socket_path(settings)) as address:
            reader, writer = await asyncio.open_unix_connection(address, limit=MAX_RESPONSE_BYTES)
    except (FileNotFoundError, ConnectionRefusedError):
        raise NotRunning from None
    try:
        writer.write(json.dumps({"name": name, "args": args}).encode() + b"\n")
        await writer.drain()
        async with asyncio.timeout(seconds):
            while line := await reader.readline():
                reply = json.loads(line)
                if "progress" not in reply:
                    break
                if report is not None:
                    report(reply["progress"])
    except (TimeoutError, ConnectionError):
        line = b""
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    if not line:
        raise Refused("no_answer", "The running server did not answer. Check its log.")
    if "error" in reply:
        raise Refused(*reply["error"])
    return reply["result"]
