"""Job handlers of SMS."""

from __future__ import annotations

from server.delivery import pump
from server.delivery.jobs import CATCH_UP
from server.errors import ChannelError
from server.kernel.context import App
from server.kernel.jobs import Handler, Job
from server.sms import catch_up, media


async def fetch_media(app: App, job: Job) -> None:
    """Fetches the files of a text from the provider."""
    channel = await pump.of(app).channel()
    if channel is None:
        raise ChannelError("SMS is not set up, so the provider cannot be asked for its files.")
    await media.fetch(app, job, channel)


HANDLERS: dict[str, Handler] = {
    CATCH_UP: catch_up.catch_up,
    media.JOB: fetch_media,
}
