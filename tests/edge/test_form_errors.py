"""The refusal of a form lists all its faults, each with the field, a stable code and numbers."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, Field, field_validator

from server.errors import Refused, all_of
from server.kernel.documents import input_error
from server.web import faults
from server.web.http import MAX_FAULTS, validate
from tests.online import Online
from tests.saving import save


def fault_list(answer: Any) -> list[tuple[str, str, dict[str, Any]]]:
    return [(fault["field"], fault["code"], fault["params"]) for fault in answer.json()["errors"]]


async def test_every_fault_of_a_settings_form_is_listed_with_its_nested_field(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    form = (await olga.get("/api/sms/keywords")).json()
    form |= {
        "mode": "loose",
        "brand": "x" * 41,
        "help_contact": "https://shop.example",
        "subscribe": [
            {"word": "KETTLES", "opt_in": "single", "text": ""},
            {"word": "no", "opt_in": "single", "text": ""},
        ],
        "texts": [{"country": "US", "language": "en", "kind": "help", "text": " "}],
    }
    answer = await save(olga, "/api/sms/keywords", form)
    assert answer.status == 422
    assert fault_list(answer) == [
        ("mode", "no_choice", {}),
        ("brand", "long", {"max": 40}),
        ("help_contact", "link_forbidden", {}),
        ("subscribe.1.word", "keyword_form", {}),
        ("texts.0.text", "answer_empty", {}),
    ]
    assert answer.json()["error"]["field"] == "mode"


async def test_faults_of_settings_rules_are_listed_together(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    (await online.world.agent("ana"))
    sms = {"on": True, "account_sid": "", "api_key": "SK" + "1" * 32}
    assert fault_list(await save(olga, "/api/sms/settings", sms)) == [
        ("account_sid", "credentials_missing", {}),
        ("auth_token", "credentials_missing", {}),
        ("api_secret", "api_key_incomplete", {}),
    ]
    url = (await olga.post("/api/invites", {"email": "mia@shop.example", "role": "support"})).json()["url"]
    mia = {"token": url.partition("#")[2], "name": " ", "password": "kettle"}
    answer = await online.send("POST", "/api/links/finish", mia)
    assert fault_list(answer) == [("name", "bad_name", {"max": 80}), ("password", "short_password", {"min": 15})]


async def test_a_refusal_without_a_field_lists_no_faults(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    answer = await olga.get("/api/tickets/999999")
    assert (answer.status, fault_list(answer)) == (404, [])


class Form(BaseModel):
    name: str = Field(min_length=1, max_length=5)
    nick: str = Field("xx", min_length=2)
    words: list[str] = Field(default_factory=list, min_length=0, max_length=1)
    age: int = Field(0, ge=0, le=9)
    site: str = ""

    @field_validator("site")
    @classmethod
    def _site(cls, value: str) -> str:
        if value:
            raise input_error("bad_site", "No.", most=3)
        return value


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, ("name", "required", {})),
        ({"name": ""}, ("name", "required", {})),
        ({"name": "123456"}, ("name", "long", {"max": 5})),
        ({"name": "a", "nick": "b"}, ("nick", "short", {"min": 2})),
        ({"name": "a", "words": ["b", "c"]}, ("words", "list_long", {"max": 1})),
        ({"name": "a", "words": [1]}, ("words.0", "wrong_form", {})),
        ({"name": "a", "age": -1}, ("age", "too_low", {"min": 0})),
        ({"name": "a", "age": 10}, ("age", "too_high", {"max": 9})),
        ({"name": "a", "age": "x"}, ("age", "wrong_form", {})),
        ({"name": "a", "site": "x"}, ("site", "bad_site", {"most": 3})),
    ],
)
def test_a_fault_found_by_pydantic_has_a_stable_code_and_numbers(body: dict[str, Any], expected: Any) -> None:
    with pytest.raises(Refused) as refused:
        validate(Form, body)
    (fault,) = refused.value.faults
    assert (fault.field, fault.code, dict(fault.params)) == expected
    assert refused.value.code == (expected[1] if expected[1] == "bad_site" else "invalid")


def test_a_hostile_form_gets_a_bounded_list() -> None:
    class Many(BaseModel):
        words: list[int]

    with pytest.raises(Refused) as refused:
        validate(Many, {"words": ["x"] * 500})
    assert len(refused.value.faults) == MAX_FAULTS


def test_all_checks_run_and_their_first_refusal_is_raised() -> None:
    def no(field: str) -> Any:
        raise Refused("invalid", field, field=field)

    with pytest.raises(Refused, match="a") as refused:
        all_of(lambda: no("a"), lambda: 1, lambda: no("b"))
    assert [fault.field for fault in refused.value.faults] == ["a", "b"]
    assert all_of(lambda: 1, lambda: 2) == [1, 2]


def test_every_pydantic_error_type_of_our_forms_has_a_code() -> None:
    from typing import get_args

    from pydantic_core import core_schema

    assert set(faults.CODES) <= set(get_args(core_schema.ErrorType))
