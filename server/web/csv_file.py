"""A CSV file as a streamed response, for spreadsheets.

It begins with a byte order mark, without which Excel reads UTF-8 as another encoding. A cell that a spreadsheet would run as a
formula begins with an apostrophe, because strangers write some of the cells.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator, Sequence
from urllib.parse import quote

from starlette.responses import StreamingResponse

MEDIA_TYPE = "text/csv"
_FORMULA = re.compile(r"[\s\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")


def safe_cell(text: str) -> str:
    """The text as a cell that no spreadsheet runs; numbers, also of phones, stay as they are."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def csv_response(
    name: str, header: Sequence[str], pages: AsyncIterator[Sequence[Sequence[str | None]]]
) -> StreamingResponse:
    """Rows are read and sent a page at a time, so that a long file needs no memory."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b"\xef\xbb\xbf" + _lines([header])
        async for rows in pages:
            if rows:
                yield _lines(rows)

    disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    return StreamingResponse(
        chunks(),
        media_type=f"{MEDIA_TYPE}; charset=utf-8",
        headers={"content-disposition": disposition, "cache-control": "no-store", "x-content-type-options": "nosniff"},
    )


def _lines(rows: Sequence[Sequence[str | None]]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerows([[safe_cell(cell or "") for cell in row] for row in rows])
    return buffer.getvalue().encode()
