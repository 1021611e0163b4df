"""Actions on all tickets of a list over HTTP: who may, what is refused, and the progress."""

from __future__ import annotations

from typing import Any

import pytest

from tests.online import Online

PATH = "/api/bulk-changes"
BODY: dict[str, Any] = {
    "key": "bulk-http-1", "action": "close", "filter": {"channel": "webchat"}, "as_of": "2030-01-01T00:00:00.000Z",
}  # fmt: skip


async def test_an_action_on_a_whole_list_is_started_followed_and_undone(online: Online) -> None:
    ana, ben = await online.agent("ana", socket=False), await online.agent("ben", socket=False)
    for n in range(3):
        await (await online.visitor()).says(f"Hello {n}")
    counted = (await ana.get("/api/ticket-count?status=open&channel=webchat")).json()
    assert counted["count"] == 3
    begun = (await ana.post(PATH, BODY | {"as_of": counted["as_of"]})).json()
    assert begun == {"id": begun["id"], "state": "running", "action": "close", "done": 0, "total": 3, "results": []}
    assert (await ana.post(PATH, BODY | {"as_of": counted["as_of"]})).json()["id"] == begun["id"]
    other = await ana.post(PATH, BODY | {"key": "bulk-http-2"})
    assert (other.status, other.json()["error"]["code"]) == (409, "bulk_running")
    assert (await ben.get(f"{PATH}/{begun['id']}")).status == 404
    assert (await ben.post(f"{PATH}/{begun['id']}/undo", {})).status == 404
    await online.world.advance()
    shown = (await ana.get(f"{PATH}/{begun['id']}")).json()
    assert (shown["state"], shown["results"]) == ("done", [{"code": "done", "count": 3}])
    assert (await ana.post(f"{PATH}/{begun['id']}/undo", {})).json()["state"] == "undoing"
    await online.world.advance()
    shown = (await ana.get(f"{PATH}/{begun['id']}")).json()
    assert (shown["state"], shown["done"], shown["total"]) == ("undone", 3, 3)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"as_of": "yesterday"}, "as_of"),
        ({"as_of": "2026-12-01T09:00:00"}, "as_of"),
        ({"as_of": "9999-12-31T23:59:59Z"}, "as_of"),
        ({"action": "erase"}, "action"),
        ({"filter": {"status": "gone"}}, "filter.status"),
        ({"filter": {"view": "all; drop"}}, "filter.view"),
        ({"except": list(range(501))}, "except"),
        ({"except": ["1"]}, "except.0"),
        ({"action": "assign", "user": 4711}, "user"),
        ({"action": "snooze", "until": "never"}, "until"),
        ({"action": "snooze"}, "until"),
    ],
)
async def test_a_bad_action_on_a_list_is_refused_at_its_field(
    online: Online, change: dict[str, Any], field: str
) -> None:
    ana = await online.agent("ana", socket=False)
    refused = await ana.post(PATH, BODY | change)
    assert refused.status == 422 and [fault["field"] for fault in refused.json()["errors"]] == [field]
    assert (await ana.get("/api/ticket-count?status=gone")).status == 422


async def test_actions_on_lists_need_the_inbox(online: Online) -> None:
    nils = await online.agent("nils", socket=False)
    assert (await nils.post(PATH, BODY)).status == (await nils.get("/api/ticket-count")).status == 403
