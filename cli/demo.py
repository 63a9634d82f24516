"""`penumbra demo` and `penumbra scenes`: the Scenes gallery with the model that ships, and Scenes as a collection."""

from __future__ import annotations

import webbrowser
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from threading import Thread

from cli.audit import audit_gallery, say_audit
from cli.index import build_gallery, say_build
from cli.show import Tell, print_json, progress, say, teller
from corpus.read import read
from corpus.scenes.generate import write
from index.exploring.audit import read_audit
from index.lifecycle.describe import describe
from index.local.gallery import Gallery
from models import checkpoint
from models.errors import ArtifactError, ConfigError
from penumbra_client import Client, ClientError
from service.app import serve
from service.settings import Settings
from service.settings import read as settings_of

SHIPPED_MODEL = Path(__file__).resolve().parent / "shipped" / "scenes"
DEMO_IMAGES, DEMO_SEED, DEMO_SIDE = 2_000, 2_021, 160


def command(out: Path, *, open_: bool = False, port: int | None = None, as_json: bool = False) -> None:
    """Make what is not there, show what was made, and serve it where that is asked for."""
    if open_ and as_json:
        raise ConfigError("a demo that is served ends with Ctrl-C and prints no JSON: leave out --json or --open")
    collection, gallery = out / "scenes", out / "gallery"
    made = not _is_current(gallery)
    tell = teller(as_json)
    if made:
        _make(collection, gallery, tell)
    else:
        tell(f"The demo gallery is in {gallery}.")
    found = read_audit(gallery)
    if found is None:
        found = audit_gallery(gallery)
        say_audit(found, tell)
    if as_json:
        print_json({"collection": str(collection), "made": made, "gallery": describe(gallery), "audit": asdict(found)})
    if open_:
        _show(settings_of(gallery=gallery, port=port))


def _make(collection: Path, gallery: Path, tell: Tell) -> None:
    if not collection.exists():
        with progress("rendering Scenes") as report:
            write(collection, DEMO_IMAGES, DEMO_SEED, side=DEMO_SIDE, progress=report)
    say_build(build_gallery(SHIPPED_MODEL, read(collection), gallery, tell=tell), gallery, tell)


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


def scenes_command(out: Path, *, images: int, seed: int, side: int, captions: int, as_json: bool) -> None:
    """Render, and say where."""
    with progress("rendering Scenes") as report:
        write(out, images, seed, side=side, per_image=captions, progress=report)
    if as_json:
        print_json({"directory": str(out), "images": images, "captions": images * captions, "seed": seed})
    else:
        say(f"{images:,} pictures are in {out}.")
