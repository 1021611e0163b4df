"""The table of limits contains every frame and request that visitors and agents can send."""

from __future__ import annotations

import pytest

from server import frames
from server.app import ENDPOINTS
from server.web import visitor_limits
from server.web.http import PUBLIC, VISITING


def test_every_frame_of_a_visitor_has_a_row() -> None:
    assert set(visitor_limits.VISITOR_FRAMES) == frames.VISITOR_TYPES


def test_every_frame_of_an_agent_has_a_row() -> None:
    assert set(visitor_limits.AGENT_FRAMES) == frames.AGENT_TYPES


def test_every_request_by_which_a_visitor_writes_has_a_row() -> None:
    written = {
        f"{endpoint.method} {endpoint.path}"
        for endpoint in ENDPOINTS
        if endpoint.method != "GET"
        and (endpoint.needs is VISITING or (endpoint.needs is PUBLIC and endpoint.path.startswith("/widget/")))
    }
    assert set(visitor_limits.REQUESTS) == written


@pytest.mark.parametrize("row", [*visitor_limits.VISITOR_FRAMES, *visitor_limits.REQUESTS, visitor_limits.NEW_CHAT])
def test_a_row_counts_by_visitor_and_by_address_or_says_why_not(row: str) -> None:
    limit = visitor_limits.TABLE[row]
    assert (limit.visitor and limit.address) or (
        limit == visitor_limits.Limit(unlimited_because=limit.unlimited_because) and limit.unlimited_because
    )
