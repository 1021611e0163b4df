"""Reading of import files: separators, quotes, encodings, spreadsheets, ZIPs, and files that are refused (I1, I3, I4, I12, I13,
I15, I16, I18, I19, I21, I22)."""

from __future__ import annotations

import io
import struct
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import xlsxwriter

from server.imports.contents import BadFile, Limits
from server.imports.encodings import detect
from server.imports.mapping import Reading
from server.imports.reading import read

TEXTS = {
    "ko": ("cp949", "이메일,이름,도시\na@b.kr,김민준,서울특별시\nb@b.kr,이서연,부산광역시\n"),
    "pl": ("cp1250", "E-mail,Imię,Miasto\na@b.pl,Łukasz Wójcik,Gdańsk\nb@b.pl,Żaneta Kowalska,Łódź\n"),
    "ru": ("cp1251", "Почта,Имя,Город\na@b.ru,Иван Петров,Москва\nb@b.ru,Анна Кузнецова,Санкт-Петербург\n"),
    "ja": ("shift_jis", "メール,名前,都市\na@b.jp,田中太郎,東京都\nb@b.jp,さくら,大阪市\n"),
    "zh": ("gb18030", "邮箱,姓名,城市\na@b.cn,王小明,北京市\nb@b.cn,李丽,上海市浦东新区\n"),
    "fr": ("cp1252", "Courriel,Prénom\na@b.fr,Hélène Lefèvre\nb@b.fr,François\n"),
}


def reads(
    tmp_path: Path, name: str, data: bytes, limits: Limits | None = None, **reading: Any
) -> tuple[dict[str, Any], list[list[Any]]]:
    """What the reader describes, and the rows: line, why broken, cells."""
    source, rows = tmp_path / "source", tmp_path / "rows"
    source.write_bytes(data)
    described = read(source, name, tmp_path, rows, Reading(**reading), limits or Limits())
    return described, [orjson.loads(line)[1:] for line in rows.read_bytes().splitlines()]


def refused(tmp_path: Path, name: str, data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(BadFile) as raised:
        reads(tmp_path, name, data, limits)
    return raised.value.code


def workbook(fill: Any, **options: Any) -> bytes:
    data = io.BytesIO()
    book = xlsxwriter.Workbook(data, {"in_memory": True, **options})
    fill(book)
    book.close()
    return data.getvalue()


def zipped(*files: tuple[str | zipfile.ZipInfo, bytes | str]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return data.getvalue()


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("encoding", ["", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_the_encoding_is_detected_in_five_scripts(tmp_path: Path, language: str, encoding: str) -> None:
    own, text = TEXTS[language]
    encoding = encoding or own
    data = text.encode(encoding)
    expected = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le"}.get(encoding, encoding)
    assert detect(data).encoding == expected
    assert detect(data).certain == (encoding != own)
    described, rows = reads(tmp_path, "people.csv", data)
    assert described["columns"][0]["header"] == text.split(",")[0]  # without the byte order mark
    assert rows[0][2] == text.splitlines()[1].split(",")


def test_a_chosen_encoding_is_used_and_lost_bytes_are_visible(tmp_path: Path) -> None:
    data = TEXTS["pl"][1].encode("cp1250")
    _, rows = reads(tmp_path, "a.csv", data, encoding="utf-8")
    assert "\ufffd" in rows[0][2][1]
    _, rows = reads(tmp_path, "a.csv", data, encoding="cp1250")
    assert rows[0][2][1] == "Łukasz Wójcik"


@pytest.mark.parametrize(
    ("name", "text", "separator"),
    [
        ("a.csv", "Email,Name\na@b.co,A\n", ","),
        ("a.csv", "Email;Name\na@b.co;A\n", ";"),
        ("a.csv", "My export\n\nEmail;Name\na@b.co;A\n", ";"),
        ("a.txt", "Email\tName\na@b.co\tA\n", "\t"),
        ("a.csv", "Email|Name\na@b.co|A\n", "|"),
        ("a.csv", "sep=;\nEmail;Name\na@b.co;A\n", ";"),
        ("a.csv", "Email,Name\ra@b.co,A\r", ","),
        ("a.csv", '"Email","Name"\r\n"a@b.co","A"\r\n', ","),
    ],
)
def test_the_separator_is_detected(tmp_path: Path, name: str, text: str, separator: str) -> None:
    described, rows = reads(tmp_path, name, text.encode())
    assert described["files"][0]["separator"] == separator
    assert [column["header"] for column in described["columns"]] == ["Email", "Name"]
    assert [row[2] for row in rows] == [["a@b.co", "A"]]


def test_quotes_may_hold_separators_line_ends_and_quotes(tmp_path: Path) -> None:
    _, rows = reads(tmp_path, "a.csv", b'Email,Note\r\na@b.co,"one\n,two"\r\nb@b.co,"said ""hi"""\r\n')
    assert rows == [[2, "", ["a@b.co", "one\n,two"]], [4, "", ["b@b.co", 'said "hi"']]]


@pytest.mark.parametrize("following", [2, 500])
def test_an_unclosed_quote_costs_its_own_line_only(tmp_path: Path, following: int) -> None:
    lines = "".join(f"p{n}@b.co,x\n" for n in range(following))
    _, rows = reads(tmp_path, "a.csv", f'Email,Note\na@b.co,"open\n{lines}'.encode())
    assert [row[:2] for row in rows[:2]] == [[2, "unclosed_quote"], [3, ""]]
    assert [row[0] for row in rows] == list(range(2, following + 3))


def test_a_line_of_ten_megabytes_is_one_broken_row(tmp_path: Path) -> None:
    _, rows = reads(tmp_path, "a.csv", b"Email,Note\na@b.co," + b"x" * 10_000_000 + b"\nb@b.co,y\n")
    assert [row[:2] for row in rows] == [[2, "line_too_long"], [3, ""]]


def test_ragged_blank_and_nul(tmp_path: Path) -> None:
    _, rows = reads(tmp_path, "a.csv", b"Email,Name\na@b.co\n\n , \nb@b.co,B,,\nc@b.co,C,extra\n\0d@b.co,D\n")
    assert rows == [
        [2, "", ["a@b.co"]],
        [5, "", ["b@b.co", "B"]],
        [6, "too_many_cells", ["c@b.co", "C"]],
        [7, "", ["d@b.co", "D"]],
    ]


def test_duplicate_blank_and_look_alike_headers_are_marked(tmp_path: Path) -> None:
    header = "Phone ,phone,рhone,,Email"
    described, _ = reads(tmp_path, "a.csv", f"{header}\n1,2,3,4,a@b.co\n".encode())
    same = [column["same_as"] for column in described["columns"]]
    assert [column["header"] for column in described["columns"]] == ["Phone", "phone (2)", "рhone", "#4", "Email"]
    assert same == [None, 1, 0, None, None] and described["columns"][3]["unnamed"]


def test_a_file_without_headers_is_noticed_and_the_switch_overrules_it(tmp_path: Path) -> None:
    described, rows = reads(tmp_path, "a.txt", b"a@b.co\nb@b.co\n")
    assert (described["files"][0]["has_headers"], len(rows)) == (False, 2)
    described, rows = reads(tmp_path, "a.txt", b"a@b.co\nb@b.co\n", headers=True)
    assert (described["columns"][0]["header"], len(rows)) == ("a@b.co", 1)


@pytest.mark.parametrize("from_1904", [False, True])
def test_spreadsheets_give_dates_numbers_and_merged_cells_as_text(tmp_path: Path, from_1904: bool) -> None:
    def fill(book: Any) -> None:
        sheet, date = book.add_worksheet("People"), book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        sheet.merge_range("A1:D1", "Our people")
        sheet.write_row(1, 0, ["Email", "Phone", "When", "Team"])
        sheet.write_row(2, 0, ["a@b.co", 15550000000])
        sheet.write_datetime(2, 2, datetime(2024, 3, 1, 12, 30), date)
        sheet.write_row(3, 0, ["b@b.co", 4.477e20])
        sheet.merge_range("D3:D4", "Sales")
        book.add_worksheet("Secret").hide()

    described, rows = reads(tmp_path, "a.xlsx", workbook(fill, date_1904=from_1904))
    assert described["files"][0]["sheets"] == [{"name": "People", "hidden": False}, {"name": "Secret", "hidden": True}]
    assert described["files"][0]["skipped"] == 1
    assert rows == [
        [3, "", ["a@b.co", "15550000000", "2024-03-01 12:30:00", "Sales"]],
        [4, "", ["b@b.co", "4.477e+20", "", "Sales"]],
    ]


def test_another_sheet_can_be_chosen(tmp_path: Path) -> None:
    def fill(book: Any) -> None:
        for name in ("First", "Second"):
            book.add_worksheet(name).write_column(0, 0, ["Email", f"{name.lower()}@b.co"])

    _, rows = reads(tmp_path, "a.xlsx", workbook(fill), sheet="Second")
    assert rows == [[2, "", ["second@b.co"]]]


def test_a_zip_joins_its_files_by_header(tmp_path: Path) -> None:
    data = zipped(
        ("subscribed_members.csv", "Email Address,First Name\na@b.co,A\n"),
        ("unsubscribed_members.csv", "Email Address,UNSUB_TIME,First Name\nb@b.co,2024-01-01 00:00:00,B\n"),
        ("../../cleaned_members.csv", "Email Address,First Name\nc@b.co,C\n"),
        ("__MACOSX/._subscribed.csv", b"\0\5\26\7"),
    )
    described, rows = reads(tmp_path, "list.zip", data)
    assert [file["state"] for file in described["files"]] == ["subscribed", "unsubscribed", "bounced"]
    assert [file["name"] for file in described["files"]][2] == "cleaned_members.csv"
    assert [row[2] for row in rows] == [["a@b.co", "A"], ["b@b.co", "B", "2024-01-01 00:00:00"], ["c@b.co", "C"]]
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("member-")) == ["rows", "source"]


def _encrypted_zip() -> bytes:
    data = bytearray(zipped(("a.csv", "Email\na@b.co\n")))
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(signature) + offset] |= 1
    return bytes(data)


def _symlink() -> bytes:
    link = zipfile.ZipInfo("a.csv")
    link.external_attr = 0o120777 << 16
    return zipped((link, "/etc/passwd"))


def _overlapping() -> bytes:
    data = zipped(("a.csv", "Email\na@b.co\n"), ("b.csv", "Email\nb@b.co\n"))
    second = data.rindex(b"PK\1\2")
    return data[: second + 42] + struct.pack("<L", 0) + data[second + 46 :]  # both entries name the first file's bytes


_XLSX = workbook(lambda book: book.add_worksheet().write_column(0, 0, ["Email", "a@b.co"]))


def _with_part(name: str, content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(_XLSX)) as archive:
        parts = {part.filename: archive.read(part) for part in archive.infolist()}
    return zipped(*(parts | {name: content}).items())


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.csv", b"", "empty_file"),
        ("a.csv", b"\xef\xbb\xbf", "empty_file"),
        ("a.csv", b"\n\n  \n", "empty_file"),
        ("a.csv", b"Email,Name\n", "empty_file"),
        ("a.xlsx", b"%PDF-1.7 ...", "not_a_table"),
        ("a.xls", b"<html><table><tr><td>a@b.co", "not_a_table"),
        ("a.xlsx", b"\xff\xd8\xff\xe0 JPEG", "not_a_table"),
        ("a.xlsx", b"PK\3\4 cut off", "damaged_file"),
        ("a.xlsx", _XLSX[:-40], "damaged_file"),
        ("a.xlsx", _with_part("xl/vbaProject.bin", b"x"), "macros"),
        ("a.xlsx", _with_part("xl/sharedStrings.xml", b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><sst/>'), "unsafe_file"),
        ("a.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le"), "encrypted"),
        ("a.zip", _encrypted_zip(), "encrypted"),
        ("a.zip", zipped(("inner.zip", zipped(("a.csv", "Email\na@b.co\n")))), "nested_zip"),
        ("a.zip", zipped(("a.pdf", b"%PDF-1.7")), "not_a_table"),
        ("a.zip", _symlink(), "link_in_zip"),
        ("a.zip", _overlapping(), "damaged_file"),
        ("a.zip", zipped(*((f"{n}.csv", "Email\na@b.co\n") for n in range(101))), "too_many_files"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused_by_its_content(tmp_path: Path, name: str, data: bytes, code: str) -> None:
    assert refused(tmp_path, name, data) == code


def test_a_csv_with_the_name_of_a_spreadsheet_and_the_other_way_round_are_read(tmp_path: Path) -> None:
    assert reads(tmp_path, "a.xlsx", b"Email\na@b.co\n")[1] == [[2, "", ["a@b.co"]]]
    assert reads(tmp_path, "a.csv", _XLSX)[1] == [[2, "", ["a@b.co"]]]


def test_unpacking_stops_at_the_cap_whatever_sizes_the_zip_claims(tmp_path: Path) -> None:
    data = bytearray(zipped(("a.csv", b"Email\n" + b"a@b.co\n" * 500_000)))
    claimed = struct.pack("<L", 10)
    data[data.index(b"PK\1\2") + 24 : data.index(b"PK\1\2") + 28] = claimed
    assert refused(tmp_path, "a.zip", bytes(data), Limits(unpacked=1 << 20)) in ("too_large_unpacked", "damaged_file")
    big = zipped(("a.csv", b"Email\n" + b"a@b.co\n" * 500_000))
    assert refused(tmp_path, "a.zip", big, Limits(unpacked=1 << 20)) == "too_large_unpacked"


def test_one_value_in_the_last_cell_of_a_sheet_is_refused(tmp_path: Path) -> None:
    data = workbook(lambda book: book.add_worksheet().write("XFD1048576", "x"))
    assert refused(tmp_path, "a.xlsx", data) == "sheet_too_large"


def test_rows_are_limited(tmp_path: Path) -> None:
    assert refused(tmp_path, "a.csv", b"Email\na@b.co\nb@b.co\n", Limits(rows=1)) == "too_many_rows"


def test_a_column_has_the_type_of_all_its_cells(tmp_path: Path) -> None:
    lines = ["Email,When,Zip,Spent,Vip,Tags,Order"]
    lines += [f'p{n}@b.co,2024-03-01 10:00:00,0{n:04d},{n}.50,yes,"[""a""]",{n + 1}/{n + 1}/2024' for n in range(28)]
    described, _ = reads(tmp_path, "a.csv", "\n".join(lines).encode())
    by_header = {column["header"]: column for column in described["columns"]}
    assert {name: column["type"] for name, column in by_header.items()} == {
        "Email": "text", "When": "date", "Zip": "text", "Spent": "number", "Vip": "boolean", "Tags": "list", "Order": "text",
    }  # fmt: skip
    assert by_header["Email"]["emails"]


def test_slash_dates_ask_for_their_order_only_when_one_cannot_be_month_first(tmp_path: Path) -> None:
    described, _ = reads(
        tmp_path,
        "a.csv",
        b"Email,A,B\na@b.co,01/02/2024,01/02/2024\nb@b.co,03/04/2024,31/04/2024\nc@b.co,03/04/2024,31/12/2024\n",
    )
    first, second = described["columns"][1:]
    assert (first["asks_order"], second["asks_order"], second["day_first"]) == (False, True, True)
