"""G10: a delivery status never goes backwards, whatever order the carrier's reports come in."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from server.channels.base import Accepted, Report
from server.delivery import claiming, queries, rules, settling
from server.delivery.actions import Queued
from server.delivery.rules import SenderKind, State
from server.delivery.senders import Wanted
from server.schema import carrier_reports, outbound
from tests.faults.tally import Tally
from tests.sms import TOLL_FREE, open_sms, person, queue
from tests.world import World, at_once, open_world

WELL = ("queued", "sending", "sent", "delivered", "read")
BADLY = ("queued", "sending", "sent", "undelivered", "failed")
ANSWER = "the create call's own answer"


@dataclass(frozen=True)
class Story:
    """What comes for one message, in order. `by_token`: the reports' address names the message."""

    events: tuple[str, ...]
    by_token: bool
    at_once: bool
    badly: bool


def stories(tally: Tally) -> Iterator[Story]:
    """Every order of both sets, with a repeat of any word, and the create answer at every place (the short form: at one)."""
    turn = tally.random
    for badly, words in ((False, WELL), (True, BADLY)):
        for order in itertools.permutations(words):
            places = range(len(order) + 1) if tally.full else [turn.randint(0, len(order))]
            for place in places:
                for by_token in (True, False) if tally.full else (turn.random() < 0.5,):
                    told = [*order[:place], ANSWER, *order[place:]]
                    told.insert(turn.randint(0, len(told)), turn.choice(order))
                    yield Story(tuple(told), by_token, turn.random() < 0.3, badly)


async def run(tally: Tally) -> None:
    wanted = list(stories(tally))
    with tempfile.TemporaryDirectory(prefix="g10-") as folder:
        async with open_world(Path(folder) / "data", tally.database) as world:
            await _tell(tally, world, wanted)


async def _tell(tally: Tally, world: World, wanted: list[Story]) -> None:
    await open_sms(world, Wanted(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=10_000))
    contact = await person(world)
    queued = [await queue(world, contact, f"story:{n}", body=f"story {n}") for n in range(len(wanted))]
    claims = []
    while len(claims) < len(queued):
        found = (await world.app.write(claiming.claim, 500)).claims
        assert found, "not all could be claimed"
        await world.app.write(claiming.begin, found, "http://site.test")
        claims += found
    turns = {claim.id: claim.turn for claim in claims}
    backwards: list[str] = []
    for number, (story, row) in enumerate(zip(wanted, queued, strict=True)):
        sid = f"SM{number:032x}"
        if story.at_once:
            calls = [_come(world, story, event, row, turns[row.id], sid) for event in story.events]
            failed = [error for error in await at_once(*calls) if isinstance(error, BaseException)]
            assert not failed, failed
        else:
            before = State.SENDING
            for event in story.events:
                await _come(world, story, event, row, turns[row.id], sid)
                after = await _state(world, row.id)
                if rules.settle(before, after) is not after and before is not after:
                    backwards.append(f"{before} -> {after} on {event} in {story}")
                before = after
    rows = {row.id: row for row in await world.rows(outbound)}
    wrong = [
        (story, rows[row.id].state, rows[row.id].reason)
        for story, row in zip(wanted, queued, strict=True)
        if (rows[row.id].state, rows[row.id].reason) != (("failed", "30005") if story.badly else ("delivered", ""))
    ]
    reports = await world.rows(carrier_reports)
    known = {row.sid: row.id for row in rows.values()}
    tally.floor("stories", len(wanted), 240)
    tally.floor("of these all at once", sum(story.at_once for story in wanted), 30)
    tally.floor("of these unknown at first", sum(not story.by_token for story in wanted), 60)
    tally.floor("reports", len(reports), 240 * 6)
    tally.zero("ended elsewhere than highest", len(wrong), wrong[:3])
    tally.zero("went backwards", len(backwards), backwards[:3])
    tally.zero("reports not kept", sum(len(story.events) - 1 for story in wanted) - len(reports))
    tally.zero("reports unmatched after create", sum(known.get(one.sid) != one.outbound_id for one in reports))
    tally.zero("without their parameters", sum(not one.params for one in reports))


async def _come(world: World, story: Story, event: str, row: Queued, turn: int, sid: str) -> None:
    if event == ANSWER:
        outcome = settling.Outcome(row.id, turn, 1, Accepted(sid, "queued"))
        await world.app.write(settling.outcomes, [outcome])
        return
    error = 30005 if event in ("undelivered", "failed") else None
    told = Report(sid, event, error, {"MessageSid": sid, "MessageStatus": event})
    await world.app.write(settling.report, told, row.token if story.by_token else None, 1)


async def _state(world: World, outbound_id: int) -> State:
    row = await world.app.read(queries.one, outbound_id)
    assert row is not None
    return row.state
