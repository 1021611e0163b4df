"""The running server's own door for the command line: a 0600 Unix socket in the data folder.

One JSON line in, one out. Whoever can open the file already owns the data.
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
from server.kernel.context import App
from server.settings import Settings

ANSWER_S = 30.0


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


async def serve(app: App, commands: Mapping[str, Callable[..., Awaitable[Any]]]) -> Server:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(ANSWER_S):
                request = json.loads(await reader.readline())
                try:
                    reply = {"result": await commands[request["name"]](app, **request["args"])}
                except Refused as error:
                    reply = {"error": [error.code, error.message]}
                except (KeyError, TypeError):
                    reply = {
                        "error": ["unknown_command", "The running server is of another version; restart it first."]
                    }
                writer.write(json.dumps(reply).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError, TimeoutError):
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


async def ask(settings: Settings, name: str, args: dict[str, Any]) -> Any:
    """Runs a command in the server that owns the data folder. Raises `NobodyThere` or `Refused`."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(path_of(settings)))
    except (FileNotFoundError, ConnectionRefusedError):
        raise NobodyThere from None
    try:
        writer.write(json.dumps({"name": name, "args": args}).encode() + b"\n")
        await writer.drain()
        async with asyncio.timeout(ANSWER_S):
            line = await reader.readline()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    if not line:
        raise Refused("no_answer", "The running server did not answer; look at its log.")
    reply = json.loads(line)
    if "error" in reply:
        raise Refused(*reply["error"])
    return reply["result"]
