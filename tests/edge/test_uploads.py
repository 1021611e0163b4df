"""Uploads over the network: they are written directly to the disk and limited in number; a failed upload leaves
nothing."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from server.files import rows, storage
from server.files.uploads import uploads
from server.operations import doctor
from server.schema import attachments
from server.web import auth, http_protocol
from server.web import http as web
from server.webchat import settings
from server.webchat.settings import WIDGET
from tests.edge.test_http_protocol import ended, status
from tests.online import Online, open_online

MB = 1 << 20
ME = "203.0.113.7"


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def on_disk(online: Online) -> list[Path]:
    return [path for path in online.app.settings.files_dir().rglob("*") if path.is_file()]


def arrived(online: Online) -> int:
    """Bytes of unfinished uploads."""
    size = 0
    for path in on_disk(online):
        with contextlib.suppress(FileNotFoundError):  # finished or removed meanwhile
            size += path.stat().st_size if path.suffix == ".part" else 0
    return size


def unfinished_uploads(online: Online) -> int:
    return uploads(online.app)._addresses.total


async def let_visitors_send(online: Online) -> None:
    widget = settings.WidgetSettings(visitor_files=True)
    await online.app.write(settings.WIDGET.save, widget)
    WIDGET.cached(online.app).on_published("", None)
    await WIDGET.cached(online.app).get()


@pytest.fixture
async def open_chat(tmp_path: Path) -> AsyncIterator[Online]:
    """A server whose visitors may send files."""
    async with open_chat_with(tmp_path) as online:
        yield online


@asynccontextmanager
async def open_chat_with(folder: Path, **values: Any) -> AsyncIterator[Online]:
    async with open_online(folder / "data", **values) as online:
        await let_visitors_send(online)
        yield online


class Stranger:
    """A browser that uploads files."""

    def __init__(self, online: Online, address: str = ME) -> None:
        self.online = online
        token = auth.mint_visitor_token(online.app)
        self.headers = {"authorization": f"Bearer {token}", "x-forwarded-for": address}
        self.owner = f"web:{auth.visitor_key(online.app, token, None).key}"

    async def uploads(self, data: bytes = b"hello") -> Any:
        return await self.online.send("POST", "/widget/files", raw=data, headers=self.headers)

    async def begins(self, sent: int, size: int = 4 * MB) -> Unfinished:
        return await Unfinished.begin(self.online, "/widget/files", self.headers, sent, size)


class Unfinished:
    """An upload that stops in the middle."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, remaining: int) -> None:
        self.reader, self.writer, self.remaining = reader, writer, remaining

    @classmethod
    async def begin(cls, online: Online, path: str, headers: dict[str, str], sent: int, size: int) -> Unfinished:
        reader, writer = await asyncio.open_connection(*online.address)
        lines = {"host": "x", "origin": online.url, "content-length": str(size), **headers}
        head = f"POST {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
        writer.write(head.encode())
        chunk = b"x" * min(sent, MB // 4)
        for _ in range(sent // len(chunk)):
            writer.write(chunk)
            await writer.drain()
        return cls(reader, writer, size - sent // len(chunk) * len(chunk))

    async def finishes(self) -> int | None:
        self.writer.write(b"x" * self.remaining)
        await self.writer.drain()
        return status(await self.reader.readuntil(b"\r\n\r\n"))

    async def breaks_off(self) -> None:
        self.writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


# --- unfinished uploads -------------------------------------------------------------------------------


async def test_unfinished_uploads_are_on_the_disk_and_not_in_memory(open_chat: Online) -> None:
    online = open_chat
    assert (await Stranger(online).uploads()).status == 200  # loads all modules and caches that are loaded once
    memory_before = psutil.Process().memory_info().rss
    waiting = [await Stranger(online).begins(8 * MB, 9 * MB) for _ in range(15)]
    await wait_until(lambda: arrived(online) > 15 * 7 * MB)
    assert psutil.Process().memory_info().rss - memory_before < 40 * MB
    assert await waiting[0].finishes() == 200
    assert storage.path_of(online.app, (await online.world.rows(attachments))[-1].token).stat().st_size == 9 * MB
    for item in waiting:
        await item.breaks_off()
    await wait_until(lambda: not arrived(online))


async def test_an_aborted_or_too_slow_upload_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_chat_with(tmp_path, max_upload_mb=1) as online:
        monkeypatch.setattr(http_protocol, "HEADERS_TIMEOUT_S", 0.2)
        zoe = Stranger(online)
        broken = await zoe.begins(MB // 2, MB)
        await wait_until(lambda: arrived(online) > MB // 4)
        await broken.breaks_off()
        await wait_until(lambda: not on_disk(online))
        monkeypatch.setattr(web, "BODY_IDLE_S", 0.3)
        slow = await zoe.begins(MB // 4, MB)
        assert status(await ended(slow.reader, 5)) == 408
        await wait_until(lambda: not on_disk(online))
        assert not await online.world.rows(attachments)


async def test_a_trickling_upload_is_refused_whatever_its_permitted_size(
    open_chat: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the rule, one byte now and then kept a connection open for sixteen minutes, the time allowed for the
    largest file."""
    monkeypatch.setattr(web, "BODY_IDLE_S", 0.5)
    monkeypatch.setattr(http_protocol, "HEADERS_TIMEOUT_S", 1.5)  # longer than a busy machine delays both ends
    slow = await Stranger(open_chat).begins(1, MB)
    answer = asyncio.create_task(ended(slow.reader, 8))
    began = asyncio.get_running_loop().time()
    # A failing write through the stream would discard the response that has arrived.
    with socket.socket(fileno=os.dup(slow.writer.get_extra_info("socket").fileno())) as second_socket:
        while not answer.done():
            with contextlib.suppress(OSError):
                second_socket.send(b"x")
            await asyncio.sleep(0.05)
    assert status(await answer) == 408
    assert asyncio.get_running_loop().time() - began < 6
    await wait_until(lambda: not on_disk(open_chat))


async def test_an_upload_whose_row_cannot_be_written_leaves_no_bytes(
    open_chat: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: Any) -> None:
        raise RuntimeError("no row")

    monkeypatch.setattr(rows, "store_file", fails)
    assert (await Stranger(open_chat).uploads()).status == 500
    assert not on_disk(open_chat)


async def test_a_disk_that_fills_during_an_upload_is_reported_and_keeps_nothing(
    open_chat: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, write = [], os.write

    def until_full(handle: int, data: Any) -> int:
        if sum(written) > 100_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(write(handle, data[:30_000]))  # a full disk first writes fewer bytes than it was given
        return written[-1]

    monkeypatch.setattr(storage.os, "write", until_full)
    refused = await Stranger(open_chat).uploads(b"x" * 300_000)
    assert (refused.status, refused.code) == (503, "storage_full")
    assert not on_disk(open_chat)
    monkeypatch.undo()
    assert (await Stranger(open_chat).uploads()).status == 200


async def test_a_short_write_to_the_disk_is_continued(open_chat: Online, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(storage.os, "write", lambda handle, data: write(handle, data[:30_000]))
    data = os.urandom(200_000)
    result = await Stranger(open_chat).uploads(data)
    assert storage.path_of(open_chat.app, result.json()["token"]).read_bytes() == data


# --- concurrent uploads -----------------------------------------------------------------------------------


async def test_a_visitor_uploads_a_few_files_at_a_time_and_the_next_when_one_is_done(open_chat: Online) -> None:
    zoe = Stranger(open_chat)
    waiting = [await zoe.begins(1000, 2000) for _ in range(5)]
    await wait_until(lambda: unfinished_uploads(open_chat) == 5)
    refused = await zoe.uploads()
    assert (refused.status, refused.code) == (429, "rate_limited")
    assert refused.json()["error"]["retry_after"] == 5 and refused.headers["retry-after"] == "5"
    assert (await Stranger(open_chat).uploads()).status == 200, "other visitors must not be limited"
    assert await waiting[0].finishes() == 200
    assert (await zoe.uploads()).status == 200
    await waiting[1].breaks_off()
    await wait_until(lambda: unfinished_uploads(open_chat) == 3)


async def test_uploads_of_one_address_and_of_all_visitors_are_limited_apart_from_agents(
    tmp_path: Path,
) -> None:
    async with open_chat_with(tmp_path, address_uploads=3, max_uploads=5) as online:
        ana = await online.agent("ana", socket=False)
        waiting = [await Stranger(online).begins(1000, 2000) for _ in range(3)]
        await wait_until(lambda: unfinished_uploads(online) == 3)
        assert (await Stranger(online).uploads()).code == "rate_limited"
        assert (await Stranger(online, "203.0.113.8").uploads()).status == 200
        waiting += [await Stranger(online, "203.0.113.9").begins(1000, 2000) for _ in range(2)]
        await wait_until(lambda: unfinished_uploads(online) == 5)
        assert (await Stranger(online, "203.0.113.8").uploads()).code == "rate_limited"
        assert (await ana.send("POST", "/api/files", raw=b"hello")).status == 200
        assert await waiting[0].finishes() == 200
        assert (await Stranger(online).uploads()).status == 200


# --- files and bytes per minute -------------------------------------------------------------------------


def retry_after(answer: Any) -> float:
    """The wait in seconds that a refused upload's response names."""
    assert (answer.status, answer.code) == (429, "rate_limited"), answer
    result = float(answer.json()["error"]["retry_after"])
    assert result > 0 and int(answer.headers["retry-after"]) >= 1
    return result


async def test_one_visitors_files_per_minute_are_limited(tmp_path: Path) -> None:
    """Without the limit, 150 of 150 files were accepted in less than a second."""
    async with open_chat_with(tmp_path, visitor_messages_per_minute=40) as online:
        zoe = Stranger(online)
        answers = [await zoe.uploads() for _ in range(25)]
        assert [answer.status for answer in answers] == [200] * 20 + [429] * 5
        assert len(await online.world.rows(attachments)) == len(on_disk(online)) == 20
        assert (await Stranger(online).uploads()).status == 200
        await online.world.advance(seconds=retry_after(answers[-1]))
        assert (await zoe.uploads()).status == 200, "after the wait the upload must be accepted"


async def test_files_per_minute_from_one_address_are_limited(tmp_path: Path) -> None:
    async with open_chat_with(tmp_path, address_messages_per_minute=8) as online:
        answers = [await Stranger(online).uploads() for _ in range(6)]
        assert [answer.status for answer in answers] == [200] * 4 + [429] * 2
        assert (await Stranger(online, "203.0.113.8").uploads()).status == 200
        await online.world.advance(seconds=retry_after(answers[-1]))
        assert (await Stranger(online).uploads()).status == 200


async def test_files_per_minute_of_all_visitors_are_limited_and_agents_not_counted(tmp_path: Path) -> None:
    async with open_chat_with(tmp_path, uploads_per_minute=3) as online:
        answers = [await Stranger(online, f"203.0.113.{n}").uploads() for n in range(5)]
        assert [answer.status for answer in answers] == [200] * 3 + [429] * 2
        ana = await online.agent("ana", socket=False)
        assert (await ana.send("POST", "/api/files", raw=b"hello")).status == 200
        await online.world.advance(seconds=retry_after(answers[-1]))
        assert (await Stranger(online).uploads()).status == 200


async def test_megabytes_are_counted_by_visitor_and_by_address(tmp_path: Path) -> None:
    async with open_chat_with(tmp_path, max_upload_mb=1, visitor_upload_mb=2, address_upload_mb=3) as online:
        zoe, yan = Stranger(online), Stranger(online)
        assert [(await zoe.uploads(b"x" * MB)).status for _ in range(2)] == [200, 200]
        wait = retry_after(await zoe.uploads(b"x" * MB))
        assert (await yan.uploads(b"x" * MB)).status == 200
        retry_after(await yan.uploads(b"x" * MB))
        assert (await Stranger(online, "203.0.113.8").uploads(b"x" * MB)).status == 200
        assert 1_000 < wait < 3_600
        await online.world.advance(seconds=wait)
        assert (await zoe.uploads(b"x" * MB)).status == 200


async def test_a_body_of_unknown_length_is_counted_as_the_largest(tmp_path: Path) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"hello"

    async with open_chat_with(tmp_path, max_upload_mb=1, visitor_upload_mb=2) as online:
        zoe = Stranger(online)
        headers = zoe.headers | {"origin": online.url}
        results = []
        for _ in range(3):
            async with online.http.post(online.url + "/widget/files", data=pieces(), headers=headers) as answer:
                results.append(answer.status)
        assert results == [200, 200, 429]


async def test_refused_uploads_are_not_counted(tmp_path: Path) -> None:
    async with open_chat_with(tmp_path, max_upload_mb=1, visitor_upload_mb=2, visitor_messages_per_minute=2) as online:
        zoe = Stranger(online)
        assert (await zoe.uploads(b"x" * MB)).status == 200
        for _ in range(5):
            retry_after(await zoe.uploads(b"x" * MB))  # one file a minute is allowed
            assert (await zoe.uploads(b"x" * (MB + 1))).code == "too_large"
        await online.world.advance(minutes=1)
        assert (await zoe.uploads(b"x" * MB)).status == 200, "refused uploads must not use up the megabytes per minute"


# --- share of the disk ----------------------------------------------------------------------------------


def disk_of(monkeypatch: pytest.MonkeyPatch, online: Online, size: int) -> None:
    """Simulates a disk that contains only uploaded files."""
    monkeypatch.setattr(
        storage, "free_bytes", lambda settings: size - sum(path.stat().st_size for path in on_disk(online))
    )


async def test_visitors_files_may_take_only_a_share_of_the_disk(
    open_chat: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk_of(monkeypatch, open_chat, 20 * MB)
    sizes = []
    for n in range(40):
        answer = await Stranger(open_chat, f"203.0.113.{n}").uploads(b"x" * MB)
        sizes.append(answer.status)
    assert (answer.status, answer.code) == (503, "storage_full")
    assert answer.json()["error"]["retry_after"] == 600 and "Messages" in answer.json()["error"]["message"]
    assert sizes == [200] * 9 + [503] * 31, "uploads may use half of the disk, less the room to decode one picture"
    ana = await open_chat.agent("ana", socket=False)
    assert (await ana.send("POST", "/api/files", raw=b"x" * MB)).status == 200
    zoe = await open_chat.visitor()
    await zoe.says("Without a file it arrives")


async def test_uploads_in_progress_count_against_the_share_of_the_disk(
    open_chat: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk_of(monkeypatch, open_chat, 20 * MB)
    waiting = [await Stranger(open_chat).begins(1000, 2 * MB) for _ in range(2)]
    await wait_until(lambda: unfinished_uploads(open_chat) == 2)
    assert (await Stranger(open_chat).uploads(b"x" * (2 * MB))).code == "storage_full"
    await waiting[0].breaks_off()
    await wait_until(lambda: unfinished_uploads(open_chat) == 1)
    assert (await Stranger(open_chat).uploads(b"x" * (2 * MB))).status == 200


async def test_the_share_counts_files_stored_before_the_start(
    open_chat: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoe = await open_chat.world.visitor()
    for _ in range(3):
        await zoe.uploads(b"x" * 3 * MB)
    ana = await open_chat.world.agent("ana")
    await ana.uploads(b"x" * 4 * MB)  # agents' files are not counted
    disk_of(monkeypatch, open_chat, 24 * MB)
    assert (await Stranger(open_chat).uploads(b"x" * MB)).code == "storage_full"
    disk_of(monkeypatch, open_chat, 30 * MB)
    assert (await Stranger(open_chat).uploads(b"x" * MB)).status == 200


async def test_doctor_warns_when_visitors_files_have_used_nearly_all_of_their_share(
    open_chat: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoe = await open_chat.world.visitor()
    await zoe.uploads(b"x" * MB)
    monkeypatch.setattr(storage, "free_bytes", lambda settings: 10 * MB)
    assert not [result for result in await doctor.examine_one(open_chat.app, "disk") if "Visitors" in result.message]
    monkeypatch.setattr(storage, "free_bytes", lambda settings: MB)
    (result,) = [result for result in await doctor.examine_one(open_chat.app, "disk") if "Visitors" in result.message]
    assert result.state == "warn" and "THREADLINE_VISITOR_DISK_PERCENT" in result.advice
