"""The addresses of the console's pages, read from the manifests of its areas, so that a new page is tested
automatically."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

from playwright.async_api import Page, expect

from tests.browser.people import Desk

SOURCES = Path(__file__).parents[2] / "agents_ui" / "src"
# `path: '/inbox'` of an area, `path: 'team'` of a page in that area; both name the capability that they need.
_PATH = re.compile(r"\bpath: '(/?[\w-]+)'(?:,\s*capability: '(\w+)')?")


def _manifests() -> dict[str, list[tuple[str, str]]]:
    """By folder: each path of the area's manifest with its capability; "" for a page without sign-in."""
    entries = {path.parent.name: _PATH.findall(path.read_text()) for path in sorted(SOURCES.glob("*/manifest.ts*"))}
    assert entries and all(entries.values()), entries
    return entries


def signed_in() -> list[str]:
    """The addresses of all pages for signed-in users."""
    addresses = []
    for paths in _manifests().values():
        area = ""
        for path, capability in paths:
            area = path if path.startswith("/") else area
            if capability:
                addresses.append(path if path == area else f"{area}/{path}")
    return addresses


def before_sign_in() -> list[str]:
    return [path for paths in _manifests().values() for path, capability in paths if not capability]


async def settled(page: Page) -> None:
    """Waits until the page is drawn."""
    await expect(page.get_by_role("heading", level=1).first).to_be_visible()
    await expect(page.get_by_role("heading", level=1, name="Page not found")).to_have_count(0)
    await page.wait_for_load_state("networkidle")
    await expect(page.locator(".mantine-Skeleton-root:visible, .mantine-Loader-root:visible").first).to_have_count(0)


async def tabs(desk: Desk) -> AsyncIterator[str]:
    """Opens each tab of a page and yields its name; a page without tabs yields "" once."""
    links = desk.page.get_by_role("main").or_(desk.page.locator("#content")).first.get_by_role("tab")
    names = await links.all_inner_texts() or [""]
    for name in names:
        if name:
            tab = links.filter(has_text=name)
            await tab.click()
            await expect(tab).to_have_attribute("aria-selected", "true")
            await settled(desk.page)
        yield name
