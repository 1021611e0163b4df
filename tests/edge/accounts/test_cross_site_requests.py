"""Requests that another site caused are refused (A2, C6)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server.errors import Forbidden
from server.schema import audit
from server.web import auth
from tests.accounts_app import (
    ENDPOINTS,
    Desk,
    accounts_app,
    code,
    me,
    rows,
    wait_for_writes,
)

WRITES = [endpoint for endpoint in ENDPOINTS if endpoint.writes]


FOREIGN: list[dict[str, str | None]] = [
    {"origin": None},
    {"origin": "null"},
    {"origin": ""},
    {"origin": "https://evil.example"},
    {"origin": "http://localhost:8001"},
    {"origin": "https://localhost:8000"},
    {"origin": "http://localhost:8000.evil.example"},
    {"origin": "http://localhost:8000/"},
    {"sec-fetch-site": "cross-site"},
]


@pytest.mark.parametrize("endpoint", WRITES, ids=lambda e: f"{e.method} {e.path}")
async def test_writes_from_another_site_are_refused(olga: Desk, endpoint: Any) -> None:
    for headers in FOREIGN:
        answer = await olga.send(endpoint.method, endpoint.path.replace("{id}", "1"), {}, headers=headers)
        assert code(answer) in [(403, "bad_origin"), (403, "cross_site")], headers
    assert await me(olga)  # the session was not changed


async def test_refused_cross_site_writes_with_our_cookie_are_logged_up_to_a_limit(olga: Desk) -> None:
    for _ in range(50):
        await olga.post("/api/logout", headers={"origin": "https://evil.example"})
    await Desk(olga.app).post("/api/logout", headers={"origin": "https://evil.example"})
    await wait_for_writes(olga.app)
    noted = [row for row in await rows(olga.app, audit) if row.action == "write_refused"]
    assert len(noted) == 20
    assert (noted[0].target, noted[0].detail) == ("https://evil.example", {"code": "bad_origin"})
    assert noted[0].address, "the audit log must contain the client's address"


@pytest.mark.parametrize("endpoint", WRITES, ids=lambda e: f"{e.method} {e.path}")
async def test_no_write_is_reachable_by_get(olga: Desk, endpoint: Any) -> None:
    path = endpoint.path.replace("{id}", "1")
    if any(e.path == endpoint.path and e.method == "GET" for e in ENDPOINTS):
        return
    assert (await olga.get(path)).status_code in (404, 405)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
async def test_content_types_of_html_forms_are_refused(olga: Desk, kind: str) -> None:
    answer = await olga.post("/api/login", {"email": "a@b.c", "password": "x"}, headers={"content-type": kind})
    assert code(answer) == (415, "unsupported_type")


async def test_the_public_url_may_name_the_default_port(tmp_path: Path) -> None:
    async with accounts_app(tmp_path, public_url="https://chat.example:443") as app:
        auth.check_origin(app, {"origin": "https://chat.example"})
        with pytest.raises(Forbidden):
            auth.check_origin(app, {"origin": "http://chat.example"})
