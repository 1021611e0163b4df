"""A mail server on real sockets with scripted faults: it refuses, hangs, resets or answers wrongly at any step."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import socket
import ssl
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HANG, RESET = "hang", "reset"
STEPS = ("banner", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "dot", "rset")
USUAL = {
    "banner": "220 mail.example ESMTP",
    "starttls": "220 go ahead",
    "auth": "235 2.7.0 welcome",
    "mail": "250 2.1.0 fine",
    "rcpt": "250 2.1.5 fine",
    "data": "354 go on",
    "dot": "250 2.0.0 queued",
    "rset": "250 2.0.0 forgotten",
}


@dataclass
class FaultyServer:
    """`answers`: by step, the responses to send before the normal ones. `taken`: mails whose dot was received and that
    the server accepted, as (sender, recipient, content)."""

    answers: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    extensions: tuple[str, ...] = ("8BITMIME", "ENHANCEDSTATUSCODES")
    tls: ssl.SSLContext | None = None
    taken: list[tuple[str, str, bytes]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)  # commands, over all connections
    connections: Counter[int] = field(default_factory=Counter)  # mails by connection
    open: int = 0
    most_open: int = 0
    hold: asyncio.Event | None = None  # the server responds to the dot of a mail only when this is set
    port: int = 0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, true: Callable[[], bool]) -> None:
        """Waits until `true()` holds; checks it at each connection and command."""
        async with self._changed:
            await self._changed.wait_for(true)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def responds(self, step: str, *answers: str) -> None:
        self.answers[step] += answers

    def drop_all(self) -> None:
        """Closes every connection, as servers close idle connections."""
        for writer in self._writers:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.connections) + 1
        self.connections[number] = 0
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        self._writers.add(writer)
        await self._tell()
        try:
            await self._talk(number, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            pass
        finally:
            self.open -= 1
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, step: str, writer: asyncio.StreamWriter) -> str:
        waiting = self.answers[step]
        responses = waiting.pop(0) if waiting else USUAL[step]
        if responses == HANG:
            await asyncio.Event().wait()
        if responses == RESET:
            writer.transport.abort()
            raise ConnectionResetError
        writer.write(f"{responses}\r\n".encode())
        await writer.drain()
        return responses

    async def _talk(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._answer("banner", writer)
        sender = recipient = ""
        encrypted = False
        while line := (await reader.readline()).decode().rstrip("\r\n"):
            self.lines.append(line)
            await self._tell()
            verb = line.upper().split(" ")[0].split(":")[0]
            match verb:
                case "EHLO" | "HELO":
                    if self.answers["ehlo"]:
                        await self._answer("ehlo", writer)
                        continue
                    offered = [*self.extensions, *(["STARTTLS"] if self.tls and not encrypted else [])]
                    greeting_lines = ["mail.example", *offered]
                    text = "".join(
                        f"250{'-' if n < len(greeting_lines) - 1 else ' '}{greeting_line}\r\n"
                        for n, greeting_line in enumerate(greeting_lines)
                    )
                    writer.write(text.encode())
                case "STARTTLS":
                    if (await self._answer("starttls", writer)).startswith("220"):
                        assert self.tls is not None
                        await writer.start_tls(self.tls)
                        encrypted = True
                case "AUTH":
                    await self._answer("auth", writer)
                case "MAIL":
                    sender = line.partition("<")[2].partition(">")[0]
                    await self._answer("mail", writer)
                case "RCPT":
                    recipient = line.partition("<")[2].partition(">")[0]
                    await self._answer("rcpt", writer)
                case "DATA":
                    if not (await self._answer("data", writer)).startswith("354"):
                        continue
                    if not await self._content(number, sender, recipient, reader, writer):
                        return
                case "QUIT":
                    writer.write(b"221 bye\r\n")
                    return
                case _:
                    await self._answer("rset", writer)

    async def _content(
        self, number: int, sender: str, recipient: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if self.answers["content"]:
            response = self.answers["content"].pop(0)
            if response == HANG:
                await asyncio.Event().wait()  # reads nothing more
            writer.transport.abort()
            return False
        content = await reader.readuntil(b"\r\n.\r\n")
        if self.hold is not None:
            await self.hold.wait()
        planned = (self.answers["dot"] or [USUAL["dot"]])[0]
        if planned in (HANG, RESET) or planned.startswith("250"):
            self.taken.append((sender, recipient, content.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.")))
            self.connections[number] += 1
        await self._answer("dot", writer)
        return True


@contextlib.asynccontextmanager
async def mail_server(tls: ssl.SSLContext | None = None, *, wrapped: bool = False) -> AsyncIterator[FaultyServer]:
    """`tls`: offers STARTTLS; with `wrapped` the whole connection is encrypted."""
    faulty = FaultyServer(tls=None if wrapped else tls)
    listening = socket.socket()
    # A long mail blocks until the server reads it.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
    listening.bind(("127.0.0.1", 0))
    faulty.port = listening.getsockname()[1]
    server = await asyncio.start_server(faulty.serve, sock=listening, limit=1 << 18, ssl=tls if wrapped else None)
    tasks = asyncio.all_tasks()
    try:
        yield faulty
    finally:
        server.close()
        faulty.drop_all()
        for task in asyncio.all_tasks() - tasks:
            if "serve" in repr(task.get_coro()):
                task.cancel()


def certificates(folder: Path, name: str = "localhost") -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS contexts: of a server with its own certificate, and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    if name == "localhost":
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + built.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    client = ssl.create_default_context(cadata=built.public_bytes(serialization.Encoding.PEM).decode())
    return server, client
