"""A text from the Phone page becomes a ticket, its reply arrives and is ticked off; STOP closes the way, START opens it.

Everything is real but the telephones: signed webhooks over HTTP, the routes, the pump, the SDK, the carrier's reports.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server import up
from server.links.clicks import Clicks
from server.simulator import account
from tests.channels.carrier import FAST, Simulated, open_shop
from tests.online import Agent, open_online

US = "+18885550199"


@pytest.fixture
async def sim(tmp_path: Path) -> AsyncIterator[Simulated]:
    """A development server as `make up` starts it, with its own carrier."""
    async with open_online(tmp_path / "data", mode="development", demo_url="http://demo.test") as online:
        online.app.settings.twilio_url = account.base_url(online.app.settings)
        await up.connect_phone(online.app)
        async with open_shop("") as shop:
            found = Simulated(online, shop)
            found.carrier._pace = FAST
            yield found


async def until(sim: Simulated, look: Any) -> Any:
    """Lets the worker run and the carrier carry, until `look` finds something."""
    async with asyncio.timeout(15):
        while not (found := await look()):
            await sim.online.world.advance(seconds=1)
            await sim.carrier.news(sim.carrier.state.version, 0.05)
    return found


async def ticket(agent: Agent) -> dict[str, Any] | None:
    found = (await agent.get("/api/tickets?channel=sms")).json()["tickets"]
    return found[0] if found else None


async def states(agent: Agent, thread: int) -> list[str]:
    found = (await agent.get(f"/api/threads/{thread}/entries")).json()["entries"]
    return [one["data"]["state"] for one in found if one["kind"] == "delivery"]


async def phone_says(sim: Simulated, person: str = "maya") -> list[str]:
    talks = (await sim.phone(person))["talks"]
    return [one["body"] for talk in talks for one in talk["messages"] if not one["mine"]]


async def barred(agent: Agent) -> str | None:
    found = await ticket(agent)
    assert found is not None
    code: str | None = found["barred"]
    return code


async def consents(agent: Agent, contact: int) -> dict[str, str]:
    said = (await agent.get(f"/api/contacts/{contact}/consents")).json()["consents"]
    return {one["purpose"]: one["status"] for one in said}


async def grant(agent: Agent, found: dict[str, Any]) -> int:
    contact = found["contact"]["id"]
    said = {"purpose": "sms_transactional", "status": "subscribed", "reason": "asked for it by telephone"}
    answer = await agent.post(f"/api/contacts/{contact}/consents", said)
    assert answer.status == 200, answer.body
    return int(contact)


async def test_from_the_phone_to_the_desk_and_back(sim: Simulated) -> None:
    olga = await sim.online.agent("olga", socket=False)
    await sim.text("maya", "Hi! Is the Moss teapot back in stock?")
    found = await until(sim, lambda: ticket(olga))
    assert found["status"] == "open" and found["barred"] == "not_subscribed", "a text gives no consent (INB-7)"
    refused = await olga.post(f"/api/tickets/{found['id']}/reply", {"key": "k" * 8, "text": "Yes!"})
    assert (refused.status, refused.json()["error"]["code"]) == (409, "not_subscribed")

    contact = await grant(olga, found)
    assert await barred(olga) is None
    await olga.replies(found["id"], "It is! See https://shop.example/moss-teapot, and tell us.")
    said = await until(sim, lambda: phone_says(sim))
    link = said[0].split()[3].rstrip(",")
    assert said == [f"It is! See {link}, and tell us."] and link.startswith(f"{sim.online.url}/l/")
    followed = await sim.online.get(link.removeprefix(sim.online.url), headers={"user-agent": "Mozilla/5.0 (iPhone)"})
    assert (followed.status, followed.headers["location"]) == (302, "https://shop.example/moss-teapot")
    assert Clicks.of(sim.online.app).waiting == 1

    async def delivered() -> bool:
        return "delivered" in await states(olga, found["thread"])

    assert await until(sim, delivered)
    assert (await states(olga, found["thread"]))[-1] == "delivered"

    # STOP: the network answers, we do not, and the composer's way is closed at once.
    await sim.text("maya", "STOP")

    async def out() -> bool:
        return await barred(olga) == "opted_out"

    assert await until(sim, out)
    refused = await olga.post(f"/api/tickets/{found['id']}/reply", {"key": "m" * 8, "text": "One more thing"})
    assert (refused.status, refused.json()["error"]["code"]) == (409, "opted_out")
    assert (await consents(olga, contact))["sms_transactional"] == "unsubscribed"
    await sim.online.world.advance(seconds=5)
    said = await phone_says(sim)
    assert len(said) == 2 and said[1].startswith("NETWORK MSG:")

    # START brings back what STOP took, and nothing more (AMB-32).
    await sim.text("maya", "START")

    async def back() -> bool:
        return await barred(olga) is None

    assert await until(sim, back)
    now = await consents(olga, contact)
    assert now["sms_transactional"] == "subscribed" and now.get("sms_marketing") != "subscribed"
    await olga.replies(found["id"], "Welcome back.")

    async def heard() -> bool:
        return "Welcome back." in await phone_says(sim)

    assert await until(sim, heard)
    assert found["id"] == (await ticket(olga) or {})["id"], "one ticket for life (INB-21)"


@pytest.mark.parametrize(
    "switches",
    [
        {"callbacks_twice": True, "callbacks_shuffled": True, "webhooks_twice": True},
        {"answer": "broken"},
    ],
)
async def test_whatever_the_carrier_does_each_text_stands_once_and_each_reply_arrives_once(
    sim: Simulated, switches: dict[str, Any]
) -> None:
    olga = await sim.online.agent("olga", socket=False)
    await sim.switch(**switches)
    await sim.text("maya", "Hello?")
    found = await until(sim, lambda: ticket(olga))
    await grant(olga, found)
    await olga.replies(found["id"], "Hello!")

    async def delivered() -> bool:
        return "delivered" in await states(olga, found["thread"])

    assert await until(sim, delivered)
    await sim.online.world.advance(seconds=30)
    assert await phone_says(sim) == ["Hello!"]
    entries = (await olga.get(f"/api/threads/{found['thread']}/entries")).json()["entries"]
    assert [one["text"] for one in entries if one["kind"] == "message"] == ["Hello?", "Hello!"]
    assert (await states(olga, found["thread"])).count("delivered") == 1


async def test_an_undelivered_reply_says_why_in_words(sim: Simulated) -> None:
    olga = await sim.online.agent("olga", socket=False)
    await sim.switch(outcome="undelivered")
    await sim.text("maya", "Hello?")
    found = await until(sim, lambda: ticket(olga))
    await grant(olga, found)
    await olga.replies(found["id"], "Hello!")

    async def failed() -> Any:
        entries = (await olga.get(f"/api/threads/{found['thread']}/entries")).json()["entries"]
        return [one["data"] for one in entries if one["kind"] == "delivery" and one["data"]["state"] == "undelivered"]

    (said,) = await until(sim, failed)
    assert said["code"] == 30003 and said["words"]
    assert await phone_says(sim) == []


async def test_a_number_that_is_given_up_is_texted_no_more_until_its_phone_says_start(sim: Simulated) -> None:
    """CON-8, over the network: the carrier's list, at the address it names, read by a job."""
    olga = await sim.online.agent("olga", socket=False)
    await sim.text("maya", "Hi! Is the Moss teapot back in stock?")
    found = await until(sim, lambda: ticket(olga))
    contact = await grant(olga, found)
    assert await barred(olga) is None
    answer = await sim.online.send("PUT", "/phone/given-up", {"person": "maya", "given_up": True})
    assert answer.status == 200

    async def gone() -> bool:
        return await barred(olga) == "deactivated"

    assert await until(sim, gone)
    refused = await olga.post(f"/api/tickets/{found['id']}/reply", {"key": "d" * 8, "text": "It is!"})
    assert (refused.status, refused.json()["error"]["code"]) == (409, "deactivated")
    assert (await consents(olga, contact))["sms_transactional"] == "unsubscribed"
    await sim.text("maya", "START")

    async def back() -> bool:
        return await barred(olga) is None

    assert await until(sim, back)
