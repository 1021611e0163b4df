"""`threadline erase`: erases a person after showing what goes and what remains."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from server.errors import Refused
from server.terminal import configure_log, fail, out, settings_or_exit

REMAINS = (
    "rows of the consent ledger without the person's words and addresses, because they prove what was allowed",
    "a keyed hash of each number and e-mail address, so that nobody writes to them again",
    "ids and costs of sent messages, for the bill, and the line of the audit log about this erasure",
    "backups that were made before: delete them, or keep them no longer than you told people",
)


def erase(
    who: Annotated[str, typer.Argument(help="A contact's id, e-mail address or phone number.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase a person: conversations, files, mail, orders, events, properties and addresses. This cannot be undone."""
    preview = _run_command("erase-preview", who=who)
    found = ", ".join(f"{count} {kind}" for kind, count in preview["removes"].items() if count)
    out.print(f"Erases {preview['confirm']} (contact {preview['contact']}): {found or 'no data'}.", highlight=False)
    out.print("What remains:", highlight=False)
    for line in REMAINS:
        out.print(f"  - {line}", highlight=False)
    if not yes and typer.prompt(f"Type {preview['confirm']} to erase") != preview["confirm"]:
        fail("Nothing was erased: the text is not the same.")
    _run_command("erase", contact=preview["contact"])
    out.print("Erased.", highlight=False)


def _run_command(command: str, **args: Any) -> dict[str, Any]:
    from server import serving

    settings = settings_or_exit()
    configure_log(settings)
    try:
        return dict(asyncio.run(serving.command(settings, command, args)))
    except Refused as error:
        fail(error.message)
