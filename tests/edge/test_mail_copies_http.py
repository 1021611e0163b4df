"""A mail to a contact as agents open it: its text, and its HTML in a page without rights."""

from __future__ import annotations

from server.delivery import mail
from server.delivery.mail import Composed, Mailing
from server.delivery.pump import MailPump
from server.schema import outbound
from tests.mails import SETTINGS, FakeServer
from tests.online import Online

HTML = "<h1>Autumn teas</h1><script>alert(1)</script><img src='https://tracker.example/x.png'>"


async def test_agents_read_the_whole_mail_and_its_page_may_do_nothing(online: Online) -> None:
    fake = FakeServer()
    bodies = {"html": HTML, "text": ""}
    await online.app.part(MailPump).close()
    online.app.register(
        MailPump(online.app, lambda server: fake, {name: _composer(html) for name, html in bodies.items()})
    )
    await online.app.write(mail.configure, SETTINGS)
    _, ticket = await online.world.conversation("Hello")
    for name in bodies:
        mailing = Mailing(name, "campaign", "ana@mail.example", name, contact=ticket.contact)
        await online.app.write(mail.queue_mail, mailing)
    await online.app.write(mail.queue_mail, Mailing("user", "account", "ana@mail.example", "html"))
    await online.world.advance()
    rich, plain, account = [row.id for row in await online.world.rows(outbound)]
    ana, nils = await online.agent("ana", socket=False), await online.agent("nils", "analyst", socket=False)
    found = (await ana.get(f"/api/outbound/{rich}/mail")).json()
    assert found == {
        "recipient": "ana@mail.example", "subject": "Autumn teas", "text": "New teas", "has_html": True,
    }  # fmt: skip
    page = await ana.get(f"/api/outbound/{rich}/mail.html")
    policy = page.headers["content-security-policy"]
    for rule in ("default-src 'none'", "sandbox;", "img-src data:", "frame-ancestors 'self'", "form-action 'none'"):
        assert rule in policy, rule
    assert page.headers["content-type"].startswith("text/html") and page.headers["cache-control"] == "no-store"
    assert page.body.decode() == HTML and "script-src" not in policy and "allow-" not in policy
    assert (await ana.get(f"/api/outbound/{plain}/mail")).json()["has_html"] is False
    for missing in (f"{plain}/mail.html", f"{account}/mail", f"{account}/mail.html", "999999/mail", "x/mail.html"):
        assert (await ana.get(f"/api/outbound/{missing}")).status == 404, missing
    for page_path in ("mail", "mail.html"):
        assert (await nils.get(f"/api/outbound/{rich}/{page_path}")).status == 403
        assert (await online.get(f"/api/outbound/{rich}/{page_path}")).status == 401


def _composer(html: str):  # type: ignore[no-untyped-def]
    return lambda tx, row: Composed("Autumn teas", "New teas", html)
