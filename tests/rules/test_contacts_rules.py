"""What an agent may write down of somebody (SPEC ROL-8, IDN-1, W34)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.contacts.rules import NAME_CHARS, ContactChanged, Known, renamed, shown_phone
from server.errors import Conflict, Refused
from server.inbox.rules import is_blank

NOBODY = Known("", None)
MARIA = Known("Maria", "maria@shop.example")


def test_what_is_left_out_stays_and_nothing_takes_away() -> None:
    assert renamed(NOBODY, " Maria\tSilva ", None) == Known("Maria Silva", None)
    assert renamed(NOBODY, "Ma\u200bria", None) == Known("Maria", None), "nobody sees that it is another name"
    assert renamed(MARIA, None, "NEW@shop.example") == Known("Maria", "new@shop.example")
    assert renamed(MARIA, "", None) == Known("", "maria@shop.example")
    assert renamed(MARIA, None, "  ") == Known("Maria", None)


@pytest.mark.parametrize(
    "name", ["\u202e", "\u200f\u200b", "\x00\x07", "\u2066\u2069 \u00ad", "\u3164", "x" * 81, "y" * 5_000]
)
def test_w34_a_name_that_cannot_be_read_is_refused(name: str) -> None:
    with pytest.raises(Refused) as refused:
        renamed(MARIA, name, None)
    assert refused.value.field == "name"


@given(st.text(max_size=200))
def test_a_name_that_is_kept_is_one_readable_line_without_tricks(text: str) -> None:
    try:
        name = renamed(NOBODY, text, None).name
    except Refused:
        return
    assert len(name) <= NAME_CHARS and name == " ".join(name.split())
    assert not name or not is_blank(name)
    assert not set(name) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\r\n\x00")


def test_whom_the_shop_vouches_for_is_left_as_they_are() -> None:
    nora = Known("Nora", "nora@shop.example", vouched=True)
    assert renamed(nora, "Nora", "nora@shop.example") == nora
    for name, email in (("Nora L", None), (None, ""), (None, "other@shop.example")):
        with pytest.raises(Conflict) as refused:
            renamed(nora, name, email)
        assert refused.value.code == "vouched"


def test_what_was_changed_is_told_by_field() -> None:
    assert ContactChanged(1, 2, "Ana", "Maria").fields == ["name"]
    assert ContactChanged(1, 2, "Ana", email="").fields == ["email"]


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
def test_a_number_is_shown_as_people_read_it_and_what_is_none_as_it_is(number: str | None, shown: str | None) -> None:
    assert shown_phone(number) == shown
