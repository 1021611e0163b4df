"""Which role may do what with accounts, over HTTP (A3, A11, A12)."""

from __future__ import annotations

from typing import Any

import pytest

from server.web.http import PUBLIC
from tests.accounts_app import (
    ENDPOINTS,
    Desk,
    code,
    join_as,
    me,
)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: f"{e.method} {e.path}")
async def test_without_a_session_only_public_endpoints_are_reachable(olga: Desk, endpoint: Any) -> None:
    public_paths = {
        "/api/session",
        "/api/setup",
        "/api/login",
        "/api/logout",
        "/api/links/use",
        "/api/links/request",
        "/api/links/finish",
        "/api/key",
    }
    assert (endpoint.needs is PUBLIC) is (endpoint.path in public_paths)
    if endpoint.path not in public_paths:
        answer = await Desk(olga.app).send(endpoint.method, endpoint.path.replace("{id}", "1"), {})
        assert code(answer) == (401, "auth_required")


@pytest.mark.parametrize("role", ["manager", "analyst", "coordinator", "creator", "support"])
async def test_only_owner_and_admin_can_use_other_peoples_accounts(olga: Desk, role: str) -> None:
    desk = await join_as(olga, role)
    owner_id = (await me(olga))["id"]
    for answer in [
        await desk.get("/api/invites"),
        await desk.post("/api/invites", {"email": "x@shop.example", "role": "admin"}),
        await desk.delete("/api/invites/1"),
        await desk.patch(f"/api/users/{owner_id}", {"name": "Mine"}),
        await desk.post(f"/api/users/{owner_id}/reset-link"),
    ]:
        assert code(answer) == (403, "forbidden")
    users = (await desk.get("/api/users")).json()["users"]
    assert {user["name"] for user in users} == {"Olga", role.title()}
    assert all(user["email"] is None for user in users)


async def test_an_admin_manages_everybody_except_the_owner(olga: Desk) -> None:
    ann = await join_as(olga, "admin")
    mia = await join_as(olga, "support")
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


async def test_a_disabled_users_cookie_is_refused_immediately(olga: Desk) -> None:
    mia = await join_as(olga, "support")
    user_id = (await me(mia))["id"]
    await mia.get("/api/sessions")
    await olga.patch(f"/api/users/{user_id}", {"disabled": True})
    assert code(await mia.get("/api/sessions")) == (401, "auth_required")
    assert await me(mia) is None


async def test_a_demoted_admins_cookie_loses_its_rights_immediately(olga: Desk) -> None:
    ann = await join_as(olga, "admin")
    for _ in range(3):
        assert (await ann.get("/api/invites")).status_code == 200
    user_id = (await me(ann))["id"]
    await olga.patch(f"/api/users/{user_id}", {"role": "support"})
    assert code(await ann.get("/api/invites")) == (403, "forbidden")
    assert "users" not in (await ann.get("/api/session")).json()["capabilities"]


@pytest.mark.parametrize("body", [{"role": "king"}, {"role": 1}, {"disabled": "yes"}, {"disabled": 1}, {"name": 7}])
async def test_a_change_of_the_wrong_type_is_refused_and_names_the_field(olga: Desk, body: dict[str, Any]) -> None:
    mia = await join_as(olga, "support")
    answer = await olga.patch(f"/api/users/{(await me(mia))['id']}", body)
    assert code(answer) == (422, "invalid")
    assert answer.json()["error"]["field"] == next(iter(body))


@pytest.mark.parametrize("user_id", ["0", "-1", "1e3", "x", "999999", "9" * 30, "%00", "٣"])
async def test_an_unknown_user_id_is_not_found(olga: Desk, user_id: str) -> None:
    for answer in (
        await olga.patch(f"/api/users/{user_id}", {"name": "X"}),
        await olga.post(f"/api/users/{user_id}/reset-link"),
        await olga.delete(f"/api/sessions/{user_id}"),
        await olga.delete(f"/api/invites/{user_id}"),
    ):
        assert code(answer) == (404, "not_found")
