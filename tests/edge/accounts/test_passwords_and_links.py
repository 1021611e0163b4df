"""Passwords, invitations and reset links over HTTP; no secret is stored or quoted (A30)."""

from __future__ import annotations

import time

import pytest

from server.kernel.context import App
from tests.accounts_app import (
    OLGA,
    OTHER_PASSWORD,
    PASSWORD,
    Desk,
    code,
    join_as,
    me,
    token_of,
)
from tests.services import overbooked


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("x", "short"), ("password", "short"), ("passwordpassword", "weak"), ("Threadline 2026!!", "weak"),
        ("olga@shop.example", "weak"), ("kettle harbour\0 mosaic", "long"), ("x1 " * 500, "long"),
    ],
)  # fmt: skip
async def test_a_bad_password_is_refused_with_its_field_and_a_reason(app: App, password: str, reason: str) -> None:
    answer = await Desk(app).set_up({**OLGA, "password": password})
    assert code(answer) == (422, f"{reason}_password")
    assert answer.json()["error"]["field"] == "password"


async def test_a_password_of_a_megabyte_is_refused_without_hashing_it(olga: Desk) -> None:
    started = time.perf_counter()
    assert code(await olga.sign_in("olga@shop.example", "x" * 1_000_000)) == (413, "too_large")
    assert code(await olga.sign_in("olga@shop.example", "x" * 200_000)) == (401, "bad_credentials")
    assert time.perf_counter() - started < 2 * overbooked()


async def test_a_unicode_password_with_spaces_around_it_works_as_typed(app: App) -> None:
    password = "  💡 Glühwürmchen im Mai  "
    desk = Desk(app)
    assert (await desk.set_up({**OLGA, "password": password})).status_code == 200
    assert (await desk.sign_in(OLGA["email"], password)).status_code == 200
    assert (await desk.sign_in(OLGA["email"], "  💡 Glu\u0308hwu\u0308rmchen im Mai  ")).status_code == 200
    assert (await desk.sign_in(OLGA["email"], password.strip())).status_code == 401


async def test_changing_the_password_keeps_this_browser_and_ends_the_others(olga: Desk) -> None:
    other_desk = Desk(olga.app)
    await other_desk.sign_in("olga@shop.example")
    refused = await olga.post("/api/password", {"current": "wrong", "password": OTHER_PASSWORD})
    assert code(refused) == (422, "bad_credentials") and refused.json()["error"]["field"] == "current"
    answer = await olga.post("/api/password", {"current": PASSWORD, "password": OTHER_PASSWORD})
    assert (answer.status_code, answer.json()) == (200, {})
    assert await me(olga) and await me(other_desk) is None
    assert (await other_desk.sign_in("olga@shop.example", OTHER_PASSWORD)).status_code == 200


async def test_an_invited_colleague_signs_in_with_the_link(olga: Desk) -> None:
    invite = (await olga.post("/api/invites", {"email": "Mia@Shop.Example", "role": "support"})).json()
    assert invite["invite"]["expires_at"] == "2026-11-28T09:00:00.000Z"
    assert (await olga.get("/api/invites")).json() == {"invites": [invite["invite"]]}
    path, _, token = invite["url"].partition("#")
    assert path == "http://localhost:8000/invite"
    mia = Desk(olga.app)
    for _ in range(2):  # reading the link does not use it up
        used = (await mia.post("/api/links/use", {"token": token})).json()
        assert used == {"purpose": "invite", "email": "mia@shop.example", "name": None, "user": None}
    weak = await mia.post("/api/links/finish", {"token": token, "name": "Mia", "password": "short"})
    assert code(weak) == (422, "short_password")
    nameless = await mia.post("/api/links/finish", {"token": token, "password": PASSWORD})
    assert code(nameless) == (422, "invalid") and nameless.json()["error"]["field"] == "name"
    user = (await mia.post("/api/links/finish", {"token": token, "name": "Mia", "password": PASSWORD})).json()["user"]
    assert (user["name"], user["role"]) == ("Mia", "support")
    assert (await me(mia))["email"] == "mia@shop.example"
    second_use = await Desk(olga.app).post("/api/links/finish", {"token": token, "name": "Eve", "password": PASSWORD})
    assert code(second_use) == (409, "link_spent")


async def test_a_reset_link_from_an_admin_sets_a_new_password(olga: Desk) -> None:
    mia = await join_as(olga, "support")
    reset_link = (await olga.post(f"/api/users/{(await me(mia))['id']}/reset-link")).json()
    assert reset_link["expires_at"] == "2026-11-22T09:00:00.000Z"
    browser = Desk(olga.app)
    token = token_of(reset_link["url"])
    used = (await browser.post("/api/links/use", {"token": token})).json()
    assert used == {"purpose": "reset", "email": "support@shop.example", "name": "Support", "user": None}
    assert (await browser.post("/api/links/finish", {"token": token, "password": OTHER_PASSWORD})).status_code == 200
    assert await me(mia) is None and await me(browser)


@pytest.mark.parametrize("token", ["x" * 43, "A" * 20])
async def test_an_unknown_link_gets_the_same_error_as_a_used_one(olga: Desk, token: str) -> None:
    assert code(await Desk(olga.app).post("/api/links/use", {"token": token})) == (409, "link_spent")


async def test_refusals_quote_nothing_that_was_typed(olga: Desk) -> None:
    for body in ({"email": "a@b.c", "password": 123456789}, {"email": ["sesame"], "password": "sesame"}):
        answer = await Desk(olga.app).post("/api/login", body)
        assert answer.status_code == 422
        assert "sesame" not in answer.text and "123456789" not in answer.text


async def test_no_secret_reaches_the_database_or_the_log(olga: Desk, capfd: pytest.CaptureFixture[str]) -> None:
    invite = (await olga.post("/api/invites", {"email": "mia@shop.example", "role": "support"})).json()
    token = token_of(invite["url"])
    mia = Desk(olga.app)
    await mia.post("/api/links/finish", {"token": token, "name": "Mia", "password": OTHER_PASSWORD})
    await Desk(olga.app).sign_in("mia@shop.example", "canary of a wrong password")
    await mia.post("/api/logout", headers={"origin": "https://evil.example"})
    secrets = [
        token,
        mia.cookies["threadline"],
        olga.cookies["threadline"],
        PASSWORD,
        OTHER_PASSWORD,
        "canary",
    ]
    folder = olga.app.settings.data_dir
    stored = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
    out, err = capfd.readouterr()
    for secret in secrets:
        assert secret.encode() not in stored
        assert secret not in out + err
