"""Files generated from the server's models are up to date."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_typescript_types_match_the_servers_models() -> None:
    venv = ROOT / ".venv" / "bin"
    path = f"{venv}{os.pathsep}{os.environ.get('PATH', '')}"
    node = shutil.which("node", path=path)
    if node is None or not (ROOT / "agents_ui" / "node_modules").is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail("NOT RUN, NO NODE: in CI the generated types must be compared", pytrace=False)
        pytest.skip("NOT RUN, NO NODE: `make check` sets it up")
    ran = subprocess.run(
        [node, "scripts/types.mjs", "--check"],
        cwd=ROOT / "agents_ui", capture_output=True, text=True, check=False, env={**os.environ, "PATH": path},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr  # the output names the command that renews the files
