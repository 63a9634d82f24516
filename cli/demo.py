"""`penumbra demo` and `penumbra scenes`: the Scenes gallery with the model that ships, and Scenes as a collection."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.audit import audit_gallery, say_audit
from cli.index import build_gallery, show_build
from cli.show import progress, say
from corpus.read import read
from corpus.scenes.generate import write
from index.audit import read_audit
from index.gallery import Gallery
from models import checkpoint
from models.errors import ArtifactError

SHIPPED_MODEL = Path(__file__).resolve().parent / "shipped" / "scenes"
DEMO_IMAGES, DEMO_SEED, DEMO_SIDE = 2_000, 2_021, 160


def command(
    out: Annotated[Path, typer.Option(help="Where the collection and its gallery go.")] = Path("artifacts/demo"),
) -> None:
    """Make the demo: 2,000 Scenes and their gallery, audited. What is there and fits the shipped model stays."""
    gallery, collection = out / "gallery", out / "scenes"
    if _is_current(gallery):
        say(f"The demo gallery is in {gallery}.")
    else:
        _make(collection, gallery)
    if read_audit(gallery) is None:
        say_audit(audit_gallery(gallery))


def _make(collection: Path, gallery: Path) -> None:
    if not collection.exists():
        with progress("rendering Scenes") as report:
            write(collection, DEMO_IMAGES, DEMO_SEED, side=DEMO_SIDE, progress=report)
    show_build(build_gallery(SHIPPED_MODEL, read(collection), gallery), gallery)


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
