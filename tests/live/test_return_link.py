"""The link of a follow-up mail over HTTP and sockets: what it opens, and what it does not (FUP-7, G15)."""

from __future__ import annotations

import asyncio
from typing import Any

from server.schema import follow_ups as rows_of_follow_ups
from server.schema import visitors
from server.sms.settings import INBOX, InboxSettings
from tests import mails as mail_server
from tests.mails import token_in
from tests.online import PATIENCE_S, Agent, Online, Visitor


async def mailed_link(online: Online) -> tuple[str, Visitor, Agent]:
    """The token of a link to zoe, who left; her chat has one missed reply."""
    fake = await mail_server.connect_mail_server(online.app)
    await online.app.write(INBOX.save, InboxSettings(support_from="help@shop.example"))
    ana, zoe = await online.agent("ana"), await online.visitor()
    await zoe.sends({"type": "introduce", "id": online.key(), "email": "zoe@customer.example"})
    await zoe.says("Where is my parcel?")
    ticket = (await ana.receives("ticket"))["ticket"]
    await zoe.leaves()
    await online.world.advance(minutes=1)
    await ana.replies(ticket["id"], "On its way.")
    for _ in range(20):
        await online.world.advance(seconds=15)
    return token_in(fake.mails[0]), zoe, ana


async def opened(online: Online, link: str, **more: Any) -> Any:
    return await online.send("POST", "/widget/return", {"link": link, **more})


async def test_the_link_opens_the_conversation_and_is_a_return(online: Online) -> None:
    link, zoe, ana = await mailed_link(online)
    token = (await opened(online, link)).json()["token"]
    assert token != zoe.token
    phone = await online.visitor(token=token)
    assert phone.ready["thread"] and phone.ready["known_email"]
    await phone.sees("On its way.")
    ends = asyncio.get_running_loop().time() + PATIENCE_S  # the return is stored after the connection is registered
    while (await online.world.rows(rows_of_follow_ups))[0].returned_at is None:
        assert asyncio.get_running_loop().time() < ends
        await online.world.worker.idle()
    ticket = (await ana.get("/api/tickets")).json()["tickets"][0]
    assert ticket["online"] and ticket["contact"]["email"] == "zoe@customer.example"
    await phone.says("Thank you!")
    after = (await ana.get("/api/tickets")).json()["tickets"][0]
    assert after["id"] == ticket["id"] and after["contact"]["email"] == "zoe@customer.example" and after["online"]


async def test_a_scanner_that_opens_the_page_changes_nothing_and_is_no_return(online: Online) -> None:
    link, _, _ = await mailed_link(online)
    before = await online.world.rows(rows_of_follow_ups), await online.world.rows(visitors)
    for method in ("GET", "HEAD", "GET"):
        answer = await online.send(method, "/chat", headers={"origin": None})
        assert answer.status in (200, 405) and link.encode() not in answer.body
    assert (await online.world.rows(rows_of_follow_ups), await online.world.rows(visitors)) == before


async def test_a_guest_changes_no_address_and_begins_no_chat(online: Online) -> None:
    link, _, _ = await mailed_link(online)
    phone = await online.visitor(token=(await opened(online, link)).json()["token"])
    await phone.sends({"type": "introduce", "id": "guest-mail", "email": "thief@evil.example"})
    assert (await phone.receives("refused", id="guest-mail"))["code"] == "forbidden"
    await phone.sends({"type": "end", "id": online.key()})
    await phone.sends({"type": "say", "id": "guest-chat", "text": "In their name."})
    assert (await phone.receives("refused", id="guest-chat"))["code"] == "chat_ended"


async def test_a_guest_reads_no_other_chat_of_the_visitor(online: Online) -> None:
    link, zoe, _ = await mailed_link(online)
    token = (await opened(online, link)).json()["token"]
    again = await online.visitor(token=zoe.token)
    await again.sends({"type": "end", "id": online.key()})
    await again.says("Something private.")
    other = await online.visitor(token=zoe.token)
    phone = await online.visitor(token=token)
    assert phone.ready["thread"] != other.ready["thread"] and phone.ready["ended"]
    headers = {"authorization": f"Bearer {token}"}
    made_up = await online.send("POST", "/widget/older", {"thread": "x" * 24, "before": 9}, headers=headers)
    theirs = await online.send("POST", "/widget/older", {"thread": other.ready["thread"], "before": 9}, headers=headers)
    assert (theirs.status, theirs.code) == (made_up.status, made_up.code) == (404, "not_found")
    assert "Something private." not in str(phone.wire.frames)


async def test_a_made_up_and_an_altered_link_get_the_same_answer(online: Online) -> None:
    link, _, _ = await mailed_link(online)
    altered = link[:-1] + ("a" if link[-1] != "a" else "b")
    answers = [await opened(online, one) for one in (altered, "x" * 43)]
    assert [(answer.status, answer.code) for answer in answers] == [(404, "not_found")] * 2
    assert len(await online.world.rows(visitors)) == 1


async def test_a_guest_goes_on_where_only_signed_in_customers_may_chat(online: Online) -> None:
    from server.webchat.settings import WIDGET, WidgetSettings

    link, _, _ = await mailed_link(online)
    await online.app.write(WIDGET.save, WidgetSettings(signed_in_only=True))
    WIDGET.cached(online.app).on_published("", None)
    phone = await online.visitor(token=(await opened(online, link)).json()["token"])
    await phone.sees("On its way.")
