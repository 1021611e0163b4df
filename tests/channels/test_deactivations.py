"""Lists of numbers given up over the network: the real SDK and our own channel against the stand-in carrier and bad servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from server.channels import twilio_lists
from server.channels.base import BadList, GivenUp, NoList
from server.channels.twilio_sms import TwilioSms, connect, moved
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


async def give_up(sim: Simulated, person: str, gone: bool = True) -> None:
    answer = await sim.online.send("PUT", "/phone/given-up", {"person": person, "given_up": gone})
    assert answer.status == 200 and (await sim.phone(person))["given_up"] is gone


async def test_the_real_sdk_reads_where_the_days_list_is(sim: Simulated) -> None:
    await give_up(sim, "maya")
    day = sim.online.world.now.date()
    found = await asyncio.to_thread(sim.client().messaging.v1.deactivations().fetch, date=day)
    assert found.redirect_to.startswith(f"{sim.base}/deactivations/{day}.txt?")
    path = found.redirect_to.removeprefix(sim.online.url)
    answer = await sim.online.get(path)
    assert (answer.status, answer.body) == (200, b"+12025550143\n")
    assert (await sim.online.get(path[:-1] + ("0" if path[-1] != "0" else "1"))).status == 403
    assert (await sim.online.get(path.replace("until=", "until=9"))).status == 403
    sim.online.world.clock.advance(timedelta(minutes=3))
    assert (await sim.online.get(path)).status == 403, "it lives for two minutes"


async def test_the_page_tells_of_lists_that_name_somebody_and_not_of_empty_ones(sim: Simulated) -> None:
    async def read(days_ago: int) -> None:
        day = sim.online.world.now.date() - timedelta(days=days_ago)
        await asyncio.to_thread(sim.client().messaging.v1.deactivations().fetch, date=day)

    def told() -> list[str]:
        return [call.detail for call in sim.carrier.calls if call.what == "List of numbers given up"]

    await read(0)
    await read(1)
    assert told() == []
    await give_up(sim, "maya")
    await read(0)
    assert set(told()) == {f"of {sim.online.world.now.date()}"}


async def test_our_channel_reads_the_same_numbers_and_says_when_there_is_no_list(sim: Simulated) -> None:
    mine, day = sim.carrier.account, sim.online.world.now.date()
    async with channel(sim.base, mine.sid, mine.token) as opened:
        assert await opened.given_up(day) == GivenUp(twilio_lists.Lines()._numbers)
        await give_up(sim, "maya")
        await give_up(sim, "zofia")
        found = await opened.given_up(day)
        assert isinstance(found, GivenUp) and sorted(found.numbers) == [MAYA, 48512345678]
        await give_up(sim, "zofia", False)
        found = await opened.given_up(day)
        assert isinstance(found, GivenUp) and list(found.numbers) == [MAYA]
        assert await opened.given_up(day + timedelta(days=1)) == NoList()
        assert await opened.given_up(day - timedelta(days=400)) == NoList()
    async with channel(sim.base, mine.sid, "wrong") as opened:
        with pytest.raises(ChannelError) as refused:
            await opened.given_up(day)
        assert refused.value.permanent


async def test_the_page_takes_no_stranger_and_nobody_elses_request(sim: Simulated) -> None:
    assert (await sim.online.send("PUT", "/phone/given-up", {"person": "nobody", "given_up": True})).status == 404
    assert (await sim.online.send("PUT", "/phone/given-up", {"person": "maya"})).status == 422
    evil = {"origin": "https://evil.example"}
    assert (
        await sim.online.send("PUT", "/phone/given-up", {"person": "maya", "given_up": True}, headers=evil)
    ).status == 403


def test_at_twilio_the_list_has_a_host_of_its_own_and_at_a_stand_in_it_has_not() -> None:
    url = "https://messaging.twilio.com/v1/Deactivations"
    assert moved(url, "https://api.twilio.com") == url
    assert (
        moved(url, "http://127.0.0.1:8000/simulator/twilio")
        == "http://127.0.0.1:8000/simulator/twilio/v1/Deactivations"
    )
    own = "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json"
    assert moved(own, "https://api.twilio.com") == own
    assert moved(own, "https://api.ie1.twilio.com") == own.replace("api.", "api.ie1.")


# --- servers that are no good ---------------------------------------------------------------------

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def server(list_answer: Answer, file_answer: Answer | None = None) -> AsyncIterator[str]:
    made = web.Application()
    made.router.add_get("/v1/Deactivations", list_answer)
    if file_answer is not None:
        made.router.add_get("/file", file_answer)
    runner = web.AppRunner(made)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def leads(location: str, *, body: bool = True) -> Answer:
    async def answer(request: web.Request) -> web.Response:
        to = location if "://" in location or location.startswith("//") else f"http://{request.host}{location}"
        if body:
            return web.json_response({"redirect_to": to}, status=307, headers={"location": to})
        return web.Response(status=307, headers={"location": to})

    return answer


def says(data: bytes, kind: str = "text/plain", status: int = 200) -> Answer:
    async def answer(request: web.Request) -> web.Response:
        assert "authorization" not in request.headers, "the file's store is told no password"
        return web.Response(body=data, content_type=kind, status=status)

    return answer


async def ask(base: str) -> GivenUp | NoList | BadList:
    async with channel(base) as opened:
        return await opened.given_up(datetime(2026, 11, 20, tzinfo=UTC).date())


@pytest.mark.parametrize("body", [True, False])
async def test_the_address_is_taken_from_the_body_or_the_header(body: bool) -> None:
    async with server(leads("/file", body=body), says(b"+12025550143\r\nwhat\n")) as base:
        found = await ask(base)
    assert isinstance(found, GivenUp) and list(found.numbers) == [MAYA] and found.unread == 1


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example/list.txt", "http://files.amazonaws.com/list.txt", "https://amazonaws.com.evil.example/x", "ftp://x.twilio.com/x",
        "https://files.amazonaws.com:8443/list.txt", "https://evil.example/?x=.amazonaws.com", "file:///etc/passwd", "//evil.example/x",
        "http://169.254.169.254/latest/meta-data", "https://x@evil.example/.twilio.com",
    ],
)  # fmt: skip
async def test_a_redirect_to_anybody_else_is_not_followed(location: str) -> None:
    async with server(leads(location)) as base:
        assert await ask(base) == BadList("The list of numbers given up leads away from Twilio.")


async def test_a_file_that_leads_on_is_followed_within_the_same_bounds_and_not_in_circles() -> None:
    async def circle(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"location": "/file"})

    async def away(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"location": "https://evil.example/x"})

    for file, words in ((circle, "circles"), (away, "away")):
        async with server(leads("/file"), file) as base:
            found = await ask(base)
            assert isinstance(found, BadList) and words in found.message


async def test_a_page_in_html_and_a_file_without_end_are_no_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(leads("/file"), says(b"<html>\n<p>Sign in</p>\n</html>", "text/html")) as base:
        assert isinstance(await ask(base), BadList)
    monkeypatch.setattr(twilio_lists, "MOST_BYTES", 100_000)
    async with server(leads("/file"), says(b"+12025550143\n" * 20_000)) as base:
        found = await ask(base)
    assert isinstance(found, BadList) and "longer" in found.message


async def test_a_day_whose_file_is_not_there_does_not_hold_up_the_other_days() -> None:
    for status in (403, 404):
        async with server(leads("/file"), says(b"no", status=status)) as base:
            found = await ask(base)
        assert isinstance(found, BadList) and str(status) in found.message


async def test_a_file_that_breaks_off_counts_for_nothing_and_is_asked_for_again() -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"content-length": "5000"})
        await answer.prepare(request)
        await answer.write(b"+12025550143\n")
        assert request.transport is not None
        request.transport.close()
        return answer

    for file in (cut, says(b"no", status=500)):
        async with server(leads("/file"), file) as base:
            with pytest.raises(ChannelError) as failed:
                await ask(base)
            assert not failed.value.permanent


@pytest.mark.parametrize(("status", "permanent"), [(401, True), (403, True), (429, False), (500, False), (503, False)])
async def test_a_refusal_is_told_from_a_trouble(status: int, permanent: bool) -> None:
    async def no(request: web.Request) -> web.Response:
        return web.json_response({"code": 20003 if status < 404 else None, "message": "no"}, status=status)

    async with server(no) as base:
        with pytest.raises(ChannelError) as failed:
            await ask(base)
    assert failed.value.permanent is permanent


@pytest.mark.parametrize("answer", [b"", b"[]", b"<html>", b'{"redirect_to": 7}'])
async def test_an_answer_that_names_no_address_is_a_trouble(answer: bytes) -> None:
    async def odd(request: web.Request) -> web.Response:
        return web.Response(body=answer, status=200, content_type="application/json")

    async with server(odd) as base:
        try:
            assert isinstance(await ask(base), BadList)
        except ChannelError as error:
            assert not error.permanent
