"""Every frame that really goes out has exactly the shape of `live/frames.py`, which clients are generated from."""

from __future__ import annotations

import types
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter

from server.live import frames
from tests.online import Online

OUT: TypeAdapter[Any] = TypeAdapter(frames.Out)
MODELS = {model.model_fields["type"].default: model for model in get_args(frames.Out)}


def strangers(value: Any, expected: Any, place: str = "") -> list[str]:
    """Fields that stand in the frame and not in its model: the types would not know them."""
    if isinstance(expected, type) and issubclass(expected, BaseModel) and isinstance(value, dict):
        found = [f"{place}.{name}" for name in value if name not in expected.model_fields]
        for name, field in expected.model_fields.items():
            if name in value:
                found += strangers(value[name], field.annotation, f"{place}.{name}")
        return found
    if get_origin(expected) in (Union, types.UnionType):
        return [name for part in get_args(expected) for name in strangers(value, part, place)]
    if get_origin(expected) is list and isinstance(value, list):
        return [name for item in value for name in strangers(item, get_args(expected)[0], place)]
    return []


async def test_every_frame_fits_its_model_and_says_nothing_more(online: Online) -> None:
    ana, ben = await online.agent("ana"), await online.agent("ben")
    zoe = await online.visitor(page={"url": "https://shop.example/"})
    await zoe.says("Hello")
    ticket = (await ana.hears("ticket"))["ticket"]
    await ana.opens(ticket["thread"])
    token = (await ana.send("POST", "/api/files", raw=b"x", headers={"x-file-name": "a.txt"})).json()["token"]
    path = f"/api/tickets/{ticket['id']}"
    await ana.post(f"{path}/reply", {"key": online.key(), "text": "See", "files": [token]})
    await zoe.sees("See")
    await ana.notes(ticket["id"], "note")
    await ana.post(f"{path}/assign", {"key": online.key(), "user": ben.id})
    await zoe.sends({"type": "typing"})
    await ana.hears("typing")
    await ana.wire.says({"type": "typing", "thread": ticket["thread"]})
    await zoe.hears("typing")
    await zoe.sends({"type": "seen", "seq": 3})
    await zoe.sends({"type": "introduce", "id": online.key(), "email": "zoe@example.com", "name": "Zoe"})
    await zoe.has(kind="contact")
    await zoe.sends({"type": "say", "id": "bad key", "text": ""})
    await zoe.hears("refused")
    await ana.post(f"{path}/read", {"seq": 2})
    await zoe.has(kind="seen")
    await ana.wire.says({"type": "open", "thread": ticket["thread"], "after": 2**40})
    await ana.hears("reset")
    await ana.wire.settles()
    await online.hub._look_for_team()
    await zoe.wire.has_heard("presence")
    await online.hub.turn(3)
    await ana.wire.has_heard("counts")
    await zoe.sends({"type": "end", "id": online.key()})
    await zoe.has(kind="status")
    await ana.hears_of(ticket["id"], status="closed")
    await zoe.wire.settles()
    next(iter(online.hub.visitors)).close(4410, "gone_quiet", after=1.0)
    assert await zoe.wire.close_code() == 4410

    told = [*zoe.wire.frames, *ana.wire.frames]
    assert {frame["type"] for frame in told} == set(MODELS), (
        "every kind of frame must occur for this test to mean anything"
    )
    kinds = {frame["entry"]["kind"] for frame in told if frame["type"] == "entry"}
    assert kinds >= {"message", "note", "status", "assigned", "seen", "contact"}
    for frame in told:
        model = MODELS[frame["type"]]
        # By name: JSON has no tuples and no dates, so what fits strictly is what it says it is.
        model.model_validate(frame)
        assert strangers(frame, model) == [], frame


async def test_what_http_answers_is_the_same_ticket_and_entry_as_what_sockets_tell(online: Online) -> None:
    ana = await online.agent("ana")
    zoe = await online.visitor()
    await zoe.says("Hello")
    ticket = (await ana.hears("ticket"))["ticket"]
    await ana.opens(ticket["thread"])
    await ana.sees(ticket["thread"], "Hello")
    page = (await ana.get(f"/api/threads/{ticket['thread']}/entries")).json()
    assert page["entries"] == ana.screens[ticket["thread"]].entries
    (row,) = (await ana.get("/api/tickets")).json()["tickets"]
    assert {**row, "online": 0} == {**ticket, "online": 0}
    for entry in page["entries"]:
        assert strangers(entry, frames.EntryOut) == []
