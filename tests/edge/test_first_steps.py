"""The owner's first steps are done when the product has what they are about; `threadline doctor` names the open ones."""

from __future__ import annotations

from server.delivery import mail
from server.delivery.settings import SMS, SmsSettings
from server.operations.first_steps import first_steps, set_up
from server.sms.settings import INBOX, InboxSettings
from server.webchat.hours import HOURS, HoursSettings
from server.webchat.sites import record_site
from tests.mails import SETTINGS
from tests.world import World


async def done(world: World) -> set[str]:
    return {step.id for step in await world.app.read(first_steps) if step.done}


async def test_each_step_is_done_when_it_is_set_up_and_the_doctor_says_the_same(world: World) -> None:
    assert await done(world) == {"team"}, "the test's team has joined"
    [finding] = await set_up(world.app)
    assert finding.state == "ok" and "connect Twilio" in finding.message and "invite the team" not in finding.message
    await world.app.write(mail.configure, SETTINGS)
    assert await done(world) == {"team", "mail"}
    await world.app.write(INBOX.save, InboxSettings())
    await world.app.write(HOURS.save, HoursSettings())
    assert await done(world) == {"team", "mail", "auto_response", "hours"}
    await world.texter()
    assert "sms" not in await done(world), "a number without an account sends nothing"
    await world.app.write(SMS.save, SmsSettings(on=True))
    assert "sms" in await done(world)
    await world.app.write(record_site, "https://shop.example", "https://shop.example/")
    steps = await world.app.read(first_steps)
    assert steps[0].about == "https://shop.example" and all(step.done for step in steps)
    assert "done" in (await set_up(world.app))[0].message
