"""`threadline verify` and `threadline evidence`: what an owner shows to somebody who asks for proof."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from server.errors import Refused
from server.terminal import configure_log, err, fail, out, settings_or_exit


def verify() -> None:
    """Check every row of the consent ledger, and name what does not fit. Exit code 1 when something does not."""
    found = _ask("verify")
    for finding in found["findings"]:
        where = "" if finding["contact"] is None else f"contact {finding['contact']}"
        where += "" if finding["n"] is None else f", row {finding['n']}"
        err.print(f"✗ {where or 'all chains'}: {finding['words']}", style="red", highlight=False)
    rows, contacts, wrong = found["rows"], found["contacts"], len(found["findings"])
    verdict = "nothing was changed" if not wrong else f"{wrong} thing{'s do' if wrong > 1 else ' does'} not fit"
    out.print(
        f"{rows} row{'' if rows == 1 else 's'} about {contacts} contact{'' if contacts == 1 else 's'}: {verdict}.",
        highlight=False,
    )
    if wrong:
        raise typer.Exit(1)


def evidence(
    outbound: Annotated[int, typer.Argument(help="The number of a sent message, as its details show it.")],
    to: Annotated[Path | None, typer.Option(help="A file to write to, instead of the screen.")] = None,
) -> None:
    """Print, as JSON, who agreed to a message that was sent, to what wording, when and how. Exit code 1: incomplete."""
    found = _ask("evidence", outbound=outbound)
    text = json.dumps(found, indent=2, ensure_ascii=False)
    if to is None:
        typer.echo(text)
    else:
        to.write_text(text + "\n", encoding="utf-8")
    if not found["complete"]:
        raise typer.Exit(1)


def _ask(command: str, **args: Any) -> dict[str, Any]:
    from server import serving

    settings = settings_or_exit()
    configure_log(settings)
    try:
        return dict(asyncio.run(serving.command(settings, command, args)))
    except Refused as error:
        fail(error.message)
