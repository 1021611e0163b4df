"""The Phone page and its stand-in carrier exist in development only and keep their state across restarts."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from pathlib import Path

import pytest

from server import up
from server.delivery import senders
from server.delivery.queries import all_senders
from server.delivery.settings import SMS, current
from server.simulator import account, carrier
from server.simulator.carrier import Carrier
from server.simulator.state import Store
from tests.online import Answer, Online, open_online

PATHS = (
    "/phone", "/phone/phone.js", "/phone/state", "/phone/text", "/phone/pictures/ME0", "/demo",
    "/simulator/twilio/2010-04-01/Accounts/AC0.json", "/simulator/twilio/x",
)  # fmt: skip
US = "+18885550199"
DEMO = "http://demo.test"


async def text(online: Online, **fields: object) -> Answer:
    body = {"person": "maya", "to": US, "body": "Hello"} | fields
    return await online.send("POST", "/phone/text", body)


async def test_production_has_no_phone_page_and_no_carrier(online: Online) -> None:
    assert online.app.settings.mode == "production"
    for path in PATHS:
        for method in ("GET", "POST"):
            assert (await online.send(method, path)).status == 404, path
    assert not online.app.has(carrier.Carrier)
    with pytest.raises(RuntimeError, match="development"):
        Carrier(online.app, len, "")
    assert not (online.app.settings.data_dir / "simulator").exists()


async def test_the_page_refuses_other_sites_and_loads_nothing_from_outside(tmp_path: Path) -> None:
    async with open_online(tmp_path / "data", mode="development", demo_url=DEMO) as online:
        page = await online.get("/phone")
        assert page.status == 200 and "default-src 'none'" in page.headers["content-security-policy"]
        for name in ("/phone/phone.js", "/phone/phone.css"):
            assert (await online.get(name)).status == 200
        assert b"//" not in page.body.replace(b"<!--", b"").replace(b"http-equiv", b""), (
            "the page must contain no address of another site"
        )
        # A page of another site can neither send a text nor change a switch.
        for origin in ("https://evil.example", "null", None):
            for method, path in (("POST", "/phone/text"), ("PUT", "/phone/switches")):
                answer = await online.send(method, path, {}, headers={"origin": origin})
                assert answer.status == 403, (origin, path)
        assert (
            await online.send("POST", "/phone/text", raw=b"{}", headers={"content-type": "text/plain"})
        ).status == 415


async def test_a_text_that_a_phone_cannot_send_is_refused_with_a_message(tmp_path: Path) -> None:
    async with open_online(tmp_path / "data", mode="development", demo_url=DEMO) as online:
        png = {"type": "image/png", "data": b64encode(b"x").decode()}
        for fields, status, code in (
            ({"body": "  "}, 422, "empty_message"),
            ({"to": "FernKettle"}, 422, "one_way"),
            ({"to": "+1"}, 404, "not_found"),
            ({"person": "nobody"}, 404, "not_found"),
            ({"person": "arthur", "pictures": [png]}, 422, "no_mms"),
            ({"to": "+447400123456", "pictures": [png]}, 422, "no_mms"),
            ({"pictures": [png | {"type": "image/svg+xml"}]}, 422, "unsupported_picture"),
            ({"pictures": [png | {"data": "!"}]}, 422, "bad_picture"),
            ({"pictures": [png | {"data": b64encode(bytes(5_000_001)).decode()}]}, 413, "too_large"),
            ({"body": "x" * 1601}, 422, "invalid"),
            ({"more": 1}, 422, "invalid"),
        ):
            answer = await text(online, **fields)
            assert (answer.status, answer.json()["error"]["code"]) == (status, code), fields
        answer = await online.send("PUT", "/phone/switches", {"pace": "lightning"})
        assert answer.status == 422
        assert not carrier.of(online.app).state.messages


async def test_phones_numbers_and_switches_survive_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with open_online(folder, mode="development", demo_url=DEMO) as online:
        switches = (await online.get("/phone/state")).json()["switches"]
        assert (await online.send("PUT", "/phone/switches", switches | {"pace": "slow"})).status == 200
        for body in ("Hello", "STOP"):
            assert (await text(online, body=body)).status == 201
        state_before = (await online.get("/phone/state")).json()
        settings, first = online.app.settings, carrier.of(online.app).account
    assert first.token.encode() not in (folder / "simulator" / "carrier.json").read_bytes()
    async with open_online(folder, settings=settings) as online:
        state_after = (await online.get("/phone/state")).json()
        assert state_after["people"] == state_before["people"] and state_after["people"][0]["blocked"] == [US]
        assert state_after["switches"]["pace"] == "slow" and state_after["numbers"] == state_before["numbers"]
        stand_in = carrier.of(online.app)
        assert stand_in.account == first
        assert stand_in.state.numbers[US].sms_url.startswith(online.url + "/webhooks/twilio/sms#"), (
            "the webhook must point at the server's new address"
        )


async def test_an_unreadable_state_file_is_moved_aside(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "simulator"
    folder.mkdir(parents=True)
    for broken in (b"", b"{", b"[]", b'{"numbers": [{"odd": 1}]}'):
        (folder / "carrier.json").write_bytes(broken)
        assert not Store(folder).load().messages
        assert not (folder / "carrier.json").exists() and (folder / "carrier.unreadable").exists()
    assert Store(folder).picture("../carrier.unreadable") is None


async def test_the_page_is_notified_of_changes_and_of_a_shutdown(tmp_path: Path) -> None:
    async with open_online(tmp_path / "data", mode="development", demo_url=DEMO) as online:
        version = (await online.get("/phone/state")).json()["version"]
        waiting = asyncio.ensure_future(online.get(f"/phone/state?after={version}"))
        await text(online)
        response = (await asyncio.wait_for(waiting, 5)).json()
        assert response["version"] > version
        stand_in = carrier.of(online.app)
        waiting = asyncio.ensure_future(stand_in.wait_for_change(stand_in.state.version, 60))
        await asyncio.sleep(0)
        stand_in.release_waiting()
        await asyncio.wait_for(waiting, 5)


async def test_the_carrier_is_connected_once_and_an_owners_changes_stay(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with open_online(folder, mode="development", demo_url=DEMO) as online:
        app = online.app
        await up.connect_phone(app)
        assert not (await app.read(SMS.load)).on, "a server with another API address must not be connected"
        app.settings.twilio_url = account.base_url(app.settings)
        await up.connect_phone(app)
        opened = await current(app)
        assert (opened.sid, opened.password) == (account.account(app).sid, account.account(app).token)
        result = {sender.address: sender for sender in await app.read(all_senders)}
        assert result.keys() == {number.address for number in account.NUMBERS}
        assert result[US].mms and result[US].inbound and not result["FernKettle"].inbound
        assert "PL" in result["+447400123456"].countries
        await app.write(senders.remove, result["FernKettle"].id)
        await app.write(lambda tx: SMS.save(tx, SMS.load(tx).model_copy(update={"on": False})))
        await up.connect_phone(app)
        assert len(await app.read(all_senders)) == 2 and not (await app.read(SMS.load)).on
