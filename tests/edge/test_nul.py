"""A NUL character in any input of a stranger causes no server error and is not stored.

PostgreSQL refuses a text with a NUL; SQLite stores it and then counts characters only up to it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import BaseModel
from sqlalchemy import select

from server import frames
from server.app import ENDPOINTS
from server.consent import actions as consent
from server.consent import chain, proof
from server.consent.ledger import ConsentChange
from server.consent.rules import Method, Purpose, Status
from server.kernel.sql import Tx
from server.schema import consent_ledger, drafts, metadata
from server.web.http import Endpoint, Visiting
from tests.online import Online, open_online
from tests.people import add_contact

NULS = ("\0", "a\0b", "\0" * 3 + "x")
# These endpoints end the session of the caller, so each call gets its own session.
LAST = ("/api/logout", "/api/sessions", "/api/sessions/{id}", "/api/users/{id}", "/api/password")
FLOOR = 750  # fewer requests prove nothing


@pytest.fixture
async def online(tmp_path: Path, database: str) -> AsyncIterator[Online]:
    async with open_online(tmp_path / "data", database) as opened:
        yield opened


# Values for fields where "aaaaaaaa" is invalid.
FITTING: dict[str, Any] = {
    "email": "zoe@shop.example", "happened_at": "2026-11-20T09:00:00Z", "purpose": "sms_marketing", "country": "US",
    "language": "en", "countries": ["US"], "paused_countries": [], "files": [], "account_sid": "", "api_key": "",
    "messaging_service": "", "color": "#112233", "privacy_url": "https://a.example/", "terms_url": "https://a.example/",
    "sites": ["https://a.example"], "address": "+12025550188", "identity": None, "lines": ["+12025550177"],
}  # fmt: skip


def example(schema: dict[str, Any], defs: dict[str, Any]) -> Any:
    """A value that roughly matches a JSON schema."""
    if "$ref" in schema:
        return example(defs[schema["$ref"].rpartition("/")[2]], defs)
    for combinator in ("anyOf", "oneOf", "allOf"):
        if combinator in schema:
            return example(schema[combinator][0], defs)
    if "const" in schema or "enum" in schema:
        return schema.get("const") or schema["enum"][0]
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {})
            result = {name: FITTING.get(name, example(field, defs)) for name, field in fields.items()}
            more = schema.get("additionalProperties")
            return result | ({"en": example(more, defs)} if isinstance(more, dict) else {})
        case "array":
            return [example(schema["items"], defs)] if schema.get("items") else []
        case "integer" | "number":
            return max(1, schema.get("minimum", 1))
        case "boolean":
            return False
        case "string":
            return "aaaaaaaa"
    return None


def fitting(model: type[BaseModel]) -> Any:
    schema = model.model_json_schema()
    return example(schema, schema.get("$defs", {}))


def with_nuls(value: Any) -> Iterator[Any]:
    """The value with a NUL in each of its texts and names, one at a time."""
    match value:
        case str():
            yield from NULS
            yield value[:2] + "\0" + value[2:]
        case list():
            for place, inner in enumerate(value):
                yield from ([*value[:place], other, *value[place + 1 :]] for other in with_nuls(inner))
        case dict():
            for name, inner in value.items():
                yield from (value | {name: other} for other in with_nuls(inner))
            yield value | {"a\0b": "a\0b"}


def paths(endpoint: Endpoint) -> list[str]:
    """The endpoint's path with a harmless value, and with a NUL in each parameter."""
    names = re.findall(r"\{(\w+)(?::\w+)?\}", endpoint.path)

    def filled(values: dict[str, str]) -> str:
        return re.sub(r"\{(\w+)(?::\w+)?\}", lambda item: quote(values[item[1]], safe=""), endpoint.path)

    harmless = dict.fromkeys(names, "1")
    return [filled(harmless)] + [filled(harmless | {name: nul}) for name in names for nul in (*NULS, "1\0")]


def requests(endpoint: Endpoint) -> Iterator[tuple[str, Any]]:
    harmless, *other_paths = paths(endpoint)
    body = None if endpoint.body is None else fitting(endpoint.body)
    yield from ((path, body) for path in other_paths)
    for name in [*endpoint.query, "a\0b"]:
        yield from ((f"{harmless}?{quote(name)}={quote(nul)}", body) for nul in NULS)
    if body is not None:
        yield from ((harmless, changed) for changed in with_nuls(body))


async def stored(online: Online) -> Counter[str]:
    """The number of rows with a NUL in each table."""
    result: Counter[str] = Counter()
    for table in metadata.sorted_tables:
        for row in await online.app.read(lambda conn, table=table: conn.all(select(table))):
            result[table.name] += any("\0" in str(value) or "\\x00" in repr(value) for value in row)
    return result


async def test_no_endpoint_fails_for_a_nul_in_address_query_or_body(online: Online, subtests: pytest.Subtests) -> None:
    zoe = await online.visitor()
    await zoe.says("Hello?")
    visitor = {"authorization": f"Bearer {zoe.token}"}
    olga = await online.agent("olga", socket=False)
    sent, statuses = 0, Counter[int]()
    for endpoint in sorted(ENDPOINTS, key=lambda item: item.path in LAST):
        with subtests.test(f"{endpoint.method} {endpoint.path}"):
            for path, body in requests(endpoint):
                if endpoint.path in LAST:
                    olga = await online.agent(f"admin{sent}", "admin", socket=False)
                credentials = visitor if isinstance(endpoint.needs, Visiting) else {"cookie": olga.cookie}
                raw = b"x" if endpoint.raw else None
                headers = {**credentials, "x-file-name": "a%00b.txt"} if endpoint.raw else credentials
                if isinstance(body, dict) and body.get("key") == "aaaaaaaa":
                    body["key"] = online.key()
                answer = await online.send(endpoint.method, path, body, headers=headers, raw=raw)
                sent += 1
                statuses[answer.status] += 1
                assert answer.status < 500, (path, body, answer)
    assert sent > FLOOR and statuses[200] > 200, statuses
    assert not +await stored(online)


async def test_a_search_ignores_a_nul(online: Online) -> None:
    ana = await online.agent("ana", socket=False)
    zoe, _ = await online.world.conversation()
    await zoe.introduces(name="Zoe Bell")
    empty_result = (await ana.get("/api/find?q=")).json()
    assert (await ana.get("/api/find?q=%00")).json() == empty_result
    result = await ana.get("/api/find?q=zo%00e")
    assert [item["contact"]["name"] for item in result.json()["tickets"]] == ["Zoe Bell"], result


async def test_a_draft_is_stored_without_its_nul(online: Online) -> None:
    ana = await online.agent("ana", socket=False)
    _, ticket = await online.world.conversation()
    answer = await ana.send("PUT", f"/api/tickets/{ticket.id}/draft", {"text": "a\0b", "mode": "reply", "rev": 0})
    assert answer.status == 200, answer
    assert [row.body for row in await online.world.rows(drafts)] == ["ab"]


async def test_a_reason_is_stored_in_the_ledger_without_its_nul(online: Online) -> None:
    change = ConsentChange(
        await online.world.app.write(_somebody), Purpose.SMS_MARKETING, Status.UNSUBSCRIBED, Method.API,
        source="a\0b", wording="a\0b", language="e\0n", reason="a\0b", address="+1\x00202",
    )  # fmt: skip
    await online.app.write(consent.record, change)
    (row,) = await online.world.rows(consent_ledger)
    assert (row.source, row.wording, row.language, row.reason, row.address) == ("ab", "ab", "en", "ab", "+1202")
    assert (await online.app.read(proof.verify, online.app.key(chain.PURPOSE))).findings == ()


def _somebody(tx: Tx) -> int:
    return add_contact(tx)


async def test_no_frame_fails_for_a_nul(online: Online) -> None:
    refused: Counter[str] = Counter()
    for kinds, agent in ((frames.VISITOR_IN, False), (frames.AGENT_IN, True)):
        schema = kinds.json_schema()
        for name in schema["discriminator"]["mapping"].values():
            harmless = example({"$ref": name}, schema["$defs"])
            for frame in [harmless, *with_nuls(harmless)]:
                if frame["type"] == "hello":
                    continue
                person = await online.agent("ana") if agent else await online.visitor()
                if not agent:
                    await person.says("Hello?")
                await person.wire.says(frame | ({"id": online.key()} if frame.get("id") == "aaaaaaaa" else {}))
                await person.wire.settles()
                refused.update(item["code"] for item in person.wire.received("refused"))
                await person.leaves()
    assert set(refused) <= {"invalid", "unknown_type", "not_found", "empty_message", "bad_frame"}, refused
    assert not +await stored(online)
