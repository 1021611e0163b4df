"""The display name of a file keeps its extension (P3)."""

from __future__ import annotations

import pytest

from server.files.storage import MAX_NAME, clean_name


@pytest.mark.parametrize("length", [121, 199, 200, 201, 260, 5_000])
def test_a_name_that_is_too_long_keeps_its_extension(length: int) -> None:
    name = clean_name("a" * (length - 4) + ".pdf")
    assert len(name) == MAX_NAME and name.endswith("a….pdf")


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("a" * 120, "a" * 120),
        ("v1.2 " + "b" * 300, "v1.2 " + "b" * 114 + "…"),
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\me.jpg", "me.jpg"),
        ("", "file"),
    ],
)
def test_other_names_stay_readable(raw: str, name: str) -> None:
    assert clean_name(raw) == name
