"""One file for each known sender and state, with what it must mean, written by hand from the senders' documents."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from server.contacts.property_rules import FIXED
from server.imports import proposing
from server.imports.contents import Limits
from server.imports.mapping import Plan, Reading
from server.imports.normalising import Normaliser, micros
from server.imports.reading import read

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def at(*parts: int) -> int:
    return micros(datetime(*parts, tzinfo=UTC))  # type: ignore[misc, arg-type]


def people(
    tmp_path: Path, name: str, data: str | bytes, kind: str = "contacts", consents: dict[str, str] | None = None
) -> tuple[str, list[dict[str, Any]]]:
    """The recognised sender, and the people that the proposed mapping gives."""
    source, rows = tmp_path / "source", tmp_path / "rows"
    source.write_bytes(data.encode() if isinstance(data, str) else data)
    described = read(source, name, tmp_path, rows, Reading(), Limits())
    sender = proposing.sender_of(described)
    mapping = proposing.propose(described, kind, consents or {}, list(FIXED), "email")  # type: ignore[arg-type]
    headers = [column["header"] for column in described["columns"]]
    plan = Plan(kind=kind, mapping=mapping, headers=headers, sender=sender.id if sender else "", now=micros(NOW))  # type: ignore[arg-type]
    normaliser = Normaliser(plan)
    found = [normaliser.person(n, orjson.loads(line)) for n, line in enumerate(rows.read_bytes().splitlines())]
    for person in found:
        person["props"] = {headers[int(column)]: value for column, value in person.get("props", {}).items()}
    return sender.id if sender else "", found


def says(person: dict[str, Any]) -> dict[str, tuple[str, int | None]]:
    """What a person says, by purpose: status and time."""
    return {purpose: (what, moment) for purpose, what, moment, _, _ in person.get("says", ())}


EMAIL, SMS = "email_marketing", "sms_marketing"


def test_mailchimp_exports_a_zip_with_a_file_for_each_state(tmp_path: Path) -> None:
    common = "Email Address,First Name,Last Name,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LATITUDE,LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION,LAST_CHANGED,LEID,EUID,NOTES,TAGS"
    row = '{who}@b.co,{who},Smith,2,2023-01-05 08:00:00,1.2.3.4,2023-01-05 08:05:00,1.2.3.4,0,0,0,0,UTC,US,CA,2024-01-01 00:00:00,1,e1,,"""VIP"",""Blog"""'
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("subscribed_members_export_1.csv", f"{common}\n{row.format(who='ann')}\n")
        archive.writestr(
            "unsubscribed_members_export_1.csv",
            f"{common},UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,UNSUB_REASON,UNSUB_REASON_OTHER\n{row.format(who='bob')},2024-02-03 04:05:06,News,c1,NORMAL,\n",
        )
        archive.writestr(
            "cleaned_members_export_1.csv",
            f"{common},CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,CLEAN_CAMPAIGN_ID\n{row.format(who='cy')},2024-03-04 05:06:07,News,c1\n",
        )
        archive.writestr("nonsubscribed_members_export_1.csv", f"{common}\n{row.format(who='dee')}\n")
    sender, (ann, bob, cy, dee) = people(tmp_path, "audience.zip", data.getvalue())
    assert sender == "mailchimp"
    assert says(ann) == {EMAIL: ("subscribed", at(2023, 1, 5, 8, 5))}
    assert says(bob) == {EMAIL: ("unsubscribed", at(2024, 2, 3, 4, 5, 6))}
    assert says(cy) == {} and cy["stop"] == ["bounced", at(2024, 3, 4, 5, 6, 7)]
    assert says(dee)[EMAIL][0] == "never" and "stop" not in dee
    assert ann["dates"] == {"date_added": at(2023, 1, 5, 8)} and ann["props"]["TAGS"] == ["VIP", "Blog"]


def test_klaviyo_names_statuses_with_times_and_suppressions(tmp_path: Path) -> None:
    data = (
        "\ufeffEmail,Klaviyo ID,First Name,Last Name,Phone Number,Country,Zip Code,IP Address,Email Marketing Consent,"
        "Email Marketing Consent Timestamp,SMS Marketing Consent,Profile Created On,Date Added,Last Open,Last Click,Email Suppressions\n"
        "ann@b.co,01H,Ann,S,+14155550101,US,00501,1.1.1.1,SUBSCRIBED,2024-01-02 03:04:05,SUBSCRIBED,2023-01-01 00:00:00,2023-05-06 00:00:00,2024-06-01 10:00:00,,[]\n"
        "bob@b.co,02H,Bob,S,,US,,,UNSUBSCRIBED,2024-01-02 03:04:05,NEVER_SUBSCRIBED,,,,,['UNSUBSCRIBED']\n"
        "cy@b.co,03H,Cy,S,,US,,,NEVER_SUBSCRIBED,,,,,,,['HARD_BOUNCE']\n"
    )
    sender, (ann, bob, cy) = people(tmp_path, "people.csv", data)
    assert sender == "klaviyo"
    assert says(ann) == {EMAIL: ("subscribed", at(2024, 1, 2, 3, 4, 5)), SMS: ("subscribed", None)}
    assert ann["dates"] == {"date_added": at(2023, 5, 6), "last_open": at(2024, 6, 1, 10)}
    assert ann["props"]["Zip Code"] == "00501"
    assert says(bob)[EMAIL][0] == "unsubscribed" and says(bob)[SMS][0] == "never"
    assert "subscribed" not in {what for what, _ in says(cy).values()} and cy["stop"][0] == "bounced"


def test_hubspot_names_opt_outs_and_a_zone_in_the_header(tmp_path: Path) -> None:
    data = (
        "Record ID,First Name,Last Name,Email,Phone Number,Contact owner,Last Activity Date (EST),Lead Status,Marketing contact status,"
        "Create Date (EST),Unsubscribed from all email,Opted out of email: Marketing Information,Opted out of email: One to One\n"
        "101,Ann,S,ann@b.co,+14155550101,,,New,Marketing contact,2024-01-02 19:00,,,\n"
        "102,Bob,S,bob@b.co,,,,New,Marketing contact,2024-01-02 19:00,true,,\n"
        "103,Cy,S,cy@b.co,,,,New,Marketing contact,2024-01-02 19:00,,Yes,\n"
    )
    sender, (ann, bob, cy) = people(tmp_path, "contacts.csv", data)
    assert sender == "hubspot" and says(ann) == {} and ann["crm"] == "101"
    assert ann["dates"] == {"date_added": at(2024, 1, 3)}
    assert says(bob) == says(cy) == {EMAIL: ("unsubscribed", None)}


def test_shopify_says_no_for_people_who_were_never_asked(tmp_path: Path) -> None:
    data = (
        "Customer ID,First Name,Last Name,Email,Accepts Email Marketing,Default Address Country Code,Default Address Zip,Default Address Phone,"
        "Phone,Accepts SMS Marketing,Total Spent,Total Orders,Note,Tax Exempt,Tags\n"
        "'123,Ann,S,ann@b.co,yes,US,'00501,'+14155550109,'+14155550101,yes,12.50,2,,no,\"VIP, Blog\"\n"
        "'124,Bob,S,bob@b.co,no,US,,,,no,0,0,,no,\n"
    )
    sender, (ann, bob) = people(tmp_path, "customers.csv", data)
    assert sender == "shopify" and ann["phone"] == "+14155550101"
    assert says(ann) == {EMAIL: ("subscribed", None), SMS: ("subscribed", None)}
    assert says(bob) == {EMAIL: ("never", None), SMS: ("never", None)}
    assert ann["props"]["Tags"] == ["VIP", "Blog"] and ann["props"]["Total Spent"] == "12.5"
    assert ann["props"]["Default Address Zip"] == "00501"


def test_activecampaign_statuses(tmp_path: Path) -> None:
    rows = "".join(f"{who}@b.co,A,S,,,2024-01-02 03:04:05,1.1.1.1,{status}\n" for who, status in
                   [("ann", "Active"), ("bob", "Unconfirmed"), ("cy", "Unsubscribed"), ("dee", "Bounced")])  # fmt: skip
    sender, found = people(
        tmp_path, "contacts.csv", "Email,First Name,Last Name,Phone,Tags,Date Created,IP,Status\n" + rows
    )
    assert sender == "activecampaign"
    assert [says(person).get(EMAIL, ("-", None))[0] for person in found] == ["subscribed", "never", "unsubscribed", "-"]
    assert found[3]["stop"][0] == "bounced"


def test_brevo_writes_semicolons_day_first_and_numbers_without_plus(tmp_path: Path) -> None:
    data = (
        "CONTACT ID;EMAIL;LASTNAME;FIRSTNAME;SMS;EMAIL_BLACKLISTED;SMS_BLACKLISTED;ADDED_TIME;MODIFIED_TIME;DOUBLE_OPT-IN\n"
        "1;ann@b.co;S;Ann;33612345678;No;No;05-01-2024 10:20:30;06-01-2024;Yes\n"
        "2;bob@b.co;S;Bob;;Yes;Yes;05-01-2024;;No\n"
    )
    sender, (ann, bob) = people(tmp_path, "contacts.csv", data)
    assert sender == "brevo" and ann["phone"] == "+33612345678" and says(ann) == {}
    assert ann["dates"] == {"date_added": at(2024, 1, 5, 10, 20, 30)}
    assert says(bob) == {EMAIL: ("unsubscribed", None), SMS: ("unsubscribed", None)}


def test_omnisend_dates_tell_which_status_is_newer(tmp_path: Path) -> None:
    header = "Email,Phone number,First name,Last name,Email status,Email opt-in date,Email opt-out date,SMS status,SMS opt-in date,SMS opt-out date,Tags\n"
    rows = (
        "ann@b.co,+14155550101,A,S,subscribed,2024-01-02T03:04:05Z,,nonSubscribed,,,\n"
        "bob@b.co,,B,S,subscribed,2024-01-02T03:04:05Z,2024-02-02T03:04:05Z,unsubscribed,,2024-02-02T03:04:05Z,\n"
    )
    sender, (ann, bob) = people(tmp_path, "contacts.csv", header + rows)
    assert sender == "omnisend"
    assert says(ann) == {EMAIL: ("subscribed", at(2024, 1, 2, 3, 4, 5)), SMS: ("never", None)}
    assert says(bob) == {
        EMAIL: ("unsubscribed", at(2024, 2, 2, 3, 4, 5)),
        SMS: ("unsubscribed", at(2024, 2, 2, 3, 4, 5)),
    }


def test_constant_contact_statuses(tmp_path: Path) -> None:
    header = "Email address,First name,Last name,Email status,Email permission status,Confirmed Opt-Out Date,Phone - mobile,Country - Home,Email Lists,Created At\n"
    rows = (
        'ann@b.co,Ann,S,Active,Express,,+14155550101,US,"News, Shop",2024-01-02 03:04:05\n'
        "bob@b.co,Bob,S,Unsubscribed,Express,2024-02-03,,,,\n"
        "cy@b.co,Cy,S,Awaiting confirmation,Implied,,,,,\n"
    )
    sender, (ann, bob, cy) = people(tmp_path, "contacts.csv", header + rows)
    assert sender == "constant_contact" and ann["props"]["Email Lists"] == ["News", "Shop"]
    assert says(ann)[EMAIL][0] == "subscribed" and says(bob) == {EMAIL: ("unsubscribed", at(2024, 2, 3))}
    assert says(cy)[EMAIL][0] == "never"


def test_salesforce_reports_end_with_lines_that_are_no_people(tmp_path: Path) -> None:
    data = (
        '"First Name","Last Name","Account Name","Mobile","Phone","Email","Email Opt Out","Do Not Call","Created Date"\n'
        '"Ann","S","Acme","+14155550101","","ann@b.co","0","0","1/2/2024"\n"Bob","S","Acme","","","bob@b.co","1","0","1/2/2024"\n\n'
        '"People of Acme"\n"Copyright (c) 2000-2024 salesforce.com"\n"Confidential Information - Do Not Distribute"\n"Generated By:  Ann S 1/3/2024"\n'
    )
    sender, found = people(tmp_path, "report.csv", data)
    assert sender == "salesforce" and says(found[0]) == {} and says(found[1]) == {EMAIL: ("unsubscribed", None)}
    assert [person["r"][0] for person in found[2:]] == ["missing_id", "footer", "footer", "footer"]


@pytest.mark.parametrize("name", ["consents.csv", "consents.txt"])
def test_expertsender_names_consents_in_the_headers(tmp_path: Path, name: str) -> None:
    separator = "\t" if name.endswith("txt") else ","
    rows = [["Email", "Newsletter", "Added"], ["ann@b.co", "1", "05.01.2024 10:20"], ["bob@b.co", "0", ""]]
    data = "\n".join(separator.join(row) for row in rows)
    _, (ann, bob) = people(tmp_path, name, data, consents={"Newsletter": "consent:3"})
    assert says(ann) == {"consent:3": ("subscribed", None)} and says(bob) == {"consent:3": ("withdrawn", None)}
    assert ann["dates"] == {"date_added": at(2024, 1, 5, 10, 20)}


def test_suppression_exports_with_reasons_numbers_or_one_column(tmp_path: Path) -> None:
    _, klaviyo = people(tmp_path, "a.csv", "Email,Reason\na@b.co,HARD_BOUNCE\nb@b.co,SPAM_COMPLAINT\n", "suppressions")
    assert [person["stop"][0] for person in klaviyo] == ["bounced", "unsubscribed"]
    promio = '"sender_id";"ts";"custID";"mail";"status"\n"1";"2024-01-01 00:00:00";"7";"a@b.co";"3"\n"1";"2024-01-01 00:00:00";"8";"b@b.co";"1"\n'
    _, numbered = people(tmp_path, "b.csv", promio, "suppressions")
    assert [person["stop"][0] for person in numbered] == ["bounced", "unsubscribed"]
    _, bare = people(tmp_path, "c.txt", "a@b.co\nb@b.co\n", "suppressions")
    assert [person["stop"][0] for person in bare] == ["suppressed", "suppressed"]
