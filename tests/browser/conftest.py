"""Fixtures: one Chromium per worker, a server for each file of tests, separate windows for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.browser.people import People, open_people
from tests.browser.site import Site, open_site
from tests.services import Chromium


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    with Chromium() as endpoint:
        async with async_playwright() as playwright:
            yield await playwright.chromium.connect_over_cdp(endpoint)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(tmp_path_factory) -> AsyncIterator[Site]:
    """A server for the tests of one file, so that no test depends on what other files changed before it. A test finds its
    own tickets by their texts."""
    async with open_site(tmp_path_factory.mktemp("site")) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def own_site(tmp_path: Path) -> AsyncIterator[Site]:
    """A separate server, for a test that kills it."""
    async with open_site(tmp_path) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def people(browser: Browser, site: Site, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[People]:
    async with open_people(browser, site) as invited:
        yield invited
        await _picture(invited, request.node, tmp_path)


@pytest_asyncio.fixture(loop_scope="session")
async def own_people(
    browser: Browser, own_site: Site, request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[People]:
    async with open_people(browser, own_site) as invited:
        yield invited
        await _picture(invited, request.node, tmp_path)


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


async def _picture(people: People, test: pytest.Item, folder: Path) -> None:
    """Prints screenshots of every window of a failed test."""
    if test.stash.get(FAILED, False):
        for path in await people.pictures(folder):
            print(f"picture: {path}")
        print(*people.watch.problems, sep="\n")
