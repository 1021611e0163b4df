"""Shared by all terminal commands: output, settings and exit on failure."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NoReturn

import typer

from server.settings import Settings


class _Screen:
    """A rich console, created on the first output, so that a server that prints nothing does not load rich."""

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
    """The settings; prints one line for each invalid one and exits."""
    from pydantic import ValidationError
    from rich.markup import escape

    try:
        return Settings(**overrides)
    except ValidationError as error:
        for problem in error.errors():
            name = "THREADLINE_" + str(problem["loc"][0]).upper().removeprefix("THREADLINE_")
            err.print(f"[red]{name}[/red] {escape(problem['msg'].removeprefix('Value error, '))}")
        raise typer.Exit(2) from None


def fail(message: str) -> NoReturn:
    """Prints one sentence of advice and exits with code 1."""
    err.print(message, style="red", markup=False, highlight=False)
    raise typer.Exit(1)


def configure_log(settings: Settings) -> None:
    from server.kernel.log import configure

    configure(settings.log_format, settings.log_level)
