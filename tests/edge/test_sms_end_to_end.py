"""A text from the Phone page becomes a ticket; the reply arrives and gets its ticks; STOP bars the composer, START
opens it.

Everything except the phones is real: signed webhooks over HTTP, the routes, the pump, the SDK, the carrier's reports.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server import up
from server.links.click_buffer import Clicks
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
            result = Simulated(online, shop)
            result.carrier._pace = FAST
            yield result


async def until(sim: Simulated, look: Any) -> Any:
    """Runs the worker and the carrier until `look` returns a result."""
    async with asyncio.timeout(15):
        while not (result := await look()):
            await sim.online.world.advance(seconds=1)
            await sim.carrier.wait_for_change(sim.carrier.state.version, 0.05)
    return result


async def ticket(agent: Agent) -> dict[str, Any] | None:
    result = (await agent.get("/api/tickets?channel=sms")).json()["tickets"]
    return result[0] if result else None


async def states(agent: Agent, thread: int) -> list[str]:
    result = (await agent.get(f"/api/threads/{thread}/entries")).json()["entries"]
    return [item["data"]["state"] for item in result if item["kind"] == "delivery"]


async def phone_says(sim: Simulated, person: str = "maya") -> list[str]:
    talks = (await sim.phone(person))["talks"]
    return [item["body"] for talk in talks for item in talk["messages"] if not item["mine"]]


async def why_barred(agent: Agent) -> str | None:
    """Why the customer of the agent's first ticket cannot be texted; None if they can."""
    result = await ticket(agent)
    assert result is not None
    code: str | None = result["barred"]
    return code


async def consents(agent: Agent, contact: int) -> dict[str, str]:
    listed = (await agent.get(f"/api/contacts/{contact}/consents")).json()["consents"]
    return {item["purpose"]: item["status"] for item in listed}


async def grant(agent: Agent, sms_ticket: dict[str, Any]) -> int:
    contact = sms_ticket["contact"]["id"]
    consent = {"purpose": "sms_transactional", "status": "subscribed", "reason": "asked for it by telephone"}
    answer = await agent.post(f"/api/contacts/{contact}/consents", consent)
    assert answer.status == 200, answer.body
    return int(contact)


async def test_a_text_reaches_the_desk_and_its_reply_reaches_the_phone(sim: Simulated) -> None:
    olga = await sim.online.agent("olga", socket=False)
    await sim.text("maya", "Hi! Is the Moss teapot back in stock?")
    result = await until(sim, lambda: ticket(olga))
    assert result["status"] == "open" and result["barred"] == "not_subscribed", "a text gives no consent (INB-7)"
    refused = await olga.post(f"/api/tickets/{result['id']}/reply", {"key": "k" * 8, "text": "Yes!"})
    assert (refused.status, refused.json()["error"]["code"]) == (409, "not_subscribed")

    contact = await grant(olga, result)
    assert await why_barred(olga) is None
    await olga.replies(result["id"], "It is! See https://shop.example/moss-teapot, and tell us.")
    bodies = await until(sim, lambda: phone_says(sim))
    link = bodies[0].split()[3].rstrip(",")
    assert bodies == [f"It is! See {link}, and tell us."] and link.startswith(f"{sim.online.url}/l/")
    followed = await sim.online.get(link.removeprefix(sim.online.url), headers={"user-agent": "Mozilla/5.0 (iPhone)"})
    assert (followed.status, followed.headers["location"]) == (302, "https://shop.example/moss-teapot")
    assert Clicks.of(sim.online.app).waiting == 1

    async def delivered() -> bool:
        return "delivered" in await states(olga, result["thread"])

    assert await until(sim, delivered)
    assert (await states(olga, result["thread"]))[-1] == "delivered"

    # STOP: the carrier replies, our server does not, and the composer is barred immediately.
    await sim.text("maya", "STOP")

    async def has_opted_out() -> bool:
        return await why_barred(olga) == "opted_out"

    assert await until(sim, has_opted_out)
    refused = await olga.post(f"/api/tickets/{result['id']}/reply", {"key": "m" * 8, "text": "One more thing"})
    assert (refused.status, refused.json()["error"]["code"]) == (409, "opted_out")
    assert (await consents(olga, contact))["sms_transactional"] == "unsubscribed"
    await sim.online.world.advance(seconds=5)
    bodies = await phone_says(sim)
    assert len(bodies) == 2 and bodies[1].startswith("NETWORK MSG:")

    # START restores what STOP revoked, and nothing more (AMB-32).
    await sim.text("maya", "START")

    async def can_be_texted() -> bool:
        return await why_barred(olga) is None

    assert await until(sim, can_be_texted)
    now = await consents(olga, contact)
    assert now["sms_transactional"] == "subscribed" and now.get("sms_marketing") != "subscribed"
    await olga.replies(result["id"], "Welcome back.")

    async def received_all() -> bool:
        return "Welcome back." in await phone_says(sim)

    assert await until(sim, received_all)
    assert result["id"] == (await ticket(olga) or {})["id"], "a person has one SMS ticket for life (INB-21)"


@pytest.mark.parametrize(
    "switches",
    [
        {"callbacks_twice": True, "callbacks_shuffled": True, "webhooks_twice": True},
        {"answer": "broken"},
    ],
)
async def test_each_text_is_stored_once_and_each_reply_arrives_once_despite_carrier_faults(
    sim: Simulated, switches: dict[str, Any]
) -> None:
    olga = await sim.online.agent("olga", socket=False)
    await sim.switch(**switches)
    await sim.text("maya", "Hello?")
    result = await until(sim, lambda: ticket(olga))
    await grant(olga, result)
    await olga.replies(result["id"], "Hello!")

    async def delivered() -> bool:
        return "delivered" in await states(olga, result["thread"])

    assert await until(sim, delivered)
    await sim.online.world.advance(seconds=30)
    assert await phone_says(sim) == ["Hello!"]
    entries = (await olga.get(f"/api/threads/{result['thread']}/entries")).json()["entries"]
    assert [entry["text"] for entry in entries if entry["kind"] == "message"] == ["Hello?", "Hello!"]
    assert (await states(olga, result["thread"])).count("delivered") == 1


async def test_an_undelivered_reply_shows_a_reason(sim: Simulated) -> None:
    olga = await sim.online.agent("olga", socket=False)
    await sim.switch(outcome="undelivered")
    await sim.text("maya", "Hello?")
    result = await until(sim, lambda: ticket(olga))
    await grant(olga, result)
    await olga.replies(result["id"], "Hello!")

    async def failed() -> Any:
        entries = (await olga.get(f"/api/threads/{result['thread']}/entries")).json()["entries"]
        return [
            entry["data"]
            for entry in entries
            if entry["kind"] == "delivery" and entry["data"]["state"] == "undelivered"
        ]

    (failure,) = await until(sim, failed)
    assert failure["code"] == 30003 and failure["words"]
    assert await phone_says(sim) == []


async def test_a_deactivated_number_gets_no_text_until_its_holder_sends_start(sim: Simulated) -> None:
    """CON-8 over the network: a job reads the carrier's list at the address that the carrier names."""
    olga = await sim.online.agent("olga", socket=False)
    await sim.text("maya", "Hi! Is the Moss teapot back in stock?")
    result = await until(sim, lambda: ticket(olga))
    contact = await grant(olga, result)
    assert await why_barred(olga) is None
    answer = await sim.online.send("PUT", "/phone/given-up", {"person": "maya", "given_up": True})
    assert answer.status == 200

    async def is_deactivated() -> bool:
        return await why_barred(olga) == "deactivated"

    assert await until(sim, is_deactivated)
    refused = await olga.post(f"/api/tickets/{result['id']}/reply", {"key": "d" * 8, "text": "It is!"})
    assert (refused.status, refused.json()["error"]["code"]) == (409, "deactivated")
    assert (await consents(olga, contact))["sms_transactional"] == "unsubscribed"
    await sim.text("maya", "START")

    async def can_be_texted() -> bool:
        return await why_barred(olga) is None

    assert await until(sim, can_be_texted)
