"""The doctor finds nothing wrong on a healthy server; it finds each fault, names it and gives advice."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import insert, text, update

from server.accounts.account_settings import set_first_zone
from server.inbox.search_index import PAIRS_JOB
from server.kernel import processes
from server.kernel.jobs import enqueue
from server.kernel.sql import Tx
from server.operations import doctor, network
from server.operations.findings import Finding, ok
from server.schema import jobs, threads
from tests.online import Online, open_online
from tests.running import running, threadline
from tests.services import Valkey, free_port
from tests.world import World, open_world


def expect_finding(findings: list[Finding], state: str, words: str) -> Finding:
    """The finding with this state and these words; unless its state is "good" it must give advice."""
    for finding in findings:
        if finding.state == state and words in finding.message:
            assert state == "ok" or finding.advice
            return finding
    raise AssertionError(f"no {state} finding with {words!r} in {findings}")


async def test_settings_show_a_healthy_server_as_healthy(online: Online, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(doctor, "measure_sync", lambda folder: [0.4] * 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(total=100 << 30, free=60 << 30))
    online.app.settings.data_dir.chmod(0o700)
    online.app.settings.sqlite_sync = "FULL"
    await online.app.write(set_first_zone, "Europe/Warsaw")
    mona = await online.agent("mona", socket=False)
    answer = await mona.get("/api/doctor")
    assert answer.status == 200
    body = answer.json()
    assert body.keys() == {"worst", "version", "checked_at", "findings"}
    assert {f["area"] for f in body["findings"]} == {area for area, _ in doctor.CHECKS}
    problems = [f for f in body["findings"] if f["state"] != "ok"]
    # The test's server is reachable only from its own machine; that is the only finding.
    assert [f["area"] for f in problems] == ["public_url"] and "this machine only" in problems[0]["message"]
    assert body["worst"] == "warn"


async def test_the_doctor_needs_the_right_to_see_channels(online: Online) -> None:
    ana = await online.agent("ana", socket=False)
    assert (await ana.get("/api/doctor")).status == 403
    assert (await online.get("/api/doctor")).status == 401


async def test_a_second_request_at_once_gets_the_cached_findings(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = 0

    async def counted(app: Any) -> list[Finding]:
        nonlocal runs
        runs += 1
        return [ok("fine")]

    monkeypatch.setattr(doctor, "CHECKS", [("one", counted)])
    mona = await online.agent("mona", socket=False)
    await asyncio.gather(*(mona.get("/api/doctor") for _ in range(5)))
    assert runs == 1
    await online.world.advance(seconds=11)
    await mona.get("/api/doctor")
    assert runs == 2


async def test_a_check_that_hangs_or_fails_is_a_finding_and_the_others_run(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs(app: Any) -> list[Finding]:
        await asyncio.sleep(60)
        return []

    async def breaks(app: Any) -> list[Finding]:
        raise ValueError("a secret in the message: hunter2")

    async def works(app: Any) -> list[Finding]:
        return [ok("fine")]

    monkeypatch.setattr(doctor, "CHECK_S", 0.2)
    monkeypatch.setattr(doctor, "CHECKS", [("hangs", hangs), ("breaks", breaks), ("works", works)])
    examined = await doctor.examine(online.app)
    assert [(f.area, f.state) for f in examined.findings] == [("hangs", "warn"), ("breaks", "fail"), ("works", "ok")]
    assert examined.worst == "fail" and "hunter2" not in json.dumps(doctor.as_json(examined))


# --- database, disk, process --------------------------------------------------------------------


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path / "data") as opened:
        yield opened


async def test_a_damaged_database_is_found(small: World) -> None:
    for n in range(60):
        await small.conversation(f"line {n} " + "x" * 2_000)
    copy = small.app.settings.data_dir.parent / "copy" / "threadline.db"
    copy.parent.mkdir()

    with sqlite3.connect(small.app.settings.sqlite_path()) as source:
        source.execute("VACUUM INTO ?", (str(copy),))
    assert doctor._quick_check(copy).state == "ok"
    data = bytearray(copy.read_bytes())
    for page in range(6, len(data) // 4096, 2):
        data[page * 4096 : page * 4096 + 16] = b"\xff" * 16
    copy.write_bytes(data)
    finding = doctor._quick_check(copy)
    assert finding.state == "fail" and "damaged" in finding.message and "restore" in finding.advice


async def test_a_large_database_is_checked_for_a_limited_time(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(300):
        await small.conversation(f"line {n} " + "x" * 2_000)
    monkeypatch.setattr(doctor, "QUICK_CHECK_S", -1.0)
    finding = doctor._quick_check(small.app.settings.sqlite_path())
    assert finding.state == "ok" and "too large" in finding.message


async def test_a_data_folder_that_others_can_read_is_found(small: World) -> None:
    small.app.settings.data_dir.chmod(0o755)
    expect_finding(await doctor.check_database(small.app), "warn", "Other users")
    small.app.settings.data_dir.chmod(0o700)
    findings = await doctor.check_database(small.app)
    assert all(f.state == "ok" and "damage" not in f.message for f in findings), findings


async def test_a_pending_migration_is_found_with_the_command(small: World) -> None:
    await small.app.write(lambda tx: tx.run(text("UPDATE alembic_version SET version_num = '0001'")))
    assert (
        expect_finding(await doctor.check_migrations(small.app), "fail", "revision 0001").advice == "threadline migrate"
    )


@pytest.mark.parametrize(
    ("free", "state"), [(60 << 30, "ok"), (3 << 30, "warn"), (1 << 30, "warn"), (100 << 20, "fail")]
)
async def test_little_space_is_found(small: World, monkeypatch: pytest.MonkeyPatch, free: int, state: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(total=100 << 30, free=free))
    expect_finding(await doctor.check_disk(small.app), state, "are free")


@pytest.mark.parametrize(("ms", "state"), [(0.4, "ok"), (5.1, "warn")])
async def test_a_slow_disk_is_found(small: World, monkeypatch: pytest.MonkeyPatch, ms: float, state: str) -> None:
    monkeypatch.setattr(os, "fdatasync", lambda handle: None)
    assert 1 <= len(doctor.measure_sync(small.app.settings.data_dir)) <= doctor.SYNC_ROUNDS
    assert os.listdir(small.app.settings.data_dir) and not list(small.app.settings.data_dir.glob("doctor-*"))
    monkeypatch.setattr(doctor, "measure_sync", lambda folder: [ms] * 20)
    expect_finding(await doctor.check_sync_time(small.app), state, "reaches the disk")


async def test_a_sync_setting_that_risks_messages_is_found(small: World) -> None:
    assert small.app.settings.sqlite_sync == "NORMAL"
    expect_finding(await doctor.check_sync_time(small.app), "warn", "power cut")


async def test_a_clock_that_was_put_back_is_found(small: World) -> None:
    await small.conversation()
    assert [f.state for f in await doctor.check_clocks(small.app)] == ["ok"]
    later = small.now + timedelta(minutes=90)
    await small.app.write(lambda tx: tx.run(update(threads).values(changed_at=later)))
    expect_finding(await doctor.check_clocks(small.app), "warn", "90 minutes in the future")


async def test_root_development_and_a_weak_or_open_key_are_found(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    expect_finding(await doctor.check_this_process(small.app), "warn", "root")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert [f.state for f in await doctor.check_this_process(small.app)] == ["ok"]
    small.app.settings.mode = "development"
    expect_finding(await doctor.check_this_process(small.app), "warn", "development")
    assert [f.state for f in await doctor.check_secret_key(small.app)] == ["ok"]
    small.app.settings.secret_key = None
    key = small.app.settings.data_dir / "secret.key"
    key.write_text("k" * 48)
    key.chmod(0o644)
    expect_finding(await doctor.check_secret_key(small.app), "fail", "Other users")
    small.app.secret = b"k" * 48
    expect_finding(await doctor.check_secret_key(small.app), "fail", "short or simple")
    small.app.secret = b"abcdefghij" * 4
    expect_finding(await doctor.check_secret_key(small.app), "warn", "repeats a pattern")


# --- jobs and workers ---------------------------------------------------------------------------


async def test_dead_jobs_are_found_shown_and_tried_again(online: Online) -> None:
    world = online.world
    row = {"kind": "inbox.unknown", "payload": {}, "priority": 30, "run_at": world.now, "created_at": world.now}
    assert [f.state for f in await doctor.check_dead_jobs(online.app)] == ["ok"]
    adam, mona = await online.agent("adam", socket=False), await online.agent("mona", socket=False)
    await world.app.write(lambda tx: tx.run(insert(jobs).values(**row)))
    for _ in range(12):  # it has no handler, so every attempt fails after growing pauses
        await world.advance(hours=1)
    expect_finding(
        await doctor.check_dead_jobs(online.app),
        "warn",
        "1 job has failed for good. The newest is of kind inbox.unknown",
    )
    assert (await mona.get("/api/jobs/dead")).status == 403
    listed = (await adam.get("/api/jobs/dead")).json()
    assert listed["count"] == 1
    (job,) = listed["jobs"]
    assert job["kind"] == "inbox.unknown" and job["attempts"] == 12 and "no handler" in job["error"]

    assert (await mona.post(f"/api/jobs/{job['id']}/retry", {})).status == 403
    assert (await adam.post(f"/api/jobs/{job['id']}/retry", {})).status == 200
    assert (await adam.get("/api/jobs/dead")).json()["count"] == 0
    (waiting,) = await world.rows(jobs)
    assert waiting.run_at <= world.now and waiting.attempts == 0
    assert (await adam.post(f"/api/jobs/{job['id']}/retry", {})).status == 404  # the job is no longer dead
    assert (await adam.post("/api/jobs/999999/retry", {})).status == 404


async def test_managers_see_how_far_a_long_job_is(online: Online) -> None:
    mona, ana = await online.agent("mona", socket=False), await online.agent("ana", socket=False)
    assert (await mona.get("/api/jobs/progress")).json() == {"jobs": []}
    payload = {"done": 2_000, "total": 9_000}

    def begin(tx: Tx) -> None:
        enqueue(tx, PAIRS_JOB, payload, run_at=tx.now, key=PAIRS_JOB)

    await online.app.write(begin)
    assert (await mona.get("/api/jobs/progress")).json() == {"jobs": [{"kind": PAIRS_JOB, **payload}]}
    assert (await ana.get("/api/jobs/progress")).status == 403


async def test_a_job_that_always_kills_its_process_gives_up_too(small: World) -> None:
    ran = 0

    async def handler(app: Any, job: Any) -> None:
        nonlocal ran
        ran += 1

    small.worker._handlers = {"kills": handler}
    row = {"kind": "kills", "payload": {}, "priority": 30, "run_at": small.now, "created_at": small.now}
    await small.app.write(
        lambda tx: tx.run(insert(jobs).values(**row, attempts=12))
    )  # claimed twelve times and never finished
    await small.advance(seconds=1)
    (job,) = await small.rows(jobs)
    assert job.dead and ran == 0


async def test_on_postgres_a_missing_worker_is_found_and_its_jobs_go_to_another(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data", "postgres") as world:
        app = world.app
        expect_finding(await doctor.check_workers(app), "fail", "No worker is running")
        heartbeat = processes.Heartbeat(app, web=False, worker=True)
        await heartbeat.start()
        expect_finding(await doctor.check_workers(app), "ok", "0 web and 1 worker")
        expect_finding(await doctor.check_database(app), "ok", "PostgreSQL")

        # Two processes hold a job each: one is alive, the other has been silent for eleven seconds.
        await app.write(processes.beat, "lost", True, True)
        await app.write(
            lambda tx: tx.run(text("UPDATE processes SET seen_at = seen_at - 11000000 WHERE node = 'lost'"))
        )
        for node in (app.node, "lost"):
            row = {"kind": "x", "payload": {}, "priority": 30, "run_at": world.now + timedelta(seconds=60)}
            await app.write(
                lambda tx, node=node, row=row: tx.run(
                    insert(jobs).values(**row, created_at=world.now, running=True, node=node)
                )
            )
        assert await heartbeat.beat_once() == 1
        jobs_by_node = {job.node: job for job in await world.rows(jobs)}
        assert (
            jobs_by_node[app.node].running and not jobs_by_node[None].running and jobs_by_node[None].run_at <= world.now
        )

        await app.write(processes.beat, "other", True, False)
        await app.write(processes.beat, "third", True, False)
        await app.write(lambda tx: tx.run(text("UPDATE processes SET version = '0.0.9' WHERE node = 'third'")))
        findings = await doctor.check_workers(app)
        expect_finding(findings, "warn", "several versions")
        expect_finding(findings, "warn", "without Redis")
        await heartbeat.close()
        expect_finding(await doctor.check_workers(app), "fail", "No worker is running")


# --- checks of the public URL -------------------------------------------------------------------


@asynccontextmanager
async def stand_in(answer: bytes) -> AsyncIterator[str]:
    """A server that is not Threadline."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port := free_port())
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.close()


def http(status: str, *headers: str) -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", *headers, "content-length: 2", "connection: close", "", "ok")).encode()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (http("301 Moved", "location: https://chat.example.com/"), "redirects to https://chat.example.com/"),
        (http("502 Bad Gateway"), "answers 502"),
        (http("200 OK"), "Another program answers"),
        (http("200 OK", "x-threadline: 0123456789abcdef"), "another Threadline"),
        (b"220 mail.example.com ESMTP\r\n", "cannot be reached"),
    ],
)
async def test_a_public_address_that_leads_elsewhere_is_found(online: Online, answer: bytes, words: str) -> None:
    async with stand_in(answer) as url:
        online.app.settings.public_url = url
        expect_finding(await network.check_public_url(online.app), "fail", words)


async def test_a_public_address_that_leads_nowhere_is_found(online: Online) -> None:
    online.app.settings.public_url = f"http://127.0.0.1:{free_port()}"
    expect_finding(await network.check_public_url(online.app), "fail", "cannot be reached")
    expect_finding(await network.check_websocket(online.app), "fail", "cannot be used")


async def test_a_proxy_that_does_not_pass_websockets_on_is_found(online: Online) -> None:
    expect_finding(await network.check_websocket(online.app), "ok", "is ready after")
    async with stand_in(http("200 OK")) as url:
        online.app.settings.public_url = url
        finding = expect_finding(await network.check_websocket(online.app), "fail", "refuses WebSocket")
        assert "Upgrade" in finding.advice


async def test_a_port_that_accepts_and_never_answers_does_not_block_the_doctor(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "TIMEOUT_S", 0.2)
    silent_server = await asyncio.start_server(lambda r, w: asyncio.sleep(5), "127.0.0.1", port := free_port())
    async with silent_server:
        online.app.settings.public_url = f"http://127.0.0.1:{port}"
        expect_finding(await network.check_websocket(online.app), "fail", "did not answer")
        expect_finding(await network.check_public_url(online.app), "fail", "cannot be reached")


async def test_plain_http_in_public_is_found(online: Online, monkeypatch: pytest.MonkeyPatch) -> None:
    reached = network.HealthResponse(200, network.installation_id(online.app), None)
    monkeypatch.setattr(network, "get_health", lambda url: reached)
    online.app.settings.public_url = "http://chat.example.com"
    expect_finding(await network.check_public_url(online.app), "warn", "not encrypted")
    online.app.settings.public_url = "https://chat.example.com"
    expect_finding(await network.check_public_url(online.app), "ok", "reaches this server")


async def test_the_doctor_stores_nothing(online: Online) -> None:
    from server.schema import metadata

    async def counts() -> dict[str, int]:
        return {table.name: await online.world.count(table) for table in metadata.sorted_tables}

    counts_before = await counts()
    await doctor.examine(online.app)
    assert await counts() == counts_before


async def test_the_doctor_reports_redis_up_and_down(tmp_path: Path) -> None:
    with Valkey() as server:
        async with open_online(tmp_path / "data", redis_url=server.url) as online:
            expect_finding(await network.check_redis(online.app), "ok", "notifications reach")
            server.kill()
            expect_finding(await network.check_redis(online.app), "fail", "Redis does not answer")
            server.start()


# --- the command --------------------------------------------------------------------------------


def test_the_doctor_command_asks_the_running_server_and_sets_the_exit_code(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as server:
        with_server = threadline(data, "doctor")
        assert with_server.returncode == 0, with_server.stdout
        assert "is ready after" in with_server.stdout and server.url in with_server.stdout
    without_server = threadline(data, "doctor")
    assert without_server.returncode == 0 and "No server is running" in without_server.stdout
    (data / "secret.key").write_text("too weak")
    weak = threadline(data, "doctor", THREADLINE_SECRET_KEY="")
    assert weak.returncode == 1 and "short or simple" in weak.stdout
    empty = threadline(tmp_path / "none", "doctor")
    assert empty.returncode == 1 and "threadline migrate" in empty.stdout
    assert not (tmp_path / "none").exists(), "the doctor must not create the folder that it checks"
    away = threadline(data, "doctor", DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert away.returncode == 1 and "Traceback" not in away.stderr
