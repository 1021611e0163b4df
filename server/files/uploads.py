"""Receives uploads within limits and writes them to the disk piece by piece.

Visitors are not trusted: uploads are limited per visitor, per address and in total (counted in memory), and visitors'
files may take only a share of the disk, so that messages can always be stored. `web.visitor_limits` limits the rate.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import unquote

import structlog
from starlette.requests import Request

from server.errors import RateLimited, StorageFull
from server.files import rows, storage
from server.files.rows import Attachment
from server.kernel.context import App
from server.web.http import expected_size, receive_body
from server.web.limits import ConcurrencyLimit, Rate
from server.web.visitor_limits import MAX_SUBJECTS, MIN_WAIT_S, too_many, visitor_limits

log = structlog.get_logger()

MB = 1 << 20
PER_AGENT, PER_VISITOR = 20, 5  # concurrent uploads, over all tabs
RETRY_S = 5.0
FULL_RETRY_S = 600.0  # unsent files are removed hourly
COUNT_EVERY_S = 60.0  # between two counts of the bytes of visitors' files
ALL = "all visitors"
FULL = "There is no room for more files at the moment. Messages without files still arrive."


class Uploads:
    """Limits of this process. Visitors and agents are limited separately, so that neither waits for the other."""

    def __init__(self, app: App) -> None:
        settings, largest = app.settings, app.settings.max_upload_mb * MB
        self._agents = ConcurrencyLimit(PER_AGENT, settings.max_uploads)
        self._visitors = ConcurrencyLimit(PER_VISITOR, settings.max_uploads)
        self._addresses = ConcurrencyLimit(settings.address_uploads, settings.max_uploads)
        self._visitor_limits = visitor_limits(app)
        self._files = Rate(app.clock, settings.uploads_per_minute, 60, subjects=1)
        # Counted by the announced size. A file of the largest permitted size always fits.
        a_visitor = max(settings.visitor_upload_mb * MB, largest)
        an_address = max(settings.address_upload_mb * MB, largest)
        self._by_visitor = Rate(app.clock, a_visitor, 3600, subjects=MAX_SUBJECTS)
        self._by_address = Rate(app.clock, an_address, 3600, subjects=MAX_SUBJECTS)

    @contextmanager
    def of_agent(self, user: int) -> Iterator[None]:
        """Counts an upload while it is received. Raises `RateLimited`."""
        with _slot(self._agents, str(user)):
            yield

    @contextmanager
    def of_visitor(self, key: str, address: str, size: int) -> Iterator[None]:
        """Counts an upload of `size` bytes while it is received. Raises `RateLimited` and then counts nothing."""
        counts = [(self._files, ALL, 1), (self._by_visitor, key, size), (self._by_address, address, size)]
        with _slot(self._visitors, key), _slot(self._addresses, address):
            if wait := max(rate.wait(subject, cost) for rate, subject, cost in counts):
                raise too_many(max(wait, MIN_WAIT_S))
            self._visitor_limits.count_or_refuse("POST /widget/files", key, address)
            for rate, subject, cost in counts:
                rate.take(subject, cost)
            yield


@contextmanager
def _slot(limit: ConcurrencyLimit, subject: str) -> Iterator[None]:
    if not limit.take(subject):
        raise RateLimited("Too many files are being uploaded at once. Try again in a moment.", RETRY_S)
    try:
        yield
    finally:
        limit.give(subject)


class VisitorSpace:
    """The part of the disk for visitors' files: a share of the free bytes plus the bytes of their files."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._counting = asyncio.Lock()
        self._stored, self._counted_until = 0, float("-inf")  # bytes of visitors' files, updated between counts
        self._expected = 0  # bytes reserved for uploads that are being received
        self._warnings = Rate(app.clock, 1, COUNT_EVERY_S)  # limits the warnings in the log

    @asynccontextmanager
    async def reserve(self, size: int) -> AsyncIterator[None]:
        """Reserves space for a file of this size while it is received. Raises `StorageFull`."""
        reserved = 2 * size  # while a picture is decoded, the disk holds it twice
        await self._count_stored()
        free = await asyncio.to_thread(storage.free_bytes, self._app.settings)
        room = storage.visitors_share(self._app.settings, self._stored, free)
        if self._stored + self._expected + reserved > room:
            if not self._warnings.take(""):
                log.warning("visitor_files_full", stored_mb=self._stored // MB, room_mb=room // MB, free_mb=free // MB)
            raise StorageFull(FULL, FULL_RETRY_S)
        self._expected += reserved
        try:
            yield
        finally:
            self._expected -= reserved

    def stored(self, size: int) -> None:
        self._stored += size

    async def _count_stored(self) -> None:
        async with self._counting:
            if self._app.clock.monotonic() >= self._counted_until:
                self._stored = await self._app.read_slowly(storage.visitors_bytes)
                self._counted_until = self._app.clock.monotonic() + COUNT_EVERY_S


def uploads(app: App) -> Uploads:
    return app.part(Uploads, Uploads)


async def from_agent(app: App, request: Request, user: int) -> Attachment:
    """Stores the request's body as a file without a thread. Raises `Refused`."""
    with uploads(app).of_agent(user):
        return await _receive(app, request, f"agent:{user}")


async def from_visitor(app: App, request: Request, key: str, address: str) -> Attachment:
    """Stores the request's body as a file without a thread, within the limits for visitors. Raises `Refused`."""
    size, space = expected_size(request, app.settings.max_upload_mb * MB), app.part(VisitorSpace, VisitorSpace)
    async with space.reserve(size):
        with uploads(app).of_visitor(key, address, size):
            row = await _receive(app, request, f"web:{key}")
        space.stored(row.size)
    return row


async def _receive(app: App, request: Request, owner: str) -> Attachment:
    name = unquote(request.headers.get("x-file-name", "")[:3_000], errors="replace")
    async with storage.incoming(app) as file:
        await receive_body(request, app.settings.max_upload_mb * MB, file.write_chunk)
        row, sha256 = await file.inspect(owner, name)
        # The row first: after a crash a row without bytes is swept one day, but bytes without a row never are.
        await app.write(rows.store_file, row, sha256)
        await file.move_into_place()
    return row
