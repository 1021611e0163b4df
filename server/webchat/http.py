"""The widget over HTTP: its configuration, a visitor's files, and its settings."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from server import frames
from server.accounts.rules import Can
from server.audit import versions
from server.errors import Forbidden
from server.files import uploads
from server.kernel.clock import rfc3339
from server.kernel.context import App
from server.kernel.documents import TOPIC
from server.web import auth
from server.web.http import PUBLIC, VISITING, Call, Endpoint, json_response
from server.webchat import hours, hours_rules, responses, settings, sites
from server.webchat.hours import HOURS
from server.webchat.rules import clean_url
from server.webchat.settings import WIDGET


async def visitor_upload(app: App, call: Call) -> Any:
    """Upload a visitor's file to send with a message."""
    if not (await WIDGET.cached(app).get()).visitor_files:
        raise Forbidden("Files cannot be sent in this chat.")
    return (await uploads.from_visitor(app, call.request, call.visitor.key, call.address)).wire()


class WidgetBody(settings.WidgetForm):
    """The settings as an owner sends them; the welcome message is changed in the inbox's settings. `version`: of the settings that the change is based on."""

    version: str | None = None


async def get_widget(app: App, call: Call) -> Any:
    """Show the widget's settings."""
    return (await app.read(settings.load_versioned)).json()


async def put_widget(app: App, call: Call) -> Any:
    """Change the widget's settings."""
    new_settings = settings.WidgetForm.model_validate(call.body.model_dump(exclude={"version"}))
    saved = await app.write(settings.change, call.agent, new_settings, call.body.version, call.address)
    WIDGET.cached(app).on_published(TOPIC, None)
    return saved.json()


class HoursBody(hours.HoursSettings):
    """The business hours as an owner sends them. `version`: of the settings that the change is based on."""

    version: str | None = None


async def get_hours(app: App, call: Call) -> Any:
    """Show the business hours of the web chat."""
    return (await app.read(versions.load, HOURS)).json() | {"countries": sorted(hours_rules.holiday_countries())}


async def put_hours(app: App, call: Call) -> Any:
    """Change the business hours of the web chat."""
    new_settings = hours.HoursSettings.model_validate(call.body.model_dump(exclude={"version"}))
    saved = await app.write(hours.change, call.agent, new_settings, call.body.version, call.address)
    HOURS.cached(app).on_published(TOPIC, None)
    await hours.refresh(app)
    return saved.json() | {"countries": sorted(hours_rules.holiday_countries())}


async def install(app: App, call: Call) -> Any:
    """Show the snippet for your site, and where the widget was seen."""
    base = app.settings.public_url
    recorded_sites = await app.read(sites.sites)
    return {
        "snippet": f'<script async src="{base}/widget/loader.js"></script>',
        "base_url": base,
        "seen": [
            {"origin": s.origin, "page": s.page, "first_seen": rfc3339(s.first_seen), "last_seen": rfc3339(s.last_seen)}
            for s in recorded_sites
        ],
    }


RECORD_SITE_EVERY_S = 60.0


class _SitesRecorded(dict[str, float]):
    """When a site was last recorded (monotonic), by origin."""


async def widget_config(app: App, call: Call) -> Any:
    """The widget's public configuration, for configured sites only. Records on which sites the widget is seen."""
    settings = await WIDGET.cached(app).get()
    origin = call.request.headers.get("origin", "")
    same_origin = not origin or auth.own_origin(app, origin)
    if not same_origin and origin not in settings.sites:
        raise Forbidden("This site is not among the allowed sites of the widget (Settings → Chat widget).")
    response: Response = json_response(settings.public())
    response.headers["cache-control"] = "public, max-age=60"
    response.headers["vary"] = "origin"
    if not same_origin:
        response.headers["access-control-allow-origin"] = origin
        recorded = app.part(_SitesRecorded, lambda app: _SitesRecorded())
        now = app.clock.monotonic()
        if now - recorded.get(origin, -RECORD_SITE_EVERY_S) >= RECORD_SITE_EVERY_S:
            recorded[origin] = now
            await app.write(sites.record_site, origin, clean_url(call.request.headers.get("referer", "")))
    return response


ENDPOINTS: list[Endpoint] = [
    Endpoint(
        "POST",
        "/widget/files",
        visitor_upload,
        VISITING,
        raw=True,
        no_deadline=True,
        headers=("X-File-Name",),
        response=frames.File,
        area="inbox",
    ),
    Endpoint("GET", "/widget/config", widget_config, PUBLIC, cors=True, response=frames.WidgetConfig, area="inbox"),
    Endpoint("GET", "/api/settings/widget", get_widget, Can.CHANNELS, response=responses.VersionedWidget, area="inbox"),
    Endpoint(
        "PUT",
        "/api/settings/widget",
        put_widget,
        Can.CHANNELS,
        WidgetBody,
        response=responses.VersionedWidget,
        area="inbox",
    ),
    Endpoint("GET", "/api/settings/hours", get_hours, Can.CHANNELS, response=responses.VersionedHours, area="inbox"),
    Endpoint(
        "PUT",
        "/api/settings/hours",
        put_hours,
        Can.CHANNELS,
        HoursBody,
        response=responses.VersionedHours,
        area="inbox",
    ),
    Endpoint("GET", "/api/settings/widget/install", install, Can.CHANNELS, response=responses.Install, area="inbox"),
]
