"""What an operator sees in Settings: the doctor's findings, and jobs that gave up (PROTOCOL 3, "Operations")."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from server.accounts.audit import record
from server.accounts.rules import Agent, Can
from server.errors import NotFound
from server.kernel import jobs
from server.kernel.clock import rfc3339
from server.kernel.context import App
from server.kernel.sql import Tx
from server.operations import doctor as examining
from server.web.http import Call, Endpoint, path_id

KEEP_S = 10.0  # an examination costs syncs and handshakes: who asks again sooner gets the same
SHOWN = 200


class Nothing(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class Finding(BaseModel):
    area: str
    state: Literal["ok", "warn", "fail"]
    message: str
    advice: str


class Diagnosis(BaseModel):
    worst: Literal["ok", "warn", "fail"]
    version: str
    checked_at: str
    findings: list[Finding]


class Findings(BaseModel):
    findings: list[Finding]


class DeadJob(BaseModel):
    id: int
    kind: str
    attempts: int
    error: str | None
    created_at: str
    failed_at: str


class DeadJobs(BaseModel):
    jobs: list[DeadJob]
    count: int


@dataclass
class _Kept:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    at: float = float("-inf")
    found: dict[str, Any] | None = None


async def doctor(app: App, call: Call) -> Any:
    """Look at database, disk, address, sockets, Redis, workers and key, and say what to do."""
    kept: _Kept = app.parts.setdefault("doctor", _Kept())
    async with kept.lock:
        if kept.found is None or app.clock.monotonic() - kept.at >= KEEP_S:
            kept.found = examining.as_json(await examining.examine(app))
            kept.at = app.clock.monotonic()
        return kept.found


async def test_sms(app: App, call: Call) -> Any:
    """Try how SMS is set up: credentials, numbers, webhooks, and a signed round trip."""
    return {"findings": [asdict(one) for one in await examining.examine_one(app, "sms")]}


async def dead_jobs(app: App, call: Call) -> Any:
    """List the jobs that gave up after their last attempt, newest first."""
    found: list[jobs.DeadJob] = await app.read(jobs.dead_ones, SHOWN)
    count: int = await app.read(jobs.dead_count)
    shown = [
        {
            "id": job.id,
            "kind": job.kind,
            "attempts": job.attempts,
            "error": job.error,
            "created_at": rfc3339(job.created_at),
            "failed_at": rfc3339(job.failed_at),
        }
        for job in found
    ]
    return {"jobs": shown, "count": count}


async def retry_job(app: App, call: Call) -> Any:
    """Give a dead job all its attempts again, starting now."""
    if not await app.write(_retry, call.agent, path_id(call, "id"), call.address):
        raise NotFound("This job is not waiting for anybody: it was tried again, or has run.")
    return {}


def _retry(tx: Tx, agent: Agent, job: int, address: str) -> bool:
    again = jobs.retry(tx, job)
    if again:
        record(tx, agent.id, "job_retried", str(job), address)
    return again


ENDPOINTS: list[Endpoint] = [
    Endpoint("GET", "/api/doctor", doctor, Can.CHANNELS, answer=Diagnosis),
    Endpoint("POST", "/api/sms/test", test_sms, Can.CHANNELS, Nothing, answer=Findings),
    Endpoint("GET", "/api/jobs/dead", dead_jobs, Can.AUDIT, answer=DeadJobs),
    Endpoint("POST", "/api/jobs/{id}/retry", retry_job, Can.AUDIT, Nothing),
]
