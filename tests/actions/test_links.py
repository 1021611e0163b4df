"""Short links: created once, only for valid targets, with exact click counts."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import insert

from server.audit import versions
from server.errors import Refused
from server.kernel.ids import Ids
from server.kernel.sql import Tx
from server.links import actions, queries, rules
from server.links.click_buffer import Clicks
from server.links.clicks import Click, count_clicks
from server.links.settings import LINKS, LinkSettings
from server.schema import outbound
from server.schema.short_links import link_clicks, short_links
from tests.people import add_contact
from tests.world import World

HERE = "https://chat.shop.example"


async def shorten(world: World, text: str) -> tuple[str, list[str]]:
    return await world.app.write(actions.shorten, text, None, None, HERE)


async def test_each_address_in_a_text_is_shortened_and_the_rest_is_unchanged(world: World) -> None:
    text, codes = await shorten(
        world, "New (https://shop.example/spring)! And https://Shop.example/spring, www.shop.example/tea."
    )
    assert re.fullmatch(rf"New \({HERE}/l/(\w{{8}})\)! And {HERE}/l/\1, {HERE}/l/(\w{{8}})\.", text)
    assert len(codes) == 2 and all(rules.CODE.fullmatch(code) for code in codes)
    assert [(await world.app.read(queries.target, code))[1] for code in codes] == [  # type: ignore[index]
        "https://shop.example/spring",
        "https://www.shop.example/tea",
    ]
    assert len(await world.rows(short_links)) == 2, "a target that occurs twice gets one link"


async def test_invalid_targets_and_short_links_are_left_unchanged(world: World) -> None:
    olga, version = (await world.agent("olga")).agent, (await world.app.read(versions.load, LINKS)).version
    await world.app.write(actions.change, olga, LinkSettings(domain="go.shop.example"), version, "", HERE)
    for text in (
        "https://good.example@evil.example/",
        "https://a.example/\\b and https://[::1/",
        f"{HERE}/l/aB3dE6gH and go on: https://go.shop.example/aB3dE6gH",
        f"again {HERE}//l/aB3dE6gH",
        "nothing to see",
    ):
        assert await shorten(world, text) == (text, [])
    assert not await world.rows(short_links)
    # an agent entered this address, and the server never requests it
    text, codes = await shorten(world, "http://192.168.0.7/printer")
    assert text == f"https://go.shop.example/{codes[0]}"
    unchanged, _ = await shorten(world, text)
    assert unchanged == text, "a short link must not be shortened again"


async def test_a_code_in_use_is_not_assigned_again(world: World) -> None:
    class Repeating:
        """An id generator that returns each token four times in a row."""

        def __init__(self) -> None:
            self.calls = 0

        def token(self, size: int = 24) -> str:
            self.calls += 1
            return (
                urlsafe_b64encode(bytes([250] * size if self.calls == 1 else [self.calls // 4] * size))
                .decode()
                .rstrip("=")
            )

    ids = Repeating()

    def three(tx: Tx) -> list[str]:
        results = []
        for number in range(3):
            results += actions.shorten(tx, f"https://a.example/{number}", None, None, HERE)[1]
        return results

    codes = await world.app.write(_with_ids(three, ids))
    assert len(set(codes)) == 3 and ids.calls > 5


def _with_ids(step: Callable[[Tx], list[str]], ids: Ids) -> Callable[[Tx], list[str]]:
    def run(tx: Tx) -> list[str]:
        tx._services = replace(tx._services, ids=ids)
        return step(tx)

    return run


async def message_of(world: World) -> int:
    """An outbound row that links can belong to."""

    def put(tx: Tx) -> int:
        contact = add_contact(tx)
        row = {"token": tx.token(), "channel": "sms", "kind": "reply", "purpose": "conversation", "contact_id": contact}
        row |= {"recipient": "+12025550143", "body": "", "media": [], "segments": 1, "lane": 0, "state": "queued"}
        return int(tx.value(insert(outbound).values(**row, due_at=tx.now, created_at=tx.now).returning(outbound.c.id)))

    return await world.app.write(put)


async def test_links_are_attached_to_their_message_once(world: World) -> None:
    _, codes = await shorten(world, "https://a.example/1 https://a.example/2")
    message, other = await message_of(world), await message_of(world)
    await world.app.write(actions.attach, codes, message)
    await world.app.write(actions.attach, codes, other)
    await world.app.write(actions.attach, [], other)
    assert [link.target for link in await world.app.read(queries.of_outbound, message)] == [
        "https://a.example/1",
        "https://a.example/2",
    ]
    assert not await world.app.read(queries.of_outbound, other)


async def test_a_click_counts_once_however_often_it_is_written_and_bots_count_separately(world: World) -> None:
    _, codes = await shorten(world, "https://a.example/1 https://a.example/2")
    ids = [(await world.app.read(queries.target, code))[0] for code in codes]  # type: ignore[index]
    now = world.now
    batch = [Click(ids[0], f"t{n}", now, n % 3 == 0, "agent", "") for n in range(9)] + [
        Click(ids[1], "x", now, True, "", "")
    ]
    assert await world.app.write(count_clicks, batch) == 10
    assert await world.app.write(count_clicks, batch) == 0
    await world.advance(hours=1)
    assert await world.app.write(count_clicks, [*batch, Click(ids[0], "new", world.now, False, "", "")]) == 1
    rows = {row.id: row for row in await world.rows(short_links)}
    assert (rows[ids[0]].clicks, rows[ids[0]].bot_clicks, rows[ids[0]].first_click_at) == (7, 3, now)
    assert (rows[ids[1]].clicks, rows[ids[1]].bot_clicks, rows[ids[1]].first_click_at) == (0, 1, None)
    assert len(await world.rows(link_clicks)) == 11


async def test_clicks_wait_while_the_database_fails_and_are_counted_once(world: World) -> None:
    _, codes = await shorten(world, "https://a.example/1")
    link = (await world.app.read(queries.target, codes[0]))[0]  # type: ignore[index]
    clicks = Clicks(world.app)
    for n in range(450):
        clicks.add(Click(link, f"t{n}", world.now, False, "", ""))
    write, calls = world.app.db.write, []

    async def stubborn(*args: object, **options: object) -> object:
        calls.append(len(args))
        if len(calls) == 1:
            raise Refused("busy", "not now")
        result = await write(*args, **options)
        if len(calls) == 2:
            raise OSError("the connection broke after COMMIT")
        return result

    world.app.db.write = stubborn  # type: ignore[method-assign]
    try:
        assert not await clicks.flush() and not await clicks.flush()
        assert clicks.waiting == 450
        await clicks.close()
    finally:
        world.app.db.write = write  # type: ignore[method-assign]
    assert clicks.waiting == 0
    assert (await world.rows(short_links))[0].clicks == 450
