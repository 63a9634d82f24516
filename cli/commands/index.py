"""`penumbra index`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.commands.choices import Storage
from cli.commands.parameters import Data, GalleryFolder, Json, Model, ProcessThreads, SkipBad, Split, Threads
from cli.completion import galleries

app = typer.Typer(help="Build a gallery, change it, check it, and say what is in one.", no_args_is_help=True)


@app.command()
def add(
    gallery: GalleryFolder,
    data: Data,
    split: Split = None,
    skip_bad: SkipBad = False,
    model: Model = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Add a collection's images and captions to a gallery, all or none; ids that are taken are refused."""
    from cli import changes

    changes.add(gallery, data, split=split, skip_bad=skip_bad, model=model, threads=threads, as_json=as_json)


@app.command()
def update(
    gallery: GalleryFolder,
    data: Data,
    split: Split = None,
    skip_bad: SkipBad = False,
    model: Model = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Put a collection's images in the place of those with the same ids, all or none.

    An image keeps its captions, unless the collection has captions of it: then these are all it has.
    """
    from cli import changes

    changes.update(gallery, data, split=split, skip_bad=skip_bad, model=model, threads=threads, as_json=as_json)


@app.command()
def remove(
    gallery: GalleryFolder,
    ids: Annotated[list[str], typer.Argument(help="Of images, whose captions go with them, or of captions.")],
    as_json: Json = False,
) -> None:
    """Remove items from a gallery, all or none."""
    from cli import changes

    changes.remove(gallery, ids, as_json)


@app.command()
def compact(gallery: GalleryFolder, model: Model = None, threads: Threads = None, as_json: Json = False) -> None:
    """Build a gallery anew with its changes; nothing is encoded. Interrupted, it leaves the gallery as it was."""
    from cli import changes

    changes.compact(gallery, model, threads, as_json)


@app.command()
def verify(gallery: GalleryFolder, as_json: Json = False) -> None:
    """Check every hash and count of a gallery. Exit code 0: it is sound; 1: it is damaged; 2: it cannot be read."""
    from cli import changes

    changes.verify_gallery(gallery, as_json)


@app.command()
def build(
    model: Annotated[Path, typer.Argument(help="A model's folder.")],
    data: Data,
    out: Annotated[Path, typer.Option(help="Where the gallery goes; one that is there is replaced when all is done.")],
    split: Split = None,
    skip_bad: SkipBad = False,
    batch: Annotated[int, typer.Option(min=1, help="Items encoded at once.")] = 64,
    kind: Annotated[str, typer.Option(help="Of shortlist: auto, flat, sq8, hnsw or ivf_rabitq.")] = "auto",
    over: Annotated[str, typer.Option(help="What it is over: auto (as measured), mean or lifted.")] = "auto",
    recall: Annotated[float, typer.Option(help="Share of the ten most probable items that it is to hold.")] = 0.99,
    memory: Annotated[str, typer.Option(help="What both shortlists may take, as in 512MiB or 4GiB.")] = "4GiB",
    storage: Annotated[
        Storage | None,
        typer.Option(help="How Gaussians are stored; without it the smallest that keeps match probabilities to 0.001."),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(help="Where the items go, as milvus://HOST:19530/COLLECTION; without it into the folder."),
    ] = None,
    threads: ProcessThreads = None,
    as_json: Annotated[bool, typer.Option("--json", help="What `index info --json` prints of it.")] = False,
) -> None:
    """Embed a collection into a gallery. Interrupted at any moment, the same command goes on where it was.

    Started by torchrun, several processes share it; see docs/distributed.md.
    """
    from cli.index import build_command

    build_command(
        model,
        data,
        out,
        split=split,
        skip_bad=skip_bad,
        batch=batch,
        kind=kind,
        over=over,
        recall=recall,
        memory=memory,
        storage=storage,
        store=store,
        threads=threads,
        as_json=as_json,
    )


@app.command()
def info(gallery: GalleryFolder, as_json: Json = False) -> None:
    """Describe a gallery."""
    from cli.index import info_command

    info_command(gallery, as_json)


@app.command()
def audit(
    gallery: GalleryFolder,
    model: Model = None,
    threads: Threads = None,
    as_json: Annotated[bool, typer.Option("--json", help="All that was found, as JSON.")] = False,
) -> None:
    """Look for likely label errors and for hubs, and keep what is found beside the gallery.

    Interrupted, it leaves what was found before.
    """
    from cli.audit import command

    command(gallery, model, threads, as_json)


@app.command()
def publish(
    gallery: Annotated[
        Path, typer.Argument(help="The folder of the gallery that is to be served.", autocompletion=galleries)
    ],
    to: Annotated[Path, typer.Option(help="The link that `penumbra serve` was given; made if it is not there.")],
    server: Annotated[
        str | None,
        typer.Option(help="Where it is served, as http://127.0.0.1:8000 or …/galleries/NAME; told to switch now."),
    ] = None,
    model: Model = None,
    as_json: Json = False,
) -> None:
    """Check a gallery and let a link lead to it; with --server, have it served now or take it back.

    Without --server, send the server SIGHUP. A server that wants a key gets the one in PENUMBRA_API_KEY.
    """
    from cli.publish import command

    command(gallery, to, server, model, as_json)
