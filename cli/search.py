"""`penumbra search`: the same answer as the service's, in the terminal."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from cli.show import CONSOLE, say
from index.filter_form import read
from index.manifest import read_manifest
from index.opening import open_gallery
from index.rerank import Rerank
from index.retriever import Retriever, SearchOptions, SearchResult
from models import checkpoint
from models.calibration import Direction
from models.errors import ConfigError
from models.text import check

BAR_WIDTH = 10


def command(
    gallery: Annotated[Path, typer.Argument(help="A gallery's folder.")],
    text: Annotated[str | None, typer.Option(help="Search images with a sentence.")] = None,
    image: Annotated[Path | None, typer.Option(help="Search captions with a picture's file.")] = None,
    model: Annotated[Path | None, typer.Option(help="The model, where it is not where the gallery says.")] = None,
    top_k: Annotated[int, typer.Option(min=1)] = 10,
    rerank: Annotated[Rerank, typer.Option()] = Rerank.SAMPLED,
    samples: Annotated[int, typer.Option(min=1, help="J, for the sampled probability.")] = 7,
    seed: Annotated[int, typer.Option(help="Of the samples.")] = 0,
    min_match_probability: Annotated[float, typer.Option(min=0, max=1)] = 0.0,
    filter_: Annotated[
        str | None,
        typer.Option("--filter", help="""Only items of which this holds, in JSON: '{"label": "rose"}'."""),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Search a gallery with a text or a picture."""
    if (text is None) == (image is None):
        raise ConfigError("search with --text or with --image, one of them")
    options = SearchOptions(
        top_k=top_k,
        rerank=rerank,
        samples=samples,
        seed=seed,
        min_match_probability=min_match_probability,
        filter=None if filter_ is None else read(filter_),
    )
    loaded = checkpoint.load(model or gallery / read_manifest(gallery).model)
    with closing(open_gallery(gallery, model=loaded.fingerprint)) as opened:
        encoder = loaded.encoder
        if text is not None:
            direction, query = Direction.TEXT_TO_IMAGE, encoder.encode_texts([check(text)])
        else:
            direction, query = Direction.IMAGE_TO_TEXT, encoder.encode_images([_bytes(image)])
        retriever = Retriever(opened, encoder.match, encoder.calibration, encoder.familiarity)
        result = retriever.search(query[0], direction, options)
    unknown = encoder.vocabulary.unknown(text or "")
    if as_json:
        CONSOLE.print_json(json.dumps({"unknown_words": unknown, **_plain(result)}))
        return
    if unknown:
        say(f"The model does not know: {', '.join(unknown)}", "yellow")
    _show(result)


def _bytes(path: Path | None) -> bytes:
    try:
        return path.read_bytes() if path else b""
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): name a picture's file") from error


def _plain(result: SearchResult) -> dict[str, Any]:
    hits = [{**asdict(hit), "item": {**asdict(hit.item), "meta": dict(hit.item.meta)}} for hit in result.hits]
    return {
        "results": hits,
        "expected_matches": result.expected_matches,
        "ranked": result.ranked,
        "calibrated": result.calibrated,
        "familiarity": result.familiarity,
        "no_match": None if result.no_match is None else asdict(result.no_match),
    }


def _show(result: SearchResult) -> None:
    table = Table()
    for heading in ("", "match", "", "item", "σ", "distance"):
        table.add_column(heading, justify="right" if heading in ("match", "σ", "distance") else "left")
    for hit in result.hits:
        error = f" ± {100 * hit.standard_error:.0f}" if hit.standard_error else ""
        bar = "█" * round(BAR_WIDTH * hit.match_probability)
        name = hit.item.text or hit.item.id
        match = f"{100 * hit.match_probability:.0f}{error} %"
        sigma, distance = f"{hit.uncertainty.sigma:.4f}", f"{hit.mean_distance:.3f}"
        table.add_row(str(hit.rank), match, f"{bar:<{BAR_WIDTH}}", name, sigma, distance)
    CONSOLE.print(table)
    if result.no_match is not None:
        say(result.no_match.detail, "yellow")
    else:
        say(f"About {result.expected_matches:.1f} matches expected among {result.ranked:,} items ranked.")
