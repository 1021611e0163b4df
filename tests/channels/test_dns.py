"""Look-ups of TXT records end in time and return bounded answers."""

from __future__ import annotations

import time

import pytest

from server.channels.dns import Dns, TxtAnswer
from tests.channels.dns_server import HANG, SERVFAIL, dns_server


async def test_long_values_are_joined_and_missing_names_are_an_answer() -> None:
    async with dns_server() as server:
        server.records = {"shop.example": ["v=spf1 -all", "x" * 600], "empty.example": []}
        resolver = Dns([("127.0.0.1", server.port)])
        assert set((await resolver.txt("shop.example")).values) == {"v=spf1 -all", "x" * 600}
        assert await resolver.txt("none.example") == TxtAnswer()
        assert await resolver.txt("empty.example") == TxtAnswer()


@pytest.mark.parametrize("fault", [HANG, SERVFAIL])
async def test_a_server_that_does_not_answer_ends_the_look_up_in_time(fault: str) -> None:
    async with dns_server() as server:
        server.records = {"shop.example": fault}
        started = time.monotonic()
        assert await Dns([("127.0.0.1", server.port)], lifetime_s=0.5).txt("shop.example") == TxtAnswer(answered=False)
        assert time.monotonic() - started < 10


async def test_an_answer_is_bounded() -> None:
    async with dns_server() as server:
        server.records = {
            "shop.example": [f"{n:03d}" + "y" * 4_200 for n in range(3)],
            "many.example": [f"v{n}" for n in range(60)],
        }
        resolver = Dns([("127.0.0.1", server.port)])
        assert {len(value) for value in (await resolver.txt("shop.example")).values} == {4_096}
        assert len((await resolver.txt("many.example")).values) == 20


@pytest.mark.parametrize("name", ["", ".", "a..b", "x" * 64 + ".example", "é.example", "a\x00b.example", "a." * 200])
async def test_an_invalid_name_never_raises(name: str) -> None:
    async with dns_server() as server:
        assert (await Dns([("127.0.0.1", server.port)], lifetime_s=0.5).txt(name)).values == ()
