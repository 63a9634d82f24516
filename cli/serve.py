"""`penumbra serve`: the service over one gallery or several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import completion
from models.errors import ConfigError
from service.app import serve
from service.settings import read


def command(
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
        int | None, typer.Option(min=1, help="Threads that encode a picture. [default: all processors]")
    ] = None,
) -> None:
    """Serve galleries over HTTP. More settings are environment variables named PENUMBRA_…; /info lists the limits."""
    # A flag can only be given, so that without it the environment decides.
    flags = {"insecure": insecure or None, "writable": writable or None}
    serve(read(**named(galleries), **flags, model=model, host=host, port=port, keys=keys, threads=threads))


def named(galleries: Sequence[str]) -> dict[str, Any]:
    """The settings that `[NAME=]DIR` stand for.

    Raises:
        ConfigError: a gallery other than the first has no name, or two have the same.
    """
    (name, first), *others = map(_split, galleries)
    for other, folder in others:
        if other is None:
            raise ConfigError(f"Several galleries are told apart by name: write NAME={folder}.")
    if len({name, *dict(others)}) < len(galleries):
        raise ConfigError("Two galleries have the same name; give each its own.")
    return {"gallery": first, "gallery_name": name, "galleries": dict(others) or None}


def _split(given: str) -> tuple[str | None, Path]:
    """NAME=DIR or DIR, which holds no = before its first slash."""
    name, equals, folder = given.partition("=")
    return (name, Path(folder)) if equals and "/" not in name else (None, Path(given))
