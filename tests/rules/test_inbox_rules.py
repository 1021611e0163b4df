"""The inbox's pure rules: the whole ticket state machine, and how text from visitors is cleaned."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.accounts import rules as accounts
from server.contacts import rules
from server.inbox import rules as inbox_rules
from server.text import MAX_MARKS, REMOVED_FROM_LINES, clean_line, clean_text, is_blank, visual_key, visual_keys
from server.threads import rules as thread_rules
from server.threads import ticket_rules
from server.threads.ticket_rules import (
    CHAT_ENDED,
    Channel,
    Continue,
    Hidden,
    NewTicket,
    NoChange,
    Refusal,
    Status,
    TicketChange,
    TicketFacts,
)
from server.webchat import rules as webchat_rules
from server.webchat.rules import Name

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=3)
CHANNELS: tuple[Channel, ...] = ("webchat", "sms")
STATUSES: tuple[Status, ...] = ("open", "snoozed", "closed")

# --- the whole state machine ----------------------------------------------------------------------  event: {(channel,
# status): verdict}. The table is complete: a test counts its cells.

HELD = NOW + timedelta(seconds=5)
NOT_CLOSED = [(channel, status) for channel in CHANNELS for status in ("open", "snoozed")]

TABLE = {
    "the customer writes": {
        ("webchat", "open"): Continue(reopens=False),
        ("webchat", "snoozed"): Continue(reopens=True),
        ("webchat", "closed"): NewTicket(),
        ("sms", "open"): Continue(reopens=False),
        ("sms", "snoozed"): Continue(reopens=True),
        ("sms", "closed"): Continue(reopens=True),
    },
    "a blocked customer writes": {
        **{(channel, status): Hidden() for channel in CHANNELS for status in STATUSES},
        ("webchat", "closed"): NewTicket(),  # they see a chat that goes on, the team does not
    },
    "an agent closes": {
        ("webchat", "open"): TicketChange("open", closes_at=HELD),
        ("webchat", "snoozed"): TicketChange("snoozed", closes_at=HELD),
        ("webchat", "closed"): NoChange(),
        ("sms", "open"): TicketChange("closed"),
        ("sms", "snoozed"): TicketChange("closed"),
        ("sms", "closed"): NoChange(),
    },
    "the visitor ends": {
        **{cell: TicketChange("closed") for cell in NOT_CLOSED},
        ("webchat", "closed"): NoChange(),
        ("sms", "closed"): NoChange(),
    },
    "the system closes": {
        **{cell: TicketChange("closed") for cell in NOT_CLOSED},
        ("webchat", "closed"): NoChange(),
        ("sms", "closed"): NoChange(),
    },
    "an agent reopens": {
        ("webchat", "open"): NoChange(),
        ("webchat", "snoozed"): TicketChange("open"),
        ("webchat", "closed"): CHAT_ENDED,
        ("sms", "open"): NoChange(),
        ("sms", "snoozed"): TicketChange("open"),
        ("sms", "closed"): TicketChange("open"),
    },
    "an agent writes": {
        ("webchat", "open"): NoChange(),
        ("webchat", "snoozed"): NoChange(),
        ("webchat", "closed"): CHAT_ENDED,
        ("sms", "open"): NoChange(),
        ("sms", "snoozed"): NoChange(),
        ("sms", "closed"): TicketChange("open"),
    },
    "an agent writes and reopens": {
        ("webchat", "open"): NoChange(),
        ("webchat", "snoozed"): TicketChange("open"),
        ("webchat", "closed"): CHAT_ENDED,
        ("sms", "open"): NoChange(),
        ("sms", "snoozed"): TicketChange("open"),
        ("sms", "closed"): TicketChange("open"),
    },
    "an agent snoozes": {
        **{cell: TicketChange("snoozed", snoozed_until=LATER) for cell in NOT_CLOSED},
        ("webchat", "closed"): CHAT_ENDED,
        ("sms", "closed"): Refusal("closed", "Reopen the ticket to snooze it."),
    },
    "the snooze is over": {
        ("webchat", "open"): NoChange(),
        ("webchat", "snoozed"): TicketChange("open", unread=True),
        ("webchat", "closed"): NoChange(),
        ("sms", "open"): NoChange(),
        ("sms", "snoozed"): TicketChange("open", unread=True),
        ("sms", "closed"): NoChange(),
    },
    "an agent wakes it": {
        ("webchat", "open"): NoChange(),
        ("webchat", "snoozed"): TicketChange("open"),
        ("webchat", "closed"): NoChange(),
        ("sms", "open"): NoChange(),
        ("sms", "snoozed"): TicketChange("open"),
        ("sms", "closed"): NoChange(),
    },
    "the customer is blocked": {
        **{cell: TicketChange("closed") for cell in NOT_CLOSED},
        ("webchat", "closed"): NoChange(),
        ("sms", "closed"): NoChange(),
    },
}

DECIDE = {
    "the customer writes": ticket_rules.on_inbound,
    "a blocked customer writes": lambda t: ticket_rules.on_inbound(TicketFacts(t.channel, t.status, blocked=True)),
    "an agent closes": lambda t: ticket_rules.on_close(t, "agent", NOW),
    "the visitor ends": lambda t: ticket_rules.on_close(t, "visitor", NOW),
    "the system closes": lambda t: ticket_rules.on_close(t, "system", NOW),
    "an agent reopens": ticket_rules.on_reopen,
    "an agent writes": ticket_rules.on_agent_message,
    "an agent writes and reopens": lambda t: ticket_rules.on_agent_message(t, reopen_snoozed=True),
    "an agent snoozes": lambda t: ticket_rules.on_snooze(t, LATER, NOW),
    "the snooze is over": lambda t: ticket_rules.on_snooze_due(t, NOW, NOW),
    "an agent wakes it": ticket_rules.on_wake,
    "the customer is blocked": ticket_rules.on_block,
}


@pytest.mark.parametrize("event", TABLE)
@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("status", STATUSES)
def test_every_event_in_every_status_has_its_verdict(event: str, channel: Channel, status: Status) -> None:
    assert DECIDE[event](TicketFacts(channel, status)) == TABLE[event][(channel, status)]


def test_a_chat_that_was_begun_while_blocked_goes_on_for_its_visitor_alone() -> None:
    begun = TicketFacts("webchat", "closed", blocked=True, begun_blocked=True)
    assert ticket_rules.on_inbound(begun) == Hidden()
    assert ticket_rules.on_close(begun, "visitor", NOW) == TicketChange("closed")
    assert ticket_rules.on_close(begun, "agent", NOW) == NoChange()


def test_the_table_is_complete() -> None:
    assert set(TABLE) == set(DECIDE) and all(len(row) == 6 for row in TABLE.values())
    decisions = {name for name in vars(ticket_rules) if name.startswith("on_")}
    assert decisions == {
        "on_inbound", "on_close", "on_close_due", "on_reopen", "on_agent_message", "on_snooze", "on_snooze_due",
        "on_wake", "on_block",
    }, "a new decision needs a row in the table"  # fmt: skip


def test_inb_3_the_first_message_of_a_thread_creates_a_ticket() -> None:
    assert ticket_rules.on_inbound(None) == NewTicket()


def test_inb_22_nothing_reopens_a_closed_chat() -> None:
    """No event's verdict gives a closed chat another status."""
    for event, decide in DECIDE.items():
        verdict = decide(TicketFacts("webchat", "closed"))
        assert isinstance(verdict, NoChange | Refusal | NewTicket | Hidden), event


@pytest.mark.parametrize(
    ("status", "closing_at", "verdict"),
    [
        ("open", NOW, TicketChange("closed")),
        ("snoozed", NOW, TicketChange("closed")),
        ("open", NOW - timedelta(days=1), TicketChange("closed")),
        ("open", NOW + timedelta(microseconds=1), NoChange()),
        ("open", None, NoChange()),
        ("closed", NOW, NoChange()),
    ],
)
def test_inb_26_the_job_closes_only_a_delayed_close_that_is_due(
    status: Status, closing_at: datetime | None, verdict: object
) -> None:
    assert ticket_rules.on_close_due(TicketFacts("webchat", status, closing_at), NOW) == verdict


def test_inb_26_a_pending_close_is_not_delayed_again() -> None:
    assert ticket_rules.on_close(TicketFacts("webchat", "open", closing_at=NOW), "agent", NOW) == NoChange()


@pytest.mark.parametrize("until", [NOW, NOW - timedelta(seconds=1)])
def test_a_ticket_cannot_be_snoozed_into_the_past(until: datetime) -> None:
    verdict = ticket_rules.on_snooze(TicketFacts("sms", "open"), until, NOW)
    assert isinstance(verdict, Refusal) and verdict.code == "in_the_past"


def test_a_snooze_that_was_prolonged_does_not_end_at_its_old_time() -> None:
    assert ticket_rules.on_snooze_due(TicketFacts("sms", "snoozed"), LATER, NOW) == NoChange()
    assert ticket_rules.on_snooze_due(TicketFacts("sms", "snoozed"), None, NOW) == NoChange()


# --- text -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("plain", "plain"),
        ("  spaces stay  ", "  spaces stay  "),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("windows\r\nold mac\rend", "windows\nold mac\nend"),
        ("nul\0inside", "nulinside"),
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("c1\x85\x9f", "c1"),
        ("del\x7f", "del"),
        ("👩\u200d👩\u200d👧 zwj stays", "👩\u200d👩\u200d👧 zwj stays"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("e\u0301", "e\u0301"),
        ("\ufeffbom", "\ufeffbom"),
        ("abc \u202eבא\u202c", "abc \u202eבא\u202c"),
        ("<b>not ours to escape</b>", "<b>not ours to escape</b>"),
    ],
)
def test_a_message_is_cleaned(sent: str, expected: str) -> None:
    assert clean_text(sent) == expected


def test_w13_combining_marks_are_capped_on_each_character_not_in_all() -> None:
    flooded = "".join(letter + "\u0301" * 50 for letter in "abc")
    assert clean_text(flooded) == "".join(letter + "\u0301" * MAX_MARKS for letter in "abc")


@given(st.text())
@example("a\r\r\n\n")
@example("\u0301" * 20)
def test_cleaning_is_idempotent_and_removes_dangerous_characters(text: str) -> None:
    cleaned = clean_text(text)
    assert clean_text(cleaned) == cleaned
    assert not any(unicodedata.category(char) == "Cc" and char not in "\n\t" for char in cleaned)
    assert len(cleaned) <= len(text)


@given(st.text(st.characters(exclude_categories=["Cc", "Mn", "Me", "Mc"])))
def test_ordinary_text_is_kept_unchanged(text: str) -> None:
    assert clean_text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n\t",
        "\u200b",
        "\u00a0\u3000",
        "\u0301",
        "\u202e",
        "\ufeff\u2060",
        "\u3164",
        "\ufe0f",
        "\x1b",
        "\x1b\x80",
    ],
)
def test_w11_invisible_text_is_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize("text", ["a", ".", "👍", "❤\ufe0f", "글", "\U0001fae8", "\ue000", " a ", "a\u0301", "١"])
def test_visible_text_is_not_blank(text: str) -> None:
    assert not is_blank(text)


@given(st.text(), st.text())
def test_a_text_is_blank_only_if_all_its_parts_are(left: str, right: str) -> None:
    assert is_blank(left + right) == (is_blank(left) and is_blank(right))


# --- keys ---------------------------------------------------------------------------------------------


def test_only_a_repeat_has_the_same_hash() -> None:
    texts = ["a", "a ", "A", "a\0", "á", "a\u0301", ""]
    files: list[list[str]] = [[], ["f1"], ["f2"], ["f1", "f2"], ["f2", "f1"], ["f1f2"]]
    hashes = {thread_rules.body_hash(text, attached) for text in texts for attached in files}
    assert len(hashes) == len(texts) * len(files)
    assert thread_rules.body_hash("a", ["f1"]) == thread_rules.body_hash("a", ["f1"])


def test_a_key_used_for_one_action_is_refused_for_another() -> None:
    acts = [("close", 1), ("close", 2), ("reopen", 1), ("assign", 1, None), ("assign", 1, 2), ("assign", 12), ("end",)]
    assert len({thread_rules.action_hash(act[0], *act[1:]) for act in acts}) == len(acts)  # type: ignore[arg-type]
    assert thread_rules.action_hash("close", 1) != thread_rules.body_hash("close", [])


# --- previews, names, lines -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "files", "shown"),
    [
        ("one line", 0, "one line"),
        ("  several \n\n lines\tand   gaps ", 0, "several lines and gaps"),
        ("", 1, "📎"),
        ("", 9, "📎📎📎"),
        ("with words", 2, "with words"),
        ("x" * 140, 0, "x" * 140),
        ("x" * 141, 0, "x" * 139 + "…"),
    ],
)
def test_inb_35_a_preview_is_one_line(text: str, files: int, shown: str) -> None:
    assert thread_rules.preview(text, files) == shown


@given(st.text(min_size=1), st.integers(0, 20))
def test_a_preview_is_short_and_has_no_line_break(text: str, files: int) -> None:
    shown = thread_rules.preview(text, files)
    assert len(shown) <= thread_rules.PREVIEW and "\n" not in shown and "\r" not in shown


@given(st.text(), st.integers(1, 300))
def test_a_clean_line_is_one_line_without_direction_or_control(text: str, limit: int) -> None:
    line = clean_line(text, limit)
    assert len(line) <= limit and line == line.strip()
    assert not any(ord(char) in REMOVED_FROM_LINES or unicodedata.category(char) == "Cc" for char in line)
    assert clean_line(line, limit) == line


AGENTS = visual_keys("Ana Müller") | visual_keys("Ben")


@pytest.mark.parametrize(
    "name", ["Zoe", "Ana", "Benjamin", "李雷", "محمد", "O'Neil", "Supporter", "Анна", "X Æ A-12", "Big Ben", "—"]
)
def test_w34_an_ordinary_name_is_kept(name: str) -> None:
    assert webchat_rules.visitor_name(name, AGENTS) == Name(name)


@pytest.mark.parametrize(
    "name",
    [
        "ben", "BEN", " Ben ", "Ｂｅｎ", "B\u200ben", "\u202eBen", "ana müller", "Ana  Müller", "ANA MU\u0308LLER",
        "Вen", "ΒΕN", "Ben (Support)", "[admin] ben", "Support · Team", "support_bot", "Аdmin", "\u200bsystem",
        "Support", "SUPPORT TEAM", "support\u00a0team", "Admin", "System", "Threadline", "bot",
    ],
)  # fmt: skip
def test_w34_a_name_that_resembles_the_teams_is_dropped(name: str) -> None:
    verdict = webchat_rules.visitor_name(name, AGENTS)
    assert isinstance(verdict, Refusal) and verdict.code == "reserved_name"


@pytest.mark.parametrize("name", ["", "   ", "\u200b\u200d", "\n", "\u202e", "\0"])
def test_w34_an_empty_name_is_no_name(name: str) -> None:
    verdict = webchat_rules.visitor_name(name, AGENTS)
    assert isinstance(verdict, Refusal) and verdict.code == "invalid"


@given(st.text())
def test_a_name_is_at_most_80_characters_and_never_the_teams(name: str) -> None:
    match webchat_rules.visitor_name(name, AGENTS):
        case Name(value):
            assert 0 < len(value) <= 80
            assert visual_key(value) not in AGENTS | visual_keys("support") | visual_keys("admin")
        case Refusal(code):
            assert code in ("invalid", "reserved_name")


# --- addresses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("zoe@example.com", "zoe@example.com"),
        ("  Zoe@Example.COM ", "zoe@example.com"),
        ("zoe+shop@example.co.uk", "zoe+shop@example.co.uk"),
        ("zoe", None),
        ("zoe@", None),
        ("@example.com", None),
        ("a@b@c.com", None),
        ("zoe@example.com\nBcc: x@y.z", None),
        ("zoe@example.com, b@example.com", None),
        ("a" * 250 + "@example.com", None),
        ("zoe@-example.com", None),
        ("", None),
    ],
)
def test_a_plausible_email_is_lowercased_and_others_are_dropped(typed: str, expected: str | None) -> None:
    assert rules.clean_email(typed) == expected


@given(st.text(max_size=300))
def test_any_typed_email_is_valid_or_dropped(typed: str) -> None:
    cleaned = rules.clean_email(typed)
    assert cleaned is None or (cleaned.count("@") >= 1 and cleaned == cleaned.lower() and len(cleaned) <= 254)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("https://shop.example/cart?item=5", "https://shop.example/cart?item=5"),
        ("http://shop.example:8080/", "http://shop.example:8080/"),
        ("https://user:secret@shop.example/x", "https://shop.example/x"),
        ("https://shop.example/x#fragment", "https://shop.example/x"),
        ("https://shop.example/?token=abc&page=2", "https://shop.example/?token=hidden&page=2"),
        ("https://shop.example/?code=abc&Session_ID=1&PASSWORD=x&sig=1", "https://shop.example/?code=hidden&Session_ID=hidden&PASSWORD=hidden&sig=hidden"),
        ("https://shop.example/?q=password", "https://shop.example/?q=password"),
        ("https://[2001:db8::1]:8443/x", "https://[2001:db8::1]:8443/x"),
        ("javascript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("file:///etc/passwd", ""),
        ("//shop.example/x", ""),
        ("shop.example", ""),
        ("https://", ""),
        ("https://shop.example:99999/", ""),
        ("https://[::1/", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_w35_a_pages_address_is_inert_and_without_secrets(raw: str, expected: str) -> None:
    assert webchat_rules.clean_url(raw) == expected


@given(
    st.one_of(
        st.text(),
        st.text().map(lambda text: "https://shop.example/" + text),
        st.text().map(lambda text: "https://" + text),
    )
)
@example("https://x?" + "a=1&" * 5_000)
@example("https://user@host@shop.example/")
@example("https://\u2100.example/")
def test_a_kept_address_is_http_without_credentials_and_bounded(raw: str) -> None:
    cleaned = webchat_rules.clean_url(raw)
    if cleaned:
        parts = urlsplit(cleaned)
        assert parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
        assert len(cleaned) <= 2_000 and not any(unicodedata.category(char) == "Cc" for char in cleaned)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("pl", "pl"),
        ("en-GB", "en-GB"),
        ("zh-Hant-TW", "zh-Hant-TW"),
        ("<script>", ""),
        ("", ""),
        ("e", ""),
        ("en\n", ""),
    ],
)
def test_an_invalid_locale_is_dropped(raw: str, expected: str) -> None:
    assert webchat_rules.clean_locale(raw) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Europe/Warsaw", "Europe/Warsaw"),
        ("America/Argentina/Ushuaia", "America/Argentina/Ushuaia"),
        ("UTC", "UTC"),
        ("Etc/GMT+5", "Etc/GMT+5"),
        ("../../etc/passwd", ""),
        ("A" * 50, ""),
        ("UTC\n", ""),
    ],
)
def test_an_invalid_time_zone_is_dropped(raw: str, expected: str) -> None:
    assert webchat_rules.clean_time_zone(raw) == expected


@pytest.mark.parametrize(("ago_s", "online"), [(0, True), (44, True), (45, False), (9_999, False)])
def test_presence_expires_after_45_seconds(ago_s: int, online: bool) -> None:
    assert accounts.is_online(NOW - timedelta(seconds=ago_s), NOW) is online


def test_a_visitor_who_was_never_seen_is_offline() -> None:
    assert accounts.is_online(None, NOW) is False


@pytest.mark.parametrize(
    ("typed", "digits"),
    [
        ("+12025550123", "12025550123"), ("12025550123", "12025550123"), ("(202) 555-0123", "2025550123"), ("0123", "0123"), ("00123", "00123"),
        ("+44 (0)20 7946 0018", "442079460018"), ("020 7946 0018", "2079460018"), ("0044 20 7946", "44207946"),
        ("２０２ ５５５", "202555"), ("+48", None), ("12", None), ("0000", "0000"), ("#1234", None), ("Ana 2025", None), ("", None),
        ("+", None), ("2025%", None),
    ],
)  # fmt: skip
def test_part_of_a_phone_number_is_searched_in_any_spelling(typed: str, digits: str | None) -> None:
    assert inbox_rules.phone_digits(typed) == digits
