"""The audit log as owner and admins read it: who did what, to whom, when, from where; page by page."""

from __future__ import annotations

from sqlalchemy import insert

from server.accounts.audit import record
from server.contacts.rules import shown_phone
from server.schema import contacts, jobs
from tests.online import Online


async def test_changes_of_settings_accounts_and_jobs_stand_in_the_log_with_names(online: Online) -> None:
    olga, ben = await online.agent("olga", socket=False), await online.agent("ben", socket=False)
    widget = (await olga.get("/api/settings/widget")).json()
    assert (
        await olga.send("PUT", "/api/settings/widget", widget | {"brand": "Kettles", "ask_email": False})
    ).status == 200
    assert (
        await olga.send("PUT", "/api/settings/widget", widget | {"brand": "Kettles", "ask_email": False})
    ).status == 200
    assert (await olga.send("PATCH", f"/api/users/{ben.desk.id}", {"role": "manager"})).status == 200
    now = online.world.now
    row = {"kind": "x", "payload": {}, "priority": 30, "run_at": now, "created_at": now, "dead": True}
    await online.app.write(lambda tx: tx.run(insert(jobs).values(id=7, **row)))
    assert (await olga.post("/api/jobs/7/retry", {})).status == 200

    lines = (await olga.get("/api/audit?limit=3")).json()["lines"]
    assert [line["action"] for line in lines] == ["job_retried", "user_changed", "widget_changed"]
    assert all(line["who"] == {"id": olga.desk.id, "name": "Olga"} and line["address"] for line in lines)
    assert lines[0]["target"] == "7" and lines[0]["whom"] is None
    assert lines[1]["whom"] == {"id": ben.desk.id, "name": "Ben"}
    assert lines[1]["detail"] == {"role": ["support", "manager"]}
    assert lines[2]["detail"] == {"settings": ["ask_email", "brand"]}  # saved twice, changed once
    assert lines[0]["at"].startswith(now.strftime("%Y-%m-%dT"))


async def test_a_contact_is_named_as_they_are_called_now_and_leads_to_their_newest_ticket(online: Online) -> None:
    olga, ana = await online.agent("olga", socket=False), await online.agent("ana", socket=False)
    ticket = await online.world.sms_ticket()
    chat = (await online.world.conversation())[1]
    for path, change in (
        (ticket.contact, {"name": "Maria"}),
        (ticket.contact, {"name": "Maria Silva", "email": "maria@shop.example"}),
        (chat.contact, {"email": "zoe@shop.example"}),
        (ticket.contact, {"name": "", "email": ""}),
    ):
        assert (await ana.send("PUT", f"/api/contacts/{path}", change)).status == 200
    lines = (await olga.get("/api/audit?limit=4")).json()["lines"]
    assert [line["action"] for line in lines] == ["contact_changed"] * 4
    assert lines[0]["contact"] == lines[2]["contact"] == lines[3]["contact"] == {
        "id": ticket.contact, "name": "", "email": None, "phone": ticket.contact_phone,
        "phone_shown": shown_phone(ticket.contact_phone), "ticket": ticket.id,
    }  # fmt: skip
    assert (lines[1]["contact"]["email"], lines[1]["contact"]["ticket"]) == ("zoe@shop.example", chat.id)
    assert lines[2]["detail"] == {"settings": ["name", "email"]}, "not what they were called"
    # One without a ticket, and one who is gone.
    lonely = int(await online.app.write(lambda tx: tx.value(insert(contacts).values(name="Bob", created_at=tx.now).returning(contacts.c.id))))  # fmt: skip
    for target in (lonely, 999_999):
        await online.app.write(record, olga.desk.id, "contact_changed", str(target))
    gone, bob = (await olga.get("/api/audit?limit=2")).json()["lines"]
    assert gone["contact"] is None and (bob["contact"]["name"], bob["contact"]["ticket"]) == ("Bob", None)


async def test_a_consent_changed_by_hand_stands_in_the_log_with_what_it_was_before(online: Online) -> None:
    olga, ana = await online.agent("olga", socket=False), await online.agent("ana", socket=False)
    ticket = await online.world.sms_ticket()
    path = f"/api/contacts/{ticket.contact}/consents"
    kind = (await olga.post("/api/consents", {"name": "Phone calls"})).json()["consent"]
    body = {"purpose": kind["purpose"], "reason": "said so on the phone"}
    assert (await olga.post(path, body | {"status": "subscribed"})).status == 200
    assert (await ana.post(path, body | {"status": "subscribed"})).status == 403
    assert (await ana.post(path, body | {"status": "unsubscribed"})).status == 200
    taken, given = (await olga.get("/api/audit?limit=2")).json()["lines"]
    assert (given["action"], taken["action"]) == ("consent_given", "consent_withdrawn")
    assert (given["who"]["name"], taken["who"]["name"]) == ("Olga", "Ana")
    assert given["contact"]["id"] == taken["contact"]["id"] == ticket.contact and given["address"] and taken["address"]
    what = {"purpose": kind["purpose"], "consent": "Phone calls"}
    assert given["detail"] == what | {"status": ["never_subscribed", "subscribed"]}
    assert taken["detail"] == what | {"status": ["subscribed", "unsubscribed"]}


async def test_pages_meet_without_a_gap_while_new_lines_arrive(online: Online) -> None:
    adam = await online.agent("adam", socket=False)
    for number in range(7):
        await adam.send("PATCH", "/api/me", {"name": f"Adam {number}"})
    seen: list[int] = []
    path = "/api/audit?limit=4"
    while path:
        page = (await adam.get(path)).json()
        seen += [line["id"] for line in page["lines"]]
        path = f"/api/audit?limit=4&before={page['before']}" if page["before"] else ""
        await adam.send("PATCH", "/api/me", {"name": f"Adam later {len(seen)}"})
    assert seen == list(range(seen[0], 0, -1)), "newest first, each once, none left out"


async def test_only_owner_and_admin_read_it_and_odd_pages_are_refused(online: Online) -> None:
    for name in ("mona", "nils", "cora", "kurt", "ana"):
        agent = await online.agent(name, socket=False)
        assert (await agent.get("/api/audit")).status == 403
    adam = await online.agent("adam", socket=False)
    for odd in ("before=0", "before=-1", "before=x", "limit=0", "limit=1e3", "before=10000000000000000"):
        answer = await adam.get(f"/api/audit?{odd}")
        assert answer.status == 422, odd
    assert len((await adam.get("/api/audit?limit=100000")).json()["lines"]) <= 200
