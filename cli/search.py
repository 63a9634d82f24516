"""`penumbra search`: the same answer as the service's, in the terminal; from a gallery on disk or from a server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.answers import show_answer
from cli.completion import galleries
from cli.local import LocalGallery
from cli.pictures import can_show_pictures
from cli.server import connect
from cli.show import CONSOLE, print_json
from index.filters.form import read
from index.searching.rerank import Rerank
from models.errors import ConfigError
from penumbra_client import Client, SearchAnswer, SearchOptions


def command(
    gallery: Annotated[
        Path | None, typer.Argument(help="A gallery's folder; none with --server.", autocompletion=galleries)
    ] = None,
    text: Annotated[str | None, typer.Option(help="Search images with a sentence.")] = None,
    image: Annotated[Path | None, typer.Option(help="Search captions with a picture's file.")] = None,
    server: Annotated[
        str | None,
        typer.Option(help="Ask a running service, as http://127.0.0.1:8000 or …/galleries/NAME, in place of a folder."),
    ] = None,
    model: Annotated[Path | None, typer.Option(help="The model, where it is not where the gallery says.")] = None,
    top_k: Annotated[int, typer.Option(min=1, help="Answers at most.")] = 10,
    rerank: Annotated[
        Rerank, typer.Option(help="How the nearest get a probability; none: by distance.")
    ] = Rerank.SAMPLED,
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
    if (text is None) == (image is None):
        raise ConfigError("search with --text or with --image, one of them")
    options: SearchOptions = {
        "top_k": top_k,
        "rerank": rerank.value,
        "samples": samples,
        "seed": seed,
        "min_match_probability": min_match_probability,
    }
    if filter_ is not None:
        options["filter"] = _checked(filter_)
    with _asked(gallery, server, model) as asked:
        answer = asked.search_image(_bytes(image), **options) if image else asked.search_text(text or "", **options)
        if as_json:
            print_json(asdict(answer))
        else:
            show_answer(answer, _pictures(answer, asked) if pictures and can_show_pictures(CONSOLE) else {})


def _asked(
    gallery: Path | None, server: str | None, model: Path | None
) -> AbstractContextManager[LocalGallery] | AbstractContextManager[Client]:
    """What answers."""
    if (gallery is None) == (server is None):
        raise ConfigError("name a gallery's folder or a --server, one of them")
    if server is None:
        return LocalGallery.open(Path(str(gallery)), model)
    if model is not None:
        raise ConfigError("a server has its own model: leave out --model")
    return connect(server)


def _pictures(answer: SearchAnswer, asked: LocalGallery | Client) -> Mapping[str, bytes]:
    return {hit.id: asked.picture(hit.id) for hit in answer.results if hit.modality == "image"}


def _checked(filter_: str) -> Mapping[str, Any]:
    """A filter as JSON has it, once it is known to be one."""
    read(filter_)
    parsed: Mapping[str, Any] = json.loads(filter_)
    return parsed


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): name a picture's file") from error
