"""`python -m tests.browser.screens`: takes the README's screenshots from the demo during a conversation."""

from __future__ import annotations

import asyncio
import io
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import jwt
from PIL import Image
from playwright.async_api import Page, async_playwright, expect

from server.simulator.demo_script import CHROME
from tests.browser.people import Desk, People, Visitor, was_shown
from tests.browser.site import Site, open_site
from tests.services import Chromium

SCALE = 1.5
FOLDER = Path(__file__).parents[2] / "docs"
MOST_BYTES = 250_000
# Set for the whole browser, because settings of a page do not apply to the frame inside it.
FLAGS = ("--hide-scrollbars", f"--force-device-scale-factor={SCALE}", f"--user-agent={CHROME}")
DESK = {"width": 1440, "height": 900}
SHOP = {"width": 1200, "height": 800}
PHONE = {"width": 390, "height": 844}
ZONES = ("Europe/Berlin", "America/New_York", "America/Los_Angeles", "Asia/Tokyo", "Australia/Sydney")


def morning() -> str:
    """A time zone in which it is working hours now."""
    return min(ZONES, key=lambda zone: abs(datetime.now(UTC).astimezone(ZoneInfo(zone)).hour - 11))


async def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with Chromium(*FLAGS) as endpoint, tempfile.TemporaryDirectory(prefix="screens-") as folder:
        async with async_playwright() as playwright, open_site(Path(folder), demo=True) as site:
            people = People(await playwright.chromium.connect_over_cdp(endpoint), site)
            try:
                shots = await take(people, site)
            finally:
                await people.leave()
    for name, shot in shots.items():
        save_picture(name, shot)


async def take(people: People, site: Site) -> dict[str, bytes]:
    shots: dict[str, bytes] = {}
    zone = morning()
    desk = await console(people, site, zone)
    visitor = await customer(people, site, zone, await shop_secret(desk))
    await converse(desk, visitor)

    # Long enough for a second typing event; the first came with the message before.
    await visitor.box.press_sequentially("Wonderful, thank you so much! She will love it.", delay=90)
    await was_shown(desk.page, "is typing…")
    shots["console-light"] = await shoot(desk.page)
    await desk.page.emulate_media(color_scheme="dark")
    shots["console-dark"] = await shoot(desk.page)

    await visitor.box.press("Enter")
    await visitor.marked("Wonderful, thank you so much! She will love it.", "seen")
    await desk.box.press_sequentially("With pleasure. Have a lovely morning, and say hello", delay=90)
    await expect(visitor.frame.get_by_text("Mina Park is typing")).to_be_attached()
    shots["widget-light"] = await shoot(visitor.page)
    await visitor.page.emulate_media(color_scheme="dark")
    shots["widget-dark"] = await shoot(visitor.page)

    await desk.page.emulate_media(color_scheme="light")
    await desk.page.set_viewport_size(PHONE)
    await visitor.page.emulate_media(color_scheme="light")
    await visitor.page.set_viewport_size(PHONE)
    shots["console-phone"] = await shoot(desk.page)
    shots["widget-phone"] = await shoot(visitor.page)
    return shots


async def console(people: People, site: Site, zone: str) -> Desk:
    context = await people.context(viewport=DESK, timezone_id=zone, color_scheme="light", device_scale_factor=SCALE)
    desk = Desk(site, await context.new_page())
    await desk.page.goto(site.signin_link())
    await expect(desk.list).to_be_visible()
    return desk


async def shop_secret(desk: Desk) -> str:
    answer = await desk.page.request.get(f"{desk.site.console}/api/settings/widget/identity")
    return str((await answer.json())["secret"])


async def customer(people: People, site: Site, zone: str, secret: str) -> Visitor:
    """A visitor with a signed identity."""
    claims = {"sub": "1042", "name": "Nora Lind", "email": "nora.lind@example.com", "exp": int(time.time()) + 3600}
    identity = jwt.encode(claims, secret, algorithm="HS256")
    context = await people.context(viewport=SHOP, timezone_id=zone, device_scale_factor=SCALE)
    await context.add_init_script(f"window.threadline = {{identity: '{identity}'}}")
    visitor = await Visitor(site, await context.new_page()).goes("/night-kettle")
    await visitor.clicks_launcher()
    await visitor.finds_frame()
    await expect(visitor.box).to_be_visible()
    return visitor


TALK = (
    "< Hi! Is the night kettle safe for an induction hob?",
    "> Good morning! It is: the base is steel, good for up to 2,000 W.",
    "< Lovely. It is a housewarming gift for my sister 🎁",
    "< Could you wrap it?",
    "> Of course, in recycled paper with a linen ribbon. Shall I add a card?",
    "< Yes please: “Slow mornings, Ida.”",
    "# Gift wrap and a card for Nora Lind’s order: told the packing table.",
    "> Written by hand, and it leaves today.",
)


async def converse(desk: Desk, visitor: Visitor) -> None:
    """Sends each line once the line before has arrived. `<` the visitor, `>` the team, `#` a note."""
    for line in TALK:
        kind, text = line[0], line[2:]
        if kind == "<":
            await visitor.says(text)
            if line == TALK[0]:
                await desk.opens(text)
            await visitor.marked(text, "seen")
        elif kind == ">":
            await desk.replies(text)
            await expect(visitor.bubble(text)).to_be_visible()
        else:
            await desk.page.get_by_role("radiogroup").get_by_text("Note", exact=True).click()
            note = desk.page.get_by_role("textbox", name="Note")
            await note.fill(text)
            await note.press("Enter")
            await expect(desk.bubble(text)).to_be_visible()
            await desk.page.get_by_role("radiogroup").get_by_text("Reply", exact=True).last.click()
    await expect(desk.bubble(TALK[-1][2:]).locator("[data-tick=seen]")).to_be_attached()


async def shoot(page: Page) -> bytes:
    await page.wait_for_timeout(400)  # colours fade, and no event marks the end of a fade
    return await page.screenshot()


def save_picture(name: str, shot: bytes) -> None:
    picture = Image.open(io.BytesIO(shot)).convert("RGB")
    path = FOLDER / f"{name}.png"
    picture.save(path, optimize=True)
    if path.stat().st_size > MOST_BYTES:
        few_colours(picture).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size // 1000} KB")


def few_colours(picture: Image.Image) -> Image.Image:
    """The picture with 256 colours: the most frequent ones exactly, the others by the nearest of them.

    Pillow's own palette would turn the green dot for "online" grey.
    """
    counted = picture.getcolors(picture.width * picture.height)
    assert counted is not None
    results = [colour for _, colour in sorted(counted, reverse=True)]
    exact, approximated = results[:140], results[140:]
    strip = Image.new("RGB", (len(approximated), 1))
    strip.putdata(approximated)
    chosen = strip.quantize(256 - len(exact)).getpalette() or []
    palette = exact + list(zip(chosen[0::3], chosen[1::3], chosen[2::3], strict=True))

    def nearest(colour: tuple[int, ...]) -> int:
        return min(
            range(len(palette)), key=lambda i: sum((a - b) ** 2 for a, b in zip(palette[i], colour, strict=True))
        )

    number = {colour: index for index, colour in enumerate(exact)} | {
        colour: nearest(colour) for colour in approximated
    }
    result = Image.new("P", picture.size)
    result.putpalette([part for colour in palette for part in colour])
    pixels = picture.tobytes()
    colours = zip(pixels[0::3], pixels[1::3], pixels[2::3], strict=True)
    result.putdata([number[colour] for colour in colours])
    return result


if __name__ == "__main__":
    asyncio.run(main())
