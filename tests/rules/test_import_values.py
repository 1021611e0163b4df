"""Cells of import files: dates, phone numbers, addresses, consents; and rows as people (I6, I7, I9, I10)."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from server.contacts.rules import Phone
from server.imports import values
from server.imports.consent_words import said, suppression_reason
from server.imports.countries import country_code
from server.imports.headers import GENERAL, file_state, fold, guess, recognise
from server.imports.mapping import Column, Mapping, Plan
from server.imports.normalising import Normaliser, micros
from server.imports.values import BadCell, DateForm, clean, date, email, number, phone

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        # The six forms of IMP-25.
        ("2024-03-01 10:20:30", at(2024, 3, 1, 10, 20, 30)),
        ("03/01/2024 10:20:30", at(2024, 3, 1, 10, 20, 30)),
        ("03/01/24 10:20:30", at(2024, 3, 1, 10, 20, 30)),
        ("03/01/2024 10:20", at(2024, 3, 1, 10, 20)),
        ("03/01/24 10:20", at(2024, 3, 1, 10, 20)),
        ("2024-03-01T10:20:30", at(2024, 3, 1, 10, 20, 30)),
        ("3/1/2024 9:05", at(2024, 3, 1, 9, 5)),
        ("3/1/68 9:05", at(2068, 3, 1, 9, 5)),
        ("3/1/69 9:05", at(1969, 3, 1, 9, 5)),
        # IMP-26: offset, microseconds, Unix seconds, dates alone.
        ("2024-03-01T10:20:30+02:00", at(2024, 3, 1, 8, 20, 30)),
        ("2024-03-01 10:20:30.123456", at(2024, 3, 1, 10, 20, 30, 123456)),
        ("1709280000", at(2024, 3, 1, 8)),
        ("2024-03-01", at(2024, 3, 1)),  # midnight (IMP-28)
        ("03/01/2024", at(2024, 3, 1)),
        ("01.03.2024 10:20", at(2024, 3, 1, 10, 20)),  # CIM-14
    ],
)
def test_each_accepted_form_of_a_date(text: str, moment: datetime) -> None:
    assert date(text) == moment


@pytest.mark.parametrize(
    "text", ["01-03-2024", "03/01/24", "31/12/2024", "2024-02-30", "1 March 2024", "24:00", "soon", "2024-13-01"]
)
def test_other_forms_are_no_dates(text: str) -> None:
    assert date(text) == BadCell("bad_date")


def test_day_first_dashes_and_zones_are_read_only_when_somebody_said_so() -> None:
    assert date("31/12/2024", DateForm("dmy")) == at(2024, 12, 31)
    assert date("01-03-2024 10:20", DateForm(dashes=True)) == at(2024, 3, 1, 10, 20)
    offset = values.zone_in_header("Create Date (EST)")
    assert date("2024-03-01 10:00", DateForm(offset=offset)) == at(2024, 3, 1, 15)
    assert values.zone_in_header("Added (GMT+09:00)") == 540 and values.zone_in_header("Added (old)") == 0


US, PL, NONE = "US", "PL", None


@pytest.mark.parametrize(
    ("text", "region", "expected"),
    [
        ("abcde()*()++12 345 678 900", NONE, "+12345678900"),  # IMP-62
        ("+48501228855", NONE, "+48501228855"),  # CIM-15
        ("(+48)501228855", NONE, "+48501228855"),
        ("+48 (501) 228855", NONE, "+48501228855"),
        ("0048 501 22 88 55", NONE, "+48501228855"),
        ("tel:+1-415-555-0123", NONE, "+14155550123"),
        ("501 228 855", PL, "+48501228855"),
        ("48501228855", PL, "+48501228855"),  # lost plus: only one reading
        ("14155550123", NONE, "+14155550123"),
        ("14155550123.0", NONE, "+14155550123"),
        ("'+14155550123", NONE, "+14155550123"),
        ("４１５５５５０１２３", US, "+14155550123"),
        ("٤١٥٥٥٥٠١٢٣", US, "+14155550123"),
        ("415\u200b5550123", US, "+14155550123"),
        ("13012345678", NONE, "lost_plus"),  # Maryland or a Chinese mobile
        ("1.41556E+10", US, "precision_lost"),
        ("4155550123", NONE, "no_country"),
        ("(415) 555-0123 x9", US, "extension"),
        ("415-555-0123, 415-555-0124", US, "two_numbers"),
        ("1-900-555-1234", US, "premium"),
        ("911", US, "emergency"),
        ("+882 16 12345678", NONE, "satellite"),
        ("+1" + "3" * 300, NONE, "too_long"),
        ("abc", NONE, "not_a_number"),
        ("+1415\ufffd550123", NONE, "unreadable"),
    ],
)  # fmt: skip
def test_phone_numbers_are_repaired_only_where_one_reading_is_possible(
    text: str, region: str | None, expected: str
) -> None:
    found = phone(clean(text), region)
    assert (found.e164 if isinstance(found, Phone) else found.code) == expected


def test_a_sender_that_writes_no_plus_has_international_numbers() -> None:
    assert phone("33612345678", "US", without_plus=True) == Phone("+33612345678", "FR", "mobile")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ann@Shop.CO", "ann@shop.co"),
        ("a.b+c@b.co", "a.b+c@b.co"),
        ("\u200ba@b.co", "a@b.co"),
        ("a@müller.de", "a@müller.de"),
        ("a b@c.co", "forbidden_in_email"),
        ("a/b@c.co", "forbidden_in_email"),
        ("Ann <a@b.co>", "forbidden_in_email"),
        ("a@b.co\r\nRCPT TO:<evil>", "forbidden_in_email"),
        ("a@b@c.co", "bad_email"),
        ("a@b.co.", "bad_email"),
        ("a..b@c.co", "bad_email"),
        ("a@b", "bad_email"),
        ("x" * 250 + "@b.co", "bad_email"),
        ("a\ufffd@b.co", "unreadable"),
    ],
)
def test_addresses(text: str, expected: str) -> None:
    found = email(clean(text))
    assert (found if isinstance(found, str) else found.code) == expected


def test_numbers_have_separators_and_no_currency() -> None:
    assert [number(text) for text in ("1,234.5", "1 234", "-3", "12,5", "1.234.567,89")] == [
        Decimal("1234.5"),
        Decimal("1234"),
        Decimal("-3"),
        Decimal("12.5"),
        Decimal("1234567.89"),
    ]
    assert [number(text) for text in ("$5", "abc", "1..2")] == [BadCell("bad_number")] * 3
    assert values.comma_list('"VIP","Blog"') == ["VIP", "Blog"] and values.json_list('["a",1]') == ["a", "1"]
    assert values.json_list("[[1]]") == BadCell("bad_list")


@pytest.mark.parametrize(
    ("cell", "words", "expected"),
    [
        ("1", "flags", "subscribed"), ("0", "flags", "withdrawn"), ("", "flags", "nothing"),
        ("yes", "flags", "not_1_or_0"), ("true", "flags", "not_1_or_0"), ("2", "flags", "not_1_or_0"), ("n/a", "flags", "not_1_or_0"),
        ("Subscribed", "status", "subscribed"), ("SUBSCRIBE", "status", "subscribed"), ("Unsubscribed", "status", "unsubscribed"),
        ("NEVER_SUBSCRIBED", "status", "never"), ("", "status", "never"), ("nonSubscribed", "status", "never"),
        ("Unconfirmed", "status", "never"), ("Bounced", "status", "bounced"), ("Cleaned", "status", "bounced"),
        ("USER_SUPPRESSED", "status", "suppressed"), ("SPAM_COMPLAINT", "status", "unsubscribed"), ("['HARD_BOUNCE']", "status", "bounced"),
        ("maybe", "status", "bad_consent"), ("yes", "status", "bad_consent"),
        ("yes", "accepts", "subscribed"), ("no", "accepts", "never"), ("", "accepts", "never"),
        ("true", "opt_out", "unsubscribed"), ("Yes", "opt_out", "unsubscribed"), ("", "opt_out", "nothing"), ("No", "opt_out", "nothing"),
    ],
)  # fmt: skip
def test_only_a_clear_word_grants_a_consent(cell: str, words: Any, expected: str) -> None:
    meaning = said(cell, words)
    assert (meaning if isinstance(meaning, str) else meaning.code) == expected


def test_reasons_of_suppression_files() -> None:
    cells = [
        "",
        "HARD_BOUNCE",
        "INVALID_EMAIL",
        "UNSUBSCRIBED",
        "SPAM_COMPLAINT",
        "USER_SUPPRESSED",
        "0",
        "1",
        "3",
        "other",
    ]
    assert [suppression_reason(cell) for cell in cells] == [
        "suppressed", "bounced", "invalid", "unsubscribed", "unsubscribed", "suppressed", "suppressed", "unsubscribed", "bounced", "suppressed",
    ]  # fmt: skip
    assert suppression_reason("SUBSCRIBED") == BadCell("not_suppressed")


def test_headers_are_recognised_in_four_languages() -> None:
    for headers in (
        "Email, Phone Number, First Name, Last Name, Country, SMS Marketing Consent, SMS Marketing Consent Timestamp",
        "이메일, 휴대폰 번호, 이름(성 제외), 성, 국가, 문자 마케팅 동의, 문자 마케팅 동의 일시",
        "Adres e-mail, Numer telefonu, Imię, Nazwisko, Kraj, Zgoda na marketing SMS, Zgoda na marketing SMS data",
        "Электронная почта, Номер телефона, Имя, Фамилия, Страна, Согласие на SMS маркетинг, Согласие на SMS маркетинг время",
    ):
        found = [GENERAL[fold(f"  {header.strip().upper()} ")] for header in headers.split(",")]
        assert [guess.to for guess in found] == [
            "email",
            "phone",
            "first_name",
            "last_name",
            "country",
            "consent",
            "at",
        ]
        assert {guess.purpose for guess in found[5:]} == {"sms_marketing"}


def test_a_named_consent_needs_its_exact_name() -> None:
    named = {"Newsletter": "consent:3"}
    found = guess("Newsletter", None, named)
    assert found is not None and (found.purpose, found.words) == ("consent:3", "flags")
    assert guess("newsletter", None, named) is None
    assert country_code("Poland") == country_code("pl") == country_code("Polska") == country_code("POL") == "PL"
    assert country_code("Atlantis") is None
    assert file_state("unsubscribed_audience_1.csv") == "unsubscribed" and recognise(["Email", "Name"]) is None


def people(
    columns: list[Column], rows: list[list[str]], headers: list[str] | None = None, **more: Any
) -> list[dict[str, Any]]:
    sender, kind = more.pop("sender", ""), more.pop("kind", "contacts")
    mapping = Mapping(columns=columns, **more)
    plan = Plan(kind=kind, mapping=mapping, headers=headers or [""] * len(columns), sender=sender, now=micros(NOW))
    normaliser = Normaliser(plan)
    return [normaliser.person(n, [0, n + 2, "", row]) for n, row in enumerate(rows)]


def test_a_bad_identifier_refuses_the_row_and_another_bad_cell_only_itself() -> None:
    columns = [Column(to="email"), Column(to="phone"), Column(to="property", type="number"), Column(to="last_open")]
    good, bad_phone, bad_email, bad_cells, nothing = people(
        columns,
        [
            ["a@b.co", "+14155550123", "5", "2024-03-01"],
            ["a@b.co", "12", "5", ""],
            ["a@", "+14155550123", "5", ""],
            ["a@b.co", "", "$5", "yesterday"],
            ["", "", "5", ""],
        ],
    )
    assert (good["email"], good["phone"], good["props"], good["dates"]) == (
        "a@b.co", "+14155550123", {"2": "5"}, {"last_open": micros(at(2024, 3, 1))},
    )  # fmt: skip
    assert bad_phone["r"] == ["no_country", 1, "12"] and bad_email["r"] == ["bad_email", 0, "a@"]
    assert bad_cells["x"] == [[2, "bad_number", "$5"], [3, "bad_date", "yesterday"]] and "r" not in bad_cells
    assert nothing["r"] == ["missing_id", None, ""]


def test_a_row_without_the_main_identifier_needs_the_switch() -> None:
    columns, rows = [Column(to="email"), Column(to="crm")], [["", "K-1"]]
    assert people(columns, rows)[0]["r"][0] == "missing_main_id"
    assert people(columns, rows, replace_empty=True)[0]["key"] == "crm:K-1"


def test_empty_cells_clear_only_ticked_columns_with_the_switch_on() -> None:
    columns = [Column(to="email"), Column(to="property", clear=True), Column(to="property")]
    rows = [["a@b.co", "", ""]]
    assert "empty" not in people(columns, rows)[0]
    assert people(columns, rows, replace_empty=True)[0]["empty"] == [1]


def consent(*cells: str, columns: list[Column], **more: Any) -> dict[str, Any]:
    return people([Column(to="email"), *columns], [["a@b.co", *cells]], **more)[0]


EMAIL = "email_marketing"


def test_the_newest_of_opt_in_and_opt_out_wins_and_a_refusal_beats_a_grant() -> None:
    columns = [
        Column(to="consent", purpose=EMAIL), Column(to="in_at", purpose=EMAIL), Column(to="out_at", purpose=EMAIL),
    ]  # fmt: skip
    later_out = consent("subscribed", "2024-01-01", "2024-02-01", columns=columns)
    assert later_out["says"][0][1:3] == ["unsubscribed", micros(at(2024, 2, 1))]
    later_in = consent("subscribed", "2024-03-01", "2024-02-01", columns=columns)
    assert later_in["says"][0][1:3] == ["subscribed", micros(at(2024, 3, 1))]
    two = [Column(to="consent", purpose=EMAIL), Column(to="consent", purpose=EMAIL, words="opt_out")]
    assert consent("subscribed", "yes", columns=two)["says"][0][1] == "unsubscribed"


def test_a_consent_with_an_unreadable_or_future_date_is_not_recorded() -> None:
    columns = [Column(to="consent", purpose=EMAIL), Column(to="at", purpose=EMAIL)]
    for text, code in (("yesterday", "bad_date"), ("2031-01-01", "future_date")):
        person = consent("subscribed", text, columns=columns)
        assert "says" not in person and person["x"][0][1] == code


def test_cleaned_people_are_suppressed_and_never_subscribed() -> None:
    person = consent("Bounced", columns=[Column(to="consent", purpose=EMAIL)])
    assert "says" not in person and person["stop"] == ["bounced", None]
    by_file = people([Column(to="email")], [["a@b.co"]], file_states=["bounced"])[0]
    assert "says" not in by_file and by_file["stop"] == ["bounced", None]


def test_lines_below_a_report_are_no_people() -> None:
    columns = [Column(to="name"), Column(to="email")]
    rows = [["Ann", "a@b.co"], ["Confidential Information - Do Not Distribute", ""], ["Generated By: Ann", ""]]
    assert [person.get("r", ["ok"])[0] for person in people(columns, rows, sender="salesforce")] == [
        "ok",
        "footer",
        "footer",
    ]


def test_a_suppression_file_stops_addresses() -> None:
    columns = [Column(to="email"), Column(to="reason")]
    rows = [["a@b.co", ""], ["b@b.co", "SPAM_COMPLAINT"], ["c@b.co", "HARD_BOUNCE"], ["d@b.co", "SUBSCRIBED"]]
    found = people(columns, rows, kind="suppressions")
    assert [person.get("stop", [None])[0] for person in found] == ["suppressed", "unsubscribed", "bounced", None]
    assert found[1]["says"][0][1] == "unsubscribed" and found[3]["r"][0] == "not_suppressed"
