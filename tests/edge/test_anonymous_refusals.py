"""Refusals of strangers are counted in the metrics and logged at most once a minute for each code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import AsyncMock

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from server.delivery import settings as sms_settings
from server.delivery.rules import STATUS_PATH
from server.errors import Busy
from server.sms.webhooks import TEXTS
from server.web.webhooks import FORM
from tests.online import Answer, Online

EVIL = "https://evil.example"
BODY = {"email": "nobody@shop.example", "password": "wrong wrong wrong"}


def refused_count(code: str) -> float:
    return REGISTRY.get_sample_value("threadline_refusals_total", {"code": code}) or 0.0


async def many(online: Online, times: int, code: str, ask: Callable[[], Any]) -> list[dict[str, Any]]:
    """Causes many refusals, checks that all are counted, and returns their log lines."""
    count_before = refused_count(code)
    with capture_logs() as lines:
        for _ in range(times):
            answer: Answer = await ask()
            assert answer.code == code, answer
    assert refused_count(code) == count_before + times
    return [line for line in lines if line["log_level"] != "debug"]


async def test_anonymous_refusals_log_one_line_a_minute_for_each_code(online: Online) -> None:
    bad_token = {"authorization": "Bearer " + "A" * 32 + "." + "B" * 22}
    fake_cookie = {"cookie": "threadline=" + "A" * 43}
    signed = {"x-threadline-identity": "a.b.c"}
    kinds: list[tuple[str, Callable[[], Any], int]] = [
        ("auth_required", lambda: online.get("/api/tickets"), 1),
        # this code has already logged its line of the minute
        ("auth_required", lambda: online.get("/api/tickets", headers=fake_cookie), 0),
        ("auth_required", lambda: online.send("POST", "/widget/files", raw=b"x", headers=bad_token), 0),
        ("auth_required", lambda: online.send("POST", "/widget/files", raw=b"x", headers=signed), 1),
        ("bad_origin", lambda: online.send("POST", "/api/login", BODY, headers={"origin": EVIL}), 2),
        ("bad_origin", lambda: online.send("POST", "/api/login", BODY, headers={"origin": EVIL} | fake_cookie), 0),
        ("bad_credentials", lambda: online.send("POST", "/api/login", BODY), 1),
        ("forbidden", lambda: online.get("/widget/config", headers={"origin": EVIL}), 1),
    ]
    for code, ask, expected in kinds:
        lines = await many(online, 8, code, ask)
        assert len(lines) == expected, (code, lines)
    await online.world.advance(seconds=61)
    lines = await many(online, 1, "auth_required", lambda: online.get("/api/tickets"))
    assert lines == [{"event": "strangers_refused", "log_level": "info", "code": "auth_required", "count": 32}]
    (line, _) = await many(
        online, 1, "bad_origin", lambda: online.send("POST", "/api/login", BODY, headers={"origin": EVIL})
    )
    assert (line["event"], line["origin"], line["count"]) == ("refused_origin", EVIL, 16)


async def test_throttled_attempts_do_not_log_a_line_each(online: Online) -> None:
    online.app.settings.login_attempts = 1
    await many(online, 1, "bad_credentials", lambda: online.send("POST", "/api/login", BODY))
    lines = await many(online, 8, "rate_limited", lambda: online.send("POST", "/api/login", BODY))
    assert [line["event"] for line in lines] == ["login_throttled"]


async def test_unsigned_webhooks_are_counted_and_not_logged_even_while_the_database_fails(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def post(path: str) -> int:
        return (await online.send("POST", path, raw=b"a=b", headers={"content-type": FORM})).status

    for path in (TEXTS, STATUS_PATH):
        count_before = refused_count("bad_signature")
        with capture_logs() as lines:
            assert [await post(path) for _ in range(5)] == [403] * 5
        assert lines == [] and refused_count("bad_signature") == count_before + 5
    monkeypatch.setattr(sms_settings, "current", AsyncMock(side_effect=Busy()))
    count_before = refused_count("busy")
    with capture_logs() as lines:
        assert [await post(TEXTS) for _ in range(5)] == [503] * 5
    assert [(line["event"], line["count"]) for line in lines] == [("webhook_not_stored", 1)]
    assert refused_count("busy") == count_before + 5


async def test_every_refusal_of_an_agent_is_logged_with_their_user_id(online: Online) -> None:
    ana = await online.agent("ana", socket=False)
    lines = await many(online, 3, "forbidden", lambda: ana.get("/api/doctor"))
    assert [(line["event"], line["user"]) for line in lines] == [("refused", ana.id)] * 3
    assert all(len(line["ref"]) > 5 for line in lines)
