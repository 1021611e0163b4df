"""Fixtures that several tests of accounts share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.kernel.context import App
from tests.accounts_app import accounts_app


@pytest.fixture
async def app(tmp_path: Path, database: str) -> AsyncIterator[App]:
    """An app without any account, on each database."""
    async with accounts_app(tmp_path, database) as built:
        yield built
