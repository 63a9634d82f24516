"""`penumbra doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.commands.parameters import Json
from cli.completion import galleries_and_models


def doctor(
    folder: Annotated[
        Path | None, typer.Argument(help="A gallery or a model to look at, too.", autocompletion=galleries_and_models)
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port that is to be free.")] = 8000,
    as_json: Json = False,
) -> None:
    """Check this environment, line by line, and say what to do.

    Exit code 0: nothing fails; 1: something does.
    """
    from cli.doctor import command

    command(folder, port, as_json)
