"""A user's own sessions, the away switch and online presence, over HTTP."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update

from server.kernel.clock import ManualClock
from server.schema import users
from tests.accounts_app import (
    Desk,
    code,
    me,
)


async def test_the_list_of_sessions_marks_the_current_one_and_each_can_be_ended(olga: Desk) -> None:
    other_desk = Desk(olga.app, address="2001:db8:1:2:3:4:5:6")
    await other_desk.sign_in("olga@shop.example")
    listed_sessions = (await olga.get("/api/sessions")).json()["sessions"]
    assert sorted((item["current"], item["address"]) for item in listed_sessions) == [
        (False, "2001:0db8:0001:0002::/64"),
        (True, "127.0.0.1"),
    ]
    assert {item["user_agent"] for item in listed_sessions} == {"Firefox on a desk"}
    other_id = next(item["id"] for item in listed_sessions if not item["current"])
    assert (await olga.delete(f"/api/sessions/{other_id}")).json() == {}
    assert await me(other_desk) is None
    await other_desk.sign_in("olga@shop.example")
    assert (await olga.delete("/api/sessions")).json() == {}
    assert await me(other_desk) is None and await me(olga)


async def test_being_away_is_shown_to_the_team(olga: Desk) -> None:
    assert (await olga.patch("/api/me", {"away": True})).json()["user"]["away"] is True
    assert (await olga.get("/api/users")).json()["users"][0]["away"] is True
    assert (await olga.patch("/api/me", {"name": "Olga P."})).json()["user"]["name"] == "Olga P."
    assert code(await olga.patch("/api/me", {"name": " "})) == (422, "invalid")


async def test_a_recently_seen_user_is_shown_as_online(olga: Desk) -> None:
    app = olga.app
    assert isinstance(app.clock, ManualClock)
    await app.write(lambda tx: tx.run(update(users).values(seen_at=tx.now)))
    assert (await me(olga))["online"] is True
    app.clock.advance(timedelta(seconds=45))
    assert (await me(olga))["online"] is False
