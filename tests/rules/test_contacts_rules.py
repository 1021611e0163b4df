"""Which details an agent may save for a contact (ROL-8, IDN-1, W34)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.audit.rules import ActedBy, ActorType
from server.contacts.rules import NAME_CHARS, ContactChanged, NameAndEmail, changed_details, shown_phone
from server.errors import Conflict, Refused
from server.text import is_blank

NOBODY = NameAndEmail("", None)
MARIA = NameAndEmail("Maria", "maria@shop.example")


def test_an_omitted_field_stays_and_an_empty_one_is_deleted() -> None:
    assert changed_details(NOBODY, " Maria\tSilva ", None) == NameAndEmail("Maria Silva", None)
    assert changed_details(NOBODY, "Ma\u200bria", None) == NameAndEmail("Maria", None), (
        "an invisible character must be removed from a name"
    )
    assert changed_details(MARIA, None, "NEW@shop.example") == NameAndEmail("Maria", "new@shop.example")
    assert changed_details(MARIA, "", None) == NameAndEmail("", "maria@shop.example")
    assert changed_details(MARIA, None, "  ") == NameAndEmail("Maria", None)


@pytest.mark.parametrize(
    "name", ["\u202e", "\u200f\u200b", "\x00\x07", "\u2066\u2069 \u00ad", "\u3164", "x" * 81, "y" * 5_000]
)
def test_w34_a_name_that_cannot_be_read_is_refused(name: str) -> None:
    with pytest.raises(Refused) as refused:
        changed_details(MARIA, name, None)
    assert refused.value.field == "name"


@given(st.text(max_size=200))
def test_a_name_that_is_kept_is_one_readable_line_without_tricks(text: str) -> None:
    try:
        name = changed_details(NOBODY, text, None).name
    except Refused:
        return
    assert len(name) <= NAME_CHARS and name == " ".join(name.split())
    assert not name or not is_blank(name)
    assert not set(name) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\r\n\x00")


def test_a_customer_with_a_signed_identity_is_not_changed() -> None:
    nora = NameAndEmail("Nora", "nora@shop.example", vouched=True)
    assert changed_details(nora, "Nora", "nora@shop.example") == nora
    for name, email in (("Nora L", None), (None, ""), (None, "other@shop.example")):
        with pytest.raises(Conflict) as refused:
            changed_details(nora, name, email)
        assert refused.value.code == "vouched"


def test_changes_are_listed_by_field() -> None:
    assert ContactChanged(1, ActedBy(ActorType.AGENT, 2, "Ana"), "Maria").fields == ["name"]
    assert ContactChanged(1, ActedBy(ActorType.AGENT, 2, "Ana"), email="").fields == ["email"]


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+12025550150", "+1 202-555-0150"),
        ("+48512345678", "+48 512 345 678"),
        ("+821012345678", "+82 10-1234-5678"),
        ("+79161234567", "+7 916 123-45-67"),
        ("+80012345678", "+800 1234 5678"),
        ("72345", "72345"),
        ("KETTLE", "KETTLE"),
        ("", ""),
        ("+", "+"),
        ("+999123", "+999123"),
        ("+1" + "2" * 400, "+1" + "2" * 400),
        (None, None),
    ],
)
def test_a_phone_number_is_formatted_and_other_senders_are_shown_unchanged(
    number: str | None, shown: str | None
) -> None:
    assert shown_phone(number) == shown
