"""Every bad request gets the response listed in `tests/bad_inputs.md`, and no internal detail leaks."""

from __future__ import annotations

import asyncio
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.edge.cases import requests
from tests.edge.test_bad_frames import leaks
from tests.online import Answer, Online, open_online
from tests.services import overbooked

FLOOR = 180  # fewer cases prove nothing


def test_there_are_many_cases_with_unique_names() -> None:
    assert len(requests.ALL) + len(requests.BYTES) >= FLOOR
    for cases in (requests.ALL, requests.BYTES):
        names = [case.id for case in cases]
        assert len(set(names)) == len(names)


def is_our_error(answer: Answer) -> bool:
    """Checks the form of an error: code, sentence, and a reference for the log."""
    error = answer.json()["error"]
    return (
        error["code"] and error["message"].endswith((".", "!", "?", ":")) | (len(error["message"]) > 5) and error["ref"]
    )


async def test_a_bad_request_gets_its_response_and_the_next_good_one_works(
    online: Online, subtests: pytest.Subtests
) -> None:
    _, ticket = await online.world.conversation()
    people = {name: (await online.agent(name, socket=False)).cookie for name in ("ana", "olga")}
    for n, case in enumerate(requests.ALL):
        with subtests.test(case.id):
            headers: dict[str, str | None] = {"cookie": people.get(case.caller), **case.headers}
            path = case.path.replace("{ticket}", str(ticket.id))
            body = case.body
            if (
                case.method == "PUT" and case.path == requests.WIDGET_PATH
            ):  # with a valid version, only the rest is invalid
                now = await online.get(path, headers={"cookie": people["olga"]})
                body = {**body, "version": now.json()["version"]}
            answer = await send_as_it_is(online, case.method, path, body, headers, case.raw)
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
                list_response = await online.get("/api/tickets", headers={"cookie": people["ana"]})
                assert list_response.status == 200 and list_response.json()["tickets"]


async def send_as_it_is(online: Online, method: str, path: str, body: Any, headers: Any, raw: bytes | None) -> Answer:
    """Sends a request without a client that would normalise the path."""
    import aiohttp
    import orjson
    from yarl import URL

    sent = {"origin": online.url, "sec-fetch-site": "same-origin", **headers}
    if body is not None:
        sent["content-type"] = "application/json"
        raw = orjson.dumps(body)
    present = {name: value for name, value in sent.items() if value is not None}
    skip = frozenset({"content-type", "accept-encoding"})
    url = URL(online.url + path, encoded=True)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), skip_auto_headers=skip) as http:
        try:
            async with http.request(method, url, data=raw, headers=present, allow_redirects=False) as response:
                return Answer(
                    response.status, {k.lower(): v for k, v in response.headers.items()}, await response.read()
                )
        except aiohttp.ServerDisconnectedError:
            return Answer(400, {}, b"")


async def test_invalid_http_bytes_are_refused(online: Online, subtests: pytest.Subtests) -> None:
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


# --- A9, H7: concurrent requests ------------------------------------------------------------------------


async def test_h7_a_repeated_key_is_the_same_reply_or_a_conflict_even_concurrently(
    online: Online,
) -> None:
    _, ticket = await online.world.conversation()
    ana = await online.agent("ana", socket=False)
    path = f"/api/tickets/{ticket.id}/reply"
    results = await asyncio.gather(*(ana.post(path, {"key": "key-aaaa", "text": "Once"}) for _ in range(8)))
    assert {answer.status for answer in results} == {200}
    assert len({answer.json()["entry"]["seq"] for answer in results}) == 1
    second_reply = await ana.post(path, {"key": "key-aaaa", "text": "Twice"})
    assert (second_reply.status, second_reply.code) == (409, "idempotency_conflict")


async def test_a9_concurrent_close_assign_and_reply_end_in_one_state(online: Online) -> None:
    _, ticket = await online.world.conversation()
    ana, ben = await online.agent("ana", socket=False), await online.agent("ben", socket=False)
    path = f"/api/tickets/{ticket.id}"
    results = await asyncio.gather(
        *(agent.post(f"{path}/close", {"key": online.key()}) for agent in (ana, ben)),
        *(agent.post(f"{path}/assign", {"key": online.key(), "user": agent.id}) for agent in (ana, ben)),
        *(agent.post(f"{path}/reply", {"key": online.key(), "text": "Hello"}) for agent in (ana, ben)),
    )
    assert {answer.status for answer in results} == {200}
    await online.world.advance(seconds=5)
    late_reply = await ana.post(f"{path}/reply", {"key": online.key(), "text": "Too late"})
    assert (late_reply.status, late_reply.code) == (409, "chat_ended")
    assert (await online.world.ticket(ticket)).assignee in (ana.id, ben.id)


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


async def test_w25_a_file_is_readable_only_in_its_conversation_and_by_the_team(online: Online) -> None:
    zoe, ana, token = await a_file(online, b"private")
    yan = await online.visitor()
    await yan.says("Hello")
    own_file = await online.get(f"/files/{token}", headers={"authorization": f"Bearer {zoe.token}"})
    assert (own_file.status, own_file.body) == (200, b"private")
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


async def test_a_notes_file_is_never_readable_by_the_visitor(online: Online) -> None:
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
async def test_a33_a_file_that_is_no_picture_is_served_only_as_a_download(
    online: Online, data: bytes, name: str
) -> None:
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


async def test_a33_pictures_are_re_encoded_without_locations_and_bombs_are_refused(online: Online) -> None:
    from PIL import Image

    ana = await online.agent("ana", socket=False)

    def picture(size: tuple[int, int], kind: str = "JPEG", **more: Any) -> bytes:
        buffer = BytesIO()
        Image.new("RGB", size, "red").save(buffer, kind, **more)
        return buffer.getvalue()

    exif = Image.Exif()
    exif[0x010E] = "SECRET PLACE"
    sent = await ana.send("POST", "/api/files", raw=picture((20, 10), exif=exif), headers={"x-file-name": "photo.jpg"})
    assert (sent.json()["width"], sent.json()["height"], sent.json()["type"]) == (20, 10, "image/jpeg")
    download = await ana.get(f"/files/{sent.json()['token']}")
    assert b"SECRET" not in download.body and download.headers["content-type"] == "image/jpeg"
    exif[0x0112] = 6  # an EXIF orientation that rotates the picture
    turned = await ana.send("POST", "/api/files", raw=picture((20, 10), exif=exif))
    assert (turned.json()["width"], turned.json()["height"]) == (10, 20)
    bomb = await ana.send("POST", "/api/files", raw=picture((20_000, 3_000), "PNG"))
    assert (bomb.status, bomb.code) == (422, "bad_image")


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
async def test_a33_an_animation_keeps_only_its_frames_and_times(online: Online, kind: str) -> None:
    from PIL import Image, ImageSequence
    from PIL.PngImagePlugin import PngInfo

    ana = await online.agent("ana", socket=False)
    exif, text = Image.Exif(), PngInfo()
    exif[0x010E] = "SECRET PLACE"
    text.add_text("Comment", "SECRET")
    metadata: dict[str, dict[str, Any]] = {
        "GIF": {"comment": b"SECRET"},
        "PNG": {"exif": exif, "pnginfo": text},
        "WEBP": {"exif": exif.tobytes(), "xmp": b"SECRET"},
    }

    def film(count: int, side: int = 12) -> bytes:
        frames = [Image.new("RGB", (side, side), (37 * n % 251, 40, 90)) for n in range(count)]
        buffer, times = BytesIO(), [50 + 10 * (n % 3) for n in range(count)]
        frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], duration=times, loop=0, **metadata[kind])
        return buffer.getvalue() + b"SECRET behind the end"

    sent = await ana.send("POST", "/api/files", raw=film(4), headers={"x-file-name": "film"})
    assert (sent.status, sent.json()["width"], sent.json()["height"]) == (200, 12, 12), sent
    download = await ana.get(f"/files/{sent.json()['token']}")
    assert b"SECRET" not in download.body
    with Image.open(BytesIO(download.body)) as image:
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
        assert len(answer.body) < 2_000_000 and time.perf_counter() - started < 1.5 * overbooked()


async def test_an_upload_over_the_limit_is_refused_whatever_its_content_length_says(
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
            ) as response:
                assert response.status == 413
        except aiohttp.ClientOSError:
            pass  # the server closed the connection during the upload, which is a valid response
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
        ("x" * 3_000, "x" * 119 + "…"),
        (".htaccess", "htaccess"),
    ],
)
async def test_p3_a_file_name_cannot_be_a_path(online: Online, sent: str, shown: str) -> None:
    ana = await online.agent("ana", socket=False)
    answer = await ana.send("POST", "/api/files", raw=b"x", headers={"x-file-name": sent})
    assert answer.json()["name"] == shown
    download = await ana.get(f"/files/{answer.json()['token']}")
    assert "\n" not in download.headers["content-disposition"] and "x-evil" not in download.headers


# --- H4, C9: response headers -----------------------------------------------------------------------------


async def test_h4_only_a_configured_site_may_read_the_widgets_settings(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    now = (await olga.get("/api/settings/widget")).json()
    await olga.send("PUT", "/api/settings/widget", {**now, "sites": ["https://good.example"]})
    allowed = await online.get(
        "/widget/config", headers={"origin": "https://good.example", "sec-fetch-site": "cross-site"}
    )
    assert allowed.status == 200 and allowed.headers["access-control-allow-origin"] == "https://good.example"
    assert "access-control-allow-credentials" not in allowed.headers and allowed.headers["vary"].lower() == "origin"
    assert "sites" not in allowed.json()
    for origin in ("https://evil.test", "null", "https://good.example.evil.test", "http://good.example"):
        refused = await online.get("/widget/config", headers={"origin": origin})
        assert refused.status == 403 and "access-control-allow-origin" not in refused.headers


async def test_every_answer_of_the_api_is_private_and_not_sniffed(online: Online) -> None:
    ana = await online.agent("ana", socket=False)
    for path in ("/api/tickets", "/api/session", "/api/nothing", "/api/tickets/4711"):
        answer = await ana.get(path)
        assert answer.headers["cache-control"] == "no-store" and answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers


async def test_health_reveals_no_internals(online: Online) -> None:
    assert (await online.get("/healthz")).body == b"ok" and (await online.get("/readyz")).body == b"ready"


async def test_metrics_need_the_token(tmp_path: Path) -> None:
    async with open_online(tmp_path / "data", metrics=True, metrics_token="a-token-of-the-tests") as online:
        assert (await online.get("/metrics")).status == 404
        assert (await online.get("/metrics", headers={"authorization": "Bearer wrong"})).status == 404
        allowed = await online.get("/metrics", headers={"authorization": "Bearer a-token-of-the-tests"})
        assert allowed.status == 200 and b"threadline_writer_batch_functions" in allowed.body


async def test_without_a_token_metrics_are_served_only_to_this_machine_and_not_through_a_proxy(tmp_path: Path) -> None:
    async with open_online(tmp_path / "data", metrics=True) as online:
        assert (await online.get("/metrics")).status == 200
        assert (await online.get("/metrics", headers={"host": "localhost:9"})).status == 200
        for passed_on in (
            {"host": "chat.example.com"}, {"x-real-ip": "8.8.8.8"}, {"forwarded": "for=8.8.8.8"}, {"via": "1.1 proxy"},
            {"x-forwarded-proto": "https"}, {"x-forwarded-host": "chat.example.com"}, {"x-forwarded-for": "127.0.0.1"},
        ):  # fmt: skip
            assert (await online.get("/metrics", headers=passed_on)).status == 404, passed_on
