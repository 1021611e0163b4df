"""Countries in which one phone line has two spellings (IDN-2): one is stored, and every row cites its source."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.contacts.lines import SPELLINGS, canonical
from server.contacts.rules import Phone, normal_phone, sender
from server.inbox.rules import phone_digits

SAME = [
    ("+5215512345678", "+525512345678"),
    ("+5218112345678", "+528112345678"),
    ("+520445512345678", "+525512345678"),
    ("+541123456789", "+5491123456789"),
    ("+543514567890", "+5493514567890"),
    ("+542966423456", "+5492966423456"),
    ("+551187654321", "+5511987654321"),
    ("+555196543210", "+5551996543210"),
    ("+557168765432", "+5571968765432"),
]
OTHERS = [
    "+525512345678", "+5491123456789", "+5511987654321",
    "+551133334444",  # a fixed line
    "+551178765432",  # trunked radio keeps eight digits
    "+548001234567", "+546001234567",  # toll-free, premium
    "+528001234567", "+12025550150", "+525", "+521", "+54", "+5511", "525512345678", "", "+52155123456789", "whatsapp:+5215512345678",
]  # fmt: skip


@pytest.mark.parametrize(("other", "stored"), SAME)
def test_two_spellings_are_one_line(other: str, stored: str) -> None:
    assert canonical(other) == stored and canonical(stored) == stored
    assert sender(other) == sender(stored) == normal_phone(stored)
    result = normal_phone(f"{other[:3]} {other[3:]}")
    assert isinstance(result, Phone) and result.e164 == stored and result.country in ("MX", "AR", "BR")
    assert phone_digits(other) == stored[1:]


@pytest.mark.parametrize("number", OTHERS)
def test_a_number_with_one_spelling_is_unchanged(number: str) -> None:
    assert canonical(number) == number


@pytest.mark.parametrize(("written", "region", "stored"), [("11 15-2345-6789", "AR", "+5491123456789"), ("1 55 1234 5678", "MX", "+525512345678"), ("(11) 8765-4321", "BR", "+5511987654321")])  # fmt: skip
def test_every_typed_form_of_a_number_is_stored_in_one_spelling(written: str, region: str, stored: str) -> None:
    result = normal_phone(written, region)
    assert isinstance(result, Phone) and result.e164 == stored


@given(st.from_regex(r"\+5[245][0-9]{8,12}", fullmatch=True))
def test_the_stored_spelling_is_stable(number: str) -> None:
    assert canonical(canonical(number)) == canonical(number)


def test_every_row_cites_its_source() -> None:
    assert [spelling.country for spelling in SPELLINGS] == ["MX", "AR", "BR"]
    assert all(len(spelling.source) > 40 for spelling in SPELLINGS)
