"""`penumbra demo` and `penumbra scenes`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.commands.parameters import Json


def demo(
    out: Annotated[Path, typer.Option(help="Where the collection and its gallery go.")] = Path("artifacts/demo"),
    open_: Annotated[
        bool, typer.Option("--open", help="Then serve it and open its page in the browser, until Ctrl-C.")
    ] = False,
    port: Annotated[int | None, typer.Option(help="Port to serve it on; 8000 without it.")] = None,
    as_json: Json = False,
) -> None:
    """Make the demo: 2,000 Scenes and their gallery, audited. What is there and fits the shipped model stays."""
    from cli.demo import command

    command(out, open_=open_, port=port, as_json=as_json)


def scenes(
    out: Annotated[Path, typer.Argument(help="A folder that is not there yet.")],
    images: Annotated[int, typer.Option(min=1, help="How many pictures.")] = 2_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same pictures.")] = 0,
    side: Annotated[int, typer.Option(min=16, help="Of a picture, in pixels.")] = 128,
    captions: Annotated[int, typer.Option(min=1, help="For each picture.")] = 6,
    as_json: Json = False,
) -> None:
    """Render a collection of Scenes with captions whose true matches are known."""
    from cli.demo import scenes_command

    scenes_command(out, images=images, seed=seed, side=side, captions=captions, as_json=as_json)
