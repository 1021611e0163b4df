"""Two people who change the same settings do not overwrite each other."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from server.accounts.rules import Agent
from server.audit import versions
from server.consent import definitions, revocation
from server.consent.definitions import ConsentChange, ConsentDefinition
from server.delivery import settings_actions
from server.delivery.rules import Sender, SenderKind
from server.delivery.senders import SenderInput
from server.errors import Conflict
from server.inbox import settings as inbox
from server.links import actions as links
from server.links.settings import LINKS, LinkSettings
from server.sms.settings import INBOX
from server.webchat import settings as widget
from server.webchat.settings import WIDGET, WidgetSettings
from tests.world import World

ADDRESS = "203.0.113.9"


async def person(world: World, name: str) -> Agent:
    return (await world.agent(name)).agent


async def change_widget(world: World, agent: Agent, version: str | None, **changes: Any) -> Any:
    now = await world.app.read(WIDGET.load)
    return await world.app.write(widget.change, agent, now.model_copy(update=changes), version, ADDRESS)


async def test_the_refusal_of_a_save_from_an_older_version_lists_the_changes_since_then(world: World) -> None:
    adam, mona = await person(world, "adam"), await person(world, "mona")
    loaded = await world.app.read(widget.load_versioned)
    await change_widget(world, adam, loaded.version, brand="Kettles", ask_email=False)
    with pytest.raises(Conflict) as refused:
        await change_widget(world, mona, loaded.version, color="#112233")
    assert refused.value.code == "stale_version" and refused.value.status == 409
    conflict = refused.value.conflict
    assert conflict is not None
    (change,) = conflict["changes"]
    assert change["fields"] == ["ask_email", "brand"] and change["who"] == {"id": adam.id, "name": adam.name}
    assert change["at"].startswith("2026-")
    assert (conflict["current"]["brand"], conflict["current"]["color"]) == ("Kettles", WidgetSettings().color)
    saved = await change_widget(world, mona, conflict["current"]["version"], color="#112233")
    assert (saved.values.brand, saved.values.color) == ("Kettles", "#112233")


@pytest.mark.parametrize("version", [None, "", "x", "1.", "99999999999999999999.0", "-1.deadbeef", "1.2.3"])
async def test_a_save_without_a_valid_version_is_refused(world: World, version: str | None) -> None:
    adam = await person(world, "adam")
    with pytest.raises(Conflict, match=r"version|changed"):
        await change_widget(world, adam, version, brand="Kettles")
    assert (await world.app.read(WIDGET.load)).brand == "Support"


async def test_one_of_two_simultaneous_saves_is_refused(world: World) -> None:
    adam, mona = await person(world, "adam"), await person(world, "mona")
    version = (await world.app.read(versions.load, LINKS)).version
    saves = [
        world.app.write(links.change, agent, LinkSettings(domain=domain), version, ADDRESS, "http://localhost")
        for agent, domain in ((adam, "go.one.example"), (mona, "go.two.example"))
    ]
    results = await asyncio.gather(*saves, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Conflict", "Versioned"]


async def test_values_that_were_changed_and_restored_count_as_unchanged(world: World) -> None:
    adam, mona = await person(world, "adam"), await person(world, "mona")
    version = (await world.app.read(widget.load_versioned)).version
    changed = await change_widget(world, adam, version, brand="Kettles")
    await change_widget(world, adam, changed.version, brand="Support")
    assert (await change_widget(world, mona, version, color="#112233")).values.color == "#112233"


async def test_a_change_of_the_widget_settings_makes_a_version_of_the_inbox_settings_stale(world: World) -> None:
    adam, mona = await person(world, "adam"), await person(world, "mona")
    loaded = await world.app.read(inbox.load_versioned)
    await change_widget(world, adam, (await world.app.read(widget.load_versioned)).version, visitor_files=True)
    changed = inbox.InboxForm(unread_badge=False)
    with pytest.raises(Conflict) as refused:
        await world.app.write(inbox.change, mona, changed, loaded.version, ADDRESS)
    assert refused.value.conflict is not None
    assert refused.value.conflict["current"]["show_media"]["webchat"] is True
    assert (await world.app.read(INBOX.load)).unread_badge is True


# --- versions of rows: senders, consents that an owner defines ---------------------------------------------


async def refused_save(saving: Any) -> dict[str, Any]:
    with pytest.raises(Conflict) as refusal:
        await saving
    assert refusal.value.code == "stale_version" and refusal.value.conflict is not None
    return refusal.value.conflict


def shown_sender(sender: Sender) -> dict[str, Any]:
    return {"rate": sender.rate}


async def test_a_sender_is_not_overwritten_from_an_older_version(world: World) -> None:
    adam, mona = await person(world, "adam"), await person(world, "mona")
    long_code = SenderInput("+18885550199", SenderKind.TOLL_FREE, "US")
    other = SenderInput("72345", SenderKind.SHORT_CODE, "US")
    sender, loaded = await world.app.write(settings_actions.add_sender, adam, long_code, ADDRESS)
    second, second_version = await world.app.write(settings_actions.add_sender, adam, other, ADDRESS)

    def change(who: Agent, of: Sender, version: str | None, **values: Any) -> Any:
        entered = replace(long_code if of is sender else other, **values)
        return world.app.write(
            settings_actions.change_sender, who, of.id, entered, False, version, shown_sender, ADDRESS
        )

    await change(mona, second, second_version, rate=2)
    assert (await world.app.read(settings_actions.versioned_senders))[0][1].endswith(loaded.partition(".")[2])
    _, newer = await change(adam, sender, loaded, rate=9)
    conflict = await refused_save(change(mona, sender, loaded, rate=5))
    assert conflict["current"] == {"rate": 9, "version": newer}
    # The other sender's change is not among them.
    assert [(one["who"]["id"], one["fields"]) for one in conflict["changes"]] == [(adam.id, ["rate"])]
    await refused_save(change(mona, sender, None, rate=5))
    saved, _ = await change(mona, sender, newer, rate=5)
    assert saved.rate == 5


async def test_a_defined_consent_is_not_overwritten_from_an_older_version(world: World) -> None:
    adam, mona = await person(world, "adam"), await person(world, "mona")
    definition = ConsentDefinition(name="Profiling", channel="sms")
    consent = await world.app.write(definitions.add, adam, definition, ADDRESS)
    other = await world.app.write(definitions.add, adam, ConsentDefinition(name="Advice"), ADDRESS)

    def change(who: Agent, kind: int, version: str | None, **values: Any) -> Any:
        wanted = ConsentChange(**(definition.model_dump() | values), version=version)
        return world.app.write(definitions.change, who, kind, wanted, ADDRESS)

    await change(mona, other.id, other.version, name="Advice by phone")
    newer = await change(adam, consent.id, consent.version, name="Taste", required=True)
    conflict = await refused_save(change(mona, consent.id, consent.version, description="What you like"))
    assert (conflict["current"]["name"], conflict["current"]["version"]) == ("Taste", newer.version)
    assert [(one["who"]["id"], one["fields"]) for one in conflict["changes"]] == [(adam.id, ["name", "required"])]
    await refused_save(change(mona, consent.id, None, description="What you like"))
    assert (await world.app.read(definitions.defined))[0].name == "Taste"


async def test_the_switch_for_litigators_needs_its_version(world: World) -> None:
    adam, mona = await person(world, "adam"), await person(world, "mona")
    loaded = (await world.app.read(revocation.litigator_list)).version
    await world.app.write(revocation.switch_litigators, adam, False, loaded, ADDRESS)
    conflict = await refused_save(world.app.write(revocation.switch_litigators, mona, False, loaded, ADDRESS))
    assert conflict["current"]["on"] is False
    assert [(one["who"]["id"], one["fields"]) for one in conflict["changes"]] == [(adam.id, ["hold_litigators"])]
    await refused_save(world.app.write(revocation.switch_litigators, mona, True, None, ADDRESS))
    assert not (await world.app.read(revocation.litigator_list)).on
