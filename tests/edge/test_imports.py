"""Imports over HTTP, from the upload to undo (IMP-20..78, CIM-10..34)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from server import schema
from server.contacts import properties
from tests.importing import begins, imported, uploaded, verdicts
from tests.mails import connect_mail_server
from tests.online import Online


async def people(online: Online) -> dict[str, Any]:
    """The contacts with an e-mail address, by it."""
    return {row.email: row for row in await online.world.rows(schema.contacts) if row.email}


async def values_of(online: Online, email: str) -> dict[str, Any]:
    """The property values of a contact, by name."""
    contact = (await people(online))[email].id

    def read(conn: Any) -> dict[str, Any]:
        names = {each.id: each.name for each in properties.definitions(conn)}
        return {names[key]: value for key, value in properties.stored_values(conn, [contact])[contact].items()}

    return await online.app.read(read)


async def consent_of(online: Online, email: str) -> dict[str, str]:
    contact = (await people(online))[email].id
    rows = await online.app.read(
        lambda conn: conn.all(select(schema.consents).where(schema.consents.c.contact_id == contact))
    )
    return {row.purpose: row.status for row in rows}


FILE = """Email,First Name,Last Name,Phone Number,Country,Favourite colour,Date Added,Email Marketing Consent
ann@b.co,Ann,Smith,415-555-0101,US,red,2024-03-01 10:00:00,Subscribed
bob@b.co,Bob,,+48501228855,,blue,03/01/2024,Unsubscribed
cy@b.co,Cy,,12,US,green,,
ann@b.co,Anna,,,,,,
,Nobody,,,,,,
dee@b.co,Dee,,,,,yesterday,maybe
"""


async def test_a_file_is_rehearsed_run_accounted_for_and_undone(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    before = await online.world.count(schema.contacts)
    new = await uploaded(online, olga, "people.csv", FILE)
    assert [column["to"] for column in new.mapping["columns"]] == [
        "email", "first_name", "last_name", "phone", "country", "property", "date_added", "consent",
    ]  # fmt: skip
    await new.maps()
    predicted = await new.rehearses()
    assert await online.world.count(schema.contacts) == before  # nothing is written yet
    assert verdicts(predicted) == {"new": 3, "refused": 2, "duplicate": 1}
    counts = await new.runs()
    assert verdicts(counts) == verdicts(predicted) and sum(verdicts(counts).values()) == new.now["rows"] == 6
    everybody = await people(online)
    assert (everybody["ann@b.co"].name, everybody["ann@b.co"].phone) == ("Ann Smith", "+14155550101")
    assert everybody["bob@b.co"].country == "PL" and "cy@b.co" not in everybody
    assert (await values_of(online, "ann@b.co"))["Favourite colour"] == "red"
    assert await consent_of(online, "ann@b.co") == {"email_marketing": "subscribed"}
    assert await consent_of(online, "bob@b.co") == {"email_marketing": "unsubscribed"}
    assert await consent_of(online, "dee@b.co") == {}
    problems = await new.problems()
    assert (
        "cy@b.co,Cy,,12,US,green,,,4," in problems
        and "Duplicate Unique ID: the same identifier is in line 2." in problems
    )
    assert "Missing Unique ID" in problems and "yesterday" in problems and "maybe" in problems
    undone = await new.undoes()
    assert undone["undone:hidden"] == 3 and undone["undone:kept"] == 0
    assert await people(online) == {} and await online.world.count(schema.property_values) == 0


async def test_three_import_types(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    await imported(online, olga, "a.csv", "Email,First Name\nann@b.co,Ann\n")
    file = "Email,First Name\nann@b.co,Anna\nbob@b.co,Bob\n"
    only_new = await imported(online, olga, "a.csv", file, {"type": "add"})
    assert verdicts(only_new) == {"new": 1, "skipped": 1} and only_new["skipped:known_contact"] == 1
    assert (await people(online))["ann@b.co"].name == "Ann"
    file = "Email,First Name\nann@b.co,Anna\ncy@b.co,Cy\n"
    only_known = await imported(online, olga, "a.csv", file, {"type": "update"})
    assert verdicts(only_known) == {"updated": 1, "skipped": 1} and only_known["skipped:unknown_contact"] == 1
    everybody = await people(online)
    assert everybody["ann@b.co"].name == "Anna" and "cy@b.co" not in everybody
    both = await imported(online, olga, "a.csv", file)
    assert verdicts(both) == {"unchanged": 1, "new": 1}


async def test_only_supplied_values_are_overwritten_and_ticked_empty_cells_clear(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    await imported(online, olga, "a.csv", "Email,First Name,Colour,City\nann@b.co,Ann,red,Rome\n")
    await imported(online, olga, "a.csv", "Email,Colour,City\nann@b.co,,Oslo\n")
    assert await values_of(online, "ann@b.co") == {"Colour": "red", "City": "Oslo"}
    assert (await people(online))["ann@b.co"].name == "Ann"
    new = await uploaded(online, olga, "a.csv", "Email,Colour,City\nann@b.co,,\n")
    new.column("Colour")["clear"] = True
    await new.maps(replace_empty=True)
    await new.rehearses()
    assert new.now["rehearsal"]["cleared"] == 1
    await new.runs()
    assert await values_of(online, "ann@b.co") == {"City": "Oslo"}


async def test_duplicates_count_once_or_overwrite_each_other(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    file = "Email,First Name\nann@b.co,Ann\nANN@b.co,Anna\n"
    assert verdicts(await imported(online, olga, "a.csv", file)) == {"new": 1, "duplicate": 1}
    assert (await people(online))["ann@b.co"].name == "Ann"
    new = await uploaded(online, olga, "a.csv", file.replace("ann@", "bob@").replace("ANN@", "BOB@"))
    await new.maps(duplicates="all")
    assert verdicts(await new.rehearses()) == {"new": 1, "updated": 1}
    assert verdicts(await new.runs()) == {"new": 1, "updated": 1}
    assert (await people(online))["bob@b.co"].name == "Anna"


async def test_named_consents_need_their_definition_and_take_only_1_and_0(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    file = "Email,Newsletter\nann@b.co,1\nbob@b.co,0\ncy@b.co,yes\ndee@b.co,\n"
    before = await uploaded(online, olga, "a.csv", file)
    assert before.column("Newsletter")["to"] == "property"  # nothing creates a consent by accident
    answer = await olga.post("/api/consents", {"name": "Newsletter", "channel": "email"})
    purpose = answer.json()["consent"]["purpose"]
    await imported(online, olga, "people.csv", "Email\nann@b.co\nbob@b.co\ncy@b.co\ndee@b.co\n")
    new = await uploaded(online, olga, "a.csv", file)
    assert (new.column("Newsletter")["to"], new.column("Newsletter")["words"]) == ("consent", "flags")
    assert new.mapping["type"] == "update"  # proposed for a file of consents
    await new.maps()
    counts = await new.runs()
    assert counts["cell:not_1_or_0"] == 1 and counts[f"consent:{purpose}:subscribed"] == 1
    assert [await consent_of(online, f"{who}@b.co") for who in ("ann", "bob", "cy", "dee")] == [
        {purpose: "subscribed"}, {purpose: "never_subscribed"}, {}, {},
    ]  # fmt: skip
    withdrawn = await imported(online, olga, "b.csv", "Email,Newsletter\nann@b.co,0\n")
    assert verdicts(withdrawn) == {"updated": 1}
    assert await consent_of(online, "ann@b.co") == {purpose: "unsubscribed"}


async def test_an_import_never_outranks_a_no(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    header = "Email,Email Marketing Consent,Email Marketing Consent Timestamp\n"
    await imported(online, olga, "a.csv", header + "ann@b.co,Unsubscribed,2024-05-01\nbob@b.co,Unsubscribed,\n")
    older = await imported(online, olga, "a.csv", header + "ann@b.co,Subscribed,2024-04-01\nbob@b.co,Subscribed,\n")
    assert older["consent:email_marketing:kept_older"] == 2
    for who in ("ann", "bob"):
        assert await consent_of(online, f"{who}@b.co") == {"email_marketing": "unsubscribed"}
    newer = await imported(online, olga, "a.csv", header + "ann@b.co,Subscribed,2024-06-01\n")
    assert newer["consent:email_marketing:subscribed"] == 1
    never = await imported(online, olga, "a.csv", header + "ann@b.co,Never subscribed,\n")
    assert verdicts(never) == {"unchanged": 1}
    assert await consent_of(online, "ann@b.co") == {"email_marketing": "subscribed"}


async def test_the_answer_to_the_consent_question_needs_a_sentence_and_counts_for_everybody(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    new = await uploaded(online, olga, "a.csv", "Email\nann@b.co\n")
    refused = await new.tries_mapping(vouched={"email": True, "sms": "none", "sentence": " "})
    assert (refused.status, refused.json()["error"]["field"]) == (422, "vouched.sentence")
    await new.maps(vouched={"email": True, "sms": "none", "sentence": "They signed up on our site."})
    assert (await new.runs())["consent:email_marketing:subscribed"] == 1
    (entry,) = await online.world.rows(schema.consent_ledger)
    assert entry.source == f"import:{new.id}" and entry.method == "import"
    assert new.now["file"]["sha256"] in entry.reason and "line 2" in entry.reason and "our site" in entry.reason


async def test_consent_to_texts_needs_a_number_that_we_can_text(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    file = "Email,Phone Number,SMS Marketing Consent\nann@b.co,+14155550101,Subscribed\nbob@b.co,,Subscribed\ncy@b.co,+48501228855,Subscribed\n"
    counts = await imported(online, olga, "a.csv", file)
    assert (counts["cell:sms_not_set_up"], counts["cell:no_phone"], counts["new"]) == (2, 1, 3)
    await online.world.texter()  # our numbers serve the United States
    counts = await imported(online, olga, "b.csv", file)
    assert counts["consent:sms_marketing:subscribed"] == 1 and counts["cell:country_not_served"] == 1
    assert (await consent_of(online, "ann@b.co")) == {"sms_marketing": "subscribed"}


async def test_a_manager_imports_withdrawals_and_no_grants_and_undoes_nothing(online: Online) -> None:
    olga, mona = await online.agent("olga", socket=False), await online.agent("mona", socket=False)
    header = "Email,Email Marketing Consent\n"
    await imported(online, olga, "a.csv", header + "ann@b.co,Subscribed\n")
    counts = await imported(online, mona, "b.csv", header + "ann@b.co,Unsubscribed\nbob@b.co,Subscribed\n")
    assert counts["cell:grant_not_allowed"] == 1 and counts["consent:email_marketing:unsubscribed"] == 1
    assert await consent_of(online, "bob@b.co") == {}
    new = await uploaded(online, mona, "c.csv", "Email\ncy@b.co\n")
    assert (await new.tries_mapping(vouched={"email": True, "sms": "none", "sentence": "x"})).status == 403
    await new.maps()
    await new.runs()
    assert (await mona.post(f"{new.path}/undo", {})).status == 403
    for name, role, status in (("nils", "analyst", 200), ("cora", "coordinator", 403), ("ana", "support", 403)):
        agent = await online.agent(name, role, socket=False)
        assert (await agent.get("/api/imports")).status == status, name


async def test_suppressions_are_stored_also_of_unknown_addresses(online: Online) -> None:
    olga, nils = await online.agent("olga", socket=False), await online.agent("nils", "analyst", socket=False)
    await imported(online, olga, "a.csv", "Email\nann@b.co\n")
    file = "Email,Reason\nann@b.co,UNSUBSCRIBED\nbob@b.co,HARD_BOUNCE\ncy@b.co,\nbad@,\n"
    new = await uploaded(online, olga, "suppressed.csv", file, kind="suppressions")
    await new.maps()
    counts = await new.runs()
    assert verdicts(counts) == {"updated": 3, "refused": 1} and counts["stop:new"] == 3
    stored = {row.address: (row.reason, row.source) for row in await online.world.rows(schema.suppressions)}
    source = f"import:{new.id}"
    assert stored == {"ann@b.co": ("agent", source), "bob@b.co": ("dead", source), "cy@b.co": ("agent", source)}
    assert await consent_of(online, "ann@b.co") == {"email_marketing": "unsubscribed"}
    assert set(await people(online)) == {"ann@b.co"}
    await new.undoes()
    assert await online.world.rows(schema.suppressions) == []
    assert (await nils.post("/api/imports", {"kind": "suppressions", "source": ""})).status == 403


async def test_people_join_the_list_with_the_import_as_cause(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    new = await uploaded(online, olga, "a.csv", "Email,Email Marketing Consent\nann@b.co,Subscribed\n")
    await new.maps(target={"name": "Main"})
    await new.runs()
    members = await online.world.rows(schema.list_members)
    assert [row.contact_id for row in members] == [(await people(online))["ann@b.co"].id]
    causes = {row.metric: row.cause for row in await online.world.rows(schema.events)}
    assert causes and set(causes.values()) == {f"import:{new.id}"}
    await new.undoes()
    assert await online.world.rows(schema.list_members) == []


async def test_undo_keeps_what_changed_since_and_restores_the_rest(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    header = "Email,First Name,Colour,Email Marketing Consent\n"
    await imported(online, olga, "a.csv", header + "ann@b.co,Ann,red,Subscribed\nbob@b.co,Bob,red,\n")
    file = (
        header
        + "ann@b.co,Anna,blue,Unsubscribed\nbob@b.co,Bobby,blue,\ncy@b.co,Cy,blue,Subscribed\ndee@b.co,Dee,blue,\n"
    )
    new = await uploaded(online, olga, "b.csv", file)
    await new.maps()
    assert verdicts(await new.runs()) == {"updated": 2, "new": 2}
    everybody = await people(online)
    await olga.send("PUT", f"/api/contacts/{everybody['bob@b.co'].id}", {"name": "Robert"})
    await olga.send("PUT", f"/api/contacts/{everybody['cy@b.co'].id}", {"name": "Cyrus"})
    counts = await new.undoes()
    assert (counts["undone:hidden"], counts["undone:kept"]) == (1, 2)
    everybody = await people(online)
    assert {email: row.name for email, row in everybody.items()} == {
        "ann@b.co": "Ann",
        "bob@b.co": "Robert",
        "cy@b.co": "Cyrus",
    }
    assert (await values_of(online, "bob@b.co"))["Colour"] == "red"  # only the name was changed since
    assert (await values_of(online, "cy@b.co"))["Colour"] == "blue"  # it was touched, so it stays
    assert await consent_of(online, "ann@b.co") == {"email_marketing": "subscribed"}
    assert await consent_of(online, "cy@b.co") == {"email_marketing": "never_subscribed"}
    (hidden,) = [row for row in await online.world.rows(schema.contacts) if row.hidden_at is not None]
    assert (hidden.name, hidden.email, hidden.phone) == ("", None, None)


async def test_undo_of_a_no_does_not_lift_a_newer_no(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    header = "Email,Email Marketing Consent\n"
    await imported(online, olga, "a.csv", header + "ann@b.co,Subscribed\n")
    new = await uploaded(online, olga, "b.csv", header + "ann@b.co,Unsubscribed\n")
    await new.maps()
    await new.runs()
    contact = (await people(online))["ann@b.co"].id
    await online.world.advance(seconds=1)
    body = {"purpose": "email_marketing", "status": "unsubscribed", "reason": "called us"}
    assert (await olga.post(f"/api/contacts/{contact}/consents", body)).status == 200
    await new.undoes()
    assert await consent_of(online, "ann@b.co") == {"email_marketing": "unsubscribed"}


async def test_the_main_identifier_decides_and_another_one_only_fills_in(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    await imported(
        online, olga, "a.csv", "Email,Phone Number\nann@b.co,+14155550101\n,+14155550102\n", {"replace_empty": True}
    )
    before = await online.world.count(schema.contacts)
    counts = await imported(online, olga, "b.csv", "Email,Phone Number\nmum@b.co,+14155550101\nbob@b.co,+14155550102\n")
    # Ann has another address, so her number does not make her somebody else; the second number had no address.
    assert verdicts(counts) == {"new": 1, "updated": 1}
    assert await online.world.count(schema.contacts) == before + 1
    assert {email: row.phone for email, row in (await people(online)).items()} == {
        "ann@b.co": "+14155550101", "mum@b.co": "+14155550101", "bob@b.co": "+14155550102",
    }  # fmt: skip


async def test_a_semicolon_file_is_rehearsed_only_after_a_confirmation(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    new = await uploaded(online, olga, "a.csv", "Email;Name\nann@b.co;Ann\n")
    await new.maps()
    refused = await olga.post(f"{new.path}/rehearse", {})
    assert (refused.status, refused.code) == (422, "confirm_reading") and "semicolons" in refused.json()["error"][
        "message"
    ]
    await new.reads(confirmed=True)
    assert verdicts(await new.runs()) == {"new": 1}


async def test_files_are_refused_with_what_they_are_and_the_draft_says_so(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    new = await begins(online, olga)
    for data, status, code in (
        (b"%PDF-1.7 x", 415, "not_a_table"),
        (b"", 422, "empty_file"),
        (b"Email\n", 422, "empty_file"),
        (b"PK\3\4 cut", 422, "damaged_file"),
        (b"\xff\xd8\xff\xe0JFIF", 415, "not_a_table"),
    ):
        answer = await new.tries_upload("people.xlsx", data)
        assert (answer.status, answer.code) == (status, code), data
    await new.looks()
    assert (new.now["state"], new.now["problem"]["code"]) == ("unreadable", "damaged_file")
    await new.uploads("people.csv", b"Email\nann@b.co\n")
    assert new.now["state"] == "read" and new.now["problem"] is None


async def test_a_second_tab_cannot_overwrite_what_the_first_saved(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    new = await uploaded(online, olga, "a.csv", "Email\nann@b.co\n")
    stale = new.now["version"]
    await new.maps()
    body = {"mapping": new.mapping, "version": stale}
    refused = await olga.send("PUT", f"{new.path}/mapping", body)
    assert (refused.status, refused.code) == (409, "stale_version")


async def test_a_cancelled_import_keeps_its_rows_and_can_be_undone(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    new = await uploaded(online, olga, "a.csv", "Email\nann@b.co\nbob@b.co\n")
    await new.maps()
    await new.rehearses()
    await olga.post(f"{new.path}/run", {})
    assert (await olga.post(f"{new.path}/cancel", {})).status == 200
    await new.works()
    assert new.now["state"] == "cancelled"
    assert (await olga.post(f"{new.path}/run", {})).code == "wrong_state"
    await new.undoes()


async def test_cells_of_formulas_are_harmless_in_downloads_and_come_back_unchanged(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    new = await uploaded(online, olga, "a.csv", 'Email,Note\nbad@,"=cmd()"\n')
    await new.maps()
    await new.runs()
    problems = await new.problems()
    assert "'=cmd()" in problems
    again = await uploaded(online, olga, "b.csv", problems.replace("bad@", "good@b.co"))
    await again.maps()
    await again.runs()
    assert (await values_of(online, "good@b.co"))["Note"] == "=cmd()"


async def test_named_consents_are_limited_to_the_smaller_size(online: Online, tmp_path: Any) -> None:
    olga = await online.agent("olga", socket=False)
    await olga.post("/api/consents", {"name": "Newsletter", "channel": "email"})
    online.app.settings.import_other_mb = 1
    padding = "x" * 1000
    rows = "".join(f"p{n}@b.co,1,{padding}\n" for n in range(1100))
    new = await uploaded(online, olga, "a.csv", "Email,Newsletter,Note\n" + rows)
    assert (await new.tries_mapping()).code == "too_large"
    new.column("Newsletter").update(to="skip", purpose="")
    assert (await new.tries_mapping()).status == 200
    refused = await new.tries_upload("a.txt", ("Email\tNote\n" + rows.replace(",", "\t")).encode())
    assert refused.code == "too_large" and "1 MB" in refused.json()["error"]["message"]


async def test_two_hundred_thousand_bad_rows_would_give_a_handful_of_examples(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    new = await uploaded(online, olga, "a.csv", "Email,Phone\n" + "bad@,1\n" * 3000)
    await new.maps()
    counts = await new.rehearses()  # I25
    assert verdicts(counts) == {"refused": 3000}
    assert [len(rows) for rows in new.now["rehearsal"]["samples"].values()] == [5]


async def test_whoever_started_the_import_gets_a_mail_when_it_has_ended(online: Online) -> None:
    server = await connect_mail_server(online.app)
    olga = await online.agent("olga", socket=False)
    await imported(online, olga, "people.csv", "Email\nann@b.co\nbad@\n")
    await online.world.advance(seconds=1)
    (mail,) = server.mails
    assert mail.recipient == "olga@shop.example" and mail.subject == "Import finished: people.csv"
    assert "New: 1. Updated: 0. Not imported: 1." in mail.text and "/contacts/imports/" in mail.text
