"""Settings → E-mail over HTTP: who may change what, what input is refused, the test mail and the check of the server."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import dkim
import pytest

from server.channels.dns import Dns
from server.channels.smtp import SmtpChannel
from server.delivery import mail_http, mail_settings, pump, testing_mail
from server.delivery.mail_settings import MAIL
from server.operations import commands
from server.schema import audit, outbound, settings, suppressions
from tests.channels.dns_server import HANG, dns_server
from tests.channels.mail_server import certificates, mail_server
from tests.channels.test_bounces import TO, report
from tests.channels.test_bounces import recipient as rfc_recipient
from tests.edge.test_api_keys import create_key
from tests.online import Answer, Online
from tests.saving import save

SERVER = {
    "mail_on": False, "host": "127.0.0.1", "port": 587, "security": "plain", "user": "", "password": "s3cret-of-mail",
}  # fmt: skip
SENDER = {"from_address": "care@shop.example", "from_name": "Shop", "reply_to": "", "return_path": ""}


def faults(answer: Any) -> list[tuple[str, str]]:
    return [(fault["field"], fault["code"]) for fault in answer.json()["errors"]]


async def test_the_password_is_written_and_never_read_back(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    saved = await save(olga, "/api/mail/server", SERVER)
    assert saved.json()["password"] == {"set": True}
    kept_password = await save(olga, "/api/mail/server", {**SERVER, "password": None, "user": "shop"})
    assert kept_password.json()["password"] == {"set": True}, "null must keep the stored password"
    stored = str([row.value for row in await online.world.rows(settings)] + await online.world.rows(audit))
    read = (await olga.get("/api/mail/server")).body.decode()
    assert "s3cret" not in stored + saved.body.decode() + kept_password.body.decode() + read
    document = await online.app.read(MAIL.load)
    assert mail_settings.server(document, online.app.key(mail_settings.PURPOSE)).password == "s3cret-of-mail"
    assert (await save(olga, "/api/mail/server", {**SERVER, "password": ""})).json()["password"] == {"set": False}


async def test_a_manager_changes_the_sender_and_only_admins_the_server(online: Online) -> None:
    mona, adam, ana = [await online.agent(name, socket=False) for name in ("mona", "adam", "ana")]
    assert (await save(mona, "/api/mail/sender", SENDER)).status == 200
    assert (await save(mona, "/api/mail/server", SERVER)).status == 403
    assert (await mona.get("/api/mail/server")).json()["host"] == ""
    assert (await save(adam, "/api/mail/server", SERVER)).status == 200
    for path in ("/api/mail/server", "/api/mail/sender"):
        assert (await ana.get(path)).status == 403
    changes = [row.detail["settings"] for row in await online.world.rows(audit) if row.action == "mail_changed"]
    assert changes == [["from_address", "from_name"], ["host", "password_sealed", "security"]]


async def test_saving_the_sender_leaves_an_open_form_of_the_server_valid(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    version = (await olga.get("/api/mail/server")).json()["version"]
    assert (await save(olga, "/api/mail/sender", SENDER)).status == 200
    assert (await olga.send("PUT", "/api/mail/server", {**SERVER, "version": version})).status == 200
    stale = await olga.send("PUT", "/api/mail/server", {**SERVER, "user": "other", "version": version})
    assert (stale.status, stale.json()["error"]["code"]) == (409, "stale_version")
    current = stale.json()["conflict"]["current"]
    assert "password_sealed" not in current and current["host"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"host": "smtp.shop.example:587"}, ("host", "bad_host")),
        ({"host": "smtp.shop.example\r\nRCPT TO:<x@y.z>"}, ("host", "bad_host")),
        ({"host": "a b"}, ("host", "bad_host")),
        ({"host": "-x.example"}, ("host", "bad_host")),
        ({"host": "x..example"}, ("host", "bad_host")),
        ({"port": 0}, ("port", "too_low")),
        ({"port": 65_536}, ("port", "too_high")),
        ({"port": "587"}, ("port", "wrong_form")),
        ({"security": "none"}, ("security", "no_choice")),
        ({"user": "shop\r\nQUIT"}, ("user", "control_character")),
        ({"password": "a\x00b"}, ("password", "control_character")),
        ({"mail_on": True, "host": ""}, ("host", "host_missing")),
        ({"mail_on": True}, ("mail_on", "from_missing")),
    ],
)
async def test_an_invalid_server_is_refused_at_its_field(
    online: Online, change: dict[str, Any], expected: tuple[str, str]
) -> None:
    olga = await online.agent("olga", socket=False)
    answer = await save(olga, "/api/mail/server", {**SERVER, **change})
    assert answer.status == 422 and expected in faults(answer)
    assert (await online.app.read(MAIL.load)).host == ""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"from_address": "care@shop.example\r\nBcc: all@shop.example"}, ("from_address", "bad_email")),
        ({"from_address": "Shop <care@shop.example>"}, ("from_address", "bad_email")),
        ({"from_address": "care"}, ("from_address", "bad_email")),
        ({"reply_to": "a@b@c"}, ("reply_to", "bad_email")),
        ({"reply_to": "a,b@c.example"}, ("reply_to", "bad_email")),
        ({"return_path": "bounces@"}, ("return_path", "bad_email")),
        ({"return_path": f"{'b' * 31}@shop.example"}, ("return_path", "long")),
        ({"from_name": "x" * 81}, ("from_name", "long")),
    ],
)
async def test_an_invalid_sender_is_refused_at_its_field(
    online: Online, change: dict[str, Any], expected: tuple[str, str]
) -> None:
    olga = await online.agent("olga", socket=False)
    answer = await save(olga, "/api/mail/sender", {**SENDER, **change})
    assert answer.status == 422 and expected in faults(answer)


async def test_a_senders_name_with_line_breaks_becomes_one_line_and_domains_become_ascii(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    odd = {**SENDER, "from_name": "Shop\r\nBcc: all@x.example", "from_address": " care@BÜCHER.example "}
    saved = (await save(olga, "/api/mail/sender", odd)).json()
    assert (saved["from_name"], saved["from_address"]) == ("Shop Bcc: all@x.example", "care@xn--bcher-kva.example")


async def test_the_from_address_cannot_be_removed_while_mail_is_on(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    await save(olga, "/api/mail/sender", SENDER)
    assert (await save(olga, "/api/mail/server", {**SERVER, "mail_on": True})).status == 200
    answer = await save(olga, "/api/mail/sender", {**SENDER, "from_address": ""})
    assert faults(answer) == [("from_address", "from_missing")]


async def test_saving_starts_stopped_mail_again(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    await save(olga, "/api/mail/sender", SENDER)
    await save(olga, "/api/mail/server", {**SERVER, "mail_on": True})

    def stop(tx: Any) -> None:
        MAIL.save(tx, MAIL.load(tx).model_copy(update={"stopped": "535: refused"}))

    await online.app.write(stop)
    assert (await olga.get("/api/mail/server")).json()["stopped"] == "535: refused"
    assert (await olga.post("/api/mail/test-mail", {})).json()["error"]["code"] == "mail_stopped"
    saved = await save(olga, "/api/mail/server", {**SERVER, "mail_on": True, "password": None})
    assert saved.json()["stopped"] == "" and (await online.app.read(MAIL.load)).usable


async def set_up(online: Online, agent: Any, port: int, tls: ssl.SSLContext | None = None, **server: Any) -> None:
    """Sets mail up over HTTP, with the real channel."""

    def connect(found: Any) -> SmtpChannel:
        return SmtpChannel(found, tls)

    online.app.register(Dns([("127.0.0.1", 9)], lifetime_s=0.2))  # nobody answers there
    await online.app.part(pump.MailPump).close()
    online.app.register(pump.MailPump(online.app, connect, {testing_mail.TEMPLATE: testing_mail.compose}))
    await save(agent, "/api/mail/sender", SENDER)
    wanted = {**SERVER, "port": port, "mail_on": True, **server}
    assert (await save(agent, "/api/mail/server", wanted)).status == 200


async def send_test(online: Online, agent: Any, body: dict[str, Any]) -> Any:
    """Asks for a test mail and runs the jobs that send it."""
    answer = asyncio.create_task(agent.post("/api/mail/test-mail", body))
    while not await online.world.rows(outbound):  # noqa: ASYNC110 - the database sends no event
        await asyncio.sleep(0.01)
    await online.world.advance()
    return (await answer).json()


async def test_the_test_mail_arrives_at_the_agents_own_address(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    async with mail_server() as server:
        await set_up(online, olga, server.port)
        answer = await send_test(online, olga, {"language": "pl"})
        assert answer["state"] == "accepted"
        [(_, recipient, content)] = server.taken
    [row] = await online.world.rows(outbound)
    assert answer["recipient"] == recipient == row.recipient and recipient.startswith("olga@")
    assert b"From: Shop <care@shop.example>" in content and b"Auto-Submitted: auto-generated" in content
    assert b"Subject: =?utf-8?" in content


async def test_the_answer_to_a_test_mail_contains_the_mail_servers_refusal(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    async with mail_server() as server:
        await set_up(online, olga, server.port)
        server.responds("rcpt", "550 5.7.1 relaying denied")
        answer = await send_test(online, olga, {})
    assert (answer["state"], answer["detail"]) == ("failed", "550 5.7.1 relaying denied")


async def test_a_test_mail_needs_mail_to_be_on(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    assert (await olga.post("/api/mail/test-mail", {})).json()["error"]["code"] == "mail_off"
    assert not await online.world.rows(outbound)


async def test_the_command_sends_a_test_mail_to_any_address(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    async with mail_server() as server:
        await set_up(online, olga, server.port)
        result = await commands.send_test(online.app, "Ana@customer.example")
        assert result["state"] == "accepted"
        assert [recipient for _, recipient, _ in server.taken] == ["ana@customer.example"]


async def test_the_check_connects_and_names_missing_encryption_and_a_refused_password(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    assert (await olga.post("/api/mail/test", {})).json()["findings"][0]["message"] == "E-mail is off."
    async with mail_server() as server:
        await set_up(online, olga, server.port)
        finding = (await olga.post("/api/mail/test", {})).json()["findings"][0]
        assert finding["state"] == "ok" and str(server.port) in finding["message"]
        await set_up(online, olga, server.port, security="starttls")
        finding = (await olga.post("/api/mail/test", {})).json()["findings"][0]
        assert finding["state"] == "fail" and "no encryption" in finding["message"]
        assert not server.taken


async def test_the_check_names_a_refused_password(online: Online, tmp_path: Any) -> None:
    olga = await online.agent("olga", socket=False)
    served, trusting = certificates(tmp_path)
    async with mail_server(served) as server:
        server.extensions = ("AUTH PLAIN",)
        server.responds("auth", "535 5.7.8 s3cret-of-mail is wrong")
        await set_up(online, olga, server.port, trusting, security="starttls", user="shop")
        finding = (await olga.post("/api/mail/test", {})).json()["findings"][0]
    assert finding["state"] == "fail" and "refused user name or password" in finding["message"]
    assert "s3cret" not in str(finding)


async def report_bounce(online: Online, secret: str, message: bytes) -> Answer:
    headers = {"Authorization": f"Bearer {secret}", "origin": None, "Content-Type": "message/rfc822"}
    return await online.send("POST", "/api/mail/bounces", raw=message, headers=headers)


async def test_a_program_with_the_scope_reports_a_refusal(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    async with mail_server() as server:
        await set_up(online, olga, server.port)
        await save(olga, "/api/mail/sender", {**SENDER, "return_path": "bounces@shop.example"})
        sent = await send_test(online, olga, {})
        [(return_path, recipient, _)] = server.taken
    refusal = report(rfc_recipient("failed", "5.1.1")).replace(TO.encode(), return_path.encode())
    secret = (await create_key(olga, "suppress"))["secret"]
    answer = await report_bounce(online, secret, refusal)
    assert answer.json() == {"outcome": "hard", "outbound": sent["outbound"], "suppressed": True}
    assert [(row.channel, row.address) for row in await online.world.rows(suppressions)] == [("email", recipient)]
    other = (await create_key(olga, "channels", name="Other"))["secret"]
    assert (await report_bounce(online, other, refusal)).code == "missing_scope"
    assert (await online.send("POST", "/api/mail/bounces", raw=refusal)).status in (401, 403)


async def test_the_size_of_a_reported_message_is_limited(online: Online, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_http, "MAX_BOUNCE", 300_000)
    olga = await online.agent("olga", socket=False)
    secret = (await create_key(olga, "suppress"))["secret"]
    assert (await report_bounce(online, secret, b"x" * 300_001)).status == 413
    answer = await report_bounce(online, secret, b"Subject: x\r\n\r\n" + b"x" * 299_000)
    assert answer.json() == {"outcome": "other", "outbound": None, "suppressed": False}


# --- the domain -------------------------------------------------------------------------------------


def verifies(content: bytes, records: dict[str, Any]) -> bool:
    """Whether a receiver accepts the DKIM signature, with these DNS records."""

    def txt(name: bytes, timeout: int = 5) -> bytes | None:
        values = records.get(name.decode().rstrip("."))
        return None if not values else str(values[0]).encode()

    return bool(dkim.verify(content, dnsfunc=txt))


async def test_mail_is_signed_with_a_published_key_and_the_key_can_be_replaced(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    async with mail_server() as server, dns_server() as names:
        await set_up(online, olga, server.port)
        online.app.register(Dns([("127.0.0.1", names.port)]))

        async def sent() -> bytes:
            await online.app.write(testing_mail.queue_test, "ana@customer.example")
            await online.world.advance()
            return server.taken[-1][2]

        assert b"DKIM-Signature" not in await sent()
        domain = (await olga.post("/api/mail/domain/keys", {})).json()
        [key] = domain["dkim_keys"]
        assert domain["signing"] == "relay" and not key["active"] and key["value"].startswith("v=DKIM1; k=rsa; p=MII")
        assert key["name"] == f"{key['selector']}._domainkey.shop.example"
        use = f"/api/mail/domain/keys/{key['selector']}/use"
        assert (await olga.post(use, {})).json()["error"]["code"] == "dkim_unpublished"
        assert b"DKIM-Signature" not in await sent(), "a key that nobody can look up must not sign"
        names.records[key["name"]] = [key["value"]]
        used = (await olga.post(use, {})).json()
        assert used["signing"] == "own" and used["dkim_keys"][0]["active"]
        first = await sent()
        assert verifies(first, names.records)
        assert not verifies(first.replace(b"Subject: Test", b"Subject: Best"), names.records)
        assert not verifies(b"From: other@shop.example\r\n" + first, names.records), "From is signed twice"

        second = (await olga.post("/api/mail/domain/keys", {})).json()["dkim_keys"][0]
        assert second["selector"] != key["selector"]
        assert f"s={key['selector']};".encode() in await sent()
        names.records[second["name"]] = [second["value"]]
        await olga.post(f"/api/mail/domain/keys/{second['selector']}/use", {})
        after = await sent()
        assert f"s={second['selector']};".encode() in after and verifies(after, names.records)
        assert verifies(first, names.records), "mail on its way stays verifiable"
        path = "/api/mail/domain/keys/"
        assert (await olga.send("DELETE", path + second["selector"])).json()["error"]["code"] == "key_in_use"
        remaining_keys = (await olga.send("DELETE", path + key["selector"])).json()["dkim_keys"]
        assert [each["selector"] for each in remaining_keys] == [second["selector"]]
        off = await save(olga, "/api/mail/domain", {"signing": "relay", "relay_selector": "s1"})
        assert off.json()["relay_selector"] == "s1" and b"DKIM-Signature" not in await sent()
    stored = str([row.value for row in await online.world.rows(settings)] + await online.world.rows(audit))
    assert "PRIVATE KEY" not in stored
    actions = [row.action for row in await online.world.rows(audit) if row.action.startswith("dkim")]
    assert actions == ["dkim_key_made", "dkim_key_used"] * 2 + ["dkim_key_removed", "dkim_changed"]


async def test_the_domains_records_are_checked_with_what_to_publish(online: Online) -> None:
    olga, mona = await online.agent("olga", socket=False), await online.agent("mona", socket=False)
    assert (await mona.get("/api/mail/records")).json() == {"records": []}
    async with mail_server() as server, dns_server() as names:
        await set_up(online, olga, server.port, host="127.0.0.1")
        online.app.register(Dns([("127.0.0.1", names.port)]))
        names.records = {"shop.example": ["v=spf1 a -all"], "_dmarc.shop.example": HANG}
        spf, signature, dmarc = (await mona.get("/api/mail/records")).json()["records"]
        assert (spf["code"], spf["found"]) == ("spf_ok", ["v=spf1 a -all"])
        assert (signature["code"], dmarc["code"]) == ("dkim_no_selector", "no_answer")
        names.records = {"s1._domainkey.shop.example": ["v=DKIM1; p=AAA"]}
        await save(olga, "/api/mail/domain", {"signing": "relay", "relay_selector": "s1"})
        spf, signature, dmarc = (await mona.get("/api/mail/records")).json()["records"]
        assert (spf["wanted"], signature["code"], dmarc["wanted"]) == ("v=spf1 a ~all", "dkim_ok", "v=DMARC1; p=none")
        findings = (await olga.post("/api/mail/test", {})).json()["findings"]
        assert [finding["state"] for finding in findings] == ["ok", "warn", "warn"]
        assert findings[1]["advice"].endswith("shop.example: v=spf1 a ~all")


async def test_only_admins_change_dkim_and_input_is_checked(online: Online) -> None:
    olga, mona = await online.agent("olga", socket=False), await online.agent("mona", socket=False)
    assert (await mona.get("/api/mail/domain")).status == 200
    assert (await mona.post("/api/mail/domain/keys", {})).status == 403
    assert (await save(mona, "/api/mail/domain", {"signing": "relay", "relay_selector": ""})).status == 403
    for selector in ("a b", "s1._domainkey.shop.example\r\n.x", "-x", "é"):
        answer = await save(olga, "/api/mail/domain", {"signing": "relay", "relay_selector": selector})
        assert faults(answer) == [("relay_selector", "bad_selector")]
    answer = await save(olga, "/api/mail/domain", {"signing": "own", "relay_selector": ""})
    assert faults(answer) == [("signing", "dkim_key_missing")]
    for method, path in (("POST", "/api/mail/domain/keys/none/use"), ("DELETE", "/api/mail/domain/keys/none")):
        assert (await olga.send(method, path, {} if method == "POST" else None)).status == 404
    for _ in range(3):
        assert (await olga.post("/api/mail/domain/keys", {})).status == 200
    assert (await olga.post("/api/mail/domain/keys", {})).json()["error"]["code"] == "too_many_keys"
