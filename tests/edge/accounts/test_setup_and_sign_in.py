"""The first account, signing in and out, and the session cookie, over HTTP."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from server.accounts import commands
from server.accounts.account_settings import time_zone
from server.kernel.context import App
from tests.accounts_app import (
    OLGA,
    PASSWORD,
    Desk,
    accounts_app,
    code,
    join_as,
    me,
)


async def test_the_first_run_asks_for_an_owner_and_setup_signs_the_owner_in(app: App) -> None:
    desk = Desk(app)
    assert (await desk.get("/api/session")).json() == {
        "setup_needed": True,
        "user": None,
        "capabilities": [],
        "links_by_mail": False,
        "time_zone": None,
    }

    user = (await desk.set_up(OLGA)).json()["user"]

    assert user == {
        "id": user["id"],
        "name": "Olga",
        "email": "olga@shop.example",
        "role": "owner",
        "disabled": False,
        "away": False,
        "online": False,
        "created_at": "2026-11-21T09:00:00.000Z",
        "language": "",
    }
    session = (await desk.get("/api/session")).json()
    assert session["user"] == user and "own" in session["capabilities"] and not session["setup_needed"]
    assert code(await Desk(app).set_up(OLGA)) == code(await Desk(app).post("/api/setup", OLGA)) == (409, "setup_done")


@pytest.mark.parametrize(
    ("public_url", "expected"),
    [
        ("http://localhost:8000", "threadline={}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax"),
        (
            "https://chat.example",
            "__Host-threadline={}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax; Secure",
        ),
    ],
)
async def test_the_cookie_is_http_only_and_has_the_flags_its_url_allows(
    tmp_path: Path, public_url: str, expected: str
) -> None:
    async with accounts_app(tmp_path, public_url=public_url) as app:
        desk = Desk(app)
        cookies = [await desk.set_up(OLGA)]
        cookies.append(await desk.sign_in(OLGA["email"]))
        for answer in cookies:
            line = answer.headers["set-cookie"]
            token = line.partition(";")[0].partition("=")[2]
            assert line == expected.format(token) and len(token) == 43
            assert token not in answer.text
        assert await me(desk)
        cleared = (await desk.post("/api/logout")).headers["set-cookie"]
        assert cleared == expected.format("").replace("2592000", "0")
        assert await me(desk) is None


async def test_a_cookie_without_the_host_prefix_is_ignored_on_https(tmp_path: Path) -> None:
    async with accounts_app(tmp_path, public_url="https://chat.example") as app:
        desk = Desk(app)
        await desk.set_up(OLGA)
        desk.cookies = {"threadline": desk.cookies["__Host-threadline"]}
        assert await me(desk) is None


async def test_unknown_address_wrong_password_and_disabled_account_get_identical_responses(olga: Desk) -> None:
    await join_as(olga, "support")
    users_now = (await olga.get("/api/users")).json()["users"]
    user_id = next(user["id"] for user in users_now if user["role"] == "support")
    await olga.patch(f"/api/users/{user_id}", {"disabled": True})
    stranger = Desk(olga.app)
    answers = [
        await stranger.sign_in("olga@shop.example", "wrong"),
        await stranger.sign_in("nobody@shop.example", PASSWORD),
        await stranger.sign_in("support@shop.example", PASSWORD),
        await stranger.sign_in("support@shop.example", "wrong"),
    ]
    bodies = {json.dumps({**a.json()["error"], "ref": ""}) for a in answers}
    assert {a.status_code for a in answers} == {401} and len(bodies) == 1
    assert {tuple(sorted(set(a.headers) - {"content-length"})) for a in answers} == {
        tuple(sorted(set(answers[0].headers) - {"content-length"}))
    }
    assert not any("set-cookie" in a.headers for a in answers)


async def test_guessing_gets_429_with_a_time_to_retry(olga: Desk) -> None:
    stranger = Desk(olga.app, address="198.51.100.9")
    for _ in range(10):
        assert code(await stranger.sign_in("olga@shop.example", "wrong")) == (401, "bad_credentials")
    answer = await stranger.sign_in("olga@shop.example")
    assert code(answer) == (429, "rate_limited")
    assert answer.headers["retry-after"] == "900"
    assert (await Desk(olga.app).sign_in("olga@shop.example")).status_code == 200  # from a known address


async def test_signing_in_starts_a_new_session_and_ends_the_previous_one(olga: Desk) -> None:
    cookies_before = dict(olga.cookies)
    await olga.sign_in("olga@shop.example")
    assert olga.cookies != cookies_before
    assert await me(Desk(olga.app, cookies=cookies_before)) is None


@pytest.mark.parametrize("value", ["", "x", "x" * 43, "x" * 5000, "../../etc", "a b", "%00", '"quoted"'])
async def test_an_invented_cookie_is_refused(olga: Desk, value: str) -> None:
    stranger = Desk(olga.app, cookies={"threadline": value})
    assert await me(stranger) is None
    assert code(await stranger.get("/api/sessions")) == (401, "auth_required")


async def test_of_two_session_cookies_the_first_counts(olga: Desk) -> None:
    token = olga.cookies["threadline"]
    for cookie, signed_in in [
        (f"threadline={token}; threadline=x", True),
        (f"threadline=x; threadline={token}", False),
    ]:
        answer = await Desk(olga.app).get("/api/session", headers={"cookie": cookie})
        assert (answer.json()["user"] is not None) is signed_in


@pytest.mark.parametrize("address", ["203.0.113.9", "127.0.0.1", "::1"])
async def test_setup_needs_the_printed_link_from_any_address(app: App, address: str) -> None:
    """Behind a proxy on the same machine, every request comes from that address."""
    stranger = Desk(app, address=address)
    assert code(await stranger.post("/api/setup", OLGA)) == (403, "setup_link_needed")
    assert code(await stranger.post("/api/setup", {**OLGA, "token": "x" * 44})) == (403, "setup_link_needed")
    link = await commands.setup_link(app)
    assert link is not None
    created = await stranger.post("/api/setup", {**OLGA, "token": link.partition("#")[2]})
    assert created.status_code == 200
    assert await commands.setup_link(app) is None


@pytest.mark.parametrize(
    ("sent", "expected"),
    [("Europe/Warsaw", "Europe/Warsaw"), ("Mars/Olympus", "UTC"), ("../../etc/passwd", "UTC"), ("", "UTC")],
)
async def test_a_new_account_has_the_zone_of_the_owners_browser(app: App, sent: str, expected: str) -> None:
    assert (await Desk(app).set_up({**OLGA, "time_zone": sent})).status_code == 200
    assert (await app.read(time_zone)).key == expected
