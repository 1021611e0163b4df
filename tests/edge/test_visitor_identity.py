"""A visitor's identity: the token of an anonymous visitor, and the identity that a shop signs for its customer."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from sqlalchemy import insert

from server.accounts.rules import VisitorIdentity
from server.errors import SignInRequired
from server.kernel.clock import ManualClock
from server.kernel.context import App
from server.kernel.ids import digest
from server.schema import settings
from server.web import auth
from tests.accounts_app import START, accounts_app


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    async with accounts_app(tmp_path) as built:
        yield built


def signed(app: App, number: int = 1, key: str | None = None, **claims: Any) -> str:
    values = {"sub": "customer-7", "exp": int(START.timestamp()) + 3600, **claims}
    values = {name: value for name, value in values.items() if value is not None}
    return jwt.encode(values, key or auth.identity_secret(app, number), "HS256")


async def test_an_anonymous_visitors_token_is_verified_without_storage(app: App) -> None:
    token = auth.mint_visitor_token(app)
    visitor = await auth.visitor_identity(app, token, None)
    assert visitor == VisitorIdentity(digest(token)) and not visitor.verified
    assert (await auth.visitor_from_header(app, {"authorization": f"Bearer {token}"})).key == digest(token)
    assert auth.mint_visitor_token(app) != token


@pytest.mark.parametrize("token", [None, "", "x", "x" * 55, "." * 55, "x" * 100_000, "a" * 32 + "." + "b" * 22])
async def test_a_made_up_visitor_token_is_refused(app: App, token: str | None) -> None:
    with pytest.raises(SignInRequired):
        await auth.visitor_identity(app, token, None)


async def test_a_changed_visitor_token_is_refused(app: App, tmp_path: Path) -> None:
    token = auth.mint_visitor_token(app)
    for position in (0, 10, 31, 33, 54):
        swapped = "A" if token[position] != "A" else "B"
        with pytest.raises(SignInRequired):
            await auth.visitor_identity(app, token[:position] + swapped + token[position + 1 :], None)
    with pytest.raises(SignInRequired):
        await auth.visitor_from_header(app, {"authorization": f"Basic {token}"})
    with pytest.raises(SignInRequired):
        await auth.visitor_from_header(app, {})
    async with accounts_app(tmp_path / "other", secret_key="another key 0123456789 abcdefghijkl") as other:
        with pytest.raises(SignInRequired):
            await auth.visitor_identity(other, token, None)


async def test_a_signed_identity_takes_precedence_over_the_token(app: App) -> None:
    token, identity = auth.mint_visitor_token(app), signed(app, email="Anna@Shop.Example", name="Anna")
    visitor = await auth.visitor_identity(app, token, identity)
    assert visitor == VisitorIdentity("ext:customer-7", "anna@shop.example", "Anna", True)
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
    "exp of 400 digits": lambda app: signed(app, exp=10**400),
    "nbf in the future": lambda app: signed(app, nbf=int(START.timestamp()) + 61),
    "exp as text": lambda app: signed(app, exp="tomorrow"),
    "sub as a number": lambda app: signed(app, sub=7),
    "sub as a list": lambda app: signed(app, sub=["customer-7"]),
    "sub as true": lambda app: signed(app, sub=True),
    "no sub": lambda app: signed(app, sub=None),
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
    assert (await auth.visitor_identity(app, None, signed(app))).verified  # precondition
    with pytest.raises(SignInRequired):
        await auth.visitor_identity(app, auth.mint_visitor_token(app), BAD_IDENTITIES[name](app))


async def test_an_empty_identity_falls_back_to_the_token_and_is_logged_once(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(auth.log, "warning", lambda event, **_: logged.append(event))
    for token in (auth.mint_visitor_token(app), auth.mint_visitor_token(app)):
        for sub in ("undefined", "null", "0", ""):
            assert await auth.visitor_identity(app, token, signed(app, sub=sub)) == VisitorIdentity(digest(token))
            headers = {"authorization": f"Bearer {token}", "x-threadline-identity": signed(app, sub=sub)}
            assert (await auth.visitor_from_header(app, headers)).key == digest(token)
    with pytest.raises(SignInRequired):
        await auth.visitor_identity(app, None, signed(app, sub="undefined"))
    assert logged == ["signed_identity_names_nobody"]


async def test_after_a_rotation_the_old_secret_is_valid_for_a_day(app: App) -> None:
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
