"""A mail server for development: accepts every mail, delivers none, and stores the content for the Mail page.

It speaks SMTP without encryption, only on this machine. It stores the received bytes and uses no other code of the product.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from server.kernel.context import App

log = structlog.get_logger()

HOST = "127.0.0.1"
FROM = "care@fern-kettle.example"  # the sender of the demo's mail
MAX_MAILS = 500  # older mails are deleted
MAX_BYTES = 10_000_000
IDLE_S = 120.0


@dataclass(frozen=True, slots=True)
class Caught:
    """A received mail. `content`: headers and bodies, unchanged."""

    id: int
    sender: str
    recipient: str
    at: datetime
    content: bytes


class Catcher:
    """The server and its received mails, newest last. A folder stores them, so that they survive a restart."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._folder: Path = app.settings.data_dir / "simulated-mail"
        self._mails: OrderedDict[int, Caught] = OrderedDict()
        self._server: asyncio.Server | None = None
        self.version = 0  # rises with every change of the list
        self._changed = asyncio.Condition()
        self._talks: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def mails(self) -> list[Caught]:
        return list(self._mails.values())

    def find(self, mail: int) -> Caught | None:
        return self._mails.get(mail)

    async def start(self, port: int = 0) -> None:
        """Listens on `port`, or on any free port."""
        await asyncio.to_thread(self._load)
        self._server = await asyncio.start_server(self._accept, HOST, port, limit=MAX_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in set(self._talks):
            task.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def clear(self) -> None:
        for mail in list(self._mails):
            self._delete(mail)
        await self._announce()

    async def wait_for_change(self, after: int, seconds: float) -> None:
        """Returns when the version is not `after` any more, or after `seconds`. A restart counts from 0 again."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: self.version != after)

    def release_waiting(self) -> None:
        """Ends the waiting requests of a server that stops."""
        self.version += 1
        task = asyncio.ensure_future(self._announce())
        self._talks.add(task)
        task.add_done_callback(self._talks.discard)

    async def _announce(self) -> None:
        self.version += 1
        async with self._changed:
            self._changed.notify_all()

    # --- storage

    def _load(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in sorted(self._folder.glob("*.eml"), key=lambda path: int(path.stem)):
            head, _, content = path.read_bytes().partition(b"\n")
            sender, recipient, received_at = head.decode().split("\t")
            self._mails[int(path.stem)] = Caught(
                int(path.stem), sender, recipient, datetime.fromisoformat(received_at), content
            )

    def _store_mail(self, sender: str, recipients: list[str], content: bytes) -> None:
        for recipient in recipients:
            number = next(reversed(self._mails), 0) + 1
            caught = Caught(number, sender, recipient, self._app.clock.now(), content)
            head = "\t".join((sender, recipient, caught.at.isoformat())).encode()
            self._path(number).write_bytes(head + b"\n" + content)
            self._mails[number] = caught
        while len(self._mails) > MAX_MAILS:
            self._delete(next(iter(self._mails)))

    def _delete(self, mail: int) -> None:
        del self._mails[mail]
        self._path(mail).unlink(missing_ok=True)

    def _path(self, mail: int) -> Path:
        return self._folder / f"{mail}.eml"

    # --- SMTP

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        try:
            await self._talk(reader, writer)
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            log.debug("simulated_mail_cut")
        finally:
            self._talks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def answer(line: str) -> None:
            writer.write(f"{line}\r\n".encode())
            await writer.drain()

        await answer("220 mail.simulated ESMTP")
        sender, recipients = "", list[str]()
        while True:
            async with asyncio.timeout(IDLE_S):
                line = (await reader.readline()).decode("utf-8", "replace").rstrip("\r\n")
            verb, _, parameters = line.partition(" ")
            match verb.upper():
                case "":
                    return
                case "EHLO":
                    await answer("250-mail.simulated")
                    await answer(f"250 SIZE {MAX_BYTES}")
                case "HELO" | "NOOP":
                    await answer("250 mail.simulated")
                case "RSET":
                    sender, recipients = "", []
                    await answer("250 forgotten")
                case "MAIL":
                    sender = _address(parameters)
                    await answer("250 fine")
                case "RCPT":
                    recipients.append(_address(parameters))
                    await answer("250 fine")
                case "DATA" if recipients:
                    await answer("354 end with a dot")
                    content = await reader.readuntil(b"\r\n.\r\n")
                    self._store_mail(sender, recipients, content.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n."))
                    await self._announce()
                    sender, recipients = "", []
                    await answer("250 kept")
                case "QUIT":
                    await answer("221 bye")
                    return
                case _:
                    await answer("502 not known here")


def _address(parameters: str) -> str:
    """The address of `FROM:<…> SIZE=…`."""
    return parameters.partition("<")[2].partition(">")[0].replace("\t", " ")
