"""Every bad request gets the answer that BAD_INPUTS 3.2 and 3.8 name, and nothing internal leaks."""

from __future__ import annotations

import asyncio
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from server.settings import Settings
from server.web.limits import client_address, normal
from tests.edge.cases import requests
from tests.edge.test_bad_frames import leaks
from tests.online import Answer, Online, open_online

FLOOR = 180  # cases below which this suite proves nothing


def test_the_cases_are_many_and_each_has_a_name_of_its_own() -> None:
    assert len(requests.ALL) + len(requests.BYTES) >= FLOOR
    for cases in (requests.ALL, requests.BYTES):
        names = [case.id for case in cases]
        assert len(set(names)) == len(names)


def is_our_error(answer: Answer) -> bool:
    """The one shape of errors: code, sentence and a reference for the log."""
    error = answer.json()["error"]
    return (
        error["code"] and error["message"].endswith((".", "!", "?", ":")) | (len(error["message"]) > 5) and error["ref"]
    )


async def test_a_bad_request_gets_its_answer_and_the_next_good_one_works(
    online: Online, subtests: pytest.Subtests
) -> None:
    _, ticket = await online.world.conversation()
    people = {name: (await online.agent(name, socket=False)).cookie for name in ("ana", "olga")}
    for n, case in enumerate(requests.ALL):
        with subtests.test(case.id):
            headers: dict[str, str | None] = {"cookie": people.get(case.who), **case.headers}
            path = case.path.replace("{ticket}", str(ticket.id))
            answer = await send_as_it_is(online, case.method, path, case.body, headers, case.raw)
            assert answer.status in case.statuses, answer
            assert case.method == "HEAD" or case.code is None or answer.code == case.code, answer
            if (
                answer.status >= 400
                and case.method != "HEAD"
                and answer.headers.get("content-type") == "application/json"
            ):
                assert is_our_error(answer), answer
            assert not leaks(answer.body) and not leaks(answer.headers), answer
            assert "access-control-allow-origin" not in answer.headers
            if n % 10 == 0:
                good = await online.get("/api/tickets", headers={"cookie": people["ana"]})
                assert good.status == 200 and good.json()["tickets"]


async def send_as_it_is(online: Online, method: str, path: str, body: Any, headers: Any, raw: bytes | None) -> Answer:
    """Without a client that tidies the path up."""
    import aiohttp
    import orjson
    from yarl import URL

    sent = {"origin": online.url, "sec-fetch-site": "same-origin", **headers}
    if body is not None:
        sent["content-type"] = "application/json"
        raw = orjson.dumps(body)
    kept = {name: value for name, value in sent.items() if value is not None}
    skip = frozenset({"content-type", "accept-encoding"})
    url = URL(online.url + path, encoded=True)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), skip_auto_headers=skip) as http:
        try:
            async with http.request(method, url, data=raw, headers=kept, allow_redirects=False) as got:
                return Answer(got.status, {k.lower(): v for k, v in got.headers.items()}, await got.read())
        except aiohttp.ServerDisconnectedError:
            return Answer(400, {}, b"")


async def test_bytes_that_are_no_proper_http(online: Online, subtests: pytest.Subtests) -> None:
    _, ticket = await online.world.conversation()
    ana = await online.agent("ana", socket=False)
    for case in requests.BYTES:
        with subtests.test(case.id):
            answer = await online.says_raw(case.sent)
            status = int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0
            assert status in case.statuses, answer[:300]
            assert answer.count(b"HTTP/1.1 ") <= 1, "one request must never become two"
            assert not leaks(answer)
    assert (await ana.get(f"/api/tickets/{ticket.id}")).status == 200


# --- A9, H7: at the same moment -------------------------------------------------------------------------


async def test_h7_a_key_used_again_is_the_same_reply_or_a_conflict_also_while_the_first_is_under_way(
    online: Online,
) -> None:
    _, ticket = await online.world.conversation()
    ana = await online.agent("ana", socket=False)
    path = f"/api/tickets/{ticket.id}/reply"
    told = await asyncio.gather(*(ana.post(path, {"key": "key-aaaa", "text": "Once"}) for _ in range(8)))
    assert {answer.status for answer in told} == {200}
    assert len({answer.json()["entry"]["seq"] for answer in told}) == 1
    other = await ana.post(path, {"key": "key-aaaa", "text": "Twice"})
    assert (other.status, other.code) == (409, "idempotency_conflict")


async def test_a9_two_agents_who_close_assign_and_reply_at_once_end_in_one_state(online: Online) -> None:
    _, ticket = await online.world.conversation()
    ana, ben = await online.agent("ana", socket=False), await online.agent("ben", socket=False)
    path = f"/api/tickets/{ticket.id}"
    told = await asyncio.gather(
        *(agent.post(f"{path}/close", {"key": online.key()}) for agent in (ana, ben)),
        *(agent.post(f"{path}/assign", {"key": online.key(), "user": agent.id}) for agent in (ana, ben)),
        *(agent.post(f"{path}/reply", {"key": online.key(), "text": "Hello"}) for agent in (ana, ben)),
    )
    assert {answer.status for answer in told} == {200}
    await online.world.advance(seconds=5)
    late = await ana.post(f"{path}/reply", {"key": online.key(), "text": "Too late"})
    assert (late.status, late.code) == (409, "chat_ended")
    assert (await online.world.ticket(ticket)).assignee in (ana.id, ben.id)


# --- A15: who is asking -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "address"),
    [
        ("203.0.113.9", "8.8.8.8", "127.0.0.1", "203.0.113.9"),  # not a proxy of ours
        ("127.0.0.1", "8.8.8.8", "127.0.0.1", "8.8.8.8"),
        ("127.0.0.1", "1.1.1.1, 8.8.8.8", "127.0.0.1", "8.8.8.8"),  # what the client made up stands first
        ("127.0.0.1", "8.8.8.8, 127.0.0.1", "127.0.0.1", "8.8.8.8"),
        ("127.0.0.1", "8.8.8.8", "", "127.0.0.1"),
        ("127.0.0.1", "<script>", "127.0.0.1", "unknown"),
        ("127.0.0.1", "9" * 500, "127.0.0.1", "unknown"),
        ("127.0.0.1", "2001:db8::1:2:3:4", "127.0.0.1", "2001:0db8:0000:0000::/64"),
        ("127.0.0.1", "::ffff:8.8.8.8", "127.0.0.1", "8.8.8.8"),
        ("127.0.0.1", "", "127.0.0.1", "127.0.0.1"),
    ],
)
def test_a15_forwarded_addresses_count_from_our_own_proxy_only(
    peer: str, forwarded: str, trusted: str, address: str
) -> None:
    settings = Settings(_env_file=None, trusted_proxies=trusted)  # type: ignore[call-arg]
    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []
    headers += [(b"x-real-ip", b"6.6.6.6"), (b"cf-connecting-ip", b"6.6.6.6"), (b"forwarded", b"for=6.6.6.6")]
    assert client_address(settings, {"client": (peer, 1), "headers": headers}) == address


def test_a15_an_ipv6_customer_is_one_64() -> None:
    assert normal("2001:db8::1") == normal("2001:db8::ffff") != normal("2001:db8:0:1::1")


# --- files (A17, A33, W25) --------------------------------------------------------------------------------


async def a_file(online: Online, data: bytes, name: str = "a.bin") -> tuple[Any, Any, str]:
    """A conversation in which an agent has sent a file."""
    zoe = await online.visitor()
    await zoe.says("Hello")
    ana = await online.agent("ana", socket=False)
    token = (await ana.send("POST", "/api/files", raw=data, headers={"x-file-name": name})).json()["token"]
    (row,) = (await ana.get("/api/tickets")).json()["tickets"][:1]
    await ana.post(f"/api/tickets/{row['id']}/reply", {"key": online.key(), "text": "See", "files": [token]})
    await zoe.sees("See")
    return zoe, ana, token


async def test_w25_a_file_is_for_its_conversation_and_the_team_and_nobody_else(online: Online) -> None:
    zoe, ana, token = await a_file(online, b"private")
    yan = await online.visitor()
    await yan.says("Hello")
    mine = await online.get(f"/files/{token}", headers={"authorization": f"Bearer {zoe.token}"})
    assert (mine.status, mine.body) == (200, b"private")
    assert (await ana.get(f"/files/{token}")).body == b"private"
    nils = await online.agent("nils", socket=False)
    refusals = [
        await online.get(f"/files/{token}"),
        await online.get(f"/files/{token}", headers={"authorization": f"Bearer {yan.token}"}),
        await nils.get(f"/files/{token}"),
    ]
    assert [answer.status for answer in refusals[:2]] == [404, 404] and refusals[2].status in (403, 404)
    unknown = await online.get("/files/" + "A" * 32, headers={"authorization": f"Bearer {yan.token}"})
    assert {**unknown.json()["error"], "ref": ""} == {**refusals[1].json()["error"], "ref": ""}


async def test_a_note_s_file_is_not_the_visitors_whatever_they_know(online: Online) -> None:
    zoe, ana, _ = await a_file(online, b"public")
    token = (await ana.send("POST", "/api/files", raw=b"internal")).json()["token"]
    (row,) = (await ana.get("/api/tickets")).json()["tickets"]
    await ana.post(f"/api/tickets/{row['id']}/notes", {"key": online.key(), "text": "See", "files": [token]})
    assert (await ana.get(f"/files/{token}")).status == 200
    assert (await online.get(f"/files/{token}", headers={"authorization": f"Bearer {zoe.token}"})).status == 404


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"<html><script>alert(1)</script></html>", "page.html"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "picture.svg"),
        (b"%PDF-1.4 ...", "paper.pdf"),
        (b"GIF89a;<script>alert(1)</script>", "picture.gif"),
        (b"\x00\x01\x02", "page.html"),
    ],
)
async def test_a33_what_is_no_plain_picture_is_only_ever_a_download(online: Online, data: bytes, name: str) -> None:
    ana = await online.agent("ana", socket=False)
    sent = await ana.send("POST", "/api/files", raw=data, headers={"x-file-name": name})
    if sent.status != 200:
        assert sent.code == "bad_image"
        return
    answer = await ana.get(f"/files/{sent.json()['token']}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert (
        answer.headers["x-content-type-options"] == "nosniff" and "sandbox" in answer.headers["content-security-policy"]
    )


async def test_a33_pictures_are_written_anew_without_places_and_bombs_are_refused(online: Online) -> None:
    from PIL import Image

    ana = await online.agent("ana", socket=False)

    def picture(size: tuple[int, int], kind: str = "JPEG", **more: Any) -> bytes:
        out = BytesIO()
        Image.new("RGB", size, "red").save(out, kind, **more)
        return out.getvalue()

    exif = Image.Exif()
    exif[0x010E] = "SECRET PLACE"
    sent = await ana.send("POST", "/api/files", raw=picture((20, 10), exif=exif), headers={"x-file-name": "photo.jpg"})
    assert (sent.json()["width"], sent.json()["height"], sent.json()["type"]) == (20, 10, "image/jpeg")
    shown = await ana.get(f"/files/{sent.json()['token']}")
    assert b"SECRET" not in shown.body and shown.headers["content-type"] == "image/jpeg"
    exif[0x0112] = 6  # lies on its side
    turned = await ana.send("POST", "/api/files", raw=picture((20, 10), exif=exif))
    assert (turned.json()["width"], turned.json()["height"]) == (10, 20)
    bomb = await ana.send("POST", "/api/files", raw=picture((20_000, 3_000), "PNG"))
    assert (bomb.status, bomb.code) == (422, "bad_image")


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
async def test_a33_an_animation_keeps_its_frames_and_times_and_loses_all_else(online: Online, kind: str) -> None:
    from PIL import Image, ImageSequence
    from PIL.PngImagePlugin import PngInfo

    ana = await online.agent("ana", socket=False)
    exif, text = Image.Exif(), PngInfo()
    exif[0x010E] = "SECRET PLACE"
    text.add_text("Comment", "SECRET")
    remarks: dict[str, dict[str, Any]] = {
        "GIF": {"comment": b"SECRET"},
        "PNG": {"exif": exif, "pnginfo": text},
        "WEBP": {"exif": exif.tobytes(), "xmp": b"SECRET"},
    }

    def film(count: int, side: int = 12) -> bytes:
        frames = [Image.new("RGB", (side, side), (37 * n % 251, 40, 90)) for n in range(count)]
        out, times = BytesIO(), [50 + 10 * (n % 3) for n in range(count)]
        frames[0].save(out, kind, save_all=True, append_images=frames[1:], duration=times, loop=0, **remarks[kind])
        return out.getvalue() + b"SECRET behind the end"

    sent = await ana.send("POST", "/api/files", raw=film(4), headers={"x-file-name": "film"})
    assert (sent.status, sent.json()["width"], sent.json()["height"]) == (200, 12, 12), sent
    shown = await ana.get(f"/files/{sent.json()['token']}")
    assert b"SECRET" not in shown.body
    with Image.open(BytesIO(shown.body)) as image:
        frames = [(frame.convert("RGB"), frame.info["duration"]) for frame in ImageSequence.Iterator(image)]
    assert [time for _, time in frames] == [50, 60, 70, 50]
    for n, (frame, _) in enumerate(frames):
        colour: Any = frame.getpixel((5, 5))
        assert max(abs(a - b) for a, b in zip(colour, (37 * n, 40, 90), strict=True)) < 12
    for bomb in (film(201), film(150, 600)):
        refused = await ana.send("POST", "/api/files", raw=bomb)
        assert (refused.status, refused.code) == (422, "bad_image")


async def test_a17_ten_thousand_ranges_are_answered_quickly(online: Online) -> None:
    _, ana, token = await a_file(online, b"x" * 100_000)
    ranges = "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 6_000, 2))
    for path in (f"/files/{token}", "/widget/loader.js", "/static/console/index.html"):
        started = time.perf_counter()
        answer = await ana.get(path, headers={"range": ranges})
        assert answer.status in (200, 206, 400, 404, 416, 431, 503), answer.status
        assert len(answer.body) < 2_000_000 and time.perf_counter() - started < 1.5


async def test_an_upload_larger_than_allowed_is_refused_before_it_is_read_and_a_lying_length_helps_nobody(
    tmp_path: Path,
) -> None:
    async with open_online(tmp_path / "data", max_upload_mb=1) as online:
        ana = await online.agent("ana", socket=False)
        large = await ana.send("POST", "/api/files", raw=b"x" * (1024 * 1024 + 1))
        assert (large.status, large.code) == (413, "too_large")
        assert (await ana.send("POST", "/api/files", raw=b"x" * 1024 * 1024)).status == 200

        async def endless() -> Any:
            for _ in range(40):
                yield b"x" * 65_536

        import aiohttp

        try:
            async with online.http.post(
                online.url + "/api/files", data=endless(), headers={"cookie": ana.cookie, "origin": online.url}
            ) as got:
                assert got.status == 413
        except aiohttp.ClientOSError:
            pass  # it hung up in the middle, which is an answer, too
        assert not list(online.app.settings.files_dir().rglob("*.part"))


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("C%3A%5Cusers%5Cx.png", "x.png"),
        ("a%00b.txt", "ab.txt"),
        ("%E2%80%AEgnp.exe", "gnp.exe"),
        ("a%0D%0AX-Evil%3A1.txt", "a X-Evil:1.txt"),
        ("%22quote%22.txt", "'quote'.txt"),
        ("...", "file"),
        ("%ff%fe.txt", "\ufffd\ufffd.txt"),
        ("x" * 3_000, "x" * 120),
        (".htaccess", "htaccess"),
    ],
)
async def test_p3_a_files_name_is_a_name_and_no_path(online: Online, sent: str, shown: str) -> None:
    ana = await online.agent("ana", socket=False)
    answer = await ana.send("POST", "/api/files", raw=b"x", headers={"x-file-name": sent})
    assert answer.json()["name"] == shown
    served = await ana.get(f"/files/{answer.json()['token']}")
    assert "\n" not in served.headers["content-disposition"] and "x-evil" not in served.headers


# --- H4, C9: headers of what is served --------------------------------------------------------------------


async def test_h4_only_a_configured_site_may_read_the_widgets_settings(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    now = (await olga.get("/api/settings/widget")).json()
    await olga.send("PUT", "/api/settings/widget", {**now, "sites": ["https://good.example"]})
    good = await online.get(
        "/widget/config", headers={"origin": "https://good.example", "sec-fetch-site": "cross-site"}
    )
    assert good.status == 200 and good.headers["access-control-allow-origin"] == "https://good.example"
    assert "access-control-allow-credentials" not in good.headers and good.headers["vary"].lower() == "origin"
    assert "sites" not in good.json()
    for origin in ("https://evil.test", "null", "https://good.example.evil.test", "http://good.example"):
        bad = await online.get("/widget/config", headers={"origin": origin})
        assert bad.status == 403 and "access-control-allow-origin" not in bad.headers


async def test_every_answer_of_the_api_is_private_and_not_sniffed(online: Online) -> None:
    ana = await online.agent("ana", socket=False)
    for path in ("/api/tickets", "/api/session", "/api/nothing", "/api/tickets/4711"):
        answer = await ana.get(path)
        assert answer.headers["cache-control"] == "no-store" and answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers


async def test_health_says_nothing_of_the_inside(online: Online) -> None:
    assert (await online.get("/healthz")).body == b"ok" and (await online.get("/readyz")).body == b"ready"


async def test_metrics_are_served_to_who_has_the_token_only(tmp_path: Path) -> None:
    async with open_online(tmp_path / "data", metrics=True, metrics_token="a-token-of-the-tests") as online:
        assert (await online.get("/metrics")).status == 404
        assert (await online.get("/metrics", headers={"authorization": "Bearer wrong"})).status == 404
        good = await online.get("/metrics", headers={"authorization": "Bearer a-token-of-the-tests"})
        assert good.status == 200 and b"threadline_writer_batch_functions" in good.body
