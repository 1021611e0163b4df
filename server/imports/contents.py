"""Recognises what a file is by its content, never by its name, and checks containers before they are opened.

Runs in the child process. `BadFile` has a stable code and a sentence for the user.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_MEMBERS = 100  # files of a ZIP
MAX_PARTS = 5_000  # of an XLSX
CHUNK = 1 << 20


class BadFile(Exception):
    """`params`: numbers and names that the sentence needs in another language."""

    def __init__(self, code: str, message: str, **params: str | int) -> None:
        super().__init__(message)
        self.code, self.message, self.params = code, message, params


@dataclass(frozen=True, slots=True)
class Limits:
    """`unpacked`: bytes that all files of a ZIP may have together. `rows`: of the whole import."""

    unpacked: int = 512 << 20
    rows: int = 2_000_000


_OTHER_KINDS = (
    (b"%PDF-", "PDF"),
    (b"\x89PNG\r\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"\x1f\x8b", "GZIP"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"Rar!\x1a\x07", "RAR"),
    (b"SQLite format 3\0", "SQLite"),
    (b"{\\rtf", "RTF"),
    (b"\x7fELF", "program"),
    (b"MZ\x90", "program"),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_OLE = "EncryptedPackage".encode("utf-16-le")


def kind_of(path: Path) -> str:
    """ "text", "xlsx", "xls" or "zip". Raises `BadFile` for everything else, and names what it is."""
    with path.open("rb") as file:
        head = file.read(4096)
    if not head.strip(b"\0 \t\r\n\xef\xbb\xbf\xff\xfe"):
        if path.stat().st_size <= len(head):
            raise BadFile("empty_file", "This file is empty.")
    if head.startswith(b"PK"):
        return _kind_of_zip(path)
    if head.startswith(_OLE):
        if _contains(path, _ENCRYPTED_OLE):
            raise BadFile("encrypted", "This file is protected by a password. Remove the password and upload it again.")
        return "xls"
    other_kind(head)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:200].lower()
    if start.startswith((b"<!doctype html", b"<html", b"<table", b"<head")):
        raise _other("HTML")
    if start.startswith(b"<?xml"):
        raise _other("XML")
    return "text"


def other_kind(head: bytes) -> None:
    """Raises `BadFile` if a file that begins so is certainly no table."""
    for start, name in _OTHER_KINDS:
        if head.startswith(start):
            raise _other(name)


def _other(name: str) -> BadFile:
    message = f"This is {'an' if name[0] in 'HRSX' else 'a'} {name} file. Upload CSV, TXT, XLS, XLSX or a ZIP of them."
    return BadFile("not_a_table", message, kind=name)


def _contains(path: Path, needle: bytes) -> bool:
    with path.open("rb") as file:
        rest = b""
        while chunk := file.read(CHUNK):
            if needle in rest + chunk:
                return True
            rest = chunk[-len(needle) :]
    return False


DAMAGED = "This file is damaged or cut off. Export it again."
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    NotImplementedError,
    ValueError,
    RuntimeError,
    IndexError,
)


def _kind_of_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            _check_entries(path, parts)
            names = {part.filename for part in parts}
            if "[Content_Types].xml" not in names:
                return "zip"
            if any(name.startswith("word/") for name in names):
                raise _other("Word")
            if not any(name.startswith("xl/") for name in names):
                raise _other("Office")
            if any(name.endswith("vbaProject.bin") for name in names):
                raise BadFile("macros", "This workbook contains macros. Save it as XLSX without macros.")
            if len(parts) > MAX_PARTS:
                raise BadFile("too_many_parts", "This workbook has too many parts. Export only the sheet you need.")
            _refuse_entities(archive, parts)
            return "xlsx"
    except _ZIP_ERRORS:
        raise BadFile("damaged_file", DAMAGED) from None


def _check_entries(path: Path, parts: list[zipfile.ZipInfo]) -> None:
    """Refuses passwords, and entries that overlap: their sizes say nothing about what unpacking gives (CVE-2024-0450)."""
    if any(part.flag_bits & 1 for part in parts):
        raise BadFile("encrypted", "This file is protected by a password. Remove the password and upload it again.")
    end = 0
    for part in sorted(parts, key=lambda part: part.header_offset):
        if part.header_offset < end:
            raise BadFile("damaged_file", DAMAGED)
        end = part.header_offset + 30 + len(part.filename.encode("utf-8", "replace")) // 4 + part.compress_size
    if end > path.stat().st_size:
        raise BadFile("damaged_file", DAMAGED)


def _refuse_entities(archive: zipfile.ZipFile, parts: list[zipfile.ZipInfo]) -> None:
    """A document type can define entities that grow without bound; no spreadsheet program writes one."""
    for part in parts:
        if part.filename.endswith((".xml", ".rels")):
            with archive.open(part) as file:
                if b"<!DOCTYPE" in file.read(4096).upper():
                    raise BadFile(
                        "unsafe_file",
                        "This workbook contains definitions that no spreadsheet needs. Save it again as XLSX.",
                    )


@dataclass(frozen=True, slots=True)
class Member:
    """One unpacked file. `name` is only shown; the file has a name of our own."""

    name: str
    path: Path
    kind: str


def unpack(path: Path, folder: Path, limits: Limits) -> list[Member]:
    """Unpacks a ZIP of tables into `folder`, whatever sizes it claims. Raises `BadFile`."""
    members: list[Member] = []
    left = limits.unpacked
    try:
        with zipfile.ZipFile(path) as archive:
            for number, part in enumerate(_wanted(archive.infolist())):
                if stat.S_ISLNK(part.external_attr >> 16):
                    raise BadFile(
                        "link_in_zip", "This ZIP contains a link instead of a file. Pack the files themselves."
                    )
                target = folder / f"member-{number}"
                left = _copy(archive, part, target, left)
                name = part.filename.replace("\\", "/").rsplit("/", 1)[-1].partition("\0")[0][:120]
                if target.stat().st_size == 0:
                    continue
                kind = kind_of(target)
                if kind == "zip":
                    raise BadFile(
                        "nested_zip", f"There is another ZIP inside: {name}. Unpack it and pack its files.", name=name
                    )
                members.append(Member(name, target, kind))
    except _ZIP_ERRORS:
        raise BadFile("damaged_file", DAMAGED) from None
    if not members:
        raise BadFile("empty_file", "This ZIP contains no tables.")
    return members


def _wanted(parts: list[zipfile.ZipInfo]) -> Iterator[zipfile.ZipInfo]:
    wanted = [
        part
        for part in parts
        if not part.is_dir()
        and not part.filename.startswith("__MACOSX/")
        and not part.filename.replace("\\", "/").rsplit("/", 1)[-1].startswith((".", "Thumbs.db"))
    ]
    if len(wanted) > MAX_MEMBERS:
        raise BadFile("too_many_files", f"This ZIP contains more than {MAX_MEMBERS} files.", most=MAX_MEMBERS)
    yield from wanted


def _copy(archive: zipfile.ZipFile, part: zipfile.ZipInfo, target: Path, left: int) -> int:
    with archive.open(part) as source, target.open("wb") as file:
        while chunk := source.read(CHUNK):
            left -= len(chunk)
            if left < 0:
                raise BadFile("too_large_unpacked", "The files in this ZIP are too large when unpacked. Split them.")
            file.write(chunk)
    return left
