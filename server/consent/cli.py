"""`threadline verify` and `threadline evidence`: an owner's proof of consent."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from server.errors import Refused
from server.terminal import configure_log, err, fail, out, settings_or_exit


def verify() -> None:
    """Check every row of the consent ledger and list the errors. Exit code 1 if there are errors."""
    result = _run_command("verify")
    for finding in result["findings"]:
        where = "" if finding["contact"] is None else f"contact {finding['contact']}"
        where += "" if finding["n"] is None else f", row {finding['n']}"
        err.print(f"✗ {where or 'all chains'}: {finding['words']}", style="red", highlight=False)
    rows, contacts, errors = result["rows"], result["contacts"], len(result["findings"])
    verdict = "no errors" if not errors else f"{errors} error{'s' if errors > 1 else ''}"
    out.print(
        f"{rows} row{'' if rows == 1 else 's'} about {contacts} contact{'' if contacts == 1 else 's'}: {verdict}.",
        highlight=False,
    )
    if errors:
        raise typer.Exit(1)


def evidence(
    outbound: Annotated[int, typer.Argument(help="The number of a sent message, from its details.")],
    to: Annotated[Path | None, typer.Option(help="Write to this file instead of the screen.")] = None,
) -> None:
    """Print the consent behind a sent message as JSON: who agreed, to which wording, when and how. Exit code 1 if the
    evidence is incomplete."""
    result = _run_command("evidence", outbound=outbound)
    text = json.dumps(result, indent=2, ensure_ascii=False)
    if to is None:
        typer.echo(text)
    else:
        to.write_text(text + "\n", encoding="utf-8")
    if not result["complete"]:
        raise typer.Exit(1)


def _run_command(command: str, **args: Any) -> dict[str, Any]:
    from server import serving

    settings = settings_or_exit()
    configure_log(settings)
    try:
        return dict(asyncio.run(serving.command(settings, command, args)))
    except Refused as error:
        fail(error.message)
