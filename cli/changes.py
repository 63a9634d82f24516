"""`penumbra index add`, `update`, `remove`, `compact` and `verify`: a gallery that is there is changed and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from cli.completion import galleries
from cli.show import print_json, progress, say, say_left_out, warn
from corpus.read import read
from index.building.additions import encode_corpus
from index.building.build import match_heads
from index.building.embedding import Progress
from index.changes.change import Addition
from index.files.manifest import read_manifest
from index.items import Modality
from index.lifecycle.opening import open_for_changes
from index.lifecycle.verify import Verification, verify
from index.room import amount
from index.searching.contract import ChangingGallery
from index.threads import pin
from models import checkpoint
from models.checkpoint import LoadedModel

DAMAGED: Final = 1

GalleryFolder = Annotated[Path, typer.Argument(help="A gallery's folder.", autocompletion=galleries)]
Data = Annotated[Path, typer.Option(help="A folder with captions.jsonl, of a known data set, or of images.")]
Split = Annotated[str | None, typer.Option(help="One split of the collection.")]
SkipBad = Annotated[bool, typer.Option(help="Leave out bad lines and unreadable images, and list them.")]
Model = Annotated[Path | None, typer.Option(help="The model, where it is not where the gallery says.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Processor threads; all by default.")]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]


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
    _apply(lambda living, items: living.add(items), gallery, (data, split, skip_bad), model, threads, as_json)


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
    _apply(lambda living, items: living.replace(items), gallery, (data, split, skip_bad), model, threads, as_json)


def remove(
    gallery: GalleryFolder,
    ids: Annotated[list[str], typer.Argument(help="Of images, whose captions go with them, or of captions.")],
    as_json: Json = False,
) -> None:
    """Remove items from a gallery, all or none."""
    with open_for_changes(gallery) as living:
        living.remove(ids)
        _show_state(living, as_json)


def compact(gallery: GalleryFolder, model: Model = None, threads: Threads = None, as_json: Json = False) -> None:
    """Build a gallery anew with its changes; nothing is encoded. Interrupted, it leaves the gallery as it was."""
    pin(threads)
    loaded = _model(gallery, model)
    with open_for_changes(gallery, model=loaded.fingerprint) as living:
        living.compact(match_heads(loaded), warn if as_json else say)
        _show_state(living, as_json)


def verify_command(gallery: GalleryFolder, as_json: Json = False) -> None:
    """Check every hash and count of a gallery. Exit code 0: it is sound; 1: it is damaged; 2: it cannot be read."""
    with progress("reading bytes") as bar:
        found = verify(gallery, bar)
    if as_json:
        print_json({**asdict(found), "directory": str(gallery), "sound": found.sound})
    else:
        _say_found(found)
    if not found.sound:
        raise typer.Exit(DAMAGED)


def _say_found(found: Verification) -> None:
    for damage in found.damages:
        say(str(damage), "red")
    if found.torn:
        say(f"{found.torn:,} bytes of a change that was never acknowledged are cut off at the next change.")
    if found.sound:
        size = amount(found.bytes)
        say(f"{found.directory} is sound: {found.files} files, {size}, changes since: {found.changes:,}.")


def _model(gallery: Path, model: Path | None) -> LoadedModel:
    return checkpoint.load(model or gallery / read_manifest(gallery).model)


def _apply(
    change: Callable[[ChangingGallery, Sequence[Addition]], None],
    gallery: Path,
    collection: tuple[Path, str | None, bool],
    model: Path | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Change a gallery by all of a collection: its folder, the split, and whether bad lines are left out."""
    pin(threads)
    loaded = _model(gallery, model)
    with open_for_changes(gallery, model=loaded.fingerprint) as living:
        change(living, _encoded(living, loaded, *collection))
        _show_state(living, as_json)


def _encoded(
    living: ChangingGallery, model: LoadedModel, data: Path, split: str | None, skip_bad: bool
) -> tuple[Addition, ...]:
    """A collection, encoded with a progress bar."""
    corpus = read(data, skip_bad=skip_bad)
    say_left_out(corpus)
    part = corpus if split is None else corpus.split(split)
    with progress("embedding") as bar:

        def report(now: Progress) -> None:
            bar(now.done, now.total)

        found, left_out = encode_corpus(
            model, part, living.gallery.manifest.parameters, skip_bad=skip_bad, progress=report
        )
    for each in left_out:
        warn(f"left out: {each}")
    return found


def _show_state(living: ChangingGallery, as_json: bool) -> None:
    counts = {modality: living.gallery.count(modality) for modality in Modality}
    pending = living.pending
    if as_json:
        print_json({"counts": dict(counts), **asdict(pending), "generation": living.generation})
        return
    held = ", ".join(f"{count:,} {modality}s" for modality, count in counts.items())
    say(
        f"The gallery has {held}; since it was built {pending.added:,} items came and {pending.removed:,} went "
        f"(generation {living.generation})."
    )


COMMANDS: Final[Mapping[str, Callable[..., None]]] = {
    "add": add,
    "update": update,
    "remove": remove,
    "compact": compact,
    "verify": verify_command,
}
"""Their names under `penumbra index`."""
