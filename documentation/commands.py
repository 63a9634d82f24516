"""The page of the command line, from typer."""

from __future__ import annotations

import re
from typing import Final

import typer
import typer.cli
import typer.main

from cli.exit_codes import BAD_INPUT, INTERRUPTED
from cli.main import app
from documentation.markdown import generated, table

NAME: Final = "penumbra"
EXIT_CODES: Final = (
    (0, "It is done; for `index verify`, the gallery is sound."),
    (1, "`index verify` found damage."),
    (BAD_INPUT, "Something given to it is wrong: one sentence on stderr says what to change. Nothing was changed."),
    (INTERRUPTED, "It was interrupted. `train` and `index build` go on where they were when started again."),
)
"""What a shell is told; a page of errors that has others would be wrong."""


def page() -> str:
    """Exit codes, then every command with its arguments and options."""
    introduction = f"Every command shows its options with `--help`.\n\n## Exit codes\n\n{_exit_codes()}"
    return generated("Command line", "cli/", introduction) + "\n" + _commands()


def _exit_codes() -> str:
    return table(("code", "when"), EXIT_CODES)


def _commands() -> str:
    """As typer writes it; its own heading goes, and a placeholder in angle brackets must not become a tag."""
    command = typer.main.get_command(app)
    context = typer.Context(command, info_name=NAME)
    text = typer.cli.get_docs_for_click(obj=command, ctx=context, name=NAME)
    text = text.replace(f"# `{NAME}`\n", f"## `{NAME}`\n", 1)
    return re.sub(r"[ \t]+\n", "\n", text).rstrip() + "\n"
