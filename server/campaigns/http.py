"""Campaigns over HTTP: parse, call, render. Contract: PROTOCOL.md 3, 'Campaigns'."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from server.accounts.rules import Can, authorise
from server.audit import versions
from server.audit.actions import record
from server.campaigns import actions, audience, queries, responses, review, rules, trying
from server.campaigns.actions import Approval, Draft
from server.campaigns.audience import Groups
from server.campaigns.content import Content
from server.campaigns.queries import Campaign, Count, ReceiptRow
from server.delivery.bulk_rules import Smart
from server.delivery.bulk_settings import CAMPAIGNS, CampaignSettings
from server.errors import Refused
from server.kernel.clock import rfc3339
from server.kernel.context import App
from server.kernel.documents import TOPIC
from server.kernel.sql import Conn, Tx
from server.receipts.rules import SENTENCES, Reason
from server.receipts.rules import State as Receipt
from server.web.csv_file import MEDIA_TYPE, csv_response
from server.web.http import WHOLE_NUMBER, Call, EmptyBody, Endpoint, path_id, whole_number
from server.web.paging import PAGING_QUERY, Paging


class CampaignRequest(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class NewCampaign(CampaignRequest):
    name: str = Field(max_length=1_000)


class CloneBody(CampaignRequest):
    """`name` "": the name of the source, with a number."""

    name: str = Field("", max_length=1_000)


class GroupsBody(CampaignRequest):
    lists: list[int] = Field([], max_length=rules.MAX_GROUPS)
    segments: list[int] = Field([], max_length=rules.MAX_GROUPS)


class CampaignBody(CampaignRequest):
    """`version`: of the campaign that the change is based on."""

    name: str = Field(max_length=1_000)
    include: GroupsBody
    exclude: GroupsBody = GroupsBody()
    content: Content
    smart: Literal["off", "campaign", "flow", "both"] = "campaign"
    audience_at: Literal["approval", "send"] = "approval"
    version: str | None = None


class ReviewBody(CampaignRequest):
    """`at`: the start that the review is for; null: now."""

    at: str | None = Field(None, max_length=40)


class ApprovalBody(CampaignRequest):
    """`at` null: send now. `confirmed_shortage`: send although the credits are not enough for everybody."""

    version: str | None = None
    at: str | None = Field(None, max_length=40)
    time_zone: str = Field("", max_length=64)
    confirmed_shortage: bool = False


class RescheduleBody(CampaignRequest):
    at: str = Field(max_length=40)
    time_zone: str = Field("", max_length=64)


class PreviewBody(CampaignRequest):
    """`contact` null: an invented person, in `country`."""

    contact: int | None = Field(None, ge=1, le=2**53)
    country: str = Field("", max_length=2)


class CampaignTestBody(CampaignRequest):
    phone: str = Field(max_length=80)
    contact: int | None = Field(None, ge=1, le=2**53)


class CampaignSettingsBody(CampaignSettings):
    version: str | None = None


# --- rendering ------------------------------------------------------------------------------------


def _at(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)


def _message(reason: str) -> str:
    return SENTENCES[Reason(reason)] if reason in SENTENCES else ""


def _campaign(conn: Conn, campaign_id: int) -> dict[str, Any]:
    campaign = queries.by_id(conn, campaign_id)
    counts = [] if campaign.state is rules.State.DRAFT else queries.counts(conn, campaign.cause)
    every = Groups(
        campaign.include.lists + campaign.exclude.lists, campaign.include.segments + campaign.exclude.segments
    )
    return {
        "campaign": {
            "id": campaign.id,
            **campaign.form,
            "state": campaign.state.value,
            "reason": campaign.reason,
            "group_names": audience.names(conn, every),
            "time_zone": campaign.time_zone,
            "scheduled_at": _at(campaign.scheduled_at),
            "started_at": _at(campaign.started_at),
            "ends_at": _at(campaign.ends_at),
            "finished_at": _at(campaign.finished_at),
            "created_at": rfc3339(campaign.created_at),
            "changed_at": rfc3339(campaign.changed_at),
            "version": actions.version_of(conn, campaign),
            "review": campaign.review if campaign.review_of == campaign.edits else None,
            "audience": sum(count.n for count in counts),
            "counts": [
                {"state": state, "reason": reason, "message": _message(reason), "people": n}
                for state, reason, n in counts
            ],
            **queries.engaged(conn, campaign.cause),
        }
    }


async def _shown(app: App, campaign: Campaign | int) -> dict[str, Any]:
    campaign_id = campaign if isinstance(campaign, int) else campaign.id
    shown = await app.read_slowly(_campaign, campaign_id)
    shown["campaign"]["group_names"] = {
        kind: {str(group): name for group, name in names.items()}
        for kind, names in shown["campaign"]["group_names"].items()
    }
    return shown


def _line(conn: Conn, campaign: Campaign) -> dict[str, Any]:
    counts = [] if campaign.state is rules.State.DRAFT else queries.counts(conn, campaign.cause)
    return {
        "id": campaign.id,
        "name": campaign.name,
        "state": campaign.state.value,
        "reason": campaign.reason,
        "scheduled_at": _at(campaign.scheduled_at),
        "started_at": _at(campaign.started_at),
        "finished_at": _at(campaign.finished_at),
        "changed_at": rfc3339(campaign.changed_at),
        "counts": _by_state(counts),
        **queries.engaged(conn, campaign.cause),
    }


def _by_state(counts: list[Count]) -> Mapping[str, int]:
    sums: dict[str, int] = {}
    for state, _, n in counts:
        sums[state] = sums.get(state, 0) + n
    return sums


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        advice = "Write the time with its zone, like 2026-11-21T09:00:00Z."
        raise Refused("invalid", advice, field="at", fault="wrong_form")
    return moment


# --- handlers -------------------------------------------------------------------------------------


async def list_campaigns(app: App, call: Call) -> Any:
    """List campaigns, the newest first, with how many people have which outcome."""
    limit = whole_number(call, "limit", 25, 100)
    paging = Paging(app, "campaigns", 1)
    place = paging.place(call)
    rows = await app.read_slowly(_lines, limit + 1, place.after and place.after[0], place.before and place.before[0])
    page = paging.page(rows, limit, place, lambda line: (line["id"],))
    return {"campaigns": page.rows, **page.cursors}


def _lines(conn: Conn, limit: int, after: int | None, before: int | None) -> list[dict[str, Any]]:
    return [_line(conn, campaign) for campaign in queries.page(conn, limit, after, before)]


async def create(app: App, call: Call) -> Any:
    """Create a draft."""
    return await _shown(app, await app.write(actions.create, call.agent, call.body.name, call.address))


async def show(app: App, call: Call) -> Any:
    """Show one campaign with its review and the counts of its receipts."""
    return await _shown(app, path_id(call, "campaign"))


async def change(app: App, call: Call) -> Any:
    """Save a draft."""
    body: CampaignBody = call.body
    draft = Draft(
        actions.checked_name(body.name),
        _groups(body.include),
        _groups(body.exclude),
        body.content,
        Smart(body.smart),
        body.audience_at,
    )
    saved = await app.write(actions.save, call.agent, path_id(call, "campaign"), draft, body.version, call.address)
    return await _shown(app, saved)


def _groups(body: GroupsBody) -> Groups:
    return Groups(audience.unique(body.lists), audience.unique(body.segments))


async def clone(app: App, call: Call) -> Any:
    """Create a draft with the audience and text of a campaign in any state."""
    copy = await app.write(actions.clone, call.agent, path_id(call, "campaign"), call.body.name, call.address)
    return await _shown(app, copy)


async def start_review(app: App, call: Call) -> Any:
    """Review the draft: who would get it, who would not and why, credits, finish. GET shows the result."""
    return await _shown(app, await app.write(review.begin, path_id(call, "campaign"), _moment(call.body.at)))


async def approve(app: App, call: Call) -> Any:
    """Send a reviewed draft now, or schedule it."""
    body: ApprovalBody = call.body
    approval = Approval(_moment(body.at), body.time_zone, body.confirmed_shortage)
    approved = await app.write(
        actions.approve, call.agent, path_id(call, "campaign"), approval, body.version, call.address
    )
    return await _shown(app, approved)


async def reschedule(app: App, call: Call) -> Any:
    """Move the start of a scheduled campaign."""
    at = _moment(call.body.at)
    if at is None:
        raise Refused("invalid", "Choose a time.", field="at", fault="required")
    moved = await app.write(
        actions.reschedule, call.agent, path_id(call, "campaign"), at, call.body.time_zone, call.address
    )
    return await _shown(app, moved)


async def pause(app: App, call: Call) -> Any:
    """Pause a campaign: a scheduled one becomes a draft; of one that is being sent, nothing more leaves."""
    return await _shown(app, await actions.pause(app, call.agent, path_id(call, "campaign"), call.address))


async def resume(app: App, call: Call) -> Any:
    """Resume a campaign that was paused while it was being sent."""
    return await _shown(app, await actions.resume(app, call.agent, path_id(call, "campaign"), call.address))


async def cancel(app: App, call: Call) -> Any:
    """Cancel a campaign: sent messages stay, nothing more leaves."""
    return await _shown(app, await actions.cancel(app, call.agent, path_id(call, "campaign"), call.address))


async def preview(app: App, call: Call) -> Any:
    """Show the text as a contact gets it, or as an invented person does."""
    body: PreviewBody = call.body
    if body.contact is not None:
        authorise(call.actor, Can.CONTACTS_SEE)
    return await app.read(
        _preview, path_id(call, "campaign"), app.settings.public_url, body.contact, body.country.upper()
    )


def _preview(conn: Conn, campaign_id: int, base: str, contact: int | None, country: str) -> dict[str, Any]:
    return trying.preview(conn, queries.by_id(conn, campaign_id), base, contact, country)


async def send_test(app: App, call: Call) -> Any:
    """Send the text to one phone, free of charge. A number that opted out gets none."""
    body: CampaignTestBody = call.body
    if body.contact is not None:
        authorise(call.actor, Can.CONTACTS_SEE)
    queued = await app.write(
        trying.send_test,
        call.agent,
        path_id(call, "campaign"),
        body.phone,
        app.settings.public_url,
        body.contact,
        call.address,
    )
    return {"outbound": queued}


# --- receipts -------------------------------------------------------------------------------------

_STATES = [state.value for state in Receipt]
_REASONS = [reason.value for reason in Reason]
FILTER: dict[str, dict[str, Any]] = {
    "state": {"type": "string", "enum": _STATES},
    "reason": {"type": "string", "enum": _REASONS},
}


def _choice(call: Call, name: str, known: list[str]) -> str | None:
    """The value of a filter; None: any."""
    value = call.query.get(name) or None
    if value is not None and value not in known:
        raise Refused("invalid", f"Choose one of: {', '.join(known)}.", field=name, fault="no_choice")
    return value


async def list_receipts(app: App, call: Call) -> Any:
    """List what became of each person, of one state or reason."""
    campaign = path_id(call, "campaign")
    limit = whole_number(call, "limit", 50, 200)
    state, reason = _choice(call, "state", _STATES), _choice(call, "reason", _REASONS)
    paging = Paging(app, f"receipts:{campaign}:{state}:{reason}", 1)
    place = paging.place(call)
    rows = await app.read_slowly(
        _receipts,
        campaign,
        limit + 1,
        state,
        reason,
        place.after and place.after[0],
        place.before and place.before[0],
    )
    page = paging.page(rows, limit, place, lambda row: (row.id,))
    return {"receipts": [_receipt(row) for row in page.rows], **page.cursors}


def _receipts(
    conn: Conn,
    campaign: int,
    limit: int,
    state: str | None,
    reason: str | None,
    after: int | None = None,
    before: int | None = None,
) -> list[ReceiptRow]:
    cause = queries.by_id(conn, campaign).cause
    return queries.receipts_page(conn, cause, limit, state, reason, after, before)


def _receipt(row: ReceiptRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "contact": row.contact_id,
        "name": row.name,
        "address": row.address,
        "country": row.country,
        "state": row.state,
        "reason": row.reason,
        "message": _message(row.reason),
        "detail": row.detail,
        "outbound": row.outbound_id,
        "at": rfc3339(row.at),
        "sent_at": _at(row.sent_at),
        "clicks": row.clicks,
        "replied_at": _at(row.replied_at),
        "reply_thread": row.reply_thread,
        "reply_seq": row.reply_seq,
    }


CSV_PAGE = 500
CSV_HEADER = (
    "contact", "name", "phone", "country", "state", "reason", "explanation", "detail", "time", "sent", "clicks", "replied",
)  # fmt: skip


async def receipts_csv(app: App, call: Call) -> Any:
    """Download the receipts as CSV. The download is in the audit log."""
    campaign = path_id(call, "campaign")
    state, reason = _choice(call, "state", _STATES), _choice(call, "reason", _REASONS)
    first = await app.read_slowly(_receipts, campaign, CSV_PAGE, state, reason)
    await app.write(_note_download, call, campaign)

    async def pages() -> AsyncIterator[list[list[str | None]]]:
        rows = first
        while rows:
            yield [_csv_row(row) for row in rows]
            rows = await app.read_slowly(_receipts, campaign, CSV_PAGE, state, reason, rows[-1].id)

    return csv_response(f"campaign-{campaign}.csv", CSV_HEADER, pages())


def _note_download(tx: Tx, call: Call, campaign: int) -> None:
    record(tx, call.agent.id, "receipts_exported", str(campaign), call.address)


def _csv_row(row: ReceiptRow) -> list[str | None]:
    return [
        str(row.contact_id),
        row.name,
        row.address,
        row.country,
        row.state,
        row.reason,
        _message(row.reason),
        row.detail,
        rfc3339(row.at),
        _at(row.sent_at),
        str(row.clicks),
        _at(row.replied_at),
    ]


# --- settings -------------------------------------------------------------------------------------


async def get_settings(app: App, call: Call) -> Any:
    """Show the settings of campaigns: hours of Smart Sending, time limit, failures that pause."""
    return (await app.read(versions.load, CAMPAIGNS)).json()


async def put_settings(app: App, call: Call) -> Any:
    """Change the settings of campaigns. Running timers of Smart Sending keep their length."""
    values = CampaignSettings(**call.body.model_dump(exclude={"version"}))
    saved = await app.write(versions.save, call.agent.id, CAMPAIGNS, values, call.body.version, call.address)
    CAMPAIGNS.cached(app).on_published(TOPIC, None)
    return saved.json()


_ONE = responses.OneCampaign
_PATH = "/api/campaigns/{campaign}"
ENDPOINTS: list[Endpoint] = [
    Endpoint(
        "GET", "/api/campaigns", list_campaigns, Can.CAMPAIGNS_SEE, response=responses.CampaignPage,
        query={**PAGING_QUERY, "limit": WHOLE_NUMBER},
    ),
    Endpoint("POST", "/api/campaigns", create, Can.CAMPAIGNS_PREPARE, NewCampaign, response=_ONE),
    Endpoint(
        "GET", "/api/campaigns/settings", get_settings, Can.CHANNELS, response=responses.VersionedCampaignSettings
    ),
    Endpoint(
        "PUT", "/api/campaigns/settings", put_settings, Can.CHANNELS, CampaignSettingsBody,
        response=responses.VersionedCampaignSettings,
    ),
    Endpoint("GET", _PATH, show, Can.CAMPAIGNS_SEE, response=_ONE),
    Endpoint("PUT", _PATH, change, Can.CAMPAIGNS_PREPARE, CampaignBody, response=_ONE),
    Endpoint("POST", f"{_PATH}/clone", clone, Can.CAMPAIGNS_PREPARE, CloneBody, response=_ONE),
    Endpoint("POST", f"{_PATH}/review", start_review, Can.CAMPAIGNS_PREPARE, ReviewBody, response=_ONE),
    Endpoint("POST", f"{_PATH}/preview", preview, Can.CAMPAIGNS_PREPARE, PreviewBody, response=responses.PreviewOut),
    Endpoint("POST", f"{_PATH}/test", send_test, Can.CAMPAIGNS_PREPARE, CampaignTestBody, response=responses.QueuedTest),
    Endpoint("POST", f"{_PATH}/approve", approve, Can.CAMPAIGNS_SEND, ApprovalBody, response=_ONE),
    Endpoint("POST", f"{_PATH}/reschedule", reschedule, Can.CAMPAIGNS_SEND, RescheduleBody, response=_ONE),
    Endpoint("POST", f"{_PATH}/pause", pause, Can.CAMPAIGNS_SEND, EmptyBody, response=_ONE),
    Endpoint("POST", f"{_PATH}/resume", resume, Can.CAMPAIGNS_SEND, EmptyBody, response=_ONE),
    Endpoint("POST", f"{_PATH}/cancel", cancel, Can.CAMPAIGNS_SEND, EmptyBody, response=_ONE),
    Endpoint(
        "GET", f"{_PATH}/receipts", list_receipts, Can.CAMPAIGNS_REPORT, response=responses.ReceiptPage,
        query={**PAGING_QUERY, **FILTER, "limit": WHOLE_NUMBER},
    ),
    Endpoint("GET", f"{_PATH}/receipts.csv", receipts_csv, Can.EXPORT, query=FILTER, response_type=MEDIA_TYPE),
]  # fmt: skip
