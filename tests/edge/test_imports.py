"""Imports over HTTP, from the upload to undo (IMP-20..78, CIM-10..34)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from server import schema
from server.contacts import properties
from tests.importing import uploaded, verdicts
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
