"""Reports of mail servers settle their mails and stop mail to addresses that do not exist; forged ones change nothing."""

from __future__ import annotations

import pytest

from server.channels.base import Accepted
from server.channels.bounces import Bounce, Fate
from server.channels.mail import Mail
from server.delivery import bounces, mail
from server.delivery.bounces import AppliedBounce
from server.delivery.rules import State
from server.schema import carrier_reports, suppressions
from tests.actions.test_delivery_mail import ANA, open_mail, queue
from tests.sms import of
from tests.world import World


def refusal(address: str, fate: Fate = Fate.HARD, status: str = "5.1.1", *, dead: bool = True) -> Bounce:
    return Bounce(fate, status, dead and fate is Fate.HARD, "550 no such user", (address,), (), {"action": "failed"})


async def sent_mail(world: World) -> tuple[int, str, str]:
    """A mail that the server accepted: its id, return path and Message-ID."""
    fake = await open_mail(world)
    sent = await queue(world)
    await world.advance()
    return sent.id, fake.mails[0].return_path, fake.mails[0].message_id


async def test_a_dead_address_gets_no_more_mail(world: World) -> None:
    number, path, _ = await sent_mail(world)
    applied = await world.app.write(bounces.apply_bounce, refusal(path.upper()))
    assert applied == AppliedBounce(Fate.HARD, number, suppressed=True)
    row = await of(world, await queue(world))
    assert (row.state, row.reason, row.detail) == (State.UNDELIVERED, "5.1.1", "550 no such user")
    assert [(row.channel, row.address, row.reason) for row in await world.rows(suppressions)] == [
        ("email", ANA.lower(), "dead")
    ]
    later = await queue(world, "account:2")
    await world.advance()
    assert (await of(world, later)).state is State.SKIPPED


@pytest.mark.parametrize(
    ("fate", "status", "state"),
    [
        (Fate.SOFT, "5.2.2", State.UNDELIVERED),
        (Fate.DELAYED, "4.4.1", State.ACCEPTED),
        (Fate.DELIVERED, "2.0.0", State.DELIVERED),
    ],
)
async def test_other_reports_suppress_no_address(world: World, fate: Fate, status: str, state: State) -> None:
    _, path, _ = await sent_mail(world)
    await world.app.write(bounces.apply_bounce, refusal(path, fate, status))
    assert (await of(world, await queue(world))).state is state
    assert not await world.rows(suppressions)
    [report] = await world.rows(carrier_reports)
    assert (report.status, report.error, report.params) == (fate.value, status, {"action": "failed"})


async def test_a_mail_is_found_by_its_message_id_if_the_return_path_is_lost(world: World) -> None:
    number, _, message_id = await sent_mail(world)
    lost = Bounce(Fate.SOFT, "5.2.2", False, "", ("postmaster@shop.example",), ("x@y", message_id), {})
    assert (await world.app.write(bounces.apply_bounce, lost)).outbound == number


async def test_a_forged_report_changes_nothing(world: World) -> None:
    number, path, message_id = await sent_mail(world)
    forged_id = message_id.replace(".", ".0", 1)
    other = path.replace(f"+{number}-", f"+{number + 1}-")
    forged = Bounce(
        Fate.HARD, "5.1.1", True, "", (other, "bounces@shop.example", ""), (forged_id, f"{number}@x", ""), {}
    )
    assert await world.app.write(bounces.apply_bounce, forged) == AppliedBounce(Fate.HARD, None)
    assert (await of(world, await queue(world))).state is State.ACCEPTED
    assert not await world.rows(suppressions) and not await world.rows(carrier_reports)
    key = world.app.key(mail.PURPOSE)
    assert mail.identified(key, message_id) == number and mail.identified(key, forged_id) is None


async def test_reports_in_any_order_and_repeated_end_the_same(world: World) -> None:
    _, path, _ = await sent_mail(world)
    for fate in (Fate.HARD, Fate.DELAYED, Fate.HARD, Fate.SOFT):
        await world.app.write(bounces.apply_bounce, refusal(path, fate))
    row = await of(world, await queue(world))
    assert (row.state, row.reason) == (State.UNDELIVERED, "5.1.1")
    assert len(await world.rows(suppressions)) == 1


async def test_a_report_that_overtakes_the_servers_answer_stays(world: World) -> None:
    """The relay returns the mail before it has answered the final dot."""
    fake = await open_mail(world)

    async def late(message: Mail) -> Accepted:
        await world.app.write(bounces.apply_bounce, refusal(message.return_path))
        return Accepted(message.message_id, "accepted")

    fake.answers.append(late)
    sent = await queue(world)
    await world.advance()
    assert (await of(world, sent)).state is State.UNDELIVERED
