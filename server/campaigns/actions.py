"""Changes of campaigns: edits, approval, pause, resume, cancel, clone. Each is one conditional change of the state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from server.accounts.account_settings import ACCOUNT, UTC, is_time_zone
from server.accounts.rules import Agent
from server.audit import versions
from server.audit.actions import record
from server.campaigns import audience, queries, rules, sending
from server.campaigns.audience import Groups
from server.campaigns.content import Content
from server.campaigns.queries import Campaign
from server.campaigns.rules import Outcomes, Reason, State
from server.delivery import bulk_rules
from server.delivery.bulk_rules import Smart
from server.delivery.bulk_settings import CAMPAIGNS
from server.delivery.settings import SMS
from server.errors import Conflict, Refused
from server.kernel import jobs
from server.kernel.context import App
from server.kernel.sql import Conn, Row, Statement, Tx
from server.receipts import variables
from server.receipts.rules import State as Receipt
from server.schema import campaigns
from server.text import is_blank, one_line

RUN = "campaigns.run"
REMIND = "campaigns.remind"
DOCUMENT = "campaign"  # in the audit log: "campaign_changed"
TOPIC = "campaigns"  # published when a campaign changes
_PRIORITY = 20

_INSERT = Statement(
    insert(campaigns)
    .values(
        {
            name: bindparam(name)
            for name in "name state include exclude content smart audience_at created_by created_at changed_at".split()
        }
    )
    .returning(campaigns.c.id)
)


@dataclass(frozen=True, slots=True)
class Draft:
    """What the editor saves."""

    name: str
    include: Groups
    exclude: Groups
    content: Content
    smart: Smart
    audience_at: str  # approval | send

    @property
    def columns(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "include": self.include.json(),
            "exclude": self.exclude.json(),
            "content": self.content.model_dump(mode="json"),
            "smart": self.smart.value,
            "audience_at": self.audience_at,
        }


def checked_name(raw: str) -> str:
    name = one_line(raw)
    if is_blank(name):
        raise Refused("invalid", "Give the campaign a name.", field="name", fault="required")
    if len(name) > rules.MAX_NAME:
        raise Refused(
            "invalid",
            f"A name can have at most {rules.MAX_NAME} characters.",
            field="name",
            fault="too_long",
            params={"max": rules.MAX_NAME},
        )
    return name


def create(tx: Tx, agent: Agent, name: str, address: str = "") -> Campaign:
    """A new draft."""
    draft = Draft(checked_name(name), Groups(), Groups(), Content(), Smart.CAMPAIGN, "approval")
    campaign = _insert(tx, agent, draft)
    record(tx, agent.id, "campaign_created", str(campaign.id), address, name=campaign.name)
    return campaign


def _insert(tx: Tx, agent: Agent, draft: Draft) -> Campaign:
    row = {**draft.columns, "state": State.DRAFT.value, "created_by": agent.id, "created_at": tx.now}
    campaign = int(tx.value(_INSERT, **row, changed_at=tx.now))
    tx.publish(TOPIC, str(campaign))
    return queries.by_id(tx, campaign)


def clone(tx: Tx, agent: Agent, campaign_id: int, name: str = "", address: str = "") -> Campaign:
    """A new draft with the same audience and content, of a campaign in any state (CST-3)."""
    source = queries.by_id(tx, campaign_id)
    new_name = checked_name(name) if name else source.name[: rules.MAX_NAME - 4] + " (2)"
    found = {kind: set(names) for kind, names in audience.names(tx, source.include).items()}
    left = {kind: set(names) for kind, names in audience.names(tx, source.exclude).items()}
    draft = Draft(
        new_name,
        _existing(source.include, found),
        _existing(source.exclude, left),
        source.content,
        source.smart,
        source.audience_at,
    )
    campaign = _insert(tx, agent, draft)
    record(tx, agent.id, "campaign_cloned", str(campaign.id), address, name=campaign.name, source=campaign_id)
    return campaign


def _existing(groups: Groups, found: Mapping[str, set[int]]) -> Groups:
    return Groups(
        tuple(group for group in groups.lists if group in found["lists"]),
        tuple(group for group in groups.segments if group in found["segments"]),
    )


def version_of(conn: Conn, campaign: Campaign) -> str:
    """The version of the form, which a save is based on."""
    return versions.version_of(conn, (DOCUMENT,), campaign.form)


def check_version(conn: Conn, campaign: Campaign, version: str | None) -> None:
    """Raises `Conflict` "stale_version", with the changes since then, if somebody else saved first."""

    def concerns(line: Row) -> bool:
        return bool(line.target == str(campaign.id))

    versions.check(conn, version, (DOCUMENT,), campaign.form, campaign.form, concerns)


def _locked(tx: Tx, campaign_id: int) -> Campaign:
    versions.lock(tx, DOCUMENT)
    return queries.by_id(tx, campaign_id, lock=True)


def _set(tx: Tx, campaign: Campaign, **values: Any) -> Campaign:
    """Writes columns of a locked campaign."""
    stored = {
        name: value.value if isinstance(value, State | Reason | Smart) else value for name, value in values.items()
    }
    tx.run(update(campaigns).where(campaigns.c.id == campaign.id).values(**stored, changed_at=tx.now))
    tx.publish(TOPIC, str(campaign.id))
    return queries.by_id(tx, campaign.id)


def save(tx: Tx, agent: Agent, campaign_id: int, draft: Draft, version: str | None, address: str = "") -> Campaign:
    """Raises `Conflict` "not_a_draft" or "stale_version", `Refused` "unknown_group", and `TemplateError`."""
    campaign = _locked(tx, campaign_id)
    if refusal := rules.check_edit(campaign.state):
        raise refusal
    check_version(tx, campaign, version)
    for field, groups in (("include", draft.include), ("exclude", draft.exclude)):
        if len(groups.lists) + len(groups.segments) > rules.MAX_GROUPS:
            raise Refused(
                "invalid",
                f"Choose at most {rules.MAX_GROUPS} lists and segments.",
                field=field,
                fault="too_many_items",
                params={"max": rules.MAX_GROUPS},
            )
        audience.check_exist(tx, field, groups)
    variables.parse(tx, draft.content.text)
    before, after = campaign.form, draft.columns
    changed = sorted(name for name, value in after.items() if value != before[name])
    if not changed:
        return campaign
    record(tx, agent.id, "campaign_changed", str(campaign.id), address, settings=changed)
    return _set(tx, campaign, **after, edits=campaign.edits + 1)


# --- sending ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Approval:
    """`at` None: now. `confirmed_shortage`: send although the credits are not enough for everybody (CAM-45)."""

    at: datetime | None
    time_zone: str = ""
    confirmed_shortage: bool = False


def approve(
    tx: Tx, agent: Agent, campaign_id: int, approval: Approval, version: str | None, address: str = ""
) -> Campaign:
    """Sends or schedules a draft whose review is done. Raises `Refused` or `Conflict` that says what is missing."""
    campaign = _locked(tx, campaign_id)
    if refusal := rules.check_approve(campaign.state, approval.at, tx.now):
        raise refusal
    check_version(tx, campaign, version)
    _check_complete(tx, campaign)
    _check_review(campaign, approval, tx.now)
    zone = approval.time_zone or campaign.time_zone or ACCOUNT.load(tx).time_zone or UTC
    if not is_time_zone(zone):
        raise Refused("unknown_zone", "This time zone does not exist.", field="time_zone")
    at = approval.at or tx.now
    later = approval.at is not None and campaign.audience_at == "send"
    record(tx, agent.id, "campaign_approved", str(campaign.id), address, at=at.isoformat(), scheduled=bool(approval.at))
    approved = _set(
        tx,
        campaign,
        state=State.SCHEDULED if later else State.PREPARING,
        reason="",
        scheduled_at=at,
        time_zone=zone,
        approved_by=agent.id,
        prepared_to=None,
    )
    _cancel_reminders(tx, campaign)
    wake(tx, campaign.id, at if later else tx.now)
    return approved


def _check_complete(conn: Conn, campaign: Campaign) -> None:
    if not SMS.load(conn).on:
        raise Conflict("sms_off", "Turn on SMS under Settings → SMS first.")
    if not campaign.include:
        raise Refused("invalid", "Choose at least one list or segment.", field="include", fault="required")
    if is_blank(campaign.content.text):
        raise Refused("invalid", "Write the text of the campaign.", field="content.text", fault="required")
    audience.check_exist(conn, "include", campaign.include)
    audience.check_exist(conn, "exclude", campaign.exclude)


def _check_review(campaign: Campaign, approval: Approval, now: datetime) -> None:
    review = campaign.review if campaign.review_of == campaign.edits else None
    if review is None or not review.get("done"):
        raise Conflict("review_first", "Review this version of the campaign before you send it.")
    fixed = approval.at is None or campaign.audience_at == "approval"
    if fixed and not review["recipients"] and not review["reasons"].get("no_funds"):
        raise Conflict("nobody_to_text", "Nobody in this audience can be texted. The review shows why.")
    if review["reasons"].get("no_funds") and not approval.confirmed_shortage:
        short, wanted = review["reasons"]["no_funds"], review["recipients"] + review["reasons"]["no_funds"]
        raise Conflict(
            "not_enough_credits", f"{short:,} of {wanted:,} would be skipped, because the credits are not enough."
        )
    check_france(review, approval.at or now)


def check_france(review: Mapping[str, Any] | None, at: datetime) -> None:
    """Raises `Conflict` "quiet_hours" if the start is outside the hours in which France allows campaigns (CAM-47)."""
    french = ((review or {}).get("countries") or {}).get("FR")
    if french and bulk_rules.quiet("FR", at):
        raise Conflict(
            "quiet_hours",
            f"{french['recipients']:,} recipients are in France, where campaigns may be sent from 8:00 to 22:00 on working "
            "days. Choose another time, or exclude them.",
        )


def reschedule(
    tx: Tx, agent: Agent, campaign_id: int, at: datetime, time_zone: str = "", address: str = ""
) -> Campaign:
    """Moves the start. The time zone stays (CST-7)."""
    campaign = _locked(tx, campaign_id)
    if refusal := rules.check_reschedule(campaign.state, campaign.scheduled_at, at, tx.now):
        raise refusal
    if time_zone and time_zone != campaign.time_zone:
        raise Refused(
            "zone_fixed",
            f"The time zone of a scheduled campaign cannot be changed. It is {campaign.time_zone}.",
            field="time_zone",
        )
    check_france(campaign.review, at)
    record(tx, agent.id, "campaign_rescheduled", str(campaign.id), address, at=at.isoformat())
    moved = _set(tx, campaign, scheduled_at=at)
    wake(tx, campaign.id, at)
    return moved


def wake(tx: Tx, campaign_id: int, at: datetime) -> None:
    jobs.enqueue(tx, RUN, {"campaign": campaign_id}, run_at=at, key=f"{RUN}:{campaign_id}", priority=_PRIORITY)


def pause_step(tx: Tx, agent: Agent, campaign_id: int, address: str = "") -> Campaign:
    """A scheduled campaign becomes a draft, with reminders; one that is being sent stops."""
    campaign = _locked(tx, campaign_id)
    after = rules.after_pause(campaign.state, campaign.scheduled_at, tx.now)
    if isinstance(after, Refused):
        raise after
    record(tx, agent.id, "campaign_paused", str(campaign.id), address)
    paused = _set(tx, campaign, state=after, reason=Reason.BY_HAND if after is State.PAUSED else "")
    if after is State.DRAFT and campaign.scheduled_at is not None:
        for place, at in enumerate(rules.reminders(campaign.scheduled_at, tx.now)):
            payload = {"campaign": campaign.id, "at": campaign.scheduled_at.isoformat()}
            jobs.enqueue(tx, REMIND, payload, run_at=at, key=f"{REMIND}:{campaign.id}:{place}", priority=_PRIORITY)
        jobs.cancel(tx, f"{RUN}:{campaign.id}")
    else:
        wake(tx, campaign.id, tx.now)
    return paused


def _cancel_reminders(tx: Tx, campaign: Campaign) -> None:
    for place in range(len(rules.REMINDERS)):
        jobs.cancel(tx, f"{REMIND}:{campaign.id}:{place}")


def cancel_step(tx: Tx, agent: Agent, campaign_id: int, address: str = "") -> Campaign:
    campaign = _locked(tx, campaign_id)
    after = rules.after_cancel(campaign.state)
    if isinstance(after, Refused):
        raise after
    record(tx, agent.id, "campaign_cancelled", str(campaign.id), address)
    _cancel_reminders(tx, campaign)
    cancelled = _set(tx, campaign, state=after, reason=Reason.BY_HAND, finished_at=tx.now)
    wake(tx, campaign.id, tx.now)
    return cancelled


def resume_step(tx: Tx, agent: Agent, campaign_id: int, forgiven: Outcomes, address: str = "") -> Campaign:
    """Goes on. `forgiven`: the outcomes until now; their failures do not pause it again."""
    campaign = _locked(tx, campaign_id)
    if refusal := rules.check_resume(campaign.state):
        raise refusal
    record(tx, agent.id, "campaign_resumed", str(campaign.id), address)
    resumed = _set(
        tx,
        campaign,
        state=State.SENDING,
        reason="",
        forgiven={"settled": forgiven.settled, "failed": forgiven.failed},
    )
    wake(tx, campaign.id, tx.now)
    return resumed


async def pause(app: App, agent: Agent, campaign_id: int, address: str = "") -> Campaign:
    """When it returns, no queued text of the campaign begins to be sent any more."""
    paused = await app.write(pause_step, agent, campaign_id, address)
    if paused.state is State.PAUSED:
        await sending.hold_queued(app, paused)
    return paused


async def cancel(app: App, agent: Agent, campaign_id: int, address: str = "") -> Campaign:
    """When it returns, no queued text of the campaign begins to be sent any more. A job ends the receipts of the others."""
    cancelled = await app.write(cancel_step, agent, campaign_id, address)
    if cancelled.state is State.CANCELLED_DURING_SEND:
        await sending.drop_queued(app, cancelled)
    return cancelled


async def resume(app: App, agent: Agent, campaign_id: int, address: str = "") -> Campaign:
    campaign = await app.read(queries.by_id, campaign_id)
    forgiven = await app.read_slowly(outcomes, campaign.cause)
    return await app.write(resume_step, agent, campaign_id, forgiven, address)


_SETTLED = frozenset({Receipt.SENT, Receipt.DELIVERED, Receipt.FAILED, Receipt.UNKNOWN})


def outcomes(conn: Conn, cause: str) -> Outcomes:
    """How many texts have an outcome, and how many of them failed. Counts all receipts: read slowly."""
    counts = queries.counts(conn, cause)
    return Outcomes(
        sum(count.n for count in counts if count.state in _SETTLED),
        sum(count.n for count in counts if count.state == Receipt.FAILED),
    )


# --- by the server ----------------------------------------------------------------------------------


def start(tx: Tx, campaign_id: int) -> Campaign:
    """Begins the send of a prepared campaign, or schedules it."""
    campaign = _locked(tx, campaign_id)
    if campaign.state is not State.PREPARING:
        return campaign
    if campaign.scheduled_at is not None and campaign.scheduled_at > tx.now:
        wake(tx, campaign.id, campaign.scheduled_at)
        return _set(tx, campaign, state=State.SCHEDULED)
    return _begin(tx, campaign)


def _begin(tx: Tx, campaign: Campaign) -> Campaign:
    limit = timedelta(hours=CAMPAIGNS.load(tx).time_limit_hours)
    return _set(tx, campaign, state=State.SENDING, started_at=tx.now, ends_at=tx.now + limit)


def begin_scheduled(tx: Tx, campaign_id: int) -> Campaign:
    """Begins when the scheduled time has come. The audience of the approval is sent as it is; another one is prepared now."""
    campaign = _locked(tx, campaign_id)
    if campaign.state is not State.SCHEDULED or campaign.scheduled_at is None or campaign.scheduled_at > tx.now:
        return campaign
    return _begin(tx, campaign) if campaign.audience_at == "approval" else _set(tx, campaign, state=State.PREPARING)


def fail(tx: Tx, campaign_id: int, reason: Reason) -> Campaign:
    campaign = _locked(tx, campaign_id)
    if campaign.state is not State.PREPARING:
        return campaign
    return _set(tx, campaign, state=State.FAILED, reason=reason, finished_at=tx.now)


def pause_automatically(tx: Tx, campaign_id: int, reason: Reason) -> Campaign | None:
    """Pauses a send that has a problem. Returns None if it is not being sent any more."""
    campaign = _locked(tx, campaign_id)
    if campaign.state is not State.SENDING:
        return None
    record(tx, None, "campaign_paused", str(campaign.id), reason=reason.value)
    return _set(tx, campaign, state=State.PAUSED, reason=reason)


def finish(tx: Tx, campaign_id: int) -> Campaign:
    """Ends a send that has nothing left to do (CST-1: a campaign that reached nobody is cancelled)."""
    campaign = _locked(tx, campaign_id)
    if campaign.state is not State.SENDING or queries.unfinished(tx, campaign.cause):
        return campaign
    counts = queries.counts(tx, campaign.cause)
    tried = any(count.state != Receipt.SKIPPED for count in counts)
    reason = ""
    if not counts:
        reason = Reason.NO_RECIPIENTS.value
    elif not tried and all(count.reason == Reason.SMART_SENDING for count in counts):
        reason = Reason.SMART_SENDING.value
    state = State.CANCELLED if reason else State.SENT
    return _set(tx, campaign, state=state, reason=reason, finished_at=tx.now)


_UNFINISHED = Statement(
    select(campaigns.c.id, campaigns.c.state, campaigns.c.scheduled_at).where(
        campaigns.c.state.in_([State.PREPARING.value, State.SCHEDULED.value, State.SENDING.value])
    )
)


def start_jobs(tx: Tx) -> None:
    """Runs unfinished campaigns when a worker starts, in case a job died."""
    for row in tx.all(_UNFINISHED):
        at = tx.now if row.scheduled_at is None or row.state != State.SCHEDULED else max(row.scheduled_at, tx.now)
        jobs.enqueue_no_later(tx, RUN, {"campaign": row.id}, run_at=at, key=f"{RUN}:{row.id}", priority=_PRIORITY)
