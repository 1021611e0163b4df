"""The inbox's rules alone: the whole state machine of SPEC 2.3, and what becomes of text from strangers."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.inbox import rules
from server.inbox.rules import (
    CHAT_ENDED,
    Change,
    Channel,
    Continue,
    Facts,
    Hidden,
    Impossible,
    Name,
    NewTicket,
    NoChange,
    Status,
)

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=3)
CHANNELS: tuple[Channel, ...] = ("webchat", "sms")
STATUSES: tuple[Status, ...] = ("open", "snoozed", "closed")

# --- SPEC 2.3, the whole table ----------------------------------------------------------------------
#
# event: {(channel, status): verdict}. Nothing is left out: a test counts the cells.

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
    "a blocked customer writes": {(channel, status): Hidden() for channel in CHANNELS for status in STATUSES},
    "an agent closes": {
        ("webchat", "open"): Change("open", hold_until=HELD),
        ("webchat", "snoozed"): Change("snoozed", hold_until=HELD),
        ("webchat", "closed"): NoChange(),
        ("sms", "open"): Change("closed"),
        ("sms", "snoozed"): Change("closed"),
        ("sms", "closed"): NoChange(),
    },
    "the visitor ends": {
        **{cell: Change("closed") for cell in NOT_CLOSED},
        ("webchat", "closed"): NoChange(),
        ("sms", "closed"): NoChange(),
    },
    "the system closes": {
        **{cell: Change("closed") for cell in NOT_CLOSED},
        ("webchat", "closed"): NoChange(),
        ("sms", "closed"): NoChange(),
    },
    "an agent reopens": {
        ("webchat", "open"): NoChange(),
        ("webchat", "snoozed"): Change("open"),
        ("webchat", "closed"): CHAT_ENDED,
        ("sms", "open"): NoChange(),
        ("sms", "snoozed"): Change("open"),
        ("sms", "closed"): Change("open"),
    },
    "an agent writes": {
        ("webchat", "open"): NoChange(),
        ("webchat", "snoozed"): NoChange(),
        ("webchat", "closed"): CHAT_ENDED,
        ("sms", "open"): NoChange(),
        ("sms", "snoozed"): NoChange(),
        ("sms", "closed"): Change("open"),
    },
    "an agent writes and reopens": {
        ("webchat", "open"): NoChange(),
        ("webchat", "snoozed"): Change("open"),
        ("webchat", "closed"): CHAT_ENDED,
        ("sms", "open"): NoChange(),
        ("sms", "snoozed"): Change("open"),
        ("sms", "closed"): Change("open"),
    },
    "an agent snoozes": {
        **{cell: Change("snoozed", snoozed_until=LATER) for cell in NOT_CLOSED},
        ("webchat", "closed"): CHAT_ENDED,
        ("sms", "closed"): Impossible("closed", "Reopen the ticket to snooze it."),
    },
    "the snooze is over": {
        ("webchat", "open"): NoChange(),
        ("webchat", "snoozed"): Change("open", unread=True),
        ("webchat", "closed"): NoChange(),
        ("sms", "open"): NoChange(),
        ("sms", "snoozed"): Change("open", unread=True),
        ("sms", "closed"): NoChange(),
    },
    "an agent wakes it": {
        ("webchat", "open"): NoChange(),
        ("webchat", "snoozed"): Change("open"),
        ("webchat", "closed"): NoChange(),
        ("sms", "open"): NoChange(),
        ("sms", "snoozed"): Change("open"),
        ("sms", "closed"): NoChange(),
    },
    "the customer is blocked": {
        **{cell: Change("closed") for cell in NOT_CLOSED},
        ("webchat", "closed"): NoChange(),
        ("sms", "closed"): NoChange(),
    },
}

DECIDE = {
    "the customer writes": rules.on_inbound,
    "a blocked customer writes": lambda t: rules.on_inbound(Facts(t.channel, t.status, blocked=True)),
    "an agent closes": lambda t: rules.on_close(t, "agent", NOW),
    "the visitor ends": lambda t: rules.on_close(t, "visitor", NOW),
    "the system closes": lambda t: rules.on_close(t, "system", NOW),
    "an agent reopens": rules.on_reopen,
    "an agent writes": rules.on_agent_message,
    "an agent writes and reopens": lambda t: rules.on_agent_message(t, reopen_snoozed=True),
    "an agent snoozes": lambda t: rules.on_snooze(t, LATER, NOW),
    "the snooze is over": lambda t: rules.on_snooze_due(t, NOW, NOW),
    "an agent wakes it": rules.on_wake,
    "the customer is blocked": rules.on_block,
}


@pytest.mark.parametrize("event", TABLE)
@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("status", STATUSES)
def test_spec_2_3_every_event_in_every_status(event: str, channel: Channel, status: Status) -> None:
    assert DECIDE[event](Facts(channel, status)) == TABLE[event][(channel, status)]


def test_the_table_has_no_hole() -> None:
    assert set(TABLE) == set(DECIDE) and all(len(row) == 6 for row in TABLE.values())
    decisions = {name for name in vars(rules) if name.startswith("on_")}
    assert decisions == {
        "on_inbound", "on_close", "on_close_due", "on_reopen", "on_agent_message", "on_snooze", "on_snooze_due",
        "on_wake", "on_block",
    }, "a new decision needs its row in the table"  # fmt: skip


def test_inb_3_the_first_message_of_all_makes_a_ticket() -> None:
    assert rules.on_inbound(None) == NewTicket()


def test_inb_22_nothing_brings_a_closed_chat_back() -> None:
    """Whatever happens to it, no verdict gives it another status."""
    for event, decide in DECIDE.items():
        verdict = decide(Facts("webchat", "closed"))
        assert isinstance(verdict, NoChange | Impossible | NewTicket | Hidden), event


@pytest.mark.parametrize(
    ("status", "closing_at", "verdict"),
    [
        ("open", NOW, Change("closed")),
        ("snoozed", NOW, Change("closed")),
        ("open", NOW - timedelta(days=1), Change("closed")),
        ("open", NOW + timedelta(microseconds=1), NoChange()),
        ("open", None, NoChange()),
        ("closed", NOW, NoChange()),
    ],
)
def test_inb_26_the_alarm_closes_only_what_is_still_held_and_due(
    status: Status, closing_at: datetime | None, verdict: object
) -> None:
    assert rules.on_close_due(Facts("webchat", status, closing_at), NOW) == verdict


def test_inb_26_a_close_that_is_held_already_is_not_held_anew() -> None:
    assert rules.on_close(Facts("webchat", "open", closing_at=NOW), "agent", NOW) == NoChange()


@pytest.mark.parametrize("until", [NOW, NOW - timedelta(seconds=1)])
def test_a_ticket_cannot_be_snoozed_into_the_past(until: datetime) -> None:
    verdict = rules.on_snooze(Facts("sms", "open"), until, NOW)
    assert isinstance(verdict, Impossible) and verdict.code == "in_the_past"


def test_a_snooze_that_was_prolonged_does_not_end_at_its_old_time() -> None:
    assert rules.on_snooze_due(Facts("sms", "snoozed"), LATER, NOW) == NoChange()
    assert rules.on_snooze_due(Facts("sms", "snoozed"), None, NOW) == NoChange()


# --- text -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "kept"),
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
def test_what_is_kept_of_a_message(sent: str, kept: str) -> None:
    assert rules.clean_text(sent) == kept


def test_w13_combining_marks_are_capped_on_each_character_not_in_all() -> None:
    flooded = "".join(letter + "\u0301" * 50 for letter in "abc")
    assert rules.clean_text(flooded) == "".join(letter + "\u0301" * rules.CLUSTER_CAP for letter in "abc")


@given(st.text())
@example("a\r\r\n\n")
@example("\u0301" * 20)
def test_cleaning_twice_is_cleaning_once_and_leaves_nothing_to_fear(text: str) -> None:
    cleaned = rules.clean_text(text)
    assert rules.clean_text(cleaned) == cleaned
    assert not any(unicodedata.category(char) == "Cc" and char not in "\n\t" for char in cleaned)
    assert len(cleaned) <= len(text)


@given(st.text(st.characters(exclude_categories=["Cc", "Mn", "Me", "Mc"])))
def test_ordinary_text_is_kept_to_the_letter(text: str) -> None:
    assert rules.clean_text(text) == text


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
def test_w11_what_nobody_can_see_is_blank(text: str) -> None:
    assert rules.is_blank(text)


@pytest.mark.parametrize("text", ["a", ".", "👍", "❤\ufe0f", "글", "\U0001fae8", "\ue000", " a ", "a\u0301", "١"])
def test_what_somebody_can_see_is_not_blank(text: str) -> None:
    assert not rules.is_blank(text)


@given(st.text(), st.text())
def test_blank_and_blank_is_blank_and_anything_visible_is_enough(left: str, right: str) -> None:
    assert rules.is_blank(left + right) == (rules.is_blank(left) and rules.is_blank(right))


# --- keys ---------------------------------------------------------------------------------------------


def test_a_repeat_has_the_same_hash_and_nothing_else_has() -> None:
    texts = ["a", "a ", "A", "a\0", "á", "a\u0301", ""]
    files: list[list[str]] = [[], ["f1"], ["f2"], ["f1", "f2"], ["f2", "f1"], ["f1f2"]]
    hashes = {rules.body_hash(text, attached) for text in texts for attached in files}
    assert len(hashes) == len(texts) * len(files)
    assert rules.body_hash("a", ["f1"]) == rules.body_hash("a", ["f1"])


def test_a_key_spent_on_one_act_is_not_good_for_another() -> None:
    acts = [("close", 1), ("close", 2), ("reopen", 1), ("assign", 1, None), ("assign", 1, 2), ("assign", 12), ("end",)]
    assert len({rules.act_hash(act[0], *act[1:]) for act in acts}) == len(acts)  # type: ignore[arg-type]
    assert rules.act_hash("close", 1) != rules.body_hash("close", [])


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
    assert rules.preview(text, files) == shown


@given(st.text(min_size=1), st.integers(0, 20))
def test_a_preview_is_short_and_has_no_line_break(text: str, files: int) -> None:
    shown = rules.preview(text, files)
    assert len(shown) <= rules.PREVIEW and "\n" not in shown and "\r" not in shown


@given(st.text(), st.integers(1, 300))
def test_a_clean_line_is_one_line_without_direction_or_control(text: str, limit: int) -> None:
    line = rules.clean_line(text, limit)
    assert len(line) <= limit and line == line.strip()
    assert not any(ord(char) in rules.UNSEEN or unicodedata.category(char) == "Cc" for char in line)
    assert rules.clean_line(line, limit) == line


AGENTS = frozenset({rules.folded_name("Ana Müller"), rules.folded_name("Ben")})


@pytest.mark.parametrize(
    "name", ["Zoe", "Ana", "Benjamin", "李雷", "محمد", "O'Neil", "Supporter", "Анна", "X Æ A-12", "Big Ben", "—"]
)
def test_w34_an_ordinary_name_is_kept(name: str) -> None:
    assert rules.visitor_name(name, AGENTS) == Name(name)


@pytest.mark.parametrize(
    "name",
    [
        "ben", "BEN", " Ben ", "Ｂｅｎ", "B\u200ben", "\u202eBen", "ana müller", "Ana  Müller", "ANA MU\u0308LLER",
        "Вen", "ΒΕN", "Ben (Support)", "[admin] ben", "Support · Team", "support_bot", "Аdmin", "\u200bsystem",
        "Support", "SUPPORT TEAM", "support\u00a0team", "Admin", "System", "Threadline", "bot",
    ],
)  # fmt: skip
def test_w34_a_name_that_could_pass_for_the_teams_is_not(name: str) -> None:
    verdict = rules.visitor_name(name, AGENTS)
    assert isinstance(verdict, Impossible) and verdict.code == "reserved_name"


@pytest.mark.parametrize("name", ["", "   ", "\u200b\u200d", "\n", "\u202e", "\0"])
def test_w34_nothing_is_no_name(name: str) -> None:
    verdict = rules.visitor_name(name, AGENTS)
    assert isinstance(verdict, Impossible) and verdict.code == "invalid"


@given(st.text())
def test_a_name_is_at_most_80_characters_and_never_the_teams(name: str) -> None:
    match rules.visitor_name(name, AGENTS):
        case Name(value):
            assert 0 < len(value) <= 80
            assert rules.folded_name(value) not in AGENTS | rules.RESERVED_NAMES
        case Impossible(code):
            assert code in ("invalid", "reserved_name")


# --- addresses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "kept"),
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
def test_a_plausible_address_in_lower_case_or_none(typed: str, kept: str | None) -> None:
    assert rules.clean_email(typed) == kept


@given(st.text(max_size=300))
def test_whatever_is_typed_as_an_address_is_one_or_none(typed: str) -> None:
    kept = rules.clean_email(typed)
    assert kept is None or (kept.count("@") >= 1 and kept == kept.lower() and len(kept) <= 254)


@pytest.mark.parametrize(
    ("told", "kept"),
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
def test_w35_a_pages_address_is_inert_and_without_secrets(told: str, kept: str) -> None:
    assert rules.clean_url(told) == kept


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
def test_a_kept_address_is_http_without_credentials_and_bounded(told: str) -> None:
    kept = rules.clean_url(told)
    if kept:
        parts = urlsplit(kept)
        assert parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
        assert len(kept) <= 2_000 and not any(unicodedata.category(char) == "Cc" for char in kept)


@pytest.mark.parametrize(
    ("told", "kept"),
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
def test_a_locale_or_nothing(told: str, kept: str) -> None:
    assert rules.clean_locale(told) == kept


@pytest.mark.parametrize(
    ("told", "kept"),
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
def test_a_time_zone_or_nothing(told: str, kept: str) -> None:
    assert rules.clean_time_zone(told) == kept


@pytest.mark.parametrize(("ago_s", "online"), [(0, True), (44, True), (45, False), (9_999, False)])
def test_presence_fades_after_45_seconds(ago_s: int, online: bool) -> None:
    assert rules.is_online(NOW - timedelta(seconds=ago_s), NOW) is online


def test_who_was_never_seen_is_not_there() -> None:
    assert rules.is_online(None, NOW) is False


@pytest.mark.parametrize(
    ("typed", "digits"),
    [
        ("+12025550123", "12025550123"), ("12025550123", "12025550123"), ("(202) 555-0123", "2025550123"), ("0123", "0123"), ("00123", "00123"),
        ("+44 (0)20 7946 0018", "442079460018"), ("020 7946 0018", "2079460018"), ("0044 20 7946", "44207946"),
        ("２０２ ５５５", "202555"), ("+48", None), ("12", None), ("0000", "0000"), ("#1234", None), ("Ana 2025", None), ("", None),
        ("+", None), ("2025%", None),
    ],
)  # fmt: skip
def test_part_of_a_phone_number_is_looked_for_however_it_is_written(typed: str, digits: str | None) -> None:
    assert rules.phone_digits(typed) == digits
