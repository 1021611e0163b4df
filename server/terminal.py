"""What every command of the terminal shares: output, settings, and how a failure ends."""

from __future__ import annotations

from typing import Any, NoReturn

import typer
from rich.console import Console

from server.settings import Settings

out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)


def settings_or_exit(**overrides: Any) -> Settings:
    """The settings, or one line for each that is wrong."""
    from pydantic import ValidationError

    try:
        return Settings(**overrides)
    except ValidationError as error:
        for problem in error.errors():
            name = "THREADLINE_" + str(problem["loc"][0]).upper().removeprefix("THREADLINE_")
            err.print(f"[red]{name}[/red] {problem['msg']}")
        raise typer.Exit(2) from None


def fail(message: str) -> NoReturn:
    """One sentence on what to do, and exit code 1."""
    err.print(message, style="red", markup=False, highlight=False)
    raise typer.Exit(1)


def configure_log(settings: Settings) -> None:
    from server.kernel.log import configure

    configure(settings.log_format, settings.log_level)
