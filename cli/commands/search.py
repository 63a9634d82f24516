"""`penumbra search`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.commands.choices import Rerank
from cli.commands.parameters import Model
from cli.completion import galleries

if TYPE_CHECKING:
    from penumbra_client import SearchOptions


def search(
    gallery: Annotated[
        Path | None, typer.Argument(help="A gallery's folder; none with --server.", autocompletion=galleries)
    ] = None,
    text: Annotated[str | None, typer.Option(help="Search images with a sentence.")] = None,
    image: Annotated[Path | None, typer.Option(help="Search captions with a picture's file.")] = None,
    server: Annotated[
        str | None,
        typer.Option(help="Ask a running service, as http://127.0.0.1:8000 or …/galleries/NAME, in place of a folder."),
    ] = None,
    model: Model = None,
    top_k: Annotated[int, typer.Option(min=1, help="Answers at most.")] = 10,
    rerank: Annotated[Rerank, typer.Option(help="How the nearest get a probability; none: by distance.")] = "sampled",
    samples: Annotated[int, typer.Option(min=1, help="J, for the sampled probability.")] = 7,
    seed: Annotated[int, typer.Option(help="Of the samples.")] = 0,
    min_match_probability: Annotated[float, typer.Option(min=0, max=1, help="Leave out what is below.")] = 0.0,
    filter_: Annotated[
        str | None,
        typer.Option("--filter", help="""Only items of which this holds, in JSON: '{"label": "rose"}'."""),
    ] = None,
    pictures: Annotated[bool, typer.Option(help="Show the pictures, where this is a terminal with colours.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with the fields of the HTTP answer.")] = False,
) -> None:
    """Search a gallery, or ask a server, with a text or a picture.

    A server that wants a key gets the one in PENUMBRA_API_KEY.
    """
    from cli.search import command

    options: SearchOptions = {
        "top_k": top_k,
        "rerank": rerank,
        "samples": samples,
        "seed": seed,
        "min_match_probability": min_match_probability,
    }
    command(
        gallery,
        text=text,
        image=image,
        server=server,
        model=model,
        options=options,
        filter_=filter_,
        pictures=pictures,
        as_json=as_json,
    )
