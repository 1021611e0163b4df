"""Sends mail through an SMTP server over kept connections. The result of each mail is sent, not sent, or unclear.

A mail can be unclear only after its final dot was written, because the server delivers nothing before the dot.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiosmtplib
from aiosmtplib.errors import (
    SMTPAuthenticationError,
    SMTPConnectResponseError,
    SMTPException,
    SMTPNotSupported,
    SMTPResponseException,
    SMTPServerDisconnected,
)

from server.channels.base import Accepted, NotSent, Rejected, Sent, Unclear, Verdict
from server.channels.dkim import sign
from server.channels.mail import Mail, MailServer, Stage, build, envelope, meaning
from server.errors import Refused
from server.kernel import failpoints

CONNECTIONS = 8
RESERVED = 2  # of the connections, for urgent mail: a campaign cannot use them
CONNECT_S = 10.0  # seconds for each of: connecting, TLS, signing in
COMMAND_S = 20.0
FINAL_S = 30.0  # seconds for the response to the final dot
TOTAL_S = 80.0  # seconds for all steps before the final dot
IDLE_S = 20.0  # seconds after which an idle connection is closed: servers close idle connections too
MAILS_PER_CONNECTION = 100

_CONNECTION_ERRORS = (TimeoutError, OSError, SMTPException, ssl.SSLError)
_DOT = re.compile(rb"^\.", re.MULTILINE)


class _StaleConnection(Exception):
    """The server closed a kept connection before it accepted a command."""


@dataclass(slots=True)
class _KeptConnection:
    smtp: aiosmtplib.SMTP
    used: int = 0
    since: float = 0.0


class SmtpChannel:
    """Sends mail through one server, over at most `CONNECTIONS` connections."""

    def __init__(self, server: MailServer, tls: ssl.SSLContext | None = None) -> None:
        """`tls`: for tests; by default certificates are checked against the system's."""
        self._server, self._tls = server, tls
        self._idle: list[_KeptConnection] = []
        self._places = asyncio.Semaphore(CONNECTIONS)
        self._places_not_urgent = asyncio.Semaphore(CONNECTIONS - RESERVED)
        self._closed = False

    async def send(self, mail: Mail) -> Sent:
        """Does not raise on an error of the server or the network; the result contains the error."""
        try:
            content = build(mail)
            sender, recipient = envelope(mail.return_path), envelope(mail.recipient)
        except Refused as refused:
            return Rejected(None, refused.message, Verdict.FAIL)
        if mail.dkim is not None:
            content = await asyncio.to_thread(sign, content, mail.dkim)  # some milliseconds
        async with self._reserve(mail.urgent):
            try:
                return await self._send(mail, sender, recipient, content, self._take_idle())
            except _StaleConnection:
                return await self._send(mail, sender, recipient, content, None)

    async def check(self) -> str:
        """Connects and signs in. Returns the problem as a sentence; "" if there is none."""
        outcome = await self._connect()
        if not isinstance(outcome, _KeptConnection):
            return outcome.message
        await _quit(outcome)
        return ""

    async def close(self) -> None:
        """Waits for the mails that are being sent, then closes the kept connections."""
        self._closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            await _quit(connection)

    # --- connections

    @contextlib.asynccontextmanager
    async def _reserve(self, urgent: bool) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            if not urgent:
                await stack.enter_async_context(self._places_not_urgent)
            await stack.enter_async_context(self._places)
            yield

    def _take_idle(self) -> _KeptConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.smtp.is_connected and time.monotonic() - connection.since < IDLE_S:
                return connection
            connection.smtp.close()
        return None

    async def _keep_open(self, connection: _KeptConnection) -> None:
        if self._closed or connection.used >= MAILS_PER_CONNECTION or not connection.smtp.is_connected:
            await _quit(connection)
        else:
            connection.since = time.monotonic()
            self._idle.append(connection)

    async def _connect(self) -> _KeptConnection | Rejected | NotSent:
        """Returns a signed-in connection, encrypted as the settings require, without a fallback to plain text."""
        server = self._server
        smtp = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            local_hostname=server.name,
            timeout=CONNECT_S,
            use_tls=server.security == "tls",
            start_tls=False,  # STARTTLS follows below, where a server without it gets its own error sentence
            tls_context=self._tls,
        )
        try:
            async with asyncio.timeout(3 * CONNECT_S):
                await smtp.connect()
                if server.security == "starttls":
                    await smtp.ehlo()
                    if not smtp.supports_extension("starttls"):
                        smtp.close()
                        return NotSent("The mail server offers no encryption (STARTTLS), so nothing was sent.")
                    await smtp.starttls()
                if server.user:
                    await smtp.login(server.user, server.password)
        except SMTPAuthenticationError as error:  # its text may repeat the password
            smtp.close()
            if 400 <= error.code < 500:
                return Rejected(
                    error.code, f"{error.code}: the mail server cannot check the sign-in now.", Verdict.RETRY
                )
            return Rejected(
                error.code, f"{error.code}: the mail server refused user name or password.", Verdict.STOP_ALL
            )
        except SMTPConnectResponseError as error:
            return Rejected(error.code, f"The mail server answered {error.code}.", Verdict.RETRY)
        except SMTPNotSupported:
            smtp.close()
            return NotSent("The mail server offers no way to sign in, so nothing was sent.")
        except ssl.SSLCertVerificationError:
            smtp.close()
            return NotSent("The mail server's certificate is not valid, so nothing was sent.")
        except _CONNECTION_ERRORS as error:
            smtp.close()
            if "certificate" in str(error).lower():
                return NotSent("The mail server's certificate is not valid, so nothing was sent.")
            return NotSent(f"The mail server could not be reached ({type(error).__name__}).")
        return _KeptConnection(smtp)

    # --- one mail

    async def _send(
        self, mail: Mail, sender: str, recipient: str, content: bytes, connection: _KeptConnection | None
    ) -> Sent:
        """Raises `_StaleConnection` if the kept connection is already closed."""
        reused = connection is not None
        if connection is None:
            outcome = await self._connect()
            if not isinstance(outcome, _KeptConnection):
                return outcome
            connection = outcome
        keep = False
        stage: Stage = "sender"
        dot_sent = False  # the server may have the whole mail
        smtp = connection.smtp
        try:
            async with asyncio.timeout(TOTAL_S) as total:
                await smtp.mail(sender, timeout=COMMAND_S)
                stage = "recipient"
                await smtp.rcpt(recipient, timeout=COMMAND_S)
                stage = "data"
                answer = await smtp.execute_command(b"DATA", timeout=COMMAND_S)
                if answer.code != 354:
                    raise SMTPResponseException(answer.code, answer.message)
                await _write(smtp, content)
                failpoints.reach("mail_before_dot")
                total.reschedule(None)
                dot_sent = True
                answer = await smtp.execute_command(b".", timeout=FINAL_S)
            failpoints.reach("mail_after_dot")
            connection.used += 1
            keep = answer.code != 421
            if answer.code == 250:
                return Accepted(mail.message_id, "accepted")
            return meaning(answer.code, answer.message, "data")
        except SMTPResponseException as error:
            if reused and stage == "sender" and error.code == 421:
                raise _StaleConnection from None
            keep = error.code != 421 and await _reset(smtp)
            return meaning(error.code, error.message, stage)
        except _CONNECTION_ERRORS as error:
            if dot_sent:
                return Unclear(f"The mail server did not answer after it had the whole mail ({type(error).__name__}).")
            if reused and stage == "sender" and isinstance(error, SMTPServerDisconnected):
                raise _StaleConnection from None
            return NotSent(f"The connection to the mail server was lost ({type(error).__name__}).")
        finally:
            if keep:
                await self._keep_open(connection)
            else:
                smtp.close()


async def _write(smtp: aiosmtplib.SMTP, content: bytes) -> None:
    """Writes the mail without its final dot and waits until the operating system has taken all of it. Raises an error
    of `_CONNECTION_ERRORS`."""
    transport: Any = smtp.transport
    if transport is None or transport.is_closing():
        raise SMTPServerDisconnected("closed before the mail")
    content = _DOT.sub(b"..", content)
    transport.write(content if content.endswith(b"\r\n") else content + b"\r\n")
    async with asyncio.timeout(COMMAND_S):
        while transport.get_write_buffer_size():
            await asyncio.sleep(0.005)
            if transport.is_closing():
                break
    if not smtp.is_connected:
        raise SMTPServerDisconnected("closed within the mail")


async def _reset(smtp: aiosmtplib.SMTP) -> bool:
    """Resets the connection after a refused mail. Returns whether it can be used again."""
    try:
        await smtp.rset(timeout=COMMAND_S)
    except _CONNECTION_ERRORS:
        return False
    return True


async def _quit(connection: _KeptConnection) -> None:
    with contextlib.suppress(*_CONNECTION_ERRORS):
        if connection.smtp.is_connected:
            await connection.smtp.quit(timeout=2.0)
    connection.smtp.close()


def connect(server: MailServer) -> SmtpChannel:
    return SmtpChannel(server)
