"""`penumbra serve`: the service over one gallery."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.app import serve
from service.settings import read


def command(
    gallery: Annotated[Path, typer.Argument(help="A gallery's folder.")],
    model: Annotated[Path | None, typer.Option(help="The model, where it is not where the gallery says.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on. [default: 8000]")] = None,
    keys: Annotated[Path | None, typer.Option(help="A file of API keys, from `penumbra keys new`.")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Listen on any address without keys.")] = False,
    threads: Annotated[int | None, typer.Option(min=1, help="Processor threads. [default: all]")] = None,
) -> None:
    """Serve a gallery over HTTP. More settings are environment variables named PENUMBRA_…; /info lists the limits."""
    # The flag can only be given, so that without it the environment decides.
    open_to_all = insecure or None
    serve(read(gallery=gallery, model=model, host=host, port=port, keys=keys, insecure=open_to_all, threads=threads))
