"""The description of our own interface: complete, true, and what a machine makes of it breaks nothing."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from server.accounts.rules import Can
from server.app import ENDPOINTS
from server.web import auth, openapi
from tests.online import Online

EXAMPLES = 4  # for each operation, each kind of data and each caller
FLOOR = 200  # requests below which a run proves nothing
# What nobody outside may ever read: code, paths, statements, internals.
LEAKS = re.compile(
    r"Traceback|File \"|/srv/|/home/|/tmp/|site-packages|\.py\b|sqlite3?\.|psycopg|SELECT |INSERT |UPDATE |<class|object at 0x|k3y-of-the-tests",
)
# These end sessions or shut people out; somebody else's are spent on them, first.
DESTRUCTIVE = ("/api/logout", "/api/sessions", "/api/sessions/{id}", "/api/users/{id}", "/api/password")


def test_every_endpoint_is_described_and_nothing_else_is() -> None:
    document = openapi.document(ENDPOINTS, "http://localhost:8000")
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert described == {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}
    for endpoint in ENDPOINTS:
        operation = document["paths"][endpoint.path][endpoint.method.lower()]
        words = operation["summary"]
        assert 10 <= len(words) <= 130 and "\n" not in words, (
            f"{endpoint.handler.__qualname__} needs a docstring: {words!r}"
        )
        assert operation["description"].startswith("May: ")
        if isinstance(endpoint.needs, Can):
            assert operation["security"] == [{"session": []}]
        if endpoint.writes and endpoint.body is None and not endpoint.raw:
            assert endpoint.method == "DELETE", f"{endpoint.path} takes a body and does not say which"
        asked = set(
            re.findall(r"""(?:query\.get\(|whole\(call, |_choice\(call, )"([a-z]+)\"""", _source(endpoint.handler))
        )
        assert asked == set(endpoint.query), f"{endpoint.path} reads {asked} and describes {set(endpoint.query)}"
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(ids) == len(set(ids))


def _source(handler: Any) -> str:
    import inspect

    return inspect.getsource(handler)


async def test_it_is_shown_to_who_is_signed_in_only(online: Online) -> None:
    assert (await online.get("/api/openapi.json")).status == 401
    ana = await online.agent("ana", socket=False)
    answer = await ana.get("/api/openapi.json")
    assert answer.status == 200 and answer.json()["openapi"] == "3.1.0"
    assert answer.json()["servers"] == [{"url": online.url}]


def attack(url: str, document: dict[str, Any], headers: dict[str, str], wanted: Any) -> Counter[str]:
    """Calls the operations that `wanted` names with data that fits and data that does not; counts the answers."""
    seen: Counter[str] = Counter()
    schema = schemathesis.openapi.from_dict(document)
    for result in schema.get_all_operations():
        operation = result.ok()
        if not wanted(operation.path):
            continue
        # Whoever is turned away at the door is turned away whatever they carry.
        closed = "authorization" in headers and operation.definition.raw["security"] == [{"session": []}]
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @settings(
                max_examples=1 if closed else EXAMPLES,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def call(case: Any) -> None:
                if isinstance(case.body, dict) and "wait" in case.body:
                    case.body["wait"] = 0  # a long-poll would only cost the test its time
                answer = case.call(base_url=url, headers=headers, timeout=30)
                seen[f"{answer.status_code}"] += 1
                checks = [not_a_server_error, content_type_conformance, response_schema_conformance]
                if answer.status_code < 300:
                    case.validate_response(answer, checks=checks)
                else:
                    check_refusal(case, answer)

            try:
                call()
            except Exception as error:
                error.add_note(f"{operation.method.upper()} {operation.path}, {mode.value} data")
                if "Unsatisfiable" in type(error).__name__ or "Skip" in type(error).__name__:
                    continue  # nothing negative can be said to a route without input
                raise
    return seen


def check_refusal(case: Any, answer: Any) -> None:
    assert answer.status_code != 500 and answer.status_code < 504, answer.text
    shown = f"{case.method} {case.formatted_path}: {answer.status_code} {answer.text[:400]}"
    error = answer.json()["error"]
    assert set(error) <= {"code", "message", "field", "ref", "retry_after"}, shown
    assert {"code", "message", "ref"} <= set(error), shown
    assert re.fullmatch(r"[a-z0-9_]+", error["code"]), shown
    # What the caller sent may be named; nothing else of ours.
    assert not LEAKS.search(error["message"]), shown
    assert "server" not in answer.headers and "x-powered-by" not in answer.headers


@pytest.mark.timeout(300)
async def test_a_machine_that_reads_the_description_finds_no_crash_no_lie_and_no_leak(online: Online) -> None:
    zoe = await online.visitor()
    await zoe.says("So that there is something to read.")
    document = openapi.document(ENDPOINTS, online.url)
    own = {"origin": online.url, "sec-fetch-site": "same-origin"}

    def cookie(token: str) -> dict[str, str]:
        return own | {"cookie": auth.session_cookie(online.app, token).partition(";")[0]}

    adam, olga = await online.agent("adam", socket=False), await online.agent("olga", socket=False)
    visitor = own | {"authorization": f"Bearer {auth.mint_visitor_token(online.app)}"}
    seen = {
        "adam": await asyncio.to_thread(
            attack, online.url, document, cookie(adam.desk.token), lambda path: path in DESTRUCTIVE
        ),
        "olga": await asyncio.to_thread(
            attack, online.url, document, cookie(olga.desk.token), lambda path: path not in DESTRUCTIVE
        ),
        "visitor": await asyncio.to_thread(attack, online.url, document, visitor, lambda path: True),
    }
    # Its own floor, and what must have been met: success, refusals of data, of roles, of strangers.
    total = sum(seen.values(), Counter())
    assert total.total() >= FLOOR and total["200"] > 30 and total["422"] > 10, seen
    assert seen["olga"]["200"] > 30
    assert (await olga.get("/api/session")).json()["user"], "the owner was signed out on the way"
    assert seen["visitor"]["401"] > 40
    assert set(total) <= {"200", "400", "401", "403", "404", "409", "413", "415", "422", "429"}, seen
    # And the server still does its work.
    await (await online.visitor()).says("Still there?")
