"""API keys over HTTP: creation, permitted calls and refusals."""

from __future__ import annotations

from typing import Any

import pytest

from server.accounts import api_keys as steps
from server.accounts.rules import KEY_SCOPES, ApiKey, Can, may
from server.app import ENDPOINTS
from server.schema import api_keys, audit, consents, contacts, timeline
from server.web import api_keys as keys
from tests.online import Agent, Answer, Online


async def create_key(olga: Agent, *scopes: str, name: str = "Reports") -> dict[str, Any]:
    answer = await olga.post("/api/keys", {"name": name, "scopes": list(scopes or ("contacts_see",))})
    assert answer.status == 200, answer
    body: dict[str, Any] = answer.json()
    return body


async def call(online: Online, secret: str, method: str, path: str, body: Any = None) -> Answer:
    """Calls the API as a program does: without a cookie and without an origin."""
    return await online.send(method, path, body, headers={"Authorization": f"Bearer {secret}", "origin": None})


async def contact(online: Online) -> int:
    maria = await online.world.texter()
    await maria.says("Hello")
    return await maria.contact()


async def test_a_key_is_shown_once_and_stored_as_a_hash(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    new = await create_key(olga, "contacts_see", "contacts_edit")
    assert new["secret"].startswith("tl_") and len(new["secret"]) == 46
    assert new["secret"].endswith(new["key"]["hint"]) and new["key"]["created_by"] == "Olga"
    listed = await olga.get("/api/keys")
    assert listed.json()["keys"] == [new["key"]] and new["secret"].encode() not in listed.body
    (row,) = await online.world.rows(api_keys)
    assert new["secret"] not in str(tuple(row)) and len(row.token_hash) == 64
    assert new["secret"] not in str([line.detail for line in await online.world.rows(audit)])


async def test_a_key_has_only_its_scopes(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    secret, number = (await create_key(olga))["secret"], await contact(online)
    response = await call(online, secret, "GET", "/api/key")
    assert response.json() == {"name": "Reports", "scopes": ["contacts_see"]}
    assert (await call(online, secret, "GET", f"/api/contacts/{number}/consents")).status == 200
    refused = await call(online, secret, "PUT", f"/api/contacts/{number}", {"name": "Maria"})
    assert (refused.status, refused.code) == (403, "missing_scope")


@pytest.mark.parametrize("scope", ["inbox", "users", "secrets", "own", "signed_in", "audit", "everything"])
async def test_a_key_never_has_inbox_users_secrets_or_ownership(online: Online, scope: str) -> None:
    olga = await online.agent("olga", socket=False)
    refused = await olga.post("/api/keys", {"name": "Bad", "scopes": ["contacts_see", scope]})
    assert (refused.status, refused.code) == (422, "invalid") and scope not in KEY_SCOPES
    if scope in set(Can):
        assert not may(ApiKey(1, "Bad", frozenset({Can(scope)})), Can(scope)), (
            "such a scope in the database must not give the right"
        )


@pytest.mark.parametrize(
    "endpoint", [item for item in ENDPOINTS if not item.keys], ids=lambda e: f"{e.method} {e.path}"
)
async def test_a_key_can_call_only_endpoints_that_are_open_to_keys(
    key_with_all: tuple[Online, str], endpoint: Any
) -> None:
    online, secret = key_with_all
    path = (
        endpoint.path.replace("{id}", "1")
        .replace("{ticket}", "1")
        .replace("{thread}", "1")
        .replace("{", "")
        .replace("}", "")
    )
    refused = await call(online, secret, endpoint.method, path, None if endpoint.method == "GET" else {})
    assert (refused.status, refused.code) == (403, "not_for_keys")


@pytest.fixture
async def key_with_all(online: Online) -> tuple[Online, str]:
    """Creates a key with every scope."""
    olga = await online.agent("olga", socket=False)
    return online, (await create_key(olga, *sorted(KEY_SCOPES)))["secret"]


async def test_unknown_revoked_and_misplaced_keys_are_refused_with_clear_codes(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    new = await create_key(olga)
    assert (await call(online, new["secret"], "GET", "/api/consents")).status == 200
    for wrong in ("tl_" + "A" * 43, "tl_short", new["secret"] + "x"):
        refused = await call(online, wrong, "GET", "/api/consents")
        assert (refused.status, refused.code) == (401, "bad_key")
    for address in (f"/api/consents?key={new['secret']}", f"/api/consents?{new['secret']}"):
        refused = await olga.get(address)
        assert (refused.status, refused.code) == (400, "key_in_url"), (
            "a key in the URL is refused even with a valid session"
        )
    assert (await olga.send("DELETE", f"/api/keys/{new['key']['id']}")).status == 200
    refused = await call(online, new["secret"], "GET", "/api/consents")
    assert (refused.status, refused.code) == (401, "key_revoked")
    assert (await olga.get("/api/keys")).json()["keys"] == []
    assert (await olga.send("DELETE", f"/api/keys/{new['key']['id']}")).status == 404
    lines = {
        line.action: line.detail["key"] for line in await online.world.rows(audit, audit.c.action.like("api_key%"))
    }
    assert lines == {"api_key_made": new["key"]["id"], "api_key_revoked": new["key"]["id"]}


async def test_a_key_needs_no_origin_and_a_cookie_still_does(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    secret, number = (await create_key(olga, "contacts_edit"))["secret"], await contact(online)
    assert (await call(online, secret, "PUT", f"/api/contacts/{number}", {"name": "Maria"})).status == 200
    refused = await olga.send("PUT", f"/api/contacts/{number}", {"name": "Mallory"}, headers={"origin": None})
    assert (refused.status, refused.code) == (403, "bad_origin")


async def test_the_audit_log_and_the_conversation_name_the_key_as_actor(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    new = await create_key(olga, "contacts_edit", "consent_grant", "consent_withdraw", name="Shop sync")
    key, number = new["key"]["id"], await contact(online)
    await call(online, new["secret"], "PUT", f"/api/contacts/{number}", {"name": "Maria"})
    granted = {"purpose": "sms_marketing", "status": "subscribed", "reason": "Ticked the box at the checkout"}
    assert (await call(online, new["secret"], "POST", f"/api/contacts/{number}/consents", granted)).status == 200
    (row,) = await online.world.rows(consents, consents.c.purpose == "sms_marketing")
    assert (row.status, row.method, row.source) == ("subscribed", "api", f"key:{key}")
    written = await online.world.rows(timeline, timeline.c.kind.in_(("contact", "consent")))
    assert {(entry.author_type, entry.author_id, entry.author_name) for entry in written} == {
        ("api_key", key, "Shop sync")
    }
    key_lines = [line for line in (await olga.get("/api/audit")).json()["lines"] if line["actor"] == "api_key"]
    assert {line["action"] for line in key_lines} == {"contact_changed", "consent_given"}
    assert {(line["who"]["id"], line["who"]["name"]) for line in key_lines} == {(key, "Shop sync")}
    (changed,) = await online.world.rows(contacts, contacts.c.id == number)
    assert changed.name == "Maria"


async def test_granting_consent_needs_its_own_scope(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    secret, number = (await create_key(olga, "consent_withdraw"))["secret"], await contact(online)
    granted = {"purpose": "sms_marketing", "status": "subscribed", "reason": "A form"}
    refused = await call(online, secret, "POST", f"/api/contacts/{number}/consents", granted)
    assert (refused.status, refused.code) == (403, "missing_scope")


def test_a_visitors_token_is_never_taken_for_a_key() -> None:
    """One of 262,144 visitor tokens begins like a key."""
    visitor = "tl_" + "A" * 29 + "." + "B" * 22
    assert keys.presented({"authorization": f"Bearer {visitor}"}) is None
    assert keys.presented({"authorization": "Bearer tl_" + "A" * 43}) == "tl_" + "A" * 43


async def test_requests_with_a_key_and_attempts_with_wrong_keys_are_limited(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "REQUESTS_PER_MINUTE", 2)
    monkeypatch.setattr(keys, "FAILURES_PER_MINUTE", 2)
    olga = await online.agent("olga", socket=False)
    secret = (await create_key(olga))["secret"]
    answers = [await call(online, secret, "GET", "/api/consents") for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429] and answers[2].code == "rate_limited"
    answers = [await call(online, "tl_" + "A" * 43, "GET", "/api/consents") for _ in range(3)]
    assert [answer.status for answer in answers] == [401, 401, 429]


async def test_the_last_use_is_written_at_most_once_a_minute(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    new = await create_key(olga)

    async def used_at() -> Any:
        await online.app.write(lambda tx: None)  # writes run in order: that of the last use has ended
        ((key,),) = [(await olga.get("/api/keys")).json()["keys"]]
        return key["used_at"]

    assert await used_at() is None
    await call(online, new["secret"], "GET", "/api/consents")
    first = await used_at()
    assert first is not None
    online.world.clock.advance(steps.TOUCH_EVERY / 2)
    await call(online, new["secret"], "GET", "/api/consents")
    assert await used_at() == first
    online.world.clock.advance(steps.TOUCH_EVERY)
    await call(online, new["secret"], "GET", "/api/consents")
    assert await used_at() > first


async def test_a_name_and_a_scope_are_needed(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    for body in ({"name": " ", "scopes": ["contacts_see"]}, {"name": "Reports", "scopes": []}):
        refused = await olga.post("/api/keys", body)
        assert (refused.status, refused.code) == (422, "invalid")
