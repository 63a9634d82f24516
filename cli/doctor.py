"""`penumbra doctor`: whether all is well here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from cli.checks import Check, State, artifact, environment
from cli.completion import galleries_and_models
from cli.show import print_json, say

UNWELL: Final = 1
_STYLES: Final = {State.WELL: None, State.DOUBTFUL: "yellow", State.FAILED: "red"}


def command(
    folder: Annotated[
        Path | None, typer.Argument(help="A gallery or a model to look at, too.", autocompletion=galleries_and_models)
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port that is to be free.")] = 8000,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Check this environment, line by line, and say what to do.

    Exit code 0: nothing fails; 1: something does.
    """
    checks = []
    for check in _checks(folder, port):
        checks.append(check)
        if not as_json:
            say(_line(check), _STYLES[check.state])
    if as_json:
        print_json([{**asdict(check), "state": check.state.name.lower()} for check in checks])
    if any(check.state is State.FAILED for check in checks):
        raise typer.Exit(UNWELL)


def _checks(folder: Path | None, port: int) -> Iterator[Check]:
    yield from environment(port)
    if folder is not None:
        yield artifact(folder)


def _line(check: Check) -> str:
    remedy = "" if check.remedy is None else f" → {check.remedy}"
    return f"{check.state} {check.name}: {check.found}{remedy}"
