"""The audit log as owner and admins read it: who did what, to whom, when and from where; page by page."""

from __future__ import annotations

import csv
import io

import pytest
from sqlalchemy import insert

from server.audit import http as audit_http
from server.audit.actions import record
from server.contacts.rules import shown_phone
from server.schema import jobs
from server.web.csv_file import safe_cell
from tests.online import Online
from tests.people import add_contact
from tests.saving import save


async def test_changes_of_settings_accounts_and_jobs_are_logged_with_names(online: Online) -> None:
    olga, ben = await online.agent("olga", socket=False), await online.agent("ben", socket=False)
    widget = (await olga.get("/api/settings/widget")).json()
    assert (await save(olga, "/api/settings/widget", widget | {"brand": "Kettles", "ask_email": False})).status == 200
    assert (await save(olga, "/api/settings/widget", widget | {"brand": "Kettles", "ask_email": False})).status == 200
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
    assert lines[2]["detail"] == {"settings": ["ask_email", "brand"]}  # saved twice with one change
    assert lines[0]["at"].startswith(now.strftime("%Y-%m-%dT"))


async def test_an_audit_entry_shows_the_contacts_current_name_and_newest_ticket(online: Online) -> None:
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
    assert lines[2]["detail"] == {"settings": ["name", "email"]}, (
        "the audit log names the changed fields, not their values"
    )
    # One contact without a ticket, and one that was deleted.
    ticketless = int(await online.app.write(lambda tx: add_contact(tx, name="Bob")))  # fmt: skip
    for target in (ticketless, 999_999):
        await online.app.write(record, olga.desk.id, "contact_changed", str(target))
    deleted_line, bobs_line = (await olga.get("/api/audit?limit=2")).json()["lines"]
    assert deleted_line["contact"] is None and (bobs_line["contact"]["name"], bobs_line["contact"]["ticket"]) == (
        "Bob",
        None,
    )


async def test_a_consent_changed_by_hand_is_logged_with_its_previous_status(online: Online) -> None:
    olga, ana = await online.agent("olga", socket=False), await online.agent("ana", socket=False)
    ticket = await online.world.sms_ticket()
    path = f"/api/contacts/{ticket.contact}/consents"
    kind = (await olga.post("/api/consents", {"name": "Phone calls"})).json()["consent"]
    body = {"purpose": kind["purpose"], "reason": "said so on the phone"}
    assert (await olga.post(path, body | {"status": "subscribed"})).status == 200
    assert (await ana.post(path, body | {"status": "subscribed"})).status == 403
    assert (await ana.post(path, body | {"status": "unsubscribed"})).status == 200
    revoked_line, granted_line = (await olga.get("/api/audit?limit=2")).json()["lines"]
    assert (granted_line["action"], revoked_line["action"]) == ("consent_given", "consent_withdrawn")
    assert (granted_line["who"]["name"], revoked_line["who"]["name"]) == ("Olga", "Ana")
    assert (
        granted_line["contact"]["id"] == revoked_line["contact"]["id"] == ticket.contact
        and granted_line["address"]
        and revoked_line["address"]
    )
    detail = {"purpose": kind["purpose"], "consent": "Phone calls"}
    assert granted_line["detail"] == detail | {"status": ["never_subscribed", "subscribed"]}
    assert revoked_line["detail"] == detail | {"status": ["subscribed", "unsubscribed"]}


async def test_pages_have_no_gap_while_new_entries_arrive(online: Online) -> None:
    adam = await online.agent("adam", socket=False)
    for number in range(7):
        await adam.send("PATCH", "/api/me", {"name": f"Adam {number}"})
    seen_ids: list[int] = []
    path = "/api/audit?limit=4"
    while path:
        page = (await adam.get(path)).json()
        seen_ids += [line["id"] for line in page["lines"]]
        path = f"/api/audit?limit=4&after={page['after']}" if page["after"] else ""
        last = page
        await adam.send("PATCH", "/api/me", {"name": f"Adam later {len(seen_ids)}"})
    assert seen_ids == list(range(seen_ids[0], 0, -1)), "every line must be listed once, newest first"
    newer_ids: list[int] = []
    path = f"/api/audit?limit=4&before={last['before']}"
    while path:
        page = (await adam.get(path)).json()
        newer_ids = [line["id"] for line in page["lines"]] + newer_ids
        path = f"/api/audit?limit=4&before={page['before']}" if page["before"] else ""
    assert newer_ids == list(range(newer_ids[0], last["lines"][0]["id"], -1)), (
        "the pages must lead back up to the newest line"
    )
    assert newer_ids[0] > seen_ids[0]


async def test_only_owner_and_admin_read_the_log_and_invalid_cursors_are_refused(online: Online) -> None:
    for name in ("mona", "nils", "cora", "kurt", "ana"):
        agent = await online.agent(name, socket=False)
        assert (await agent.get("/api/audit")).status == 403
    adam = await online.agent("adam", socket=False)
    for query, status in (
        ("before=0", 400),
        ("after=-1", 400),
        ("before=x", 400),
        ("limit=0", 422),
        ("limit=1e3", 422),
    ):
        assert (await adam.get(f"/api/audit?{query}")).status == status, query
    assert len((await adam.get("/api/audit?limit=100000")).json()["lines"]) <= 200


async def test_the_log_as_csv_is_whole_opens_in_spreadsheets_and_runs_nothing(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_http, "CSV_PAGE", 3)
    adam, ana = await online.agent("adam", socket=False), await online.agent("ana", socket=False)
    for name in ("=HYPERLINK(1)", 'Żaneta, "Q"', "@SUM(A1)", "-2+3", "Adam"):
        await adam.send("PATCH", "/api/me", {"name": name})
    answer = await adam.get("/api/audit.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''audit.csv"
    raw = answer.body
    assert raw.startswith(b"\xef\xbb\xbf")
    header, *rows = csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline=""))
    assert header[:3] == ["time", "user", "action"]
    lines = (await adam.get("/api/audit?limit=200")).json()["lines"]
    assert [(row[0], row[2]) for row in rows] == [(line["at"], line["action"]) for line in lines]
    assert len(rows) > 5 and not [cell for row in rows for cell in row if cell[:1] in "=+-@" and cell]
    assert (await ana.get("/api/audit.csv")).status == 403


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1+1", "'+1+1"),
        (" @SUM(A1)", "' @SUM(A1)"),
        ("-2+3", "'-2+3"),
        ("\t=1", "'\t=1"),
        ("＝1+1", "'＝1+1"),
        ("+12025550147", "+12025550147"),
        ("-4.5", "-4.5"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_a_cell_that_a_spreadsheet_would_run_is_text(text: str, cell: str) -> None:
    assert safe_cell(text) == cell
