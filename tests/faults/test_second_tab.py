"""G5, one fixed case: a second tab begins a new chat while the server greets the first."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from server.kernel import failpoints
from server.live.hub import Hub
from tests.faults.g05_resume import Tab, _wait_until_settled
from tests.world import open_world


@pytest.mark.parametrize("before", ["an ended chat", "no chat"])
async def test_a_tab_that_connects_while_another_begins_a_chat_shows_the_new_chat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    async with open_world(tmp_path / "data") as world:
        hub = Hub(world.app)
        await hub.settings.get()
        guest, ana = await world.visitor(), await world.agent("ana")
        if before == "an ended chat":
            await guest.says("the old chat")
            await ana.closes_for_good(guest)
        monkeypatch.setattr(failpoints, "_actions", {"snapshot_read": "sleep:100"})
        tab = Tab(guest)
        frame_types: list[str] = []
        take = tab.screen.take
        monkeypatch.setattr(tab.screen, "take", lambda frame: (frame_types.append(frame["type"]), take(frame)))
        coming = asyncio.create_task(tab.connect(world.app, hub))
        await asyncio.sleep(0.03)
        await guest.says("the new chat")
        await coming
        for _ in range(20):
            await asyncio.sleep(0.01)
            await _wait_until_settled([tab])
        view = await guest.view()
        assert view is not None and tab.connection is not None
        assert frame_types[0] == "ready", "the answer to hello comes first"
        assert tab.connection.thread == view.thread
        assert [entry["text"] for entry in tab.screen.entries[view.token].values()] == ["the new chat"]
        hub.remove(tab.connection)
        await hub.close()
