"""Modules that a start must not import, because they would make every start slower and larger
(docs/performance.md)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# Modules needed only sometimes are imported where they are used.
LATER = {
    "PIL": "pictures that are uploaded",
    "alembic": "migrations",
    "cryptography": "signed identities and sealed secrets",
    "email_validator": "addresses that are typed",
    "jinja2": "mails",
    "jwt": "signed identities",
    "mako": "migrations",
    "phonenumbers": "SMS",
    "psycopg": "PostgreSQL",
    "pygments": "tracebacks in colour",
    "redis": "several processes",
    "rich": "commands that print",
    "sqlalchemy.ext.asyncio": "nothing",
    "sqlalchemy.orm": "nothing",
    "twilio": "SMS",
    "ua_parser": "the panel beside a ticket",
    "yaml": "the panel beside a ticket",
}
STARTED = """
import sys
sys.argv = ["threadline", "serve"]
import server.__main__, server.serving, server.app
from server.kernel import sqlite
print(" ".join(sys.modules))
"""


def test_a_start_imports_no_module_that_is_needed_only_later() -> None:
    result = subprocess.run(
        [sys.executable, "-c", STARTED], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    loaded = set(result.stdout.split())
    assert "server.app" in loaded
    too_early = {name: reason for name, reason in LATER.items() if name in loaded}
    assert not too_early, "import these modules where they are needed, not at the start"
