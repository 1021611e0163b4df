"""Seeds faults in a copy of the tree, one at a time, and checks that the named test fails: `python -m tests.mutants`.

A test that passes with its rule removed proves nothing. Each row is one rule of the inbox (docs/behaviour.md).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("server", "tests", "migrations", "widget", "docs", "pyproject.toml")


@dataclass(frozen=True)
class Mutant:
    """`old` occurs once in `file` and is replaced by `new`; then `test` must fail."""

    rule: str
    file: str
    old: str
    new: str
    test: str


HTTP, SETTINGS = "tests/edge/test_inbox_http.py::", "tests/edge/test_inbox_settings_http.py::"
MUTANTS = (
    Mutant(
        "ROL-3",
        "server/accounts/rules.py",
        "Can.INBOX: frozenset({_O, _A, _M, _S})",
        "Can.INBOX: frozenset({_O, _A, _M, _S, _AN})",
        "tests/edge/test_quick_replies_http.py::test_set_8_quick_replies_belong_to_the_roles_of_the_inbox[nils-analyst-403]",
    ),
    Mutant(
        "INB-20",
        "server/inbox/http.py",
        'channel=choice(call, "channel") or None,',
        "channel=None,",
        HTTP + "test_texts_and_chats_are_in_one_list_and_can_be_told_apart",
    ),
    Mutant(
        "INB-9",
        "server/sms/replies.py",
        "raise Conflict(barred.code",
        "Conflict(barred.code",
        HTTP + "test_inb_9_a_text_is_answered_only_with_consent",
    ),
    Mutant(
        "INB-22",
        "server/threads/ticket_rules.py",
        '        return CHAT_ENDED\n    return TicketChange("open")\n\n\nLATER_TODAY',
        '        return TicketChange("open")\n    return TicketChange("open")\n\n\nLATER_TODAY',
        HTTP + "test_inb_22_a_closed_text_reopens_and_a_closed_chat_never_does",
    ),
    Mutant(
        "AMB-4",
        "server/threads/ticket_rules.py",
        "LATER_TODAY = timedelta(hours=3)",
        "LATER_TODAY = timedelta(hours=4)",
        HTTP + "test_a_ticket_that_is_snoozed_for_three_hours_wakes_open_and_unread",
    ),
    Mutant(
        "INB-32",
        "server/inbox/snoozing.py",
        'status="open", unread=True, snoozed_until=None',
        'status="open", unread=False, snoozed_until=None',
        HTTP + "test_a_ticket_that_is_snoozed_for_three_hours_wakes_open_and_unread",
    ),
    Mutant(
        "INB-33",
        "server/inbox/actions.py",
        "    return change_ticket(tx, ticket, unread=True)",
        "    return ticket",
        HTTP + "test_inb_33_a_ticket_is_marked_unread_and_counted",
    ),
    Mutant(
        "INB-50",
        "server/threads/entries.py",
        "PAGE = 50 ",
        "PAGE = 40 ",
        "tests/live/test_paging_back.py::test_pages_of_fifty_messages_lead_back_to_the_first_one",
    ),
    Mutant(
        "AMB-5",
        "server/inbox/http.py",
        "if isinstance(actor, Agent) and file.blocked and",
        "if False and",
        "tests/edge/test_blocked_http.py",
    ),
    Mutant(
        "SET-1",
        "server/inbox/settings.py",
        "if not may(agent, Can.CHANNELS):",
        "if False:",
        SETTINGS + "test_the_switch_for_visitors_files_needs_the_right_to_change_the_widget[ana-support-403]",
    ),
    Mutant(
        "FUP-4",
        "server/webchat/receiving.py",
        "if ticket is None and message.guest:",
        "if False:",
        "tests/live/test_return_link.py::test_a_guest_changes_no_address_and_begins_no_chat",
    ),
    Mutant(
        "SET-8",
        "server/inbox/quick_replies.py",
        'unicodedata.normalize("NFKC", shortcut).casefold()',
        "shortcut",
        "tests/edge/test_quick_replies_http.py::"
        "test_a_shortcut_is_unique_without_case_and_there_are_at_most_two_hundred",
    ),
    Mutant(
        "SET-9",
        "server/webchat/settings.py",
        "return self.welcome if online else self.welcome_away",
        "return self.welcome",
        "tests/live/test_conversation.py::test_the_welcome_that_is_stored_depends_on_whether_the_team_is_online",
    ),
    Mutant(
        "HRS-1",
        "server/webchat/receiving.py",
        "if item.message.out_of_hours is not None:",
        "if False:",
        "tests/live/test_hours.py::test_the_out_of_hours_message_is_sent_once_in_a_session",
    ),
    Mutant(
        "INB-58",
        "server/inbox/actions.py",
        "assignee_id=ticket.assignee or agent.id",
        "assignee_id=ticket.assignee",
        HTTP + "test_inb_58_a_reply_assigns_the_ticket_to_its_author",
    ),
)


def passes(folder: Path, *tests: str) -> bool:
    """Whether the tests pass in this tree. Any other end than a passed or failed test stops the run."""
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode not in (0, 1):
        sys.exit(f"{tests} did not run:\n{ran.stdout[-3000:]}{ran.stderr[-2000:]}")
    return ran.returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="the mutants of this rule")
    only = parser.parse_args().only
    chosen = [mutant for mutant in MUTANTS if only in (None, mutant.rule)]
    survived = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        folder = Path(name)
        for part in COPIED:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / part)
        if not passes(folder, *sorted({mutant.test for mutant in chosen})):
            sys.exit("A test fails without a mutant.")
        for mutant in chosen:
            path = folder / mutant.file
            text = path.read_text()
            if text.count(mutant.old) != 1:
                sys.exit(f"{mutant.rule}: {mutant.file} contains {mutant.old!r} {text.count(mutant.old)} times")
            path.write_text(text.replace(mutant.old, mutant.new))
            caught = not passes(folder, mutant.test)
            path.write_text(text)
            print(f"{'caught' if caught else 'SURVIVED':<9} {mutant.rule:<7} {mutant.file}: {mutant.test}", flush=True)
            if not caught:
                survived.append(mutant)
    print(f"{len(chosen)} mutants, {len(survived)} survived")
    sys.exit(bool(survived))


if __name__ == "__main__":
    main()
