"""The history of a thread over HTTP: messages and mail of one stretch of time, for agents with the inbox only (HIS-2)."""

from __future__ import annotations

from server.threads.mails import append_mail
from tests.online import Online


async def test_agents_see_mail_and_messages_together_and_others_do_not(online: Online) -> None:
    _, ticket = await online.world.conversation("Hello")
    await online.app.write(append_mail, ticket.contact, 1, "campaign", "Autumn teas <b>")
    ana, nils = await online.agent("ana", socket=False), await online.agent("nils", "analyst", socket=False)
    path = f"/api/threads/{ticket.thread}/history"
    page = (await ana.get(path)).json()
    assert "Hello" in [entry["text"] for entry in page["entries"]]
    [mail] = page["mails"]
    assert (mail["subject"], mail["kind"], mail["state"], mail["words"]) == ("Autumn teas <b>", "campaign", "", "")
    assert page["more"] is False
    older = (await ana.get(f"{path}?before={page['first']}&mail_before={page['first_mail']}")).json()
    assert older["mails"] == [] and older["more"] is False
    assert (await nils.get(path)).status == 403
    assert (await online.get(path)).status == 401
    for wrong in ("/api/threads/999999/history", "/api/threads/x/history"):
        assert (await ana.get(wrong)).status == 404
    assert (await ana.get(f"{path}?mail_before=-1")).status == 422


async def test_a_mail_thread_has_no_ticket_and_is_not_opened_as_one(online: Online) -> None:
    _, ticket = await online.world.conversation("Hello")
    thread, _ = await online.app.write(append_mail, ticket.contact, 1, "campaign", "Autumn teas")
    ana = await online.agent("ana", socket=False)
    for part in ("entries", "history"):
        assert (await ana.get(f"/api/threads/{thread}/{part}")).status == 404
