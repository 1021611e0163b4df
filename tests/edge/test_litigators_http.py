"""The list of people known for suing over texts, over HTTP: any spelling, bad lines named, the rest kept."""

from __future__ import annotations

from server.schema import audit
from tests.online import Online

PATH = "/api/sms/litigators"


async def test_lines_that_are_numbers_are_kept_and_the_others_named_with_their_place(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    assert (await olga.get(PATH)).json() == {"on": True, "count": 0, "numbers": []}
    lines = [
        "\ufeff(202) 555-0143", "", "+1 202-555-0144;", "+12025550143", "Jane Doe", "2.02556E+09", "+48 512 345 678", "123",
        "+12025550145 x12", "2025550146 or 2025550147", '="+12025550148"', "  ", "911",
    ]  # fmt: skip
    answer = await olga.post(PATH, {"lines": lines})
    said = answer.json()
    assert answer.status == 200 and (said["added"], said["known"], said["count"]) == (4, 1, 4)
    assert [(one["line"], one["code"]) for one in said["refused"]] == [
        (5, "not_a_number"), (6, "precision_lost"), (8, "invalid"), (9, "extension"), (10, "two_numbers"), (13, "emergency"),
    ]  # fmt: skip
    assert all(one["reason"].endswith(".") and one["text"] == lines[one["line"] - 1].strip() for one in said["refused"])
    assert set(said["numbers"]) == {"+12025550143", "+12025550144", "+12025550148", "+48512345678"}
    assert (await olga.get(f"{PATH}?find=512-345")).json()["numbers"] == ["+48512345678"]
    assert (await olga.send("DELETE", f"{PATH}/48512345678")).json()["count"] == 3
    assert (await olga.send("DELETE", f"{PATH}/48512345678")).status == 404
    assert (await olga.send("DELETE", PATH)).json()["count"] == 0
    assert (await olga.send("PUT", PATH, {"on": False})).json()["on"] is False
    rows = [(row.action, row.target) for row in await online.world.rows(audit) if "litigator" in row.action]
    assert rows == [
        ("litigators_added", "4"), ("litigator_removed", "+48512345678"), ("litigators_cleared", "3"), ("litigators_changed", ""),
    ]  # fmt: skip


async def test_only_who_sets_sms_up_sees_and_changes_the_list_and_bodies_have_an_end(online: Online) -> None:
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
