"""Fixtures for all tests. `tests.world` has the world without a network, `tests.online` the one with a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator
from pathlib import Path

import pytest
import uvloop

from tests import services
from tests.online import Online, open_online
from tests.world import World, open_world


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Runs tests on the event loop that the product uses."""
    return {"uvloop": uvloop.new_event_loop}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    files: dict[str, list[pytest.Item]] = {}  # of browser tests
    waiting, others = [], []
    for item in items:
        if getattr(item, "callspec", None) and item.callspec.params.get("database") == "postgres":
            item.add_marker("pg")
        if item.get_closest_marker("browser"):
            # The tests of a file share a server, so one worker runs them, in the order of the file.
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
            item.add_marker(pytest.mark.timeout(300))
            files.setdefault(item.path.stem, []).append(item)
        else:
            (waiting if item.get_closest_marker("faults") else others).append(item)
    # Fault tests mostly wait, and browser tests use the processor all the time. Mixed, they keep the machine evenly busy.
    # The largest files are first, so that none is run alone at the end.
    browser = sorted(files.values(), key=len, reverse=True)
    # This file waits two real minutes for a mail, so it begins first.
    browser.sort(key=lambda file: file[0].path.stem != "test_follow_up")
    each = -(-len(waiting) // len(browser)) if browser else 0
    mixed = [[*file, *waiting[n * each : (n + 1) * each]] for n, file in enumerate(browser)] or [waiting]
    items[:] = [*others, *(item for part in mixed for item in part)]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None]:
    """Runs after the test's own fixtures are closed."""
    try:
        return (yield)
    finally:
        services.drop_copies()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full-filters", action="store_true", help="2,000 random filters on each database instead of 300")


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str:
    """Both databases: every test that uses this fixture, or `world`, runs twice."""
    return str(request.param)


@pytest.fixture
async def world(tmp_path: Path, database: str) -> AsyncIterator[World]:
    """A world without a network, on each database."""
    async with open_world(tmp_path / "data", database) as opened:
        yield opened


@pytest.fixture
async def online(tmp_path: Path) -> AsyncIterator[Online]:
    """A real server on a port of its own, on SQLite."""
    async with open_online(tmp_path / "data") as opened:
        yield opened
