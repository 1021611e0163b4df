"""Files of an inbound text: a failure of one file does not affect the others (AMB-6)."""

from __future__ import annotations

from collections import Counter
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from server.errors import Busy, StorageFull
from server.files import decoding
from server.schema import attachments, jobs
from server.sms import media
from tests.sms import FakeChannel, open_sms
from tests.world import World


def picture(kind: str = "PNG", **more: Any) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (9, 7), "green").save(buffer, kind, **more)
    return buffer.getvalue()


async def texted(world: World, fake: FakeChannel, *found: Any) -> Counter[str]:
    """Receives a text with these files (bytes, or an exception that the first fetch raises); returns how often each
    file was fetched."""
    fetches: Counter[str] = Counter()

    async def fetch_media(url: str, max_bytes: int) -> tuple[bytes, str]:
        fetches[url] += 1
        item = found[int(url.rpartition("/")[2])]
        if isinstance(item, Exception):
            if fetches[url] == 1:
                raise item
            return picture(), "image/png"
        return item, "image/jpeg"

    fake.fetch_media = fetch_media  # type: ignore[method-assign]
    maria = await world.texter()
    await maria.says("Look", media=[(f"https://api.twilio.com/{n}", "image/jpeg") for n in range(len(found))])
    await world.advance()
    return fetches


async def stored(world: World) -> list[str | None]:
    return [row.type if row.size else None for row in await world.rows(attachments)]


async def test_a_photo_of_several_pictures_is_stored_as_a_jpeg(world: World) -> None:
    multi_picture = picture("MPO", save_all=True, append_images=[Image.new("RGB", (9, 7), "red")])
    await texted(world, await open_sms(world), multi_picture, picture())
    assert await stored(world) == ["image/jpeg", "image/png"]
    assert not [row for row in await world.rows(jobs) if row.kind == media.JOB]


async def test_a_bad_file_of_a_text_does_not_affect_the_others(world: World) -> None:
    """The exception may come from the provider's library, from a decoder or from our own code."""
    gif = picture("GIF")
    fetches = await texted(
        world,
        await open_sms(world),
        gif[:30],
        picture(),
        IndexError("of a library"),
        gif[:13] + gif[20:],
        picture("GIF"),
    )
    assert await stored(world) == [None, "image/png", None, None, "image/gif"]
    await world.advance(minutes=1)
    assert await stored(world) == [None, "image/png", "image/png", None, "image/gif"]
    assert list(fetches.values()) == [1, 1, 2, 1, 1], "neither a stored file nor an invalid file may be fetched again"


@pytest.mark.parametrize("failure", [Busy(), StorageFull(), RuntimeError("the decoder does not run")])
async def test_a_picture_that_temporarily_failed_to_decode_is_fetched_again(
    world: World, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    decode, calls = decoding.decode, Counter[str]()

    async def sometimes(*paths: Any) -> Any:
        calls["decode"] += 1
        if calls["decode"] == 1:
            raise failure
        return await decode(*paths)

    monkeypatch.setattr(decoding, "decode", sometimes)
    await texted(world, await open_sms(world), picture(), picture())
    assert await stored(world) == [None, "image/png"]
    await world.advance(minutes=1)
    assert await stored(world) == ["image/png", "image/png"]


async def test_a_run_ends_before_its_lease_expires_and_the_next_fetches_the_rest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "MAX_RUN_S", 0.0)
    await texted(world, await open_sms(world), picture(), picture())
    assert await stored(world) == [None, None]
    monkeypatch.undo()
    await world.advance(minutes=1)
    assert await stored(world) == ["image/png", "image/png"]
