"""Which frames each participant receives during a conversation: acknowledgements, other tabs, typing, presence, summaries, notes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from server.accounts.rules import ONLINE_FOR
from server.errors import Busy
from server.live import connection
from server.schema import timeline, visitors
from server.webchat import presence
from server.webchat.settings import WIDGET, WidgetSettings
from tests.online import PATIENCE_S, Online, Screen, Visitor, open_online

BOTH = pytest.mark.parametrize("over", ["socket", "poll"])


async def chat(online: Online, over: str = "socket", text: str = "Hello?") -> tuple[Visitor, dict[str, Any]]:
    """A visitor who has sent one message, and their ticket's summary."""
    zoe = await online.visitor(over=over)
    await zoe.says(text)
    ticket = await online.world.ticket((await online.world.rows(timeline))[-1].thread_id)
    return zoe, ticket.wire(online.world.now, None)


# --- over a socket and over a long-poll -----------------------------------------------------------


@BOTH
async def test_ones_own_entry_is_the_acknowledgement_and_carries_the_key(online: Online, over: str) -> None:
    zoe = await online.visitor(over=over)
    await zoe.sends({"type": "say", "id": "my-key-1", "text": "Hello"})
    entry = await zoe.has(key="my-key-1")
    assert (entry["text"], entry["seq"], entry["author"]["type"]) == ("Hello", 2, "visitor")
    assert zoe.screen.entries[0]["data"]["origin"] == "welcome"


@BOTH
async def test_a_repeated_frame_is_acknowledged_again_and_shown_once(online: Online, over: str) -> None:
    zoe = await online.visitor(over=over)
    first = await zoe.says("Once", key="my-key-1")
    await zoe.drops()
    zoe.screen = Screen()
    await zoe.connects()
    repeat = await zoe.says("Once", key="my-key-1")
    assert repeat == first and zoe.screen.texts.count("Once") == 1
    assert [row.body for row in await online.world.rows(timeline)].count("Once") == 1


@BOTH
async def test_the_same_key_with_another_text_is_refused_by_its_id(online: Online, over: str) -> None:
    zoe = await online.visitor(over=over)
    await zoe.says("Once", key="my-key-1")
    await zoe.sends({"type": "say", "id": "my-key-1", "text": "Twice"})
    refused = await zoe.receives("refused", id="my-key-1")
    assert refused["code"] == "idempotency_conflict"
    await zoe.says("Still connected")


@BOTH
async def test_a_whole_conversation(online: Online, over: str) -> None:
    """Message, note, reply, ticks, name, end and next chat give the same screen over socket and poll."""
    ana = await online.agent("ana")
    await online.hub._touch_presence([], [ana.id])
    await online.hub._check_team_online()
    zoe, ticket = await chat(online, over)
    await ana.opens(ticket["thread"])
    await ana.notes(ticket["id"], "Looks angry")
    await ana.replies(ticket["id"], "Good morning!")
    await zoe.sees("Good morning!")
    await zoe.sends({"type": "seen", "seq": 3})
    await ana.receives_ticket(ticket["id"], visitor_seen=4)
    await ana.post(f"/api/tickets/{ticket['id']}/read", {"seq": 2})
    assert (await zoe.has(kind="seen"))["ref"] == 2
    await zoe.sends({"type": "introduce", "id": online.key(), "email": "Zoe@Example.com", "name": "Zoe"})
    await zoe.has(kind="contact")
    while (await ana.receives_ticket(ticket["id"]))["contact"]["email"] != "zoe@example.com":
        continue
    await zoe.sends({"type": "end", "id": online.key()})
    assert (await zoe.has(kind="status"))["data"] == {"to": "closed", "by": "visitor"}
    await ana.receives_ticket(ticket["id"], status="closed")
    shape = [(entry["kind"], entry["author"]["type"], entry["text"]) for entry in zoe.screen.entries]
    assert shape == [
        ("message", "system", "Hi! How can we help?"),
        ("message", "visitor", "Hello?"),
        ("message", "agent", "Good morning!"),
        ("seen", "agent", ""),
        ("contact", "visitor", ""),
        ("status", "visitor", ""),
    ]
    assert [entry["seq"] for entry in zoe.screen.entries] == [1, 2, 3, 4, 5, 6]
    await zoe.says("One more thing")
    assert zoe.screen.texts == ["Hi! How can we help?", "One more thing"]
    assert zoe.screen.thread != ticket["thread"]


@BOTH
async def test_after_a_reload_the_whole_chat_is_shown_again(online: Online, over: str) -> None:
    ana = await online.agent("ana", socket=False)
    zoe, ticket = await chat(online, over)
    await ana.replies(ticket["id"], "Good morning!")
    await zoe.sees("Good morning!")
    reloaded = await online.visitor(over=over, token=zoe.token)
    await reloaded.sees("Good morning!")
    assert reloaded.screen.entries == zoe.screen.entries
    assert reloaded.ready["thread"] == zoe.screen.thread and not reloaded.ready["ended"]


@BOTH
async def test_a_visitor_who_comes_back_after_the_chat_was_closed_learns_it(online: Online, over: str) -> None:
    zoe, ticket = await chat(online, over)
    await (await online.world.agent("ana")).closes_for_good(ticket["id"])
    assert (await online.visitor(over=over, token=zoe.token)).ready["ended"]


@BOTH
async def test_ready_says_how_far_the_team_has_read(online: Online, over: str) -> None:
    zoe, ticket = await chat(online, over)
    await (await online.world.agent("ana")).reads(ticket["id"])
    assert (await online.visitor(over=over, token=zoe.token)).ready["team_seen"] == 2


@BOTH
@pytest.mark.parametrize(
    ("settings", "code"), [({"signed_in_only": True}, "signin_required"), ({"signed_in_only": False}, None)]
)
async def test_amb_7_a_setting_lets_only_signed_in_visitors_chat(
    online: Online, over: str, settings: dict[str, bool], code: str | None
) -> None:
    olga = await online.agent("olga", socket=False)
    now = (await olga.get("/api/settings/widget")).json()
    assert (await olga.send("PUT", "/api/settings/widget", {**now, **settings})).status == 200
    if over == "poll":
        answer = await online.send("POST", "/widget/poll", {"hello": {"type": "hello", "version": 1}})
        assert (answer.code, answer.status) == ((code, 401) if code else (None, 200))
        return
    async with await online.dial() as wire:
        await wire.says({"type": "hello", "version": 1})
        if code:
            assert (await wire.receives("refused"))["code"] == code and await wire.close_code() == 4401
        else:
            await wire.receives("ready")


# --- several tabs ---------------------------------------------------------------------------------


async def test_a_message_from_one_of_ten_tabs_is_shown_once_in_all(online: Online) -> None:
    ana, ben = await online.agent("ana"), await online.agent("ben")
    await online.hub._touch_presence([], [ana.id])
    await online.hub._check_team_online()
    first = await online.visitor()
    tabs = [first, *[await first.tab() for _ in range(9)]]
    await tabs[3].says("Said in the fourth tab")
    await tabs[7].says("Answered in the eighth")
    for tab in tabs:
        await tab.sees("Answered in the eighth")
        assert tab.screen.texts == ["Hi! How can we help?", "Said in the fourth tab", "Answered in the eighth"]
        assert [entry["seq"] for entry in tab.screen.entries] == [1, 2, 3]
    for agent in (ana, ben):
        ticket = (await agent.receives("ticket", within=10))["ticket"]
        screen = await agent.opens(ticket["thread"])
        await agent.sees(ticket["thread"], "Answered in the eighth")
        assert screen.texts == tabs[0].screen.texts
    assert len(await online.world.rows(timeline)) == 3


async def test_first_messages_from_ten_tabs_at_once_share_one_chat(online: Online) -> None:
    first = await online.visitor()
    tabs = [first, *[await first.tab() for _ in range(9)]]
    await asyncio.gather(*(tab.says(f"tab {n}") for n, tab in enumerate(tabs)))
    for tab in tabs:
        for n in range(10):
            await tab.sees(f"tab {n}")
        assert tab.screen.entries == first.screen.entries and len(tab.screen.entries) == 11


async def test_when_one_tab_begins_a_new_chat_the_others_follow(online: Online) -> None:
    zoe = await online.visitor()
    second_tab = await zoe.tab()
    await zoe.says("First chat")
    await second_tab.sees("First chat")
    await zoe.sends({"type": "end", "id": online.key()})
    await second_tab.has(kind="status")
    await second_tab.says("Second chat")
    await zoe.sees("Second chat")
    assert zoe.screen.entries == second_tab.screen.entries and "First chat" not in zoe.screen.texts


async def test_two_visitors_receive_nothing_of_each_other(online: Online) -> None:
    ana = await online.agent("ana")
    zoe, ticket = await chat(online, text="Zoe's")
    yan, other = await chat(online, text="Yan's")
    await ana.replies(ticket["id"], "For Zoe")
    await ana.replies(other["id"], "For Yan")
    await zoe.sees("For Zoe")
    await yan.sees("For Yan")
    await ana.opens(ticket["thread"])
    await ana.wire.says({"type": "typing", "thread": ticket["thread"]})
    await zoe.receives("typing")
    for item, foreign in ((zoe, "Yan"), (yan, "Zoe")):
        await item.wire.settles()
        assert foreign not in str(item.wire.frames)
    assert not yan.wire.received("typing")


async def test_a_note_never_reaches_a_visitor_and_leaves_no_gap(online: Online) -> None:
    ana = await online.agent("ana")
    zoe, ticket = await chat(online)
    await ana.opens(ticket["thread"])
    for n in range(3):
        await ana.notes(ticket["id"], f"SECRET {n}")
        await ana.replies(ticket["id"], f"public {n}")
    await ana.post(f"/api/tickets/{ticket['id']}/assign", {"key": online.key(), "user": None})
    await zoe.sees("public 2")
    await zoe.wire.settles()
    await ana.sees(ticket["thread"], "SECRET 2")
    assert "SECRET" not in str(zoe.wire.frames) and "assigned" not in str(zoe.wire.frames)
    assert [entry["seq"] for entry in zoe.screen.entries] == [1, 2, 3, 4, 5]
    assert [entry["seq"] for entry in ana.screens[ticket["thread"]].entries] == list(range(1, 10))


# --- typing and presence ----------------------------------------------------------------------------


async def test_typing_is_broadcast_at_most_once_in_three_seconds_and_never_stored(online: Online) -> None:
    ana = await online.agent("ana")
    zoe, ticket = await chat(online)
    await ana.opens(ticket["thread"])
    rows_before = await online.world.rows(timeline)
    for _ in range(40):
        await zoe.sends({"type": "typing"})
    await zoe.wire.settles()
    await ana.wire.settles()
    assert len(ana.wire.received("typing")) == 1
    assert ana.wire.received("typing")[0]["author"] == {"type": "visitor", "name": ""}
    assert await online.world.rows(timeline) == rows_before


async def test_a_visitor_sees_the_agent_type_without_an_internal_id(online: Online) -> None:
    ana, ben = await online.agent("ana"), await online.agent("ben")
    zoe, ticket = await chat(online)
    for agent in (ana, ben):
        await agent.opens(ticket["thread"])
    await ana.wire.says({"type": "typing", "thread": ticket["thread"]})
    typing = await zoe.receives("typing")
    assert typing == {
        "type": "typing",
        "thread": zoe.screen.thread,
        "author": {"type": "agent", "name": "Ana"},
    }
    assert (await ben.receives("typing"))["author"]["id"] == ana.id
    await ana.wire.settles()
    assert not ana.wire.received("typing"), "typing is not sent back to its author"


async def test_nobody_types_in_a_thread_they_have_not_opened(online: Online) -> None:
    ana = await online.agent("ana")
    zoe, ticket = await chat(online)
    await ana.wire.says({"type": "typing", "thread": ticket["thread"]})
    await ana.wire.settles()
    await zoe.wire.settles()
    assert not zoe.wire.received("typing")


async def test_a_visitors_typing_does_not_come_back_to_their_other_tabs(online: Online) -> None:
    zoe, _ = await chat(online)
    second_tab = await zoe.tab()
    await second_tab.sees("Hello?")
    await zoe.sends({"type": "typing"})
    await zoe.wire.settles()
    await second_tab.wire.settles()
    assert not second_tab.wire.received("typing")


async def test_an_agent_sees_the_visitor_come_and_go(online: Online) -> None:
    from server.live import hub

    ana = await online.agent("ana")
    zoe, ticket = await chat(online)
    await ana.opens(ticket["thread"])
    await zoe.leaves()
    await zoe.connects()
    assert (await ana.receives("presence", thread=ticket["thread"]))["online"] is True
    await zoe.leaves()
    online.world.clock.advance(__import__("datetime").timedelta(minutes=1))
    await online.hub._report_departures(online.hub.monotonic() + hub.OFFLINE_AFTER_S - 2)
    await ana.wire.settles()
    assert len(ana.wire.received("presence")) == 1, "a reload is not a departure (AMB-11)"
    await online.hub._report_departures(online.hub.monotonic() + hub.OFFLINE_AFTER_S + 1)
    assert (await ana.receives("presence", thread=ticket["thread"]))["online"] is False


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
async def test_many_visitors_who_leave_at_once_go_offline_in_one_commit_unless_connected_elsewhere(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_online(tmp_path / "data", database) as online:
        ana, hub = await online.agent("ana"), online.hub
        zoe, ticket = await chat(online)
        elsewhere, back = await online.visitor(), await online.visitor()
        for visitor in (elsewhere, back):
            await visitor.says("Hello?")
        other_keys = [(await online.world.conversation())[0].key for _ in range(70)]
        await ana.opens(ticket["thread"])
        steps: list[str] = []
        write = online.app.write

        async def counted(step: Any, *args: Any, **how: Any) -> Any:
            steps.append(step.__name__)
            if step.__name__ == "mark_visitors_offline":
                await back.connects()  # while the departure is being written
            return await write(step, *args, **how)

        for visitor in (zoe, elsewhere, back):
            await visitor.leaves()
        await wait_until(lambda: len(hub._departed_visitors) == 3)
        departed = hub._departed_visitors[zoe.key]
        hub._departed_visitors |= dict.fromkeys(other_keys, departed)
        # Another process has refreshed one visitor's presence meanwhile.
        online.world.clock.advance(timedelta(seconds=40))
        await write(presence.touch_visitors, [elsewhere.key])
        with monkeypatch.context() as patch:
            patch.setattr(online.app, "write", counted)
            await hub._report_departures(hub.monotonic() + 1_000)
        assert steps.count("mark_visitors_offline") == 1 and not hub._departed_visitors
        seen_at = {row.key: row.seen_at for row in await online.world.rows(visitors)}
        assert seen_at[elsewhere.key] == online.world.now
        assert all(online.world.now - seen_at[key] >= ONLINE_FOR for key in [zoe.key, *other_keys])
        assert (await ana.receives("presence", thread=ticket["thread"]))["online"] is False


async def test_a_departure_is_reported_later_when_the_database_is_busy(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoe, _ = await chat(online)
    await zoe.leaves()
    await wait_until(lambda: bool(online.hub._departed_visitors))

    async def busy(*_: Any, **__: Any) -> None:
        raise Busy()

    with monkeypatch.context() as patch, pytest.raises(Busy):
        patch.setattr(online.app, "write", busy)
        await online.hub._report_departures(online.hub.monotonic() + 1_000)
    await online.hub._report_departures(online.hub.monotonic() + 1_000)
    (row,) = await online.world.rows(visitors)
    assert online.world.now - row.seen_at >= ONLINE_FOR


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_a_visitor_with_another_tab_open_stays_online(online: Online) -> None:
    ana = await online.agent("ana")
    zoe, ticket = await chat(online)
    second_tab = await zoe.tab()
    await second_tab.sees("Hello?")
    await ana.opens(ticket["thread"])
    await zoe.leaves()
    await online.hub._report_departures(online.hub.monotonic() + 1_000)
    await ana.wire.settles()
    assert not [frame for frame in ana.wire.received("presence") if frame.get("online") is False]


async def test_the_welcome_that_is_stored_depends_on_whether_the_team_is_online(online: Online) -> None:
    """The widget shows the same one, so that it never promises an answer while it says that everybody is away."""
    settings = WidgetSettings(welcome="We answer within minutes.", welcome_away="We answer tomorrow.")
    await online.app.write(WIDGET.save, settings)
    WIDGET.cached(online.app).on_published("", None)
    ana = await online.agent("ana")
    await online.hub._touch_presence([], [ana.id])
    for away, expected in ((False, settings.welcome), (True, settings.welcome_away)):
        assert (await ana.send("PATCH", "/api/me", {"away": away})).status == 200
        await online.hub._check_team_online()
        zoe = await online.visitor()
        shown = zoe.ready["config"]["welcome_away" if away else "welcome"]
        await zoe.says("Hello")
        assert (zoe.ready["online"], zoe.screen.entries[0]["text"], shown) == (not away, expected, expected)
    await online.app.write(WIDGET.save, settings.model_copy(update={"welcome_on": False}))
    WIDGET.cached(online.app).on_published("", None)
    yan = await online.visitor()
    assert (yan.ready["config"]["welcome"], yan.ready["config"]["welcome_away"]) == ("", "")


async def test_visitors_see_whether_the_team_is_online(online: Online) -> None:
    zoe = await online.visitor()
    assert zoe.ready["online"] is False
    ana = await online.agent("ana")
    await ana.wire.settles()
    await online.hub._touch_presence([], [ana.id])
    await online.hub._check_team_online()
    assert (await zoe.receives("presence"))["online"] is True
    assert (await online.visitor()).ready["online"] is True
    assert (await ana.send("PATCH", "/api/me", {"away": True})).status == 200
    await online.hub._check_team_online()
    assert (await zoe.receives("presence"))["online"] is False


async def test_agents_see_their_colleagues_come_and_go(online: Online) -> None:
    ana = await online.agent("ana")
    ben = await online.agent("ben")
    assert (await ana.receives("presence", user=ben.id))["online"] is True
    await ben.leaves()
    assert (await ana.receives("presence", user=ben.id))["online"] is False


# --- the list ---------------------------------------------------------------------------------------


async def test_every_change_of_a_ticket_reaches_every_agent_with_a_rising_rev(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "SUMMARIES_S", 0.0)
    ana, ben = await online.agent("ana"), await online.agent("ben")
    zoe, ticket = await chat(online)
    path = f"/api/tickets/{ticket['id']}"
    await asyncio.gather(
        *(zoe.says(f"z{n}") for n in range(10)),
        *(ana.replies(ticket["id"], f"a{n}") for n in range(10)),
        *(ben.notes(ticket["id"], f"b{n}") for n in range(10)),
    )
    await ana.post(f"{path}/unread")
    await ben.post(f"{path}/assign", {"key": online.key(), "user": ben.id})
    await zoe.sends({"type": "seen", "seq": 20})
    await zoe.sends({"type": "end", "id": online.key()})
    await zoe.has(kind="status")
    for agent in (ana, ben):
        last = await agent.receives_ticket(ticket["id"], status="closed")
        revs = [frame["ticket"]["rev"] for frame in agent.wire.received("ticket")]
        assert revs == sorted(set(revs)) and len(revs) > 3
        now = (await agent.get(path)).json()["ticket"]
        assert {**last, "online": None} == {**now, "online": None}, (
            "the last published summary must equal a fetched one"
        )


async def test_summaries_of_a_busy_ticket_are_batched_and_the_last_one_is_sent(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "SUMMARIES_S", 0.2)
    ana = await online.agent("ana")
    zoe, ticket = await chat(online)
    await asyncio.gather(*(zoe.says(f"z{n}") for n in range(40)))
    last = await ana.receives_ticket(ticket["id"], last_seq=(await online.world.ticket(ticket["id"])).last_seq)
    assert last["preview"].startswith("z")
    frames = [frame for frame in ana.wire.received("ticket") if frame["ticket"]["id"] == ticket["id"]]
    assert 2 <= len(frames) < 20, "summaries of quick changes must be combined"


async def test_inb_34_the_badge_updates_without_a_reload(online: Online) -> None:
    ana = await online.agent("ana")
    await chat(online)
    await online.hub.tick(3)
    assert await ana.receives("counts") == {"type": "counts", "unread": 1, "open": 1}
    await chat(online)
    await online.hub.tick(3)
    assert await ana.receives("counts") == {"type": "counts", "unread": 2, "open": 2}


async def test_an_agent_who_leaves_a_thread_receives_no_more_of_it(online: Online) -> None:
    ana = await online.agent("ana")
    zoe, ticket = await chat(online)
    screen = await ana.opens(ticket["thread"])
    await ana.sees(ticket["thread"], "Hello?")
    await ana.wire.says({"type": "leave", "thread": ticket["thread"]})
    await ana.wire.settles()
    await zoe.says("Anybody?")
    await ana.receives_ticket(ticket["id"], preview="Anybody?")
    assert "Anybody?" not in screen.texts


async def test_details_show_the_visitors_current_page(online: Online) -> None:
    ana = await online.agent("ana", socket=False)
    zoe = await online.visitor(
        page={
            "url": "https://shop.example/cart?token=abc",
            "title": "Cart",
            "locale": "pl",
            "time_zone": "Europe/Warsaw",
        }
    )
    await zoe.says("Hello")
    (row,) = (await ana.get("/api/tickets")).json()["tickets"]
    details = (await ana.get(f"/api/tickets/{row['id']}")).json()["details"]
    assert details["page_url"] == "https://shop.example/cart?token=hidden" and details["time_zone"] == "Europe/Warsaw"
    await zoe.sends({"type": "page", "page": {"url": "javascript:alert(1)", "title": "\u202eevil"}})
    await zoe.wire.settles()
    await zoe.says("Next")
    details = (await ana.get(f"/api/tickets/{row['id']}")).json()["details"]
    assert (details["page_url"], details["page_title"]) == ("", "evil")
