"""A server with an owner, for the HTTP tests of accounts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.kernel.context import App
from tests.accounts_app import OLGA, Desk, accounts_app


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    async with accounts_app(tmp_path) as built:
        yield built


@pytest.fixture
async def olga(app: App) -> Desk:
    """The owner's browser."""
    desk = Desk(app)
    assert (await desk.set_up(OLGA)).status_code == 200
    return desk
