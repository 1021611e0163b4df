"""The mail of a contact beside an open thread: its own thread, which agents read and follow (HIS-2)."""

from __future__ import annotations

from server.threads.mails import append_mail
from server.threads.timeline import SYSTEM, append
from tests.online import Online


async def test_a_mail_and_its_delivery_appear_without_a_reload(online: Online) -> None:
    _, ticket = await online.world.conversation("Hello")
    ana = await online.agent("ana")
    await ana.opens(ticket.thread)
    path = f"/api/threads/{ticket.thread}/mails"
    assert (await ana.get(path)).json() == {"threads": []}
    thread, seq = await online.app.write(append_mail, ticket.contact, 1, "campaign", "Autumn teas", "ana@mail.example")
    changed = await ana.receives("changed")
    assert changed["what"] == "mails", "the first mail is announced to those who have a thread of the contact open"
    assert (await ana.get(path)).json() == {"threads": [thread]}
    page = (await ana.get(f"/api/threads/{thread}/entries")).json()
    assert [(entry["kind"], entry["text"], entry["data"]["to"]) for entry in page["entries"]] == [
        ("mail", "Autumn teas", "ana@mail.example")
    ]
    await ana.wire.says({"type": "open", "thread": thread, "after": page["last_seq"]})
    await ana.wire.settles()
    await online.app.write(
        lambda tx: append(tx, thread, "delivery", SYSTEM, data={"state": "accepted"}, public=False, ref=seq)
    )
    frame = await ana.receives("entry")
    assert (frame["thread"], frame["entry"]["kind"], frame["entry"]["ref"]) == (thread, "delivery", seq)


async def test_following_mail_does_not_end_the_presence_at_the_ticket(online: Online) -> None:
    _, ticket = await online.world.conversation("Hello")
    thread, _ = await online.app.write(append_mail, ticket.contact, 1, "campaign", "Autumn teas")
    ana, ben = await online.agent("ana"), await online.agent("ben")
    await ben.opens(ticket.thread)
    await ana.opens(ticket.thread)
    await ben.receives("presence")
    for looking in (True, False):
        await ana.wire.says({"type": "open", "thread": thread, "after": 0, "looking": looking})
    await ana.wire.settles()
    await ben.wire.settles()
    frames = [frame for frame in ben.wire.received("presence") if frame.get("user") == ana.id]
    assert [frame["online"] for frame in frames] == [True]


async def test_a_visitor_and_another_role_learn_nothing_of_mail(online: Online) -> None:
    zoe = await online.visitor()
    await zoe.says("Hello")
    thread = await zoe.thread_id()
    ticket = await online.world.ticket(thread)
    nils = await online.agent("nils", "analyst")
    mails, _ = await online.app.write(append_mail, ticket.contact, 1, "campaign", "Autumn teas")
    await zoe.wire.settles()
    await nils.wire.settles()
    assert zoe.wire.received("changed") == nils.wire.received("changed") == []
    assert "Autumn teas" not in repr(zoe.screen.entries)
    for path in (f"/api/threads/{thread}/mails", f"/api/threads/{mails}/entries"):
        assert (await nils.get(path)).status == 403
        assert (await online.get(path)).status == 401


async def test_a_mail_thread_is_paged_from_its_end_only(online: Online) -> None:
    _, ticket = await online.world.conversation("Hello")
    thread = 0
    for number in range(3):
        thread, _ = await online.app.write(append_mail, ticket.contact, number, "campaign", f"{number}")
    ana = await online.agent("ana", socket=False)
    path = f"/api/threads/{thread}/entries"
    newest = (await ana.get(f"{path}?limit=2")).json()
    assert [entry["text"] for entry in newest["entries"]] == ["1", "2"] and newest["more"]
    older = (await ana.get(f"{path}?limit=2&before={newest['first']}")).json()
    assert [entry["text"] for entry in older["entries"]] == ["0"] and not older["more"]
    for wrong in ("after=1", "around=1"):
        assert (await ana.get(f"{path}?{wrong}")).status == 422
    for missing in (f"/api/threads/{thread}/mails", "/api/threads/99999/mails", "/api/threads/x/mails"):
        assert (await ana.get(missing)).status == 404
