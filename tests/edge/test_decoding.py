"""Pictures are decoded in child processes with limits, two at a time; a failure of one affects no other request."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from PIL import Image

from server.errors import Busy, Refused, StorageFull
from server.files import decoding, pictures
from tests.online import Online


def picture(kind: str = "JPEG", size: tuple[int, int] = (20, 10), **more: Any) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", size, "red").save(buffer, kind, **more)
    return buffer.getvalue()


async def decoded(folder: Path, data: bytes, name: str = "a") -> decoding.Decoded:
    source = folder / f"{name}.part"
    source.write_bytes(data)
    return await decoding.decode(source, folder / f"{name}.new.part")


def replace_decoder(monkeypatch: pytest.MonkeyPatch, folder: Path, program: str) -> None:
    """Runs another program instead of the decoder."""
    path = folder / "decoder.py"
    path.write_text(dedent(program))
    monkeypatch.setattr(decoding, "_PROGRAM", str(path))


async def test_a_picture_is_decoded_in_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(data: bytes) -> None:
        raise AssertionError("decoded in the server")

    monkeypatch.setattr(pictures, "rewrite", fail)
    assert await decoded(tmp_path, picture()) == decoding.Decoded("image/jpeg", 20, 10)
    with Image.open(tmp_path / "a.new.part") as image:
        assert image.size == (20, 10)
    assert (tmp_path / "a.new.part").stat().st_mode & 0o777 == 0o600


async def test_at_most_two_pictures_are_decoded_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "running").mkdir()
    replace_decoder(
        monkeypatch,
        tmp_path,
        f"""
        import json, os, pathlib, time
        folder = pathlib.Path({str(tmp_path / "running")!r})
        mine = folder / str(os.getpid())
        mine.touch()
        most = 0
        for _ in range(20):
            most = max(most, len(list(folder.iterdir())))
            time.sleep(0.005)
        mine.unlink()
        print(json.dumps({{"type": "image/png", "width": most, "height": 1}}))
        """,
    )
    result = await asyncio.gather(*(decoded(tmp_path, b"x", str(n)) for n in range(6)))
    assert max(item.width for item in result) == 2


def run_limited(statements: str) -> subprocess.CompletedProcess[str]:
    """The output of a process that runs under the decoder's limits."""
    code = f"from server.files import pictures; pictures._set_limits(); {statements}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])


def test_a_decoder_has_limited_memory_and_time_and_a_lower_priority() -> None:
    assert "MemoryError" in run_limited("bytearray(2 << 30)").stderr
    assert run_limited("bytearray(400 << 20); print('fits')").stdout == "fits\n"
    assert run_limited("import os; print(os.nice(0))").stdout == f"{min(os.nice(0) + 10, 19)}\n"
    bounds = "[resource.getrlimit(what)[0] for what in (resource.RLIMIT_CPU, resource.RLIMIT_CORE)]"
    assert run_limited(f"import resource; print({bounds})").stdout == "[20, 0]\n"


async def test_a_refused_picture_has_a_clear_message(tmp_path: Path) -> None:
    for data, message in (
        (picture("PNG", (5000, 4001)), pictures.TOO_LARGE),
        (picture()[:200], pictures.DAMAGED),
    ):
        with pytest.raises(Refused, match="picture") as refused:
            await decoded(tmp_path, data)
        assert (refused.value.code, refused.value.message) == ("bad_image", message)


async def test_a_picture_that_cannot_be_written_is_not_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(picture())
    with pytest.raises(StorageFull):
        await decoding.decode(tmp_path / "a.part", tmp_path / "nowhere" / "a.new.part")


@pytest.mark.parametrize("crash", [signal.SIGSEGV, signal.SIGABRT, signal.SIGXCPU, signal.SIGKILL])
async def test_a_picture_that_crashes_the_decoder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash: signal.Signals
) -> None:
    replace_decoder(monkeypatch, tmp_path, f"import os; os.kill(os.getpid(), {int(crash)})")
    with pytest.raises(Refused) as refused:
        await decoded(tmp_path, b"x")
    assert refused.value.code == "bad_image"


async def test_a_decoder_killed_from_outside_asks_to_try_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_decoder(monkeypatch, tmp_path, f"import os; os.kill(os.getpid(), {int(signal.SIGTERM)})")
    with pytest.raises(Busy):
        await decoded(tmp_path, b"x")


async def test_a_decoder_that_cannot_start_is_a_server_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_decoder(monkeypatch, tmp_path, "import nothing_of_this_name")
    with pytest.raises(RuntimeError, match="nothing_of_this_name"):
        await decoded(tmp_path, b"x")


def waits(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """A decoder that never ends. It writes a line to a pipe when it begins, and the pipe closes when it dies."""
    os.mkfifo(folder / "pipe")
    replace_decoder(
        monkeypatch,
        folder,
        f"""
        import signal
        pipe = open({str(folder / "pipe")!r}, "w", buffering=1)
        pipe.write("begun\\n")
        signal.pause()
        """,
    )
    return folder / "pipe"


async def test_a_decoder_that_never_ends_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = waits(monkeypatch, tmp_path)
    monkeypatch.setattr(decoding, "TIMEOUT_S", 1.0)
    output = asyncio.create_task(asyncio.to_thread(pipe.read_text))
    with pytest.raises(Busy) as refused:
        await decoded(tmp_path, b"x")
    assert refused.value.retry_after == 10 and await output == "begun\n"


async def test_a_decoder_is_killed_when_its_request_is_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = waits(monkeypatch, tmp_path)
    waiting = asyncio.create_task(decoded(tmp_path, b"x"))
    with await asyncio.to_thread(pipe.open) as output:
        assert await asyncio.to_thread(output.readline) == "begun\n"
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await asyncio.to_thread(output.read) == ""


async def test_a_decoder_knows_no_secret_of_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {"THREADLINE_SECRET_KEY": "k" * 40, "DATABASE_URL": "postgresql://u:p@h/d", "REDIS_URL": "redis://:p@h"}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    program = 'import json, os; print(json.dumps({"type": " ".join(os.environ), "width": 1, "height": 1}))'
    replace_decoder(monkeypatch, tmp_path, program)
    variables = (await decoded(tmp_path, b"x")).type.split()
    assert "PYTHONPATH" in variables and not set(secrets) & set(variables)


async def test_a_photo_of_several_pictures_is_a_jpeg_for_agents_and_visitors(online: Online) -> None:
    buffer = BytesIO()
    Image.new("RGB", (20, 10), "red").save(buffer, "MPO", save_all=True, append_images=[Image.new("RGB", (20, 10))])
    ana = await online.agent("ana", socket=False)
    sent = await ana.send("POST", "/api/files", raw=buffer.getvalue(), headers={"x-file-name": "photo.jpg"})
    assert (sent.status, sent.json()["type"], sent.json()["width"]) == (200, "image/jpeg", 20), sent
    with Image.open(BytesIO((await ana.get(f"/files/{sent.json()['token']}")).body)) as image:
        assert image.format == "JPEG" and image.convert("RGB").getpixel((5, 5)) > (200, 0, 0)


async def test_a_refused_picture_leaves_nothing_on_the_disk(online: Online) -> None:
    ana = await online.agent("ana", socket=False)
    for data in (picture()[:200], picture("PNG", (5000, 4001)), b"RIFF\0\0\0\0WEBPVP8 ", b"\xff\xd8\xff"):
        refused = await ana.send("POST", "/api/files", raw=data)
        assert (refused.status, refused.code) == (422, "bad_image")
    assert not [path for path in online.app.settings.files_dir().rglob("*") if path.is_file()]
