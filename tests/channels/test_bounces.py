"""Reports of mail servers about mails: standard and other forms, and hostile input."""

from __future__ import annotations

import base64
import time

import pytest

from server.channels.bounces import MAX_READ, Bounce, Fate, classify, read

TO = "bounces+7-0123456789abcdef0123@shop.example"


def report(
    fields: str, *, headers: str = "", text: str = "See below.", returned: str = "Message-ID: <7.ab@shop.example>"
) -> bytes:
    """A report as Postfix writes it."""
    return (
        f"Return-Path: <>\r\nDelivered-To: {TO}\r\nFrom: MAILER-DAEMON@mx.example\r\nSubject: Undelivered Mail\r\n{headers}"
        'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="B.1/mx"\r\n\r\n'
        f"This is MIME.\r\n--B.1/mx\r\nContent-Type: text/plain\r\n\r\n{text}\r\n--B.1/mx\r\n"
        "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n"
        f"Arrival-Date: Mon, 30 Nov 2026 10:00:00 +0000\r\n\r\n{fields}\r\n--B.1/mx\r\n"
        f"Content-Type: text/rfc822-headers\r\n\r\n{returned}\r\n\r\n--B.1/mx--\r\n"
    ).encode()


def recipient(action: str, status: str, diagnostic: str = "") -> str:
    lines = ["Final-Recipient: rfc822; ana@customer.example", f"Action: {action}", f"Status: {status}"]
    return "\r\n".join([*lines, f"Diagnostic-Code: smtp; {diagnostic}"] if diagnostic else lines)


@pytest.mark.parametrize(
    ("action", "status", "expected"),
    [
        ("failed", "5.1.1", (Fate.HARD, True)),
        ("failed", "5.1.2", (Fate.HARD, True)),
        ("failed", "5.1.10", (Fate.HARD, True)),
        ("failed", "5.1.0", (Fate.HARD, False)),
        ("failed", "5.4.4", (Fate.HARD, False)),
        ("failed", "5.2.2", (Fate.SOFT, False)),
        ("failed", "5.7.1", (Fate.SOFT, False)),
        ("failed", "4.4.7", (Fate.SOFT, False)),
        ("delayed", "4.2.2", (Fate.DELAYED, False)),
        ("delayed", "5.1.1", (Fate.DELAYED, False)),
        ("delivered", "2.0.0", (Fate.DELIVERED, False)),
        ("relayed", "2.0.0", (Fate.OTHER, False)),
        ("expanded", "2.0.0", (Fate.OTHER, False)),
        ("FAILED (permanently)", "5.1.1 (no such user)", (Fate.HARD, True)),
    ],
)
def test_a_standard_report_is_classified_by_action_and_status(
    action: str, status: str, expected: tuple[Fate, bool]
) -> None:
    bounce = read(report(recipient(action, status, "550 5.9.9 words of <ana@customer.example>")))
    assert (bounce.fate, bounce.dead) == expected
    assert TO in bounce.addresses and bounce.message_ids == ("7.ab@shop.example",)
    assert "ana@" not in bounce.detail + str(bounce.fields)
    assert bounce.fields["reporting-mta"] == "dns; mx.example"


def test_the_diagnostic_gives_the_exact_status_when_the_report_gives_none() -> None:
    bounce = read(
        report(recipient("failed", "5.0.0", "550-5.1.1 The email account that you tried to reach\r\n does not exist"))
    )
    assert (bounce.fate, bounce.status, bounce.dead) == (Fate.HARD, "5.1.1", True)
    assert read(report(recipient("failed", "5.0.0", "550 No such user here"))).dead
    assert not read(report(recipient("failed", "5.0.0", "554 spam"))).dead


def test_a_failed_recipient_counts_before_a_delivered_one() -> None:
    fields = recipient("delivered", "2.0.0") + "\r\n\r\n" + recipient("failed", "5.1.1")
    assert read(report(fields)).fate is Fate.HARD


@pytest.mark.parametrize("newline", [b"\r\n", b"\n"])
@pytest.mark.parametrize("encode", ["7bit", "base64", "quoted-printable"])
def test_line_ends_and_encodings_of_parts_do_not_matter(newline: bytes, encode: str) -> None:
    raw = report(recipient("failed", "5.1.1"))
    if encode != "7bit":
        start = raw.index(b"Reporting-MTA")
        end = raw.index(b"\r\n--B.1/mx\r\nContent-Type: text/rfc822-headers")
        body = raw[start:end]
        coded = (
            base64.encodebytes(body) if encode == "base64" else body.replace(b"=", b"=3D").replace(b"Final", b"Fin=61l")
        )
        head = raw[:start].removesuffix(b"\r\n") + f"Content-Transfer-Encoding: {encode}\r\n\r\n".encode()
        raw = head + coded + raw[end:]
    bounce = read(raw.replace(b"\r\n", newline))
    assert (bounce.fate, bounce.status, bounce.message_ids) == (Fate.HARD, "5.1.1", ("7.ab@shop.example",))


def test_a_report_inside_another_multipart_is_found() -> None:
    inner = report(recipient("failed", "5.1.1")).partition(b"Subject:")[2].partition(b"\r\n")[2]
    raw = (
        b"From: gateway@mx.example\r\nContent-Type: multipart/mixed; boundary=outer\r\n\r\n--outer\r\n"
        + inner
        + b"\r\n--outer--\r\n"
    )
    assert read(raw).fate is Fate.HARD


QMAIL = f"""Return-Path: <>
Delivered-To: {TO}
From: MAILER-DAEMON@mx.example
Subject: failure notice

Hi. This is the qmail-send program at mx.example.

<ana@customer.example>:
192.0.2.5.1 does not like recipient.
Remote host said: 550 5.1.1 <ana@customer.example>: Recipient address rejected: User unknown

--- Below this line is a copy of the message.

Return-Path: <care@shop.example>
Message-ID: <7.ab@shop.example>
"""


def test_a_report_without_a_standard_is_read_by_its_words() -> None:
    bounce = read(QMAIL.encode())
    assert (bounce.fate, bounce.status, bounce.dead) == (Fate.HARD, "5.1.1", True)
    assert bounce.message_ids == ("7.ab@shop.example",) and TO in bounce.addresses
    assert "ana@" not in bounce.detail and "Recipient address rejected" in bounce.detail
    unnumbered = QMAIL.replace("550 5.1.1 ", "").replace("192.0.2.5.1 ", "")
    assert read(unnumbered.encode()).dead
    later = QMAIL.replace("550 5.1.1", "451 4.7.1").replace("failure notice", "Delayed Mail (still being retried)")
    assert read(later.replace("Hi.", "Your message was delayed.").encode()).fate is Fate.DELAYED
    full = QMAIL.replace("550 5.1.1", "552 5.2.2").replace("User unknown", "mailbox full")
    assert read(full.encode()).fate is Fate.SOFT


def test_an_out_of_office_reply_and_ordinary_mail_decide_nothing() -> None:
    away = f"From: ana@customer.example\nTo: {TO}\nSubject: Delivery failed? I am away\nAuto-Submitted: auto-replied\n\nCall 550 5.1.1 x"
    letter = f"From: ana@customer.example\nTo: {TO}\nSubject: Question\n\nMy order 550 5.1.1 is late. User unknown."
    for raw in (away, letter):
        assert read(raw.encode()).fate is Fate.OTHER
    complaint = report(recipient("failed", "5.1.1")).replace(b"message/delivery-status", b"message/feedback-report")
    assert (
        read(
            complaint.replace(b"From: MAILER-DAEMON@mx.example\r\nSubject: Undelivered Mail", b"From: fbl@isp.example")
        ).fate
        is Fate.OTHER
    )


HOSTILE = {
    "empty": b"",
    "newlines": b"\r\n" * 200_000,
    "nul": b"\0" * 200_000,
    "no headers": b"\xff\xfe" * 100_000,
    "long header": b"To: " + b"a@b.example, " * 50_000,
    "many headers": b"".join(b"To: x%d@b.example\r\n" % n for n in range(20_000)) + b"\r\n",
    "folded": b"Content-Type: multipart/report;\r\n" + b" ;\r\n" * 100_000 + b"\r\n\r\n",
    "quotes": b"Content-Type: multipart/report; boundary=" + b'";' * 100_000 + b"\r\n\r\n",
    "nested": b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(5_000)
    ),
    "boundaries": b"Content-Type: multipart/report; boundary=b\r\n\r\n" + b"--b\r\n" * 60_000,
    "groups": report("Action: failed\r\n\r\n" * 20_000),
    "dots": b"Subject: failure notice\r\n\r\n" + b"5.1." * 60_000,
    "ats": b"Subject: failure notice\r\n\r\n" + b"a@" * 100_000 + b" 550 5.1.1 " + b"@" * 50_000,
    "spaces": report("Action: failed\r\nStatus: 5.1.1\r\n" + (" " * 1_000 + "\r\n") * 100),
    "bad base64": report("x").replace(b"message/delivery-status", b"message/delivery-status\r\nContent-Transfer-Encoding: base64"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input_is_read_in_bounded_time_and_size(name: str) -> None:
    started = time.process_time()
    bounce = read(HOSTILE[name])
    assert time.process_time() - started < 1.5
    assert isinstance(bounce, Bounce) and len(bounce.detail) <= 200
    assert len(bounce.addresses) <= 30 and len(bounce.message_ids) <= 30
    assert all(len(value) <= 200 for value in bounce.fields.values())


def test_only_the_beginning_of_a_long_message_is_read() -> None:
    raw = report(recipient("failed", "5.1.1"))
    assert read(raw + b"x" * 5_000_000).fate is Fate.HARD
    assert read(b"From: a@b.example\r\n" + b"X-Pad: y\r\n" * (MAX_READ // 10) + raw).fate is Fate.OTHER


def test_a_status_without_an_action_is_read_by_its_class() -> None:
    assert [classify("", status)[0] for status in ("5.1.1", "4.2.2", "2.0.0", "")] == [
        Fate.HARD, Fate.DELAYED, Fate.DELIVERED, Fate.OTHER,
    ]  # fmt: skip
