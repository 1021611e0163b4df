"""The list of litigators over HTTP: numbers in any spelling are stored, invalid lines are reported."""

from __future__ import annotations

from server.schema import audit
from tests.online import Online

PATH = "/api/sms/litigators"


async def test_valid_lines_are_stored_and_invalid_ones_reported_with_their_line_number(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    version = (await olga.get(PATH)).json()["version"]
    assert (await olga.get(PATH)).json() == {"on": True, "count": 0, "numbers": [], "version": version}
    lines = [
        "\ufeff(202) 555-0143", "", "+1 202-555-0144;", "+12025550143", "Jane Doe", "2.02556E+09", "+48 512 345 678", "123",
        "+12025550145 x12", "2025550146 or 2025550147", '="+12025550148"', "  ", "911",
    ]  # fmt: skip
    answer = await olga.post(PATH, {"lines": lines})
    body = answer.json()
    assert answer.status == 200 and (body["added"], body["known"], body["count"]) == (4, 1, 4)
    assert [(item["line"], item["code"]) for item in body["refused"]] == [
        (5, "not_a_number"), (6, "precision_lost"), (8, "invalid"), (9, "extension"), (10, "two_numbers"), (13, "emergency"),
    ]  # fmt: skip
    assert all(
        item["reason"].endswith(".") and item["text"] == lines[item["line"] - 1].strip() for item in body["refused"]
    )
    assert set(body["numbers"]) == {"+12025550143", "+12025550144", "+12025550148", "+48512345678"}
    assert (await olga.get(f"{PATH}?find=512-345")).json()["numbers"] == ["+48512345678"]
    assert (await olga.send("DELETE", f"{PATH}/48512345678")).json()["count"] == 3
    assert (await olga.send("DELETE", f"{PATH}/48512345678")).status == 404
    assert (await olga.send("DELETE", PATH)).json()["count"] == 0
    assert (await olga.send("PUT", PATH, {"on": False, "version": version})).json()["on"] is False
    rows = [(row.action, row.target) for row in await online.world.rows(audit) if "litigator" in row.action]
    assert rows == [
        ("litigators_added", "4"), ("litigator_removed", "+48512345678"), ("litigators_cleared", "3"), ("litigators_changed", ""),
    ]  # fmt: skip


async def test_the_list_needs_the_right_to_change_channels_and_has_a_size_limit(online: Online) -> None:
    ana = await online.agent("ana", socket=False)
    for method, path, body in (
        ("GET", PATH, None), ("PUT", PATH, {"on": False}), ("POST", PATH, {"lines": []}), ("DELETE", PATH, None), ("DELETE", f"{PATH}/1", None),
    ):  # fmt: skip
        assert (await ana.send(method, path, body)).status == 403
        assert (await online.send(method, path, body)).status in (401, 403)
    olga = await online.agent("olga", socket=False)
    for body in (
        {"lines": ["1"] * 5_001},
        {"lines": ["x" * 201]},
        {"lines": "+12025550143"},
        {"lines": [1]},
        {"lines": [], "country": "usa"},
    ):
        assert (await olga.post(PATH, body)).status == 422, body
    thousands = [f"+1202556{n:04d}" for n in range(1_200)]
    assert (await olga.post(PATH, {"lines": thousands})).json()["added"] == 1_200


async def test_a_number_with_two_spellings_can_be_added_and_removed_by_either(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    body = (await olga.post(PATH, {"lines": ["+52 1 55 1234 5678", "+52 55 1234 5678"]})).json()
    assert (body["added"], body["numbers"]) == (1, ["+525512345678"])
    assert (await olga.get(f"{PATH}?find=5215512345678")).json()["numbers"] == ["+525512345678"]
    assert (await olga.send("DELETE", f"{PATH}/5215512345678")).json()["count"] == 0
