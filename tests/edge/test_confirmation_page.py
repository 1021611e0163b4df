"""The page of a confirmation mail: opening it confirms nothing, its button confirms once (CON-9)."""

from __future__ import annotations

from server.audiences import lists
from server.audit.rules import ActedBy, ActorType
from server.schema import consents, list_members
from tests.mails import connect_mail_server, token_in
from tests.online import Online


async def test_con_9_a_get_confirms_nothing_and_the_buttons_post_confirms_once(online: Online) -> None:
    server = await connect_mail_server(online.app)
    mona = await online.agent("mona", socket=False)
    made = await online.app.write(lists.create, "News", ActedBy(ActorType.SYSTEM))
    added = (await mona.post("/api/contacts/quick", {"email": "anna@mail.example", "list": made.id})).json()
    assert added["list"] == "asked"
    ana = await online.agent("ana", socket=False)
    assert (await ana.post("/api/contacts/quick", {"email": "b@mail.example", "list": made.id})).status == 403
    await online.world.advance()
    token = token_in(server.mails[0])
    page = await online.get("/confirm", headers={"accept-language": "ko-KR,ko;q=0.9"})
    text = page.body.decode()
    assert page.status == 200 and '<html lang="ko">' in text and "<button" in text and "<form" not in text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    for method in ("GET", "HEAD"):
        await online.send(method, "/confirm")
    assert not await online.world.rows(list_members) and not await online.world.rows(consents)
    assert (await online.send("POST", "/confirm", {"token": token + "x"})).status == 404
    assert (await online.send("POST", "/confirm", {"token": "short"})).status == 422
    elsewhere = await online.send("POST", "/confirm", {"token": token}, headers={"origin": "https://evil.example"})
    assert elsewhere.status == 403 and not await online.world.rows(list_members)
    assert (await online.send("POST", "/confirm", {"token": token})).status == 200
    assert [row.contact_id for row in await online.world.rows(list_members)] == [added["contact"]["id"]]
    assert (await online.send("POST", "/confirm", {"token": token})).status == 404


async def test_an_address_may_try_few_links_a_minute(online: Online) -> None:
    answers = [(await online.send("POST", "/confirm", {"token": "x" * 43})).status for _ in range(31)]
    assert answers == [404] * 30 + [429]
