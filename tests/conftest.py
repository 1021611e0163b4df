"""Fixtures every test may ask for. The world itself is in `tests.world`, its network in `tests.online`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import uvloop

from tests.online import Online, open_online
from tests.world import World, open_world


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop the product runs on."""
    return {"uvloop": uvloop.new_event_loop}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if getattr(item, "callspec", None) and item.callspec.params.get("database") == "postgres":
            item.add_marker("pg")


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str:
    """Both databases: every test that asks for it, or for `world`, runs twice."""
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
