"""A database that does not answer: SQLite locked by another process, PostgreSQL's processes stopped. Every request is
answered in time, and no response says "nothing was stored" while the write may still be stored."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
from sqlalchemy.engine import make_url

from server import app as table_of_contents
from server.channels.twilio_webhooks import sign
from server.errors import Busy
from server.imports import http as imports_http
from server.inbox import http as inbox_http
from server.kernel import db, sqlite
from server.kernel.context import App
from server.kernel.documents import TOPIC
from server.links import http as links
from server.links.settings import LINKS
from server.live import http as live_http
from server.operations import doctor, metrics_http
from server.schema import carrier_inbound
from server.sms import webhooks as texts
from server.web import http, webhooks
from server.webchat import http as webchat_http
from tests.online import Answer, Online, open_online
from tests.services import postgres_url
from tests.sms import ACCOUNT, TOKEN, TOLL_FREE, open_sms
from tests.world import PASSWORD, email_of, open_world

REMOTE = "TEST_DATABASE_URL" in os.environ


async def connect_all(app: App) -> None:
    """Opens the connection of every reading and writing thread: a connection opened later would not be blocked."""
    barrier = threading.Barrier(app.settings.pg_readers)
    await asyncio.gather(*(app.read(lambda conn: barrier.wait(10)) for _ in range(app.settings.pg_readers)))
    for lane in range(app.settings.pg_writers):
        await app.write(lambda tx: None, lane=lane)


@asynccontextmanager
async def standstill(database: str, app: App) -> AsyncIterator[None]:
    """Makes the database of this test stop responding until the block ends."""
    settings = app.settings
    if database == "sqlite":
        with closing(sqlite3.connect(settings.sqlite_path(), isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            yield
            connection.execute("ROLLBACK")
        return
    if REMOTE:
        pytest.skip("the processes of a server elsewhere cannot be stopped")
    await connect_all(app)
    url = make_url(postgres_url()).set(drivername="postgresql").render_as_string(hide_password=False)
    name = make_url(settings.database_url).database
    with psycopg.connect(url, autocommit=True) as connection:
        result = connection.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s", [name]).fetchall()
    pids = [pid for (pid,) in result]
    assert pids
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.fixture
def short_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shortens the deadlines from seconds to tenths of seconds; SQLite's lock timeout is still longer than they are."""
    for module, name, seconds in (
        (http, "RESPONSE_S", 1.4),
        (webhooks, "RESPONSE_S", 0.2),
        (table_of_contents, "READY_S", 0.15),
        (db, "READ_TIMEOUT_S", 1.2),
        (metrics_http, "REFRESH_TIMEOUT_S", 0.5),
        (links, "SETTINGS_WAIT_S", 0.03),
    ):
        monkeypatch.setattr(module, name, seconds)
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_MS", 3_000)


def test_the_deadlines_have_the_promised_values() -> None:
    assert webhooks.RESPONSE_S < 3
    assert table_of_contents.READY_S + links.SETTINGS_WAIT_S < 2
    for seconds in (http.RESPONSE_S, db.READ_TIMEOUT_S):
        assert seconds + links.SETTINGS_WAIT_S < 10
    assert db.READ_TIMEOUT_S < http.RESPONSE_S, "a read before a write must time out before the request does"
    assert metrics_http.REFRESH_TIMEOUT_S < 10 and doctor.CHECK_S < http.RESPONSE_S
    # A call that arrives while a batch waits for the lock is in the next batch, whose result says whether it was
    # stored.
    assert 2 * sqlite.BUSY_TIMEOUT_MS / 1000 < http.RESPONSE_S
    # Uploads, and reading an imported file, have no deadline; a poll waits on purpose, but each of its reads has it.
    no_deadline = {endpoint.handler for endpoint in table_of_contents.ENDPOINTS if endpoint.no_deadline}
    assert no_deadline == {
        inbox_http.upload,
        webchat_http.visitor_upload,
        live_http.poll,
        imports_http.upload,
        imports_http.set_reading,
    }


async def timed(call: Any) -> tuple[float, Any]:
    started = time.monotonic()
    answer = await call
    return time.monotonic() - started, answer


async def post_text(online: Online, sid: str, body: str) -> Answer:
    path = texts.TEXTS
    pairs = [("MessageSid", sid), ("AccountSid", ACCOUNT), ("From", "+12025550188"), ("To", TOLL_FREE), ("Body", body)]
    headers: dict[str, str | None] = {
        "content-type": "application/x-www-form-urlencoded",
        "x-twilio-signature": sign(TOKEN, online.url + path, pairs),
        "origin": None,
    }
    return await online.send("POST", path, raw=urlencode(pairs).encode(), headers=headers)


@pytest.mark.usefixtures("short_deadlines")
async def test_requests_are_answered_in_time_while_the_database_does_not_answer(tmp_path: Path, database: str) -> None:
    async with open_online(tmp_path / "data", database, metrics=True) as online:
        await open_sms(online.world)
        ana = await online.agent("ana", socket=False)
        zoe, pam = await online.visitor(), await online.visitor(over="poll")
        await zoe.says("Hello")
        await pam.says("Hello, too")
        await pam.leaves()
        ticket = (await ana.get("/api/tickets")).json()["tickets"][0]
        reply = f"/api/tickets/{ticket['id']}/reply", {"key": "key-reply-1", "text": "One moment"}
        assert (await post_text(online, "SM" + "0" * 31 + "1", "Before")).status == 200
        bearer: dict[str, str | None] = {"authorization": f"Bearer {pam.token}"}
        says = {"type": "say", "id": "key-said-1", "text": "Anybody?"}
        login = {"email": email_of("ben"), "password": PASSWORD}

        async with standstill(database, online.app):
            await zoe.sends({"type": "say", "id": "key-said-2", "text": "Still there?"})
            # The links' settings are read before every request, and here their cache has expired.
            LINKS.cached(online.app).on_published(TOPIC, None)
            seconds, ready = await timed(online.get("/readyz"))
            assert seconds < 1.0 and ready.status == (503 if database == "postgres" else 200)
            results = await asyncio.gather(
                timed(post_text(online, "SM" + "0" * 31 + "2", "Meanwhile")),
                timed(online.get("/readyz")),
                timed(ana.post(*reply)),
                timed(online.send("POST", "/api/login", login)),
                timed(online.send("POST", "/widget/send", says, headers=bearer)),
                timed(ana.get("/api/tickets?view=mine")),
                timed(online.get("/l/Ab3dE6gH")),
                timed(online.get("/widget/config")),
                timed(online.get("/metrics")),
                timed(online.get("/healthz")),
            )
            # The earlier calls have reached their deadline.
            names = "text ready reply login say list link config metrics health".split()
            seconds_by_name = {name: seconds for name, (seconds, _) in zip(names, results, strict=True)}
            answer_by_name = {name: answer for name, (_, answer) in zip(names, results, strict=True)}
            assert not zoe.wire.received("refused"), "a pending message must be neither acknowledged nor refused"

        limits = {"text": 0.3, "ready": 0.25}
        too_slow = {
            name: seconds for name, seconds in seconds_by_name.items() if seconds > limits.get(name, 1.45) + 1.0
        }
        assert not too_slow, too_slow
        assert (answer_by_name["text"].status, answer_by_name["text"].body) == (503, webhooks.EMPTY)
        assert answer_by_name["ready"].status == (503 if database == "postgres" else 200), (
            "a locked SQLite database can still be read"
        )
        # On PostgreSQL the author is looked up first, so the write never reached the writer.
        not_stored = ["say"] if database == "postgres" else []
        assert [answer_by_name[name].code for name in not_stored] == ["busy"] * len(not_stored)
        for name in {"reply", "login", "say"} - set(not_stored):
            assert (answer_by_name[name].status, answer_by_name[name].code) == (503, "unconfirmed"), name
            assert (
                "may have been stored" in answer_by_name[name].json()["error"]["message"]
                and answer_by_name[name].headers["retry-after"]
            )
        for name in ("list", "link"):
            result = (answer_by_name[name].status, answer_by_name[name].code)
            assert result == ((503, "busy") if database == "postgres" else result) and result[0] in (200, 404, 503)
        assert answer_by_name["metrics"].status == 200 and answer_by_name["health"].status == 200

        # All of it is stored in the end; the same keys again store nothing more.
        await zoe.has(key="key-said-2")
        repeated = await ana.post(*reply)
        assert repeated.status == 200
        sent = await online.send("POST", "/widget/send", says, headers=bearer)
        assert [frame["type"] for frame in sent.json()["frames"]] == ["entry"]
        assert (await post_text(online, "SM" + "0" * 31 + "2", "Meanwhile")).status == 200
        assert (await online.get("/readyz")).status == 200
        bodies = [entry.body for entry in await online.world.entries(ticket["thread"])]
        assert bodies.count("One moment") == 1
        assert len(await online.world.rows(carrier_inbound)) == 2


@pytest.mark.usefixtures("short_deadlines")
async def test_new_connections_are_refused_in_time_while_the_database_does_not_answer(
    tmp_path: Path, database: str
) -> None:
    async with open_online(tmp_path / "data", database) as online:
        pam = await online.visitor(over="poll")
        await pam.says("Hello")
        await pam.leaves()
        async with standstill(database, online.app):
            page = {"url": "https://shop.example/", "title": "", "referrer": "", "locale": "en", "time_zone": ""}
            hello = {"type": "hello", "version": 1, "token": pam.token, "page": page}
            seconds, answer = await timed(online.send("POST", "/widget/poll", {"hello": hello, "wait": 0}))
            assert seconds < 2.5
            # SQLite can still be read; the response does not wait until the visitor's return is stored.
            assert answer.status == (503 if database == "postgres" else 200)
            assert database == "sqlite" or answer.code == "busy"
            if database == "postgres":
                wire = await online.dial()
                await wire.says(hello)
                assert (await wire.receives("refused"))["code"] == "busy"
                await wire.leaves()


async def test_a_lock_released_in_time_causes_no_error(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        guest, _ = await world.conversation("before")
        async with standstill("sqlite", world.app):
            saying = asyncio.ensure_future(guest.says("in the meantime"))
            await asyncio.sleep(0.05)
        assert (await saying).entry.body == "in the meantime"


async def test_a_call_that_times_out_on_the_lock_reports_that_nothing_was_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_MS", 100)
    async with open_online(tmp_path / "data") as online:
        ana = await online.agent("ana", socket=False)
        zoe = await online.visitor()
        await zoe.says("Hello")
        ticket = (await ana.get("/api/tickets")).json()["tickets"][0]
        async with standstill("sqlite", online.app):
            answer = await ana.post(f"/api/tickets/{ticket['id']}/reply", {"key": "key-reply-1", "text": "Lost"})
            assert (answer.status, answer.code) == (503, "busy")
        assert "Lost" not in [entry.body for entry in await online.world.entries(ticket["thread"])]


# --- COMMIT without an answer ----------------------------------------------------------------------


class Cut:
    """Cuts the connection while COMMIT is being sent."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, before: Callable[[psycopg.Cursor[Any]], None]) -> None:
        execute = psycopg.Cursor.execute

        def cuts(cursor: psycopg.Cursor[Any], query: Any, *args: Any, **more: Any) -> Any:
            if query == "COMMIT" and not self.done:
                self.done = True
                before(cursor)
            return execute(cursor, query, *args, **more)

        self.done = False
        monkeypatch.setattr(psycopg.Cursor, "execute", cuts)


async def test_a_commit_without_a_response_is_reported_as_unconfirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_online(tmp_path / "data", "postgres") as online:
        zoe = await online.visitor()
        await zoe.says("Hello")

        def ends(cursor: psycopg.Cursor[Any]) -> None:
            with psycopg.connect(online.app.settings.postgres_dsn(), autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s)", [cursor.connection.info.backend_pid])

        cut = Cut(monkeypatch, ends)
        await zoe.sends({"type": "say", "id": "key-said-1", "text": "Did it arrive?"})
        refused = await zoe.receives("refused", id="key-said-1")
        assert cut.done and refused["code"] == "unconfirmed" and refused["retry_after"]
        await zoe.sends({"type": "say", "id": "key-said-1", "text": "Did it arrive?"})
        await zoe.has(key="key-said-1")


async def test_a_commit_that_postgres_refuses_is_reported_as_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world(tmp_path / "data", "postgres") as world:
        guest, _ = await world.conversation("before")

        def breaks(cursor: psycopg.Cursor[Any]) -> None:
            raise psycopg.errors.SerializationFailure("made up")

        Cut(monkeypatch, breaks)
        with pytest.raises(Busy):
            await guest.says("refused")
        await guest.says("after")
        assert [entry.body for entry in await guest.entries() if entry.kind == "message"] == ["before", "after"]


async def test_a_disk_error_during_the_commit_is_reported_as_unconfirmed(tmp_path: Path) -> None:
    from server.errors import Unconfirmed

    async with open_world(tmp_path / "data") as world:
        guest, _ = await world.conversation("before")
        writer: Any = world.app.db._writer
        original = writer._db

        class Fails:
            def __getattr__(self, name: str) -> Any:
                return getattr(original, name)

            def execute(self, sql: str, *args: Any) -> Any:
                if sql == "COMMIT":
                    original.execute("ROLLBACK")
                    raise sqlite3.OperationalError("disk I/O error")
                return original.execute(sql, *args)

        writer._db = Fails()
        with pytest.raises(Unconfirmed):
            await guest.says("perhaps")
        writer._db = original
        await guest.says("after")


# --- abandoned reads -------------------------------------------------------------------------------


@pytest.mark.usefixtures("short_deadlines")
async def test_abandoned_reads_are_not_run(tmp_path: Path) -> None:
    ran: list[int] = []
    async with open_world(tmp_path / "data", "postgres") as world:
        async with standstill("postgres", world.app):
            reads = [world.app.read(lambda conn, n=n: ran.append(n)) for n in range(40)]
            results = await asyncio.gather(*reads, return_exceptions=True)
            assert {type(result) for result in results} == {Busy}
        await world.app.read(lambda conn: None)
        assert len(ran) <= world.app.settings.pg_readers, "only reads that had already begun may run"
