"""G10: a delivery status never moves backwards, whatever order the carrier's reports arrive in."""

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
from server.delivery.senders import SenderInput
from server.schema import carrier_reports, outbound
from tests.faults.tally import Tally
from tests.sms import TOLL_FREE, open_sms, person, queue
from tests.world import World, at_once, open_world

DELIVERED_REPORTS = ("queued", "sending", "sent", "delivered", "read")
FAILED_REPORTS = ("queued", "sending", "sent", "undelivered", "failed")
CREATE_RESPONSE = "the response to the create request"


@dataclass(frozen=True)
class History:
    """The events of one message, in order. `by_token`: the address of a report names the message."""

    events: tuple[str, ...]
    by_token: bool
    at_once: bool
    fails: bool


def histories(tally: Tally) -> Iterator[History]:
    """Every order of both sets of reports, with each report repeated once and the create response at every position
    (the short form: at one position)."""
    dice = tally.random
    for fails, words in ((False, DELIVERED_REPORTS), (True, FAILED_REPORTS)):
        for order in itertools.permutations(words):
            places = range(len(order) + 1) if tally.full else [dice.randint(0, len(order))]
            for place in places:
                for by_token in (True, False) if tally.full else (dice.random() < 0.5,):
                    sequence = [*order[:place], CREATE_RESPONSE, *order[place:]]
                    sequence.insert(dice.randint(0, len(sequence)), dice.choice(order))
                    yield History(tuple(sequence), by_token, dice.random() < 0.3, fails)


async def run(tally: Tally) -> None:
    all_histories = list(histories(tally))
    with tempfile.TemporaryDirectory(prefix="g10-") as folder:
        async with open_world(Path(folder) / "data", tally.database) as world:
            await _apply_histories(tally, world, all_histories)


async def _apply_histories(tally: Tally, world: World, all_histories: list[History]) -> None:
    await open_sms(world, SenderInput(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=10_000))
    contact = await person(world)
    queued = [await queue(world, contact, f"history:{n}", body=f"history {n}") for n in range(len(all_histories))]
    claims = []
    while len(claims) < len(queued):
        claimed = (await world.app.write(claiming.claim, 500)).claims
        assert claimed, "some messages could not be claimed"
        await world.app.write(claiming.begin, claimed, "http://site.test")
        claims += claimed
    turns = {claim.id: claim.turn for claim in claims}
    backwards: list[str] = []
    for number, (history, row) in enumerate(zip(all_histories, queued, strict=True)):
        sid = f"SM{number:032x}"
        if history.at_once:
            calls = [_apply_event(world, history, event, row, turns[row.id], sid) for event in history.events]
            failed = [error for error in await at_once(*calls) if isinstance(error, BaseException)]
            assert not failed, failed
        else:
            state_before = State.SENDING
            for event in history.events:
                await _apply_event(world, history, event, row, turns[row.id], sid)
                state_after = await _state(world, row.id)
                if rules.settle(state_before, state_after) is not state_after and state_before is not state_after:
                    backwards.append(f"{state_before} -> {state_after} on {event} in {history}")
                state_before = state_after
    rows = {row.id: row for row in await world.rows(outbound)}
    wrong_states = [
        (history, rows[row.id].state, rows[row.id].reason)
        for history, row in zip(all_histories, queued, strict=True)
        if (rows[row.id].state, rows[row.id].reason) != (("failed", "30005") if history.fails else ("delivered", ""))
    ]
    reports = await world.rows(carrier_reports)
    outbound_of_sid = {row.sid: row.id for row in rows.values()}
    tally.floor("messages with status reports", len(all_histories), 240)
    tally.floor("messages whose reports came at the same moment", sum(history.at_once for history in all_histories), 30)
    tally.floor(
        "messages whose reports name only the carrier's id", sum(not history.by_token for history in all_histories), 60
    )
    tally.floor("reports", len(reports), 240 * 6)
    tally.zero("messages without their highest status", len(wrong_states), wrong_states[:3])
    tally.zero("statuses that moved backwards", len(backwards), backwards[:3])
    tally.zero("reports not stored", sum(len(history.events) - 1 for history in all_histories) - len(reports))
    tally.zero(
        "reports not matched after the create response",
        sum(outbound_of_sid.get(report.sid) != report.outbound_id for report in reports),
    )
    tally.zero("reports stored without their parameters", sum(not report.params for report in reports))


async def _apply_event(world: World, history: History, event: str, row: Queued, turn: int, sid: str) -> None:
    if event == CREATE_RESPONSE:
        outcome = settling.Outcome(row.id, turn, 1, Accepted(sid, "queued"))
        await world.app.write(settling.settle_outcomes, [outcome])
        return
    error = 30005 if event in ("undelivered", "failed") else None
    report = Report(sid, event, error, {"MessageSid": sid, "MessageStatus": event})
    await world.app.write(settling.apply_report, report, row.token if history.by_token else None, 1)


async def _state(world: World, outbound_id: int) -> State:
    row = await world.app.read(queries.by_id, outbound_id)
    assert row is not None
    return row.state
