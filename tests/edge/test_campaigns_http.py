"""Campaigns over HTTP: the whole way from the draft to a credited reply, roles, refusals and the download."""

from __future__ import annotations

from typing import Any

from server.schema import audit, credits, outbound
from tests.campaigns import audience, us
from tests.online import Agent, Answer, Online
from tests.saving import save
from tests.sms import TOLL_FREE, open_sms
from tests.texters import Texter

PATH = "/api/campaigns"


async def started(online: Online, agent: Agent, people: int, **content: Any) -> dict[str, Any]:
    """A saved draft."""
    created = (await agent.post(PATH, {"name": "Sale"})).json()["campaign"]
    form = {
        "name": "Sale",
        "include": {"lists": [people]},
        "content": {"text": "Sale today", **content},
        "version": created["version"],
    }
    answer = await agent.send("PUT", f"{PATH}/{created['id']}", form)
    assert answer.status == 200, answer.body
    result: dict[str, Any] = answer.json()["campaign"]
    return result


async def reviewed(online: Online, agent: Agent, campaign: dict[str, Any]) -> dict[str, Any]:
    assert (await agent.post(f"{PATH}/{campaign['id']}/review", {})).status == 200
    await online.world.advance()
    result: dict[str, Any] = (await agent.get(f"{PATH}/{campaign['id']}")).json()["campaign"]
    return result


def code(answer: Answer) -> str:
    return str(answer.json()["error"]["code"])


async def test_a_campaign_from_the_draft_to_a_credited_reply(online: Online) -> None:
    fake = await open_sms(online.world)
    people = await audience(online.world, [us(n) for n in range(3)])
    cora = await online.agent("cora", socket=False)
    draft = await started(online, cora, people)
    preview = (await cora.post(f"{PATH}/{draft['id']}/preview", {})).json()
    assert preview["text"] == "Support: Sale today\nReply STOP to opt out." and preview["segments"] == 1
    review = (await reviewed(online, cora, draft))["review"]
    assert review["recipients"] == 3 and review["credits"] == {"needed": 3, "used": 0, "plan": None}
    approval = {"version": draft["version"]}
    assert (await cora.post(f"{PATH}/{draft['id']}/approve", approval)).status == 200
    again = await cora.post(f"{PATH}/{draft['id']}/approve", approval)
    assert (again.status, code(again)) == (409, "not_a_draft")
    for _ in range(3):
        await online.world.advance(seconds=1)
    campaign = (await cora.get(f"{PATH}/{draft['id']}")).json()["campaign"]
    assert (campaign["state"], campaign["audience"]) == ("sent", 3)
    assert campaign["counts"] == [{"state": "sent", "reason": "", "message": "", "people": 3}]
    await Texter(online.world, us(1), to=TOLL_FREE).says("Which colours?")
    page = (await cora.get(f"{PATH}/{draft['id']}/receipts?limit=2")).json()
    rest = (await cora.get(f"{PATH}/{draft['id']}/receipts?limit=2&after={page['after']}")).json()
    rows = page["receipts"] + rest["receipts"]
    assert [row["address"] for row in rows] == [us(0), us(1), us(2)] and rest["after"] is None
    assert [row["replied_at"] is not None for row in rows] == [False, True, False]
    line = (await cora.get(PATH)).json()["campaigns"][0]
    assert (line["counts"], line["replied"]) == ({"sent": 3}, 1)
    assert len(fake.texts) == 3


async def test_rol_8_a_creator_prepares_a_coordinator_sends_and_an_analyst_reads(online: Online) -> None:
    await open_sms(online.world)
    people = await audience(online.world, [us(1)])
    kurt, nils, ana = [await online.agent(name, socket=False) for name in ("kurt", "nils", "ana")]
    draft = await started(online, kurt, people)
    path = f"{PATH}/{draft['id']}"
    assert (await kurt.post(f"{path}/review", {})).status == 200
    assert (await kurt.post(f"{path}/preview", {})).status == 200
    assert (await kurt.post(f"{path}/preview", {"contact": 1})).status == 403  # invented people only
    for step in ("approve", "pause", "resume", "cancel"):
        assert (await kurt.post(f"{path}/{step}", {})).status == 403
    assert (await kurt.get(f"{path}/receipts")).status == 403
    assert (await nils.get(path)).status == (await nils.get(f"{path}/receipts")).status == 200
    assert (await nils.post(f"{path}/review", {})).status == 403
    assert (await ana.get(PATH)).status == 403
    cora = await online.agent("cora", socket=False)
    assert (await cora.post(f"{path}/cancel", {})).json()["campaign"]["state"] == "cancelled"


async def test_receipts_are_filtered_and_downloaded_and_the_download_is_in_the_audit_log(online: Online) -> None:
    await open_sms(online.world)
    people = await audience(online.world, [us(1)])
    await audience(online.world, [us(2)], name="No", subscribed=False)
    olga = await online.agent("olga", socket=False)
    draft = await started(online, olga, people)
    form = {**draft, "include": {"lists": [people, people + 1]}}
    draft = (await olga.send("PUT", f"{PATH}/{draft['id']}", form)).json()["campaign"]
    await reviewed(online, olga, draft)
    await olga.post(f"{PATH}/{draft['id']}/approve", {"version": draft["version"]})
    for _ in range(3):
        await online.world.advance(seconds=1)
    receipts = f"{PATH}/{draft['id']}/receipts"
    (skipped,) = (await olga.get(f"{receipts}?state=skipped")).json()["receipts"]
    assert (skipped["reason"], skipped["message"]) == ("not_subscribed", "Has not agreed to marketing texts.")
    (same,) = (await olga.get(f"{receipts}?reason=not_subscribed")).json()["receipts"]
    assert same["id"] == skipped["id"]
    wrong = await olga.get(f"{receipts}?state=lost")
    assert (wrong.status, code(wrong)) == (422, "invalid")
    download = await olga.get(f"{receipts}.csv?state=skipped")
    lines = download.body.decode("utf-8-sig").strip().splitlines()
    assert len(lines) == 2 and "Has not agreed to marketing texts." in lines[1]
    rows = [row.target for row in await online.world.rows(audit) if row.action == "receipts_exported"]
    assert rows == [str(draft["id"])]


async def test_cam_34_a_test_is_free_and_respects_stop(online: Online) -> None:
    fake = await open_sms(online.world, monthly_credits=0)
    olga = await online.agent("olga", socket=False)
    draft = await started(online, olga, await audience(online.world, [us(1)]))
    path = f"{PATH}/{draft['id']}/test"
    bad = await olga.post(path, {"phone": "12"})
    assert (bad.status, code(bad)) == (422, "bad_phone")
    assert (await olga.post(path, {"phone": us(7)})).status == 200
    await Texter(online.world, us(8), to=TOLL_FREE).says("STOP")
    assert (await olga.post(path, {"phone": us(8)})).status == 200
    await online.world.advance(seconds=1)
    tests = [row for row in await online.world.rows(outbound) if row.kind == "test"]
    assert [(row.recipient, row.state) for row in tests] == [(us(7), "accepted"), (us(8), "skipped")]
    assert "Sale today" in fake.texts[0].body
    assert await online.world.rows(credits) == []


async def test_a_save_on_an_older_version_names_the_other_change(online: Online) -> None:
    await open_sms(online.world)
    olga = await online.agent("olga", socket=False)
    mona = await online.agent("mona", socket=False)
    draft = await started(online, olga, await audience(online.world, [us(1)]))
    path = f"{PATH}/{draft['id']}"
    assert (await mona.send("PUT", path, {**draft, "name": "Summer"})).status == 200
    stale = await olga.send("PUT", path, {**draft, "name": "Winter"})
    assert (stale.status, code(stale)) == (409, "stale_version")
    conflict = stale.json()["conflict"]
    assert conflict["current"]["name"] == "Summer"
    assert [(change["who"]["name"], change["fields"]) for change in conflict["changes"]] == [("Mona", ["name"])]


async def test_bad_forms_are_refused_with_the_field(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    draft = (await olga.post(PATH, {"name": "Sale"})).json()["campaign"]
    path = f"{PATH}/{draft['id']}"

    async def fault(**change: Any) -> tuple[int, str]:
        answer = await olga.send("PUT", path, {**draft, **change})
        first = answer.json()["errors"][0] if answer.json().get("errors") else {"field": answer.json()["error"]["code"]}
        return answer.status, str(first["field"])

    assert await fault(name=" ") == (422, "name")
    assert await fault(include={"lists": [77]}) == (422, "include.lists.0")
    assert await fault(content={"text": "{{ ''.__class__ }}"}) == (422, "template")
    assert await fault(content={"text": "x", "opt_out_text": "Call us"}) == (422, "content.opt_out_text")
    assert await fault(smart="sometimes") == (422, "smart")
    late = await olga.post(f"{path}/approve", {"version": draft["version"], "at": "2026-11-20T09:00:00Z"})
    assert (late.status, code(late)) == (422, "in_past")
    zone = await olga.post(f"{path}/approve", {"version": draft["version"], "at": "tomorrow"})
    assert (zone.status, code(zone)) == (422, "invalid")
    assert (await olga.get(f"{PATH}/999")).status == 404


async def test_the_settings_of_campaigns_are_saved_by_version(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    cora = await online.agent("cora", socket=False)
    values = {"smart_campaign_hours": 12, "time_limit_hours": 2}
    assert (await save(olga, f"{PATH}/settings", values)).json()["smart_campaign_hours"] == 12
    assert (await olga.send("PUT", f"{PATH}/settings", {"time_limit_hours": 0})).status == 422
    assert (await cora.get(f"{PATH}/settings")).status == 403
