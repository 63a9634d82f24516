"""`penumbra doctor`: whether all is well here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final

import typer

from cli.checks import Check, State, artifact, environment
from cli.exit_codes import UNWELL
from cli.show import print_json, say

_STYLES: Final = {State.WELL: None, State.DOUBTFUL: "yellow", State.FAILED: "red"}


def command(folder: Path | None, port: int, as_json: bool) -> None:
    """Check, show, and end with what was found."""
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
