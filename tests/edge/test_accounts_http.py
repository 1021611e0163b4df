"""Accounts at the edge: what browsers, strangers and other sites get to see."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from sqlalchemy import insert, update

from server.accounts import commands
from server.accounts.http import ENDPOINTS
from server.accounts.rules import VisitorIdentity
from server.errors import Forbidden, SignInRequired
from server.kernel.clock import ManualClock
from server.kernel.context import App
from server.kernel.ids import digest
from server.schema import audit, settings, users
from server.settings import Settings
from server.web import auth
from server.web.http import PUBLIC
from tests.accounts_app import OTHER_PASSWORD, PASSWORD, START, Desk, accounts_app, rows, settled, token_of

OLGA = {"name": "Olga", "email": "olga@shop.example", "password": PASSWORD}


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    async with accounts_app(tmp_path) as built:
        yield built


@pytest.fixture
async def olga(app: App) -> Desk:
    """The owner's browser."""
    desk = Desk(app)
    assert (await desk.post("/api/setup", OLGA)).status_code == 200
    return desk


async def joined(olga: Desk, role: str, email: str = "") -> Desk:
    """The browser of somebody who accepted an invitation as `role`."""
    made = await olga.post("/api/invites", {"email": email or f"{role}@shop.example", "role": role})
    desk = Desk(olga.app)
    body = {"token": token_of(made.json()["url"]), "name": role.title(), "password": PASSWORD}
    assert (await desk.post("/api/links/finish", body)).status_code == 200
    return desk


async def me(desk: Desk) -> Any:
    return (await desk.get("/api/session")).json()["user"]


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


# --- first run, signing in and out --------------------------------------------------------------


async def test_the_first_run_says_that_an_owner_is_needed_and_setup_signs_them_in(app: App) -> None:
    desk = Desk(app)
    assert (await desk.get("/api/session")).json() == {"setup_needed": True, "user": None, "capabilities": []}

    user = (await desk.post("/api/setup", OLGA)).json()["user"]

    assert user == {
        "id": user["id"],
        "name": "Olga",
        "email": "olga@shop.example",
        "role": "owner",
        "disabled": False,
        "away": False,
        "online": False,
        "created_at": "2026-11-21T09:00:00.000Z",
    }
    session = (await desk.get("/api/session")).json()
    assert session["user"] == user and "own" in session["capabilities"] and not session["setup_needed"]
    assert code(await Desk(app).post("/api/setup", OLGA)) == (409, "setup_done")


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
async def test_the_cookie_is_closed_to_scripts_and_as_strict_as_the_address_allows(
    tmp_path: Path, public_url: str, expected: str
) -> None:
    async with accounts_app(tmp_path, public_url=public_url) as app:
        desk = Desk(app)
        cookies = [await desk.post("/api/setup", OLGA)]
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


async def test_the_name_without_host_prefix_does_not_sign_in_on_https(tmp_path: Path) -> None:
    async with accounts_app(tmp_path, public_url="https://chat.example") as app:
        desk = Desk(app)
        await desk.post("/api/setup", OLGA)
        desk.cookies = {"threadline": desk.cookies["__Host-threadline"]}
        assert await me(desk) is None


async def test_unknown_wrong_and_disabled_are_told_the_same_byte_for_byte(olga: Desk) -> None:
    await joined(olga, "support")
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


async def test_guessing_is_answered_429_with_when_to_come_back(olga: Desk) -> None:
    stranger = Desk(olga.app, address="198.51.100.9")
    for _ in range(10):
        assert code(await stranger.sign_in("olga@shop.example", "wrong")) == (401, "bad_credentials")
    answer = await stranger.sign_in("olga@shop.example")
    assert code(answer) == (429, "rate_limited")
    assert answer.headers["retry-after"] == "900"
    assert (await Desk(olga.app).sign_in("olga@shop.example")).status_code == 200  # at home


async def test_signing_in_gives_a_new_session_and_ends_the_one_before(olga: Desk) -> None:
    before = dict(olga.cookies)
    await olga.sign_in("olga@shop.example")
    assert olga.cookies != before
    assert await me(Desk(olga.app, cookies=before)) is None


@pytest.mark.parametrize("value", ["", "x", "x" * 43, "x" * 5000, "../../etc", "a b", "%00", '"quoted"'])
async def test_a_made_up_cookie_signs_nobody_in(olga: Desk, value: str) -> None:
    stranger = Desk(olga.app, cookies={"threadline": value})
    assert await me(stranger) is None
    assert code(await stranger.get("/api/sessions")) == (401, "auth_required")


async def test_of_two_cookies_of_our_name_the_first_counts(olga: Desk) -> None:
    token = olga.cookies["threadline"]
    for cookie, signed_in in [
        (f"threadline={token}; threadline=x", True),
        (f"threadline=x; threadline={token}", False),
    ]:
        answer = await Desk(olga.app).get("/api/session", headers={"cookie": cookie})
        assert (answer.json()["user"] is not None) is signed_in


# --- other sites (A2, C6) -----------------------------------------------------------------------

WRITES = [endpoint for endpoint in ENDPOINTS if endpoint.writes]


FOREIGN: list[dict[str, str | None]] = [
    {"origin": None},
    {"origin": "null"},
    {"origin": ""},
    {"origin": "https://evil.example"},
    {"origin": "http://localhost:8001"},
    {"origin": "https://localhost:8000"},
    {"origin": "http://localhost:8000.evil.example"},
    {"origin": "http://localhost:8000/"},
    {"sec-fetch-site": "cross-site"},
]


@pytest.mark.parametrize("endpoint", WRITES, ids=lambda e: f"{e.method} {e.path}")
async def test_no_write_is_taken_from_another_site(olga: Desk, endpoint: Any) -> None:
    for headers in FOREIGN:
        answer = await olga.send(endpoint.method, endpoint.path.replace("{id}", "1"), {}, headers=headers)
        assert code(answer) in [(403, "bad_origin"), (403, "cross_site")], headers
    assert await me(olga)  # nothing happened to the session


async def test_a_refused_foreign_write_with_our_cookie_is_noted_but_not_without_end(olga: Desk) -> None:
    for _ in range(50):
        await olga.post("/api/logout", headers={"origin": "https://evil.example"})
    await Desk(olga.app).post("/api/logout", headers={"origin": "https://evil.example"})
    await settled(olga.app)
    noted = [row for row in await rows(olga.app, audit) if row.action == "write_refused"]
    assert len(noted) == 20
    assert (noted[0].target, noted[0].detail) == ("https://evil.example", {"code": "bad_origin"})
    assert noted[0].address, "from where"


@pytest.mark.parametrize("endpoint", WRITES, ids=lambda e: f"{e.method} {e.path}")
async def test_no_write_answers_to_get(olga: Desk, endpoint: Any) -> None:
    path = endpoint.path.replace("{id}", "1")
    if any(e.path == endpoint.path and e.method == "GET" for e in ENDPOINTS):
        return
    assert (await olga.get(path)).status_code in (404, 405)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
async def test_what_a_form_can_send_is_not_read(olga: Desk, kind: str) -> None:
    answer = await olga.post("/api/login", {"email": "a@b.c", "password": "x"}, headers={"content-type": kind})
    assert code(answer) == (415, "unsupported_type")


def test_the_usual_port_may_stand_in_the_setting(tmp_path: Path) -> None:
    server: Any = SimpleNamespace(
        settings=Settings(public_url="https://chat.example:443", data_dir=tmp_path, _env_file=None), parts={}
    )
    auth.check_origin(server, {"origin": "https://chat.example"})
    with pytest.raises(Forbidden):
        auth.check_origin(server, {"origin": "http://chat.example"})


# --- roles (A3, A11, A12) -----------------------------------------------------------------------


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: f"{e.method} {e.path}")
async def test_without_a_session_only_the_doors_answer(olga: Desk, endpoint: Any) -> None:
    doors = {"/api/session", "/api/setup", "/api/login", "/api/logout", "/api/links/use", "/api/links/finish"}
    assert (endpoint.needs is PUBLIC) is (endpoint.path in doors)
    if endpoint.path not in doors:
        answer = await Desk(olga.app).send(endpoint.method, endpoint.path.replace("{id}", "1"), {})
        assert code(answer) == (401, "auth_required")


@pytest.mark.parametrize("role", ["manager", "analyst", "coordinator", "creator", "support"])
async def test_only_owner_and_admin_reach_other_peoples_accounts(olga: Desk, role: str) -> None:
    desk = await joined(olga, role)
    owner_id = (await me(olga))["id"]
    for answer in [
        await desk.get("/api/invites"),
        await desk.post("/api/invites", {"email": "x@shop.example", "role": "admin"}),
        await desk.delete("/api/invites/1"),
        await desk.patch(f"/api/users/{owner_id}", {"name": "Mine"}),
        await desk.post(f"/api/users/{owner_id}/reset-link"),
    ]:
        assert code(answer) == (403, "forbidden")
    seen = (await desk.get("/api/users")).json()["users"]
    assert {user["name"] for user in seen} == {"Olga", role.title()}
    assert all("email" not in user for user in seen)


async def test_an_admin_manages_everybody_but_the_owner(olga: Desk) -> None:
    ann = await joined(olga, "admin")
    mia = await joined(olga, "support")
    owner_id, mia_id, ann_id = [(await me(desk))["id"] for desk in (olga, mia, ann)]
    for change in ({"role": "admin"}, {"disabled": True}, {"name": "Mine"}):
        assert code(await ann.patch(f"/api/users/{owner_id}", change)) == (403, "forbidden")
    assert code(await ann.post(f"/api/users/{owner_id}/reset-link")) == (403, "forbidden")
    assert code(await ann.post("/api/invites", {"email": "x@y.z", "role": "owner"})) == (409, "one_owner")
    assert code(await ann.patch(f"/api/users/{mia_id}", {"role": "owner"})) == (409, "one_owner")
    assert code(await ann.patch(f"/api/users/{ann_id}", {"disabled": True})) == (409, "own_account")
    assert code(await olga.patch(f"/api/users/{owner_id}", {"role": "support"})) == (409, "last_owner")
    assert code(await olga.patch(f"/api/users/{owner_id}", {"disabled": True})) == (409, "last_owner")
    changed = await ann.patch(f"/api/users/{mia_id}", {"role": "manager", "name": "Mia M"})
    assert (changed.json()["user"]["role"], changed.json()["user"]["name"]) == ("manager", "Mia M")


async def test_a_disabled_users_cookie_is_refused_at_once(olga: Desk) -> None:
    mia = await joined(olga, "support")
    user_id = (await me(mia))["id"]
    await mia.get("/api/sessions")
    await olga.patch(f"/api/users/{user_id}", {"disabled": True})
    assert code(await mia.get("/api/sessions")) == (401, "auth_required")
    assert await me(mia) is None


async def test_a_demoted_admins_cookie_loses_its_rights_at_once(olga: Desk) -> None:
    ann = await joined(olga, "admin")
    for _ in range(3):
        assert (await ann.get("/api/invites")).status_code == 200
    user_id = (await me(ann))["id"]
    await olga.patch(f"/api/users/{user_id}", {"role": "support"})
    assert code(await ann.get("/api/invites")) == (403, "forbidden")
    assert "users" not in (await ann.get("/api/session")).json()["capabilities"]


@pytest.mark.parametrize("body", [{"role": "king"}, {"role": 1}, {"disabled": "yes"}, {"disabled": 1}, {"name": 7}])
async def test_a_change_of_the_wrong_type_is_refused_and_names_the_field(olga: Desk, body: dict[str, Any]) -> None:
    mia = await joined(olga, "support")
    answer = await olga.patch(f"/api/users/{(await me(mia))['id']}", body)
    assert code(answer) == (422, "invalid")
    assert answer.json()["error"]["field"] == next(iter(body))


@pytest.mark.parametrize("user_id", ["0", "-1", "1e3", "x", "999999", "9" * 30, "%00", "٣"])
async def test_an_id_that_is_nobodys_is_not_found(olga: Desk, user_id: str) -> None:
    for answer in (
        await olga.patch(f"/api/users/{user_id}", {"name": "X"}),
        await olga.post(f"/api/users/{user_id}/reset-link"),
        await olga.delete(f"/api/sessions/{user_id}"),
        await olga.delete(f"/api/invites/{user_id}"),
    ):
        assert code(answer) == (404, "not_found")


# --- passwords (A30), sessions, links -----------------------------------------------------------


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("x", "short"), ("password", "short"), ("passwordpassword", "weak"), ("Threadline 2026!!", "weak"),
        ("olga@shop.example", "weak"), ("kettle harbour\0 mosaic", "long"), ("x1 " * 500, "long"),
    ],
)  # fmt: skip
async def test_a_bad_password_is_refused_with_its_field_and_which_way_it_is_bad(
    app: App, password: str, why: str
) -> None:
    answer = await Desk(app).post("/api/setup", {**OLGA, "password": password})
    assert code(answer) == (422, f"{why}_password")
    assert answer.json()["error"]["field"] == "password"


async def test_a_password_of_a_megabyte_costs_nothing(olga: Desk) -> None:
    started = time.perf_counter()
    assert code(await olga.sign_in("olga@shop.example", "x" * 1_000_000)) == (413, "too_large")
    assert code(await olga.sign_in("olga@shop.example", "x" * 200_000)) == (401, "bad_credentials")
    assert time.perf_counter() - started < 2


async def test_a_unicode_password_with_spaces_around_it_works_as_typed(app: App) -> None:
    password = "  💡 Glühwürmchen im Mai  "
    desk = Desk(app)
    assert (await desk.post("/api/setup", {**OLGA, "password": password})).status_code == 200
    assert (await desk.sign_in(OLGA["email"], password)).status_code == 200
    assert (await desk.sign_in(OLGA["email"], "  💡 Glu\u0308hwu\u0308rmchen im Mai  ")).status_code == 200
    assert (await desk.sign_in(OLGA["email"], password.strip())).status_code == 401


async def test_changing_the_password_keeps_this_browser_and_ends_the_others(olga: Desk) -> None:
    other = Desk(olga.app)
    await other.sign_in("olga@shop.example")
    wrong = await olga.post("/api/password", {"current": "wrong", "password": OTHER_PASSWORD})
    assert code(wrong) == (422, "bad_credentials") and wrong.json()["error"]["field"] == "current"
    answer = await olga.post("/api/password", {"current": PASSWORD, "password": OTHER_PASSWORD})
    assert (answer.status_code, answer.json()) == (200, {})
    assert await me(olga) and await me(other) is None
    assert (await other.sign_in("olga@shop.example", OTHER_PASSWORD)).status_code == 200


async def test_the_list_of_sessions_shows_which_is_this_one_and_each_can_be_ended(olga: Desk) -> None:
    other = Desk(olga.app, address="2001:db8:1:2:3:4:5:6")
    await other.sign_in("olga@shop.example")
    shown = (await olga.get("/api/sessions")).json()["sessions"]
    assert sorted((one["current"], one["address"]) for one in shown) == [
        (False, "2001:0db8:0001:0002::/64"),
        (True, "127.0.0.1"),
    ]
    assert {one["user_agent"] for one in shown} == {"Firefox on a desk"}
    other_id = next(one["id"] for one in shown if not one["current"])
    assert (await olga.delete(f"/api/sessions/{other_id}")).json() == {}
    assert await me(other) is None
    await other.sign_in("olga@shop.example")
    assert (await olga.delete("/api/sessions")).json() == {}
    assert await me(other) is None and await me(olga)


async def test_an_invitation_goes_from_link_to_desk(olga: Desk) -> None:
    made = (await olga.post("/api/invites", {"email": "Mia@Shop.Example", "role": "support"})).json()
    assert made["invite"]["expires_at"] == "2026-11-28T09:00:00.000Z"
    assert (await olga.get("/api/invites")).json() == {"invites": [made["invite"]]}
    path, _, token = made["url"].partition("#")
    assert path == "http://localhost:8000/invite"
    mia = Desk(olga.app)
    for _ in range(2):  # looking spends nothing
        used = (await mia.post("/api/links/use", {"token": token})).json()
        assert used == {"purpose": "invite", "email": "mia@shop.example", "name": None}
    weak = await mia.post("/api/links/finish", {"token": token, "name": "Mia", "password": "short"})
    assert code(weak) == (422, "short_password")
    nameless = await mia.post("/api/links/finish", {"token": token, "password": PASSWORD})
    assert code(nameless) == (422, "invalid") and nameless.json()["error"]["field"] == "name"
    user = (await mia.post("/api/links/finish", {"token": token, "name": "Mia", "password": PASSWORD})).json()["user"]
    assert (user["name"], user["role"]) == ("Mia", "support")
    assert (await me(mia))["email"] == "mia@shop.example"
    again = await Desk(olga.app).post("/api/links/finish", {"token": token, "name": "Eve", "password": PASSWORD})
    assert code(again) == (409, "link_spent")


async def test_a_reset_link_from_an_admin_sets_a_new_password(olga: Desk) -> None:
    mia = await joined(olga, "support")
    made = (await olga.post(f"/api/users/{(await me(mia))['id']}/reset-link")).json()
    assert made["expires_at"] == "2026-11-22T09:00:00.000Z"
    browser = Desk(olga.app)
    token = token_of(made["url"])
    used = (await browser.post("/api/links/use", {"token": token})).json()
    assert used == {"purpose": "reset", "email": "support@shop.example", "name": "Support"}
    assert (await browser.post("/api/links/finish", {"token": token, "password": OTHER_PASSWORD})).status_code == 200
    assert await me(mia) is None and await me(browser)


@pytest.mark.parametrize("token", ["x" * 43, "A" * 20])
async def test_an_unknown_link_is_spent_and_no_more_is_said(olga: Desk, token: str) -> None:
    assert code(await Desk(olga.app).post("/api/links/use", {"token": token})) == (409, "link_spent")


async def test_being_away_is_shown_to_the_team(olga: Desk) -> None:
    assert (await olga.patch("/api/me", {"away": True})).json()["user"]["away"] is True
    assert (await olga.get("/api/users")).json()["users"][0]["away"] is True
    assert (await olga.patch("/api/me", {"name": "Olga P."})).json()["user"]["name"] == "Olga P."
    assert code(await olga.patch("/api/me", {"name": " "})) == (422, "invalid")


async def test_refusals_quote_nothing_that_was_typed(olga: Desk) -> None:
    for body in ({"email": "a@b.c", "password": 123456789}, {"email": ["sesame"], "password": "sesame"}):
        answer = await Desk(olga.app).post("/api/login", body)
        assert answer.status_code == 422
        assert "sesame" not in answer.text and "123456789" not in answer.text


async def test_no_secret_reaches_the_database_or_the_log(olga: Desk, capfd: pytest.CaptureFixture[str]) -> None:
    made = (await olga.post("/api/invites", {"email": "mia@shop.example", "role": "support"})).json()
    token = token_of(made["url"])
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


# --- visitors -----------------------------------------------------------------------------------


def signed(app: App, number: int = 1, key: str | None = None, **claims: Any) -> str:
    values = {"sub": "customer-7", "exp": int(START.timestamp()) + 3600, **claims}
    values = {name: value for name, value in values.items() if value is not None}
    return jwt.encode(values, key or auth.identity_secret(app, number), "HS256")


async def test_an_anonymous_visitors_token_is_verified_without_storage(app: App) -> None:
    token = auth.mint_visitor_token(app)
    who = await auth.visitor_identity(app, token, None)
    assert who == VisitorIdentity(digest(token)) and not who.verified
    assert (await auth.visitor_from_header(app, {"authorization": f"Bearer {token}"})).key == digest(token)
    assert auth.mint_visitor_token(app) != token


@pytest.mark.parametrize("token", [None, "", "x", "x" * 55, "." * 55, "x" * 100_000, "a" * 32 + "." + "b" * 22])
async def test_a_made_up_visitor_token_is_refused(app: App, token: str | None) -> None:
    with pytest.raises(SignInRequired):
        await auth.visitor_identity(app, token, None)


async def test_a_changed_visitor_token_is_refused(app: App, tmp_path: Path) -> None:
    token = auth.mint_visitor_token(app)
    for at in (0, 10, 31, 33, 54):
        swapped = "A" if token[at] != "A" else "B"
        with pytest.raises(SignInRequired):
            await auth.visitor_identity(app, token[:at] + swapped + token[at + 1 :], None)
    with pytest.raises(SignInRequired):
        await auth.visitor_from_header(app, {"authorization": f"Basic {token}"})
    with pytest.raises(SignInRequired):
        await auth.visitor_from_header(app, {})
    async with accounts_app(tmp_path / "other", secret_key="another key 0123456789 abcdefghijkl") as other:
        with pytest.raises(SignInRequired):
            await auth.visitor_identity(other, token, None)


async def test_a_signed_identity_goes_before_the_token(app: App) -> None:
    token, identity = auth.mint_visitor_token(app), signed(app, email="Anna@Shop.Example", name="Anna")
    who = await auth.visitor_identity(app, token, identity)
    assert who == VisitorIdentity("ext:customer-7", "anna@shop.example", "Anna", True)
    headers = {"authorization": f"Bearer {token}", "x-threadline-identity": identity}
    assert (await auth.visitor_from_header(app, headers)).key == "ext:customer-7"


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unsigned(header: dict[str, Any], claims: dict[str, Any], tail: str = "") -> str:
    return ".".join([b64(json.dumps(header).encode()), b64(json.dumps(claims).encode()), tail])


CLAIMS = {"sub": "customer-7", "exp": int(START.timestamp()) + 3600}
BAD_IDENTITIES = {
    "no algorithm": lambda app: unsigned({"alg": "none", "typ": "JWT"}, CLAIMS),
    "No Algorithm": lambda app: unsigned({"alg": "nOnE"}, CLAIMS),
    "no algorithm, old signature": lambda app: unsigned({"alg": "none"}, CLAIMS, signed(app).rpartition(".")[2]),
    "another algorithm": lambda app: jwt.encode(CLAIMS, auth.identity_secret(app, 1), "HS512"),
    "wrong secret": lambda app: signed(app, key="f" * 64),
    "the bytes of the secret": lambda app: signed(app, key=bytes.fromhex(auth.identity_secret(app, 1))),  # type: ignore[arg-type]
    "a later secret": lambda app: signed(app, 2),
    "the visitors' key": lambda app: signed(app, key=app.key("visitor").hex()),
    "an empty secret": lambda app: unsigned({"alg": "HS256"}, CLAIMS),
    "expired": lambda app: signed(app, exp=int(START.timestamp()) - 61),
    "no exp": lambda app: signed(app, exp=None),
    "far exp": lambda app: signed(app, exp=int(START.timestamp()) + 90_000),
    "exp as text": lambda app: signed(app, exp="tomorrow"),
    "sub as a number": lambda app: signed(app, sub=7),
    "sub as a list": lambda app: signed(app, sub=["customer-7"]),
    "sub as true": lambda app: signed(app, sub=True),
    "no sub": lambda app: signed(app, sub=None),
    "empty sub": lambda app: signed(app, sub=""),
    "long sub": lambda app: signed(app, sub="x" * 201),
    "huge": lambda app: signed(app, pad="x" * 5000),
    "a deep header": lambda app: f"{b64(b'[' * 2900)}.{b64(b'{}')}.x",
    "a header of numbers": lambda app: f"{b64(b'9' * 2900)}.{b64(b'{}')}.x",
    "one dot": lambda app: "a.b",
    "no text": lambda app: "\ud800.é.\0",
    "a visitor's token": auth.mint_visitor_token,
}


@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
@pytest.mark.parametrize("name", BAD_IDENTITIES)
async def test_an_identity_that_is_not_properly_signed_is_refused_even_beside_a_good_token(app: App, name: str) -> None:
    assert (await auth.visitor_identity(app, None, signed(app))).verified  # the premise
    with pytest.raises(SignInRequired):
        await auth.visitor_identity(app, auth.mint_visitor_token(app), BAD_IDENTITIES[name](app))


async def test_after_a_rotation_the_secret_before_holds_for_its_day(app: App) -> None:
    clock = app.clock
    assert isinstance(clock, ManualClock)
    await auth.visitor_identity(app, None, signed(app))
    until = START + timedelta(hours=24)
    value = {"number": 2, "previous_until": until.isoformat()}
    await app.write(lambda tx: tx.run(insert(settings).values(name="identity", value=value, updated_at=tx.now)))
    clock.advance(timedelta(seconds=5))

    exp = int(START.timestamp()) + 90_000
    assert (await auth.visitor_identity(app, None, signed(app, 2))).verified
    assert (await auth.visitor_identity(app, None, signed(app, 1))).verified
    with pytest.raises(SignInRequired):
        await auth.visitor_identity(app, None, signed(app, 3))
    clock.advance(timedelta(hours=24))
    assert (await auth.visitor_identity(app, None, signed(app, 2, exp=exp))).verified
    with pytest.raises(SignInRequired):
        await auth.visitor_identity(app, None, signed(app, 1, exp=exp))


async def test_a_rotation_is_noticed_within_five_seconds(app: App) -> None:
    assert isinstance(app.clock, ManualClock)
    await auth.visitor_identity(app, None, signed(app))
    value = {"number": 2, "previous_until": None}
    await app.write(lambda tx: tx.run(insert(settings).values(name="identity", value=value, updated_at=tx.now)))
    app.clock.advance(timedelta(seconds=5))
    with pytest.raises(SignInRequired):
        await auth.visitor_identity(app, None, signed(app, 1))


async def test_a_presence_that_is_fresh_shows_as_online(olga: Desk) -> None:
    app = olga.app
    assert isinstance(app.clock, ManualClock)
    await app.write(lambda tx: tx.run(update(users).values(seen_at=tx.now)))
    assert (await me(olga))["online"] is True
    app.clock.advance(timedelta(seconds=45))
    assert (await me(olga))["online"] is False


async def test_a_stranger_from_elsewhere_cannot_take_an_empty_server_without_the_printed_link(app: App) -> None:
    stranger = Desk(app, address="203.0.113.9")
    assert code(await stranger.post("/api/setup", OLGA)) == (403, "setup_link_needed")
    assert code(await stranger.post("/api/setup", {**OLGA, "token": "x" * 44})) == (403, "setup_link_needed")
    link = await commands.setup_link(app)
    assert link is not None
    made = await stranger.post("/api/setup", {**OLGA, "token": link.partition("#")[2]})
    assert made.status_code == 200
    assert await commands.setup_link(app) is None
