"""`threadline import` against a running server."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from tests.running import running, threadline


def test_the_command_rehearses_and_imports_through_the_running_server(tmp_path: Path) -> None:
    data, file, mapping = tmp_path / "data", tmp_path / "people.csv", tmp_path / "map.json"
    file.write_text("Email,Handy,Colour\nann@b.co,+14155550101,red\nbad@,,\n")
    mapping.write_text(json.dumps({"columns": {"Handy": "phone", "Colour": "property:Colour"}, "type": "add_update"}))
    with running(data):
        rehearsed = threadline(data, "import", str(file), "--map", str(mapping), "--rehearse")
        assert rehearsed.returncode == 0, rehearsed.stderr
        assert (
            "Handy → phone" in rehearsed.stdout
            and "1 new" in rehearsed.stdout
            and "Nothing was written." in rehearsed.stdout
        )
        assert "This is not a valid e-mail address." in rehearsed.stdout
        wrong = tmp_path / "wrong.json"
        wrong.write_text(json.dumps({"columns": {"Mobile": "phone"}}))
        refused = threadline(data, "import", str(file), "--map", str(wrong))
        assert refused.returncode == 1 and "no column 'Mobile'" in refused.stderr
        done = threadline(data, "import", str(file), "--map", str(mapping))
        assert done.returncode == 0 and "is done" in done.stdout, done.stdout + done.stderr
    with sqlite3.connect(data / "threadline.db") as database:
        assert database.execute("SELECT email, phone FROM contacts WHERE email = 'ann@b.co'").fetchall() == [
            ("ann@b.co", "+14155550101")
        ]
    stopped = threadline(data, "import", str(file))
    assert stopped.returncode == 1 and "No server is running" in stopped.stderr
