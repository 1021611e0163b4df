"""Parsing phone numbers in any spelling (IDN-2; I6, I7, S8)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.contacts.rules import BadPhone, Peer, Phone, normal_phone, sender

# Number as typed, default country, number as stored.
GOOD = [
    ("+1 (415) 555-0123", None, "+14155550123"),
    ("(415) 555-0123", "US", "+14155550123"),
    ("415.555.0123", "US", "+14155550123"),
    ("0048 501 22 88 55", "PL", "+48501228855"),
    ("(+48)501228855", None, "+48501228855"),
    ("+48 (501) 228855", None, "+48501228855"),
    ("'+14155550123", None, "+14155550123"),
    ('="+14155550123"', None, "+14155550123"),
    ("tel:+1-415-555-0123", None, "+14155550123"),
    ("whatsapp:+14155550123", None, "+14155550123"),
    ("+１４１５５５５０１２３", None, "+14155550123"),
    ("+١٤١٥٥٥٥٠١٢٣", None, "+14155550123"),
    ("+1415\u200b5550123", None, "+14155550123"),
    ("\u202a+14155550123\u202c", None, "+14155550123"),
    ("Phone: +14155550123", None, "+14155550123"),
    ("+39 06 1234 5678", None, "+390612345678"),
    ("+82 10-1234-5678", None, "+821012345678"),
    ("1-800-FLOWERS", "US", "+18003569377"),
]

# Number as typed, default country, reason of the refusal.
BAD = [
    ("", None, "empty"),
    ("   ", None, "empty"),
    ("1.41556E+10", "US", "precision_lost"),
    ("4,85012E+10", "PL", "precision_lost"),
    ("4155550123", None, "no_country"),
    ("+1 415 555 0123 x9", None, "extension"),
    ("+14155550123;ext=42", None, "extension"),
    ("+1 900 555 0123", None, "premium"),
    ("911", "US", "emergency"),
    ("112", "DE", "emergency"),
    ("+882 16 5555 5555", None, "satellite"),
    ("+870 773 111 632", None, "satellite"),
    ("+999 123 456 789", None, "not_a_number"),
    ("+1" + "4" * 300, None, "too_long"),
    ("+1415555012345678901", None, "too_long"),
    ("+14155550123 / +14155550124", None, "two_numbers"),
    ("+14155550123 or 4155550124", None, "two_numbers"),
    ("14155552345.0", "US", "not_a_number"),
    ("hello", "US", "not_a_number"),
    ("+1415\x005550123", None, "not_a_number"),
    ("+1 415 555", None, "invalid"),
    ("+266696687", None, "hidden"),
    ("+44 7700 90", None, "invalid"),
]


@pytest.mark.parametrize(("raw", "region", "e164"), GOOD)
def test_i6_a_phone_number_is_normalised(raw: str, region: str | None, e164: str) -> None:
    result = normal_phone(raw, region)
    assert isinstance(result, Phone), result
    assert result.e164 == e164
    assert normal_phone(result.e164) == result, "a normalised number must parse to itself"


@pytest.mark.parametrize(("raw", "region", "code"), BAD)
def test_i7_an_invalid_number_is_refused_with_a_reason(raw: str, region: str | None, code: str) -> None:
    result = normal_phone(raw, region)
    assert isinstance(result, BadPhone), result
    assert result.code == code and result.reason.endswith(".")


@pytest.mark.parametrize(
    ("raw", "country", "kind"),
    [("+14155550123", "US", "fixed_or_mobile"), ("+48501228855", "PL", "mobile"), ("+493012345678", "DE", "fixed"), ("+18885550199", "US", "toll_free"), ("+16135550123", "CA", "fixed_or_mobile")],
)  # fmt: skip
def test_country_and_kind_of_a_number_are_recognised(raw: str, country: str, kind: str) -> None:
    result = normal_phone(raw)
    assert isinstance(result, Phone) and (result.country, result.kind) == (country, kind)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [("12345", "short_code"), ("729725", "short_code"), ("KETTLES", "name"), ("My Shop", "name"), ("whatsapp:+14155550123", "channel"), ("rcs:shop_agent", "channel"),
     ("messenger:1234567", "channel"), ("+266696687", "hidden"), ("anonymous", "hidden"), ("Restricted", "hidden"), ("", "nobody"), ("  ", "nobody"), ("+1", "name"), ("+999999", "name")],
)  # fmt: skip
def test_s8_a_sender_that_is_no_phone_keeps_its_kind(raw: str, kind: str) -> None:
    assert sender(raw) == Peer(raw.strip(), kind)


def test_s8_a_phone_is_a_phone() -> None:
    assert sender("+14155550123") == Phone("+14155550123", "US", "fixed_or_mobile")


@given(st.text(max_size=80), st.sampled_from([None, "US", "PL", "KR", "ZZ"]))
def test_any_text_gives_a_number_or_a_reason(raw: str, region: str | None) -> None:
    result = normal_phone(raw, region)
    assert isinstance(result, Phone | BadPhone)
    assert isinstance(sender(raw), Phone | Peer)
