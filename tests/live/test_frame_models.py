"""Every frame that the server sends has exactly the shape of its model in `frames.py`, from which the clients' types
are generated."""

from __future__ import annotations

import types
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter

from server import frames
from tests.online import Online

OUT: TypeAdapter[Any] = TypeAdapter(frames.Out)
MODELS = {model.model_fields["type"].default: model for model in get_args(frames.Out)}


def extra_fields(value: Any, expected: Any, place: str = "") -> list[str]:
    """Fields of the frame that its model does not have: the clients' types would lack them."""
    if isinstance(expected, type) and issubclass(expected, BaseModel) and isinstance(value, dict):
        results = [f"{place}.{name}" for name in value if name not in expected.model_fields]
        for name, field in expected.model_fields.items():
            if name in value:
                results += extra_fields(value[name], field.annotation, f"{place}.{name}")
        return results
    if get_origin(expected) in (Union, types.UnionType):
        return [name for part in get_args(expected) for name in extra_fields(value, part, place)]
    if get_origin(expected) is list and isinstance(value, list):
        return [name for item in value for name in extra_fields(item, get_args(expected)[0], place)]
    return []


async def test_every_frame_fits_its_model_without_extra_fields(online: Online) -> None:
    ana, ben = await online.agent("ana"), await online.agent("ben")
    zoe = await online.visitor(page={"url": "https://shop.example/"})
    await zoe.says("Hello")
    ticket = (await ana.receives("ticket"))["ticket"]
    await ana.opens(ticket["thread"])
    token = (await ana.send("POST", "/api/files", raw=b"x", headers={"x-file-name": "a.txt"})).json()["token"]
    path = f"/api/tickets/{ticket['id']}"
    await ana.post(f"{path}/reply", {"key": online.key(), "text": "See", "files": [token]})
    await zoe.sees("See")
    await ana.notes(ticket["id"], "note")
    await ana.post(f"{path}/assign", {"key": online.key(), "user": ben.id})
    await zoe.sends({"type": "typing"})
    await ana.receives("typing")
    await ana.wire.says({"type": "typing", "thread": ticket["thread"]})
    await zoe.receives("typing")
    await zoe.sends({"type": "seen", "seq": 3})
    await zoe.sends({"type": "introduce", "id": online.key(), "email": "zoe@example.com", "name": "Zoe"})
    await zoe.has(kind="contact")
    await zoe.sends({"type": "say", "id": "bad key", "text": ""})
    await zoe.receives("refused")
    await ana.post(f"{path}/read", {"seq": 2})
    await zoe.has(kind="seen")
    await ana.wire.says({"type": "open", "thread": ticket["thread"], "after": 2**40})
    await ana.receives("reset")
    await ana.wire.settles()
    await online.hub._check_team_online()
    await zoe.wire.has_received("presence")
    await online.hub.tick(3)
    await ana.wire.has_received("counts")
    await ana.send("PATCH", "/api/me", {"away": False})
    await ana.wire.has_received("changed")
    await zoe.sends({"type": "end", "id": online.key()})
    await zoe.has(kind="status")
    await ana.receives_ticket(ticket["id"], status="closed")
    await zoe.wire.settles()
    next(iter(online.hub.visitors)).close(4410, "gone_quiet", after=1.0)
    assert await zoe.wire.close_code() == 4410

    frames = [*zoe.wire.frames, *ana.wire.frames]
    assert {frame["type"] for frame in frames} == set(MODELS), "the test needs a frame of every kind"
    kinds = {frame["entry"]["kind"] for frame in frames if frame["type"] == "entry"}
    assert kinds >= {"message", "note", "status", "assigned", "seen", "contact"}
    for frame in frames:
        model = MODELS[frame["type"]]
        # Validated from JSON, which has no tuples and no dates, so that strict validation is possible.
        model.model_validate(frame)
        assert extra_fields(frame, model) == [], frame


async def test_http_and_sockets_encode_tickets_and_entries_alike(online: Online) -> None:
    ana = await online.agent("ana")
    zoe = await online.visitor()
    await zoe.says("Hello")
    ticket = (await ana.receives("ticket"))["ticket"]
    await ana.opens(ticket["thread"])
    await ana.sees(ticket["thread"], "Hello")
    page = (await ana.get(f"/api/threads/{ticket['thread']}/entries")).json()
    assert page["entries"] == ana.screens[ticket["thread"]].entries
    (row,) = (await ana.get("/api/tickets")).json()["tickets"]
    assert {**row, "online": 0} == {**ticket, "online": 0}
    for entry in page["entries"]:
        assert extra_fields(entry, frames.EntryOut) == []
