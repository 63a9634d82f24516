"""`penumbra demo` and `penumbra scenes`: the Scenes gallery with the model that ships, and Scenes as a collection."""

from __future__ import annotations

import webbrowser
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Annotated

import typer

from cli.audit import audit_gallery, say_audit
from cli.index import build_gallery, show_build
from cli.show import progress, say
from corpus.read import read
from corpus.scenes.generate import write
from index.exploring.audit import read_audit
from index.local.gallery import Gallery
from models import checkpoint
from models.errors import ArtifactError
from penumbra_client import Client, ClientError
from service.app import serve
from service.settings import Settings
from service.settings import read as settings_of

SHIPPED_MODEL = Path(__file__).resolve().parent / "shipped" / "scenes"
DEMO_IMAGES, DEMO_SEED, DEMO_SIDE = 2_000, 2_021, 160


def command(
    out: Annotated[Path, typer.Option(help="Where the collection and its gallery go.")] = Path("artifacts/demo"),
    open_: Annotated[
        bool, typer.Option("--open", help="Then serve it and open its page in the browser, until Ctrl-C.")
    ] = False,
    port: Annotated[int | None, typer.Option(help="Port to serve it on; 8000 without it.")] = None,
) -> None:
    """Make the demo: 2,000 Scenes and their gallery, audited. What is there and fits the shipped model stays."""
    gallery = out / "gallery"
    if _is_current(gallery):
        say(f"The demo gallery is in {gallery}.")
    else:
        _make(out / "scenes", gallery)
    if read_audit(gallery) is None:
        say_audit(audit_gallery(gallery))
    if open_:
        _show(settings_of(gallery=gallery, port=port))


def _make(collection: Path, gallery: Path) -> None:
    if not collection.exists():
        with progress("rendering Scenes") as report:
            write(collection, DEMO_IMAGES, DEMO_SEED, side=DEMO_SIDE, progress=report)
    show_build(build_gallery(SHIPPED_MODEL, read(collection), gallery), gallery)


def _show(settings: Settings) -> None:
    url = f"http://{settings.host}:{settings.port}"
    say(f"The page is {url}; Ctrl-C stops it.")
    Thread(target=_open_when_ready, args=[url], daemon=True).start()
    serve(settings)


def _open_when_ready(url: str) -> None:
    # When nothing answers, the server has said why.
    with suppress(ClientError), Client(url) as client:
        client.wait_until_ready()
        webbrowser.open(url)


def _is_current(gallery: Path) -> bool:
    try:
        Gallery.open(gallery, model=checkpoint.fingerprint(SHIPPED_MODEL)).close()
    except ArtifactError:
        return False
    return True


def scenes(
    out: Annotated[Path, typer.Argument(help="A folder that is not there yet.")],
    images: Annotated[int, typer.Option(min=1, help="How many pictures.")] = 2_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same pictures.")] = 0,
    side: Annotated[int, typer.Option(min=16, help="Of a picture, in pixels.")] = 128,
    captions: Annotated[int, typer.Option(min=1, help="For each picture.")] = 6,
) -> None:
    """Render a collection of Scenes with captions whose true matches are known."""
    with progress("rendering Scenes") as report:
        write(out, images, seed, side=side, per_image=captions, progress=report)
    say(f"{images:,} pictures are in {out}.")
