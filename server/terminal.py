"""What every command of the terminal shares: output, settings, and how a failure ends."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NoReturn

import typer

from server.settings import Settings


class _Screen:
    """A rich console, made when something is printed: a server that starts prints nothing."""

    def __init__(self, **options: Any) -> None:
        self._options = options

    @cached_property
    def console(self) -> Any:
        from rich.console import Console

        return Console(soft_wrap=True, **self._options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.console, name)


out = _Screen()
err = _Screen(stderr=True)


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
