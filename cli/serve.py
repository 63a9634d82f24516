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
    threads: Annotated[int | None, typer.Option(min=1, help="Processor threads. [default: all]")] = None,
) -> None:
    """Serve a gallery over HTTP. More settings are environment variables named PENUMBRA_…; /info lists the limits."""
    serve(read(gallery=gallery, model=model, host=host, port=port, threads=threads))
