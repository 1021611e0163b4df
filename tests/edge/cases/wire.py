"""Bytes that violate the WebSocket protocol, sent after a valid handshake and `hello`.

`code` is the code of the close frame that the server must send.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

MASK = b"\x37\xfa\x21\x3d"


def ws(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """One frame as a client sends it."""
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    flag = 0x80 if masked else 0
    size = len(payload)
    if size < 126:
        head += bytes([flag | size])
    elif size < 65_536:
        head += bytes([flag | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([flag | 127]) + size.to_bytes(8, "big")
    if not masked:
        return head + payload
    return head + MASK + bytes(byte ^ MASK[n % 4] for n, byte in enumerate(payload))


TEXT, BINARY, CLOSE, PING, PONG, CONT = 1, 2, 8, 9, 10, 0


@dataclass(frozen=True)
class Case:
    id: str
    sent: bytes
    codes: tuple[int, ...]


WIRE = [
    # W8: text that is not UTF-8
    Case("W8-lone-byte", ws(TEXT, b'{"type":"\xff"}'), (1007,)),
    Case("W8-overlong-slash", ws(TEXT, b"\xc0\xaf"), (1007,)),
    Case("W8-half-character", ws(TEXT, b"\xed\xa0\x80"), (1007,)),
    Case("W8-beyond-unicode", ws(TEXT, b"\xf4\x90\x80\x80"), (1007,)),
    Case("W8-cut-off", ws(TEXT, b"\xe2\x82"), (1007,)),
    Case("W8-in-a-fragment", ws(TEXT, b"abc", fin=False) + ws(CONT, b"\xff"), (1007,)),
    Case("W8-in-the-close-reason", ws(CLOSE, b"\x03\xe8\xff\xff"), (1002, 1007)),
    # W14: too large
    Case("W14-64-kb-and-one", ws(TEXT, b"x" * (65_536 + 1)), (1009,)),
    Case("W14-a-megabyte", ws(TEXT, b"x" * 2**20), (1009,)),
    Case("W14-announced-only", bytes([0x81, 0xFF]) + (2**40).to_bytes(8, "big") + MASK, (1009,)),
    Case("W14-binary", ws(BINARY, b"x" * (65_536 + 1)), (1009,)),
    Case("W14-in-two-fragments", ws(TEXT, b"x" * 40_000, fin=False) + ws(CONT, b"x" * 40_000), (1009,)),
    Case("W14-length-with-the-highest-bit", bytes([0x81, 0xFF]) + b"\xff" * 8 + MASK, (1002, 1009)),
    # W16: endless messages
    Case("W16-10000-fragments", ws(TEXT, b"x", fin=False) + ws(CONT, b"x", fin=False) * 10_000, (1009,)),
    Case("W16-empty-fragments", ws(TEXT, b"", fin=False) + ws(CONT, b"", fin=False) * 10_000, (1009,)),
    # W17: protocol violations
    Case("W17-unmasked", ws(TEXT, b'{"type":"ping"}', masked=False), (1002,)),
    Case("W17-unmasked-ping", ws(PING, b"", masked=False), (1002,)),
    *(Case(f"W17-reserved-bit-{rsv}", ws(TEXT, b"{}", rsv=rsv), (1002,)) for rsv in (1, 2, 4)),
    *(Case(f"W17-reserved-opcode-{op:x}", ws(op, b"{}"), (1002,)) for op in (3, 4, 7, 0xB, 0xF)),
    Case("W17-ping-of-126", ws(PING, b"x" * 126), (1002,)),
    Case("W17-close-of-126", ws(CLOSE, b"\x03\xe8" + b"x" * 124), (1002,)),
    Case("W17-fragmented-ping", ws(PING, b"x", fin=False), (1002,)),
    Case("W17-continuation-without-start", ws(CONT, b"x"), (1002,)),
    Case("W17-text-within-text", ws(TEXT, b"a", fin=False) + ws(TEXT, b"b"), (1002,)),
    Case("W17-close-of-one-byte", ws(CLOSE, b"\x03"), (1002,)),
    *(
        Case(f"W17-close-code-{code}", ws(CLOSE, code.to_bytes(2, "big")), (1002,))
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535)
    ),
    Case("W17-noise", os.urandom(0) + bytes(range(128, 256)), (1002,)),
    # W19: too many control frames
    Case("W19-1000-pings", ws(PING, b"x") * 1_000, (4429,)),
    Case("W19-1000-unsolicited-pongs", ws(PONG, b"x") * 1_000, (4429,)),
]
