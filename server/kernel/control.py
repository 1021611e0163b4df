"""The running server's own door for the command line: a 0600 Unix socket in the data folder.

One JSON line in, one out; a command that takes long may tell its progress in lines before. Whoever can open
the file already owns the data.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import stat
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from server.errors import Refused
from server.kernel import reserve
from server.kernel.context import App
from server.settings import Settings

ANSWER_S = 30.0
MOST_BYTES = 1 << 26  # of an answer's line
Report = Callable[[dict[str, Any]], None]  # progress of a long command


class NobodyThere(Exception):
    """No server runs on this data folder."""


def path_of(settings: Settings) -> Path:
    return settings.data_dir / "control.sock"


class Server:
    def __init__(self, server: asyncio.AbstractServer, path: Path) -> None:
        self._server, self._path = server, path

    async def close(self) -> None:
        self._server.close()
        self._path.unlink(missing_ok=True)


async def serve(
    app: App, commands: Mapping[str, Callable[..., Awaitable[Any]]], long: Mapping[str, float] | None = None
) -> Server:
    """`long`: commands that may take more than `ANSWER_S`, with their seconds; they are handed `report`."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reserve.allowed.set(True)  # who is at the machine itself may use the last room on its disk

        def tell(line: dict[str, Any]) -> None:
            if not writer.is_closing():
                writer.write(json.dumps(line).encode() + b"\n")

        try:
            async with asyncio.timeout(ANSWER_S):
                request = json.loads(await reader.readline())
            more: dict[str, Any] = {}
            seconds = (long or {}).get(request["name"])
            if seconds is not None:
                loop = asyncio.get_running_loop()
                more["report"] = lambda progress: loop.call_soon_threadsafe(tell, {"progress": progress})
            async with asyncio.timeout(seconds or ANSWER_S):
                try:
                    tell({"result": await commands[request["name"]](app, **request["args"], **more)})
                except Refused as error:
                    tell({"error": [error.code, error.message]})
                except (KeyError, TypeError):
                    tell({"error": ["unknown_command", "The running server is of another version; restart it first."]})
                await writer.drain()
        except (OSError, ValueError, KeyError, TypeError, TimeoutError):
            return
        finally:
            writer.close()

    path = path_of(app.settings)
    path.unlink(missing_ok=True)
    mask = os.umask(stat.S_IRWXG | stat.S_IRWXO)
    try:
        server = await asyncio.start_unix_server(answer, str(path), limit=1 << 16)
    finally:
        os.umask(mask)
    return Server(server, path)


async def ask(
    settings: Settings, name: str, args: dict[str, Any], *, seconds: float = ANSWER_S, report: Report | None = None
) -> Any:
    """Runs a command in the server that owns the data folder. Raises `NobodyThere` or `Refused`."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(path_of(settings)), limit=MOST_BYTES)
    except (FileNotFoundError, ConnectionRefusedError):
        raise NobodyThere from None
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
        raise Refused("no_answer", "The running server did not answer; look at its log.")
    if "error" in reply:
        raise Refused(*reply["error"])
    return reply["result"]
