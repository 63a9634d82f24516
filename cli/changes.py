"""`penumbra index add`, `update`, `remove`, `compact` and `verify`: a gallery that is there is changed and checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import typer

from cli.exit_codes import UNWELL
from cli.show import print_json, progress, say, say_left_out, teller, warn
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


def add(
    gallery: Path,
    data: Path,
    *,
    split: str | None,
    skip_bad: bool,
    model: Path | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Add a collection, and show what the gallery holds."""
    _apply(lambda living, items: living.add(items), gallery, (data, split, skip_bad), model, threads, as_json)


def update(
    gallery: Path,
    data: Path,
    *,
    split: str | None,
    skip_bad: bool,
    model: Path | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Replace what has the ids of a collection, and show what the gallery holds."""
    _apply(lambda living, items: living.replace(items), gallery, (data, split, skip_bad), model, threads, as_json)


def remove(gallery: Path, ids: Sequence[str], as_json: bool) -> None:
    """Remove items, and show what the gallery holds."""
    with open_for_changes(gallery) as living:
        living.remove(ids)
        _show_state(living, as_json)


def compact(gallery: Path, model: Path | None, threads: int | None, as_json: bool) -> None:
    """Build a gallery anew with its changes, and show what it holds."""
    pin(threads)
    loaded = _model(gallery, model)
    with open_for_changes(gallery, model=loaded.fingerprint) as living:
        living.compact(match_heads(loaded), teller(as_json))
        _show_state(living, as_json)


def verify_gallery(gallery: Path, as_json: bool) -> None:
    """Check a gallery, and show what is damaged; then the exit code says so."""
    with progress("reading bytes") as bar:
        found = verify(gallery, bar)
    if as_json:
        print_json({**asdict(found), "directory": str(gallery), "sound": found.sound})
    else:
        _say_found(found)
    if not found.sound:
        raise typer.Exit(UNWELL)


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
