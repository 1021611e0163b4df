"""The HTTP routes of Settings → System: the doctor's findings and failed jobs (PROTOCOL 3, "Operations")."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

from server.accounts.rules import Agent, Can
from server.audit.actions import record
from server.errors import NotFound
from server.inbox.search_index import PAIRS_JOB
from server.kernel import jobs
from server.kernel.clock import rfc3339
from server.kernel.context import App
from server.kernel.sql import Tx
from server.operations import first_steps
from server.operations.doctor import as_json, examine, examine_one
from server.web.http import Call, Done, EmptyBody, Endpoint, path_id

CACHE_S = 10.0  # the checks write to the disk and open connections, so their result is cached
MAX_SHOWN = 200


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


class FirstStep(BaseModel):
    """`about`: the site where the widget was seen last."""

    id: first_steps.StepId
    done: bool
    about: str


class FirstSteps(BaseModel):
    steps: list[FirstStep]


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


class JobProgress(BaseModel):
    kind: str
    done: int
    total: int


class Progress(BaseModel):
    jobs: list[JobProgress]


LONG_JOBS = [PAIRS_JOB]  # jobs whose payload contains their progress


@dataclass
class _Cached:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    at: float = float("-inf")
    findings: dict[str, Any] | None = None


async def doctor(app: App, call: Call) -> Any:
    """Check database, disk, address, sockets, Redis, workers and key, and give advice."""
    cached = app.part(_Cached, lambda app: _Cached())
    async with cached.lock:
        if cached.findings is None or app.clock.monotonic() - cached.at >= CACHE_S:
            cached.findings = as_json(await examine(app))
            cached.at = app.clock.monotonic()
        return cached.findings


async def test_sms(app: App, call: Call) -> Any:
    """Check the SMS settings: credentials, numbers, webhooks, and a signed round trip."""
    return {"findings": [asdict(finding) for finding in await examine_one(app, "sms")]}


async def test_mail(app: App, call: Call) -> Any:
    """Check the mail settings: connect to the server and sign in."""
    return {"findings": [asdict(finding) for finding in await examine_one(app, "mail")]}


async def test_shop(app: App, call: Call) -> Any:
    """Check the connected shop: secrets, the last webhook and the Admin token."""
    return {"findings": [asdict(finding) for finding in await examine_one(app, "shop")]}


async def show_first_steps(app: App, call: Call) -> Any:
    """Show what an owner sets up first, and what of it is done."""
    return {"steps": [asdict(step) for step in await app.read(first_steps.first_steps)]}


async def dead_jobs(app: App, call: Call) -> Any:
    """List the jobs that failed at their last attempt, newest first."""
    listed: list[jobs.DeadJob] = await app.read(jobs.list_dead, MAX_SHOWN)
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
        for job in listed
    ]
    return {"jobs": shown, "count": count}


async def progress(app: App, call: Call) -> Any:
    """Show the progress of long jobs that wait or run."""
    return {"jobs": [asdict(job) for job in await app.read(jobs.progress, LONG_JOBS)]}


async def retry_job(app: App, call: Call) -> Any:
    """Give a dead job all its attempts again, starting now."""
    if not await app.write(_retry, call.agent, path_id(call, "id"), call.address):
        raise NotFound("This job is no longer waiting: it was retried or has run.")
    return {}


def _retry(tx: Tx, agent: Agent, job: int, address: str) -> bool:
    retried = jobs.retry(tx, job)
    if retried:
        record(tx, agent.id, "job_retried", str(job), address)
    return retried


ENDPOINTS: list[Endpoint] = [
    Endpoint("GET", "/api/doctor", doctor, Can.CHANNELS, response=Diagnosis),
    Endpoint("GET", "/api/first-steps", show_first_steps, Can.CHANNELS, response=FirstSteps),
    Endpoint("POST", "/api/sms/test", test_sms, Can.CHANNELS, EmptyBody, response=Findings),
    Endpoint("POST", "/api/mail/test", test_mail, Can.CHANNELS, EmptyBody, response=Findings),
    Endpoint("POST", "/api/shop/test", test_shop, Can.SECRETS, EmptyBody, response=Findings),
    Endpoint("GET", "/api/jobs/dead", dead_jobs, Can.AUDIT, response=DeadJobs),
    Endpoint("GET", "/api/jobs/progress", progress, Can.CHANNELS, response=Progress),
    Endpoint("POST", "/api/jobs/{id}/retry", retry_job, Can.AUDIT, EmptyBody, response=Done),
]
