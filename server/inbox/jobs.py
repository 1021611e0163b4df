"""Alarms of the inbox. A job only wakes; the row it names decides."""

from __future__ import annotations

from server.errors import ChannelError
from server.inbox import actions, media, reactions, timeline
from server.kernel.context import App
from server.kernel.jobs import Handler, Job


async def close_due(app: App, job: Job) -> None:
    """A held close of a chat has waited its five seconds (INB-26)."""
    author = timeline.Author("agent", job.payload["user"], job.payload["name"])
    await app.write(actions.close_due, job.payload["ticket"], author)


async def fetch_media(app: App, job: Job) -> None:
    """Files that came with a text, from the provider."""
    channel = await app.parts["pump"].channel()
    if channel is None:
        raise ChannelError("SMS is not set up, so the provider cannot be asked for its files.")
    await media.fetch(app, job, channel)


async def look_at_numbers(app: App, job: Job) -> None:
    """Our numbers changed; who can be answered now?"""
    await app.write(reactions.look_again, job)


HANDLERS: dict[str, Handler] = {
    timeline.CLOSE_JOB: close_due,
    media.JOB: fetch_media,
    reactions.NUMBERS_JOB: look_at_numbers,
}
