"""`penumbra serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import completion


def serve(
    galleries: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]DIR...",
            help="A gallery's folder; further ones by name. The first answers by default.",
            autocompletion=completion.galleries,
        ),
    ],
    model: Annotated[
        Path | None, typer.Option(help="The first gallery's model, where it is not where the gallery says.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on. [default: 8000]")] = None,
    keys: Annotated[Path | None, typer.Option(help="A file of API keys, from `penumbra keys new`.")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Listen on any address without keys.")] = False,
    writable: Annotated[bool, typer.Option("--writable", help="Let requests add, replace and remove items.")] = False,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads that encode pictures. [default: all processors]")
    ] = None,
) -> None:
    """Serve galleries over HTTP. More settings are environment variables named PENUMBRA_…; /info lists the limits."""
    from cli.serve import command

    command(
        galleries,
        model=model,
        host=host,
        port=port,
        keys=keys,
        insecure=insecure,
        writable=writable,
        threads=threads,
    )
