"""Lists of deactivated numbers over the network: the real SDK and our own channel against the stand-in carrier and
faulty servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from server.channels import twilio_lists
from server.channels.base import BadList, DeactivatedNumbers, NoList
from server.channels.twilio_sms import TwilioSms, at_base, connect
from server.errors import ChannelError
from tests.channels.carrier import Simulated, simulated

MAYA = 12025550143
SID = "AC" + "1" * 32


@pytest.fixture
async def sim(tmp_path: Path) -> AsyncIterator[Simulated]:
    async with simulated(tmp_path / "data") as opened:
        yield opened


@asynccontextmanager
async def channel(base: str, sid: str = SID, token: str = "t") -> AsyncIterator[TwilioSms]:
    opened = connect(sid, sid, token, "", base)
    try:
        yield opened
    finally:
        await opened.close()


async def give_number_up(sim: Simulated, person: str, given_up: bool = True) -> None:
    answer = await sim.online.send("PUT", "/phone/given-up", {"person": person, "given_up": given_up})
    assert answer.status == 200 and (await sim.phone(person))["given_up"] is given_up


async def test_the_real_sdk_reads_where_the_days_list_is(sim: Simulated) -> None:
    await give_number_up(sim, "maya")
    day = sim.online.world.now.date()
    result = await asyncio.to_thread(sim.client().messaging.v1.deactivations().fetch, date=day)
    assert result.redirect_to.startswith(f"{sim.base}/deactivations/{day}.txt?")
    path = result.redirect_to.removeprefix(sim.online.url)
    answer = await sim.online.get(path)
    assert (answer.status, answer.body) == (200, b"+12025550143\n")
    assert (await sim.online.get(path[:-1] + ("0" if path[-1] != "0" else "1"))).status == 403
    assert (await sim.online.get(path.replace("until=", "until=9"))).status == 403
    sim.online.world.clock.advance(timedelta(minutes=3))
    assert (await sim.online.get(path)).status == 403, "the signed address must expire after two minutes"


async def test_the_page_shows_lists_with_numbers_and_not_empty_ones(sim: Simulated) -> None:
    async def read(days_ago: int) -> None:
        day = sim.online.world.now.date() - timedelta(days=days_ago)
        await asyncio.to_thread(sim.client().messaging.v1.deactivations().fetch, date=day)

    def listed_calls() -> list[str]:
        return [call.detail for call in sim.carrier.calls if call.title == "List of deactivated numbers"]

    await read(0)
    await read(1)
    assert listed_calls() == []
    await give_number_up(sim, "maya")
    await read(0)
    assert set(listed_calls()) == {f"of {sim.online.world.now.date()}"}


async def test_our_channel_reads_the_same_numbers_and_says_when_there_is_no_list(sim: Simulated) -> None:
    account, day = sim.carrier.account, sim.online.world.now.date()
    async with channel(sim.base, account.sid, account.token) as opened:
        assert await opened.deactivated_numbers(day) == DeactivatedNumbers(twilio_lists.Lines()._numbers)
        await give_number_up(sim, "maya")
        await give_number_up(sim, "zofia")
        result = await opened.deactivated_numbers(day)
        assert isinstance(result, DeactivatedNumbers) and sorted(result.numbers) == [MAYA, 48512345678]
        await give_number_up(sim, "zofia", False)
        result = await opened.deactivated_numbers(day)
        assert isinstance(result, DeactivatedNumbers) and list(result.numbers) == [MAYA]
        assert await opened.deactivated_numbers(day + timedelta(days=1)) == NoList()
        assert await opened.deactivated_numbers(day - timedelta(days=400)) == NoList()
    async with channel(sim.base, account.sid, "wrong") as opened:
        with pytest.raises(ChannelError) as refused:
            await opened.deactivated_numbers(day)
        assert refused.value.permanent


async def test_the_lists_page_refuses_strangers_and_other_accounts(sim: Simulated) -> None:
    assert (await sim.online.send("PUT", "/phone/given-up", {"person": "nobody", "given_up": True})).status == 404
    assert (await sim.online.send("PUT", "/phone/given-up", {"person": "maya"})).status == 422
    headers = {"origin": "https://evil.example"}
    assert (
        await sim.online.send("PUT", "/phone/given-up", {"person": "maya", "given_up": True}, headers=headers)
    ).status == 403


def test_twilios_list_has_its_own_host_and_a_stand_ins_has_not() -> None:
    url = "https://messaging.twilio.com/v1/Deactivations"
    assert at_base(url, "https://api.twilio.com") == url
    assert (
        at_base(url, "http://127.0.0.1:8000/simulator/twilio")
        == "http://127.0.0.1:8000/simulator/twilio/v1/Deactivations"
    )
    default_url = "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json"
    assert at_base(default_url, "https://api.twilio.com") == default_url
    assert at_base(default_url, "https://api.ie1.twilio.com") == default_url.replace("api.", "api.ie1.")


# --- faulty servers -------------------------------------------------------------------------------

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def server(list_answer: Answer, file_answer: Answer | None = None) -> AsyncIterator[str]:
    web_app = web.Application()
    web_app.router.add_get("/v1/Deactivations", list_answer)
    if file_answer is not None:
        web_app.router.add_get("/file", file_answer)
    runner = web.AppRunner(web_app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def redirecting_to(location: str, *, body: bool = True) -> Answer:
    async def answer(request: web.Request) -> web.Response:
        target = location if "://" in location or location.startswith("//") else f"http://{request.host}{location}"
        if body:
            return web.json_response({"redirect_to": target}, status=307, headers={"location": target})
        return web.Response(status=307, headers={"location": target})

    return answer


def responding_with(data: bytes, kind: str = "text/plain", status: int = 200) -> Answer:
    async def answer(request: web.Request) -> web.Response:
        assert "authorization" not in request.headers, "the file store must not receive the password"
        return web.Response(body=data, content_type=kind, status=status)

    return answer


async def request_list(base: str) -> DeactivatedNumbers | NoList | BadList:
    async with channel(base) as opened:
        return await opened.deactivated_numbers(datetime(2026, 11, 20, tzinfo=UTC).date())


@pytest.mark.parametrize("body", [True, False])
async def test_the_address_is_taken_from_the_body_or_the_header(body: bool) -> None:
    async with server(redirecting_to("/file", body=body), responding_with(b"+12025550143\r\nwhat\n")) as base:
        result = await request_list(base)
    assert isinstance(result, DeactivatedNumbers) and list(result.numbers) == [MAYA] and result.unread == 1


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example/list.txt", "http://files.amazonaws.com/list.txt", "https://amazonaws.com.evil.example/x", "ftp://x.twilio.com/x",
        "https://files.amazonaws.com:8443/list.txt", "https://evil.example/?x=.amazonaws.com", "file:///etc/passwd", "//evil.example/x",
        "http://169.254.169.254/latest/meta-data", "https://x@evil.example/.twilio.com",
    ],
)  # fmt: skip
async def test_a_redirect_to_another_host_is_not_followed(location: str) -> None:
    async with server(redirecting_to(location)) as base:
        assert await request_list(base) == BadList("The list of deactivated numbers redirects away from Twilio.")


async def test_a_file_that_redirects_in_a_loop_or_to_another_host_is_a_bad_list() -> None:
    async def to_itself(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"location": "/file"})

    async def to_another_host(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"location": "https://evil.example/x"})

    for file, reason in ((to_itself, "in a loop"), (to_another_host, "away")):
        async with server(redirecting_to("/file"), file) as base:
            result = await request_list(base)
            assert isinstance(result, BadList) and reason in result.message


async def test_an_html_page_and_an_endless_file_are_refused_as_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(
        redirecting_to("/file"), responding_with(b"<html>\n<p>Sign in</p>\n</html>", "text/html")
    ) as base:
        assert isinstance(await request_list(base), BadList)
    monkeypatch.setattr(twilio_lists, "MAX_BYTES", 100_000)
    async with server(redirecting_to("/file"), responding_with(b"+12025550143\n" * 20_000)) as base:
        result = await request_list(base)
    assert isinstance(result, BadList) and "longer" in result.message


async def test_a_day_without_a_file_does_not_delay_the_other_days() -> None:
    for status in (403, 404):
        async with server(redirecting_to("/file"), responding_with(b"no", status=status)) as base:
            result = await request_list(base)
        assert isinstance(result, BadList) and str(status) in result.message


async def test_an_incomplete_file_is_discarded_and_fetched_again() -> None:
    async def cut_off(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"content-length": "5000"})
        await answer.prepare(request)
        await answer.write(b"+12025550143\n")
        assert request.transport is not None
        request.transport.close()
        return answer

    for file in (cut_off, responding_with(b"no", status=500)):
        async with server(redirecting_to("/file"), file) as base:
            with pytest.raises(ChannelError) as failed:
                await request_list(base)
            assert not failed.value.permanent


@pytest.mark.parametrize(("status", "permanent"), [(401, True), (403, True), (429, False), (500, False), (503, False)])
async def test_a_refusal_is_distinguished_from_a_temporary_failure(status: int, permanent: bool) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.json_response({"code": 20003 if status < 404 else None, "message": "no"}, status=status)

    async with server(refuse) as base:
        with pytest.raises(ChannelError) as failed:
            await request_list(base)
    assert failed.value.permanent is permanent


@pytest.mark.parametrize("answer", [b"", b"[]", b"<html>", b'{"redirect_to": 7}'])
async def test_a_response_without_an_address_is_an_error(answer: bytes) -> None:
    async def respond(request: web.Request) -> web.Response:
        return web.Response(body=answer, status=200, content_type="application/json")

    async with server(respond) as base:
        try:
            assert isinstance(await request_list(base), BadList)
        except ChannelError as error:
            assert not error.permanent
