"""Suppressed addresses over HTTP: who may do what, what a paste answers, bad input (SUP-1..6, ROL-8)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert

from server.schema import audit, suppressions
from tests.online import Online

PATH = "/api/suppressions"


async def test_pasted_addresses_get_a_result_for_each_line(online: Online) -> None:
    mona, adam = await online.agent("mona", socket=False), await online.agent("adam", socket=False)
    lines = ["Email", " Anna@Mail.Example ", "", "<ben@mail.example>,", "anna@mail.example", "not an address"]
    first = await mona.post(PATH, {"lines": lines, "reason": "left the old system"})
    body = first.json()
    assert first.status == 200 and (body["added"], body["known"], body["refused"]) == (2, 0, 2)
    assert [(line["line"], line["result"]) for line in body["lines"]] == [
        (1, "refused"), (2, "added"), (4, "added"), (5, "repeated"), (6, "refused")
    ]  # fmt: skip
    again = (await mona.post(PATH, {"lines": ["ben@mail.example", "cleo@mail.example"]})).json()
    assert [line["result"] for line in again["lines"]] == ["known", "added"]
    listed = (await mona.get(f"{PATH}?channel=email&find=anna")).json()
    (row,) = listed["suppressions"]
    assert (row["address"], row["reason"], row["detail"], row["by"], row["liftable"]) == (
        "anna@mail.example", "agent", "left the old system", "Mona", True
    )  # fmt: skip
    assert (
        await mona.post(f"{PATH}/lift", {"channel": "email", "address": "anna@mail.example", "reason": "x"})
    ).status == 403
    lifted = await adam.post(
        f"{PATH}/lift", {"channel": "email", "address": "Anna@mail.example", "reason": "asked again"}
    )
    assert lifted.status == 200
    left = (await mona.get(PATH)).json()
    assert [row["address"] for row in left["suppressions"]] == ["cleo@mail.example", "ben@mail.example"]
    assert {row.action for row in await online.world.rows(audit)} >= {"addresses_suppressed", "suppression_lifted"}


async def test_the_roles_of_the_table_may_suppress_and_lift(online: Online) -> None:
    allowed: dict[str, list[int]] = {}
    for name in ("olga", "adam", "mona", "nils", "cora", "kurt", "ana"):
        desk = await online.agent(name, socket=False)
        added = await desk.post(PATH, {"lines": [f"{name}@mail.example"]})
        await online.world.app.write(_suppress, f"{name}2@mail.example")
        lifted = await desk.post(
            f"{PATH}/lift", {"channel": "email", "address": f"{name}2@mail.example", "reason": "x"}
        )
        allowed[name] = [added.status, lifted.status, (await desk.get(PATH)).status]
    assert allowed == {
        "olga": [200, 200, 200], "adam": [200, 200, 200], "mona": [200, 403, 200], "nils": [403, 403, 200],
        "cora": [403, 403, 200], "kurt": [403, 403, 403], "ana": [403, 403, 200],
    }  # fmt: skip


def _suppress(tx: Any, address: str) -> None:
    tx.run(insert(suppressions).values(channel="email", address=address, reason="agent", at=tx.now))


async def test_bad_input_is_refused_with_what_is_allowed(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    for query in (
        "channel=fax", "reason=%27%3Bdrop", "limit=0", "limit=-1", "limit=all", "limit=1e3", "after=abc", "before=e30",
        "channel=email&channel=sms",
    ):  # fmt: skip
        answer = await olga.get(f"{PATH}?{query}")
        assert 400 <= answer.status < 500 and answer.json()["error"]["message"], query
    assert (await olga.get(f"{PATH}?limit=1000000000")).status == 200
    assert "stop" in (await olga.get(f"{PATH}?reason=x")).json()["error"]["message"]
    for body in (
        {"lines": []}, {"lines": "anna@mail.example"}, {"lines": ["x"] * 5_001}, {"lines": ["x" * 1_001]}, {},
        {"lines": ["a@mail.example"], "reason": "r" * 501},
    ):  # fmt: skip
        assert (await olga.post(PATH, body)).status == 422, body
    assert (await olga.post(f"{PATH}/lift", {"channel": "email", "address": "x", "reason": ""})).status == 422
    assert (await olga.post(f"{PATH}/lift", {"channel": "email", "address": "x", "reason": "y"})).status == 404


async def test_an_altered_cursor_is_refused_and_pages_go_on(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    await olga.post(PATH, {"lines": [f"p{n}@mail.example" for n in range(5)]})
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = (await olga.get(f"{PATH}?limit=2" + (f"&after={cursor}" if cursor else ""))).json()
        seen += [row["address"] for row in page["suppressions"]]
        cursor = page["after"]
    assert sorted(seen) == [f"p{n}@mail.example" for n in range(5)]
    first = (await olga.get(f"{PATH}?limit=2")).json()["after"]
    assert (await olga.get(f"{PATH}?after={first[:-3]}AAA")).status == 400
