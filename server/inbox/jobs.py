"""Alarms of the inbox. A job only wakes; the row it names decides."""

from __future__ import annotations

from server.inbox import actions, timeline
from server.kernel.context import App
from server.kernel.jobs import Handler, Job


async def close_due(app: App, job: Job) -> None:
    """A held close of a chat has waited its five seconds (INB-26)."""
    author = timeline.Author("agent", job.payload["user"], job.payload["name"])
    await app.write(actions.close_due, job.payload["ticket"], author)


HANDLERS: dict[str, Handler] = {timeline.CLOSE_JOB: close_due}
