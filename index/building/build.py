"""Embeds a corpus into a gallery: resumable, nothing dropped in silence, put in place in one step."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

from corpus.manifest import Corpus
from index.building.assembly import Origin, Plan, assemble, caption_ids
from index.building.embedding import Embedding, Progress
from index.changes.lock import locked
from index.files.manifest import MANIFEST, SCHEMA, LeftOut, Manifest, Parameters, read_manifest
from index.files.shards import workspace
from index.gaussians.storage import Storage
from index.items import Modality
from index.milvus.address import StoreAddress
from index.milvus.upload import upload, wanted_in_store
from index.processes import ALONE, Processes
from index.room import require_disk
from index.searching.retriever import ANSWERS
from index.shortlists.choice import MEASURED, Wanted, choose
from models.artifact import publish, read_json, writing
from models.checkpoint import LoadedModel
from models.errors import ArtifactError, ConfigError, CorpusError
from models.match import MatchHead

THUMBNAIL_SIDE: Final = 256


def build(
    model: LoadedModel,
    corpus: Corpus,
    out: Path,
    *,
    skip_bad: bool = False,
    batch: int = 64,
    shortlist: Wanted = MEASURED,
    storage: Storage | None = None,
    processes: Processes = ALONE,
    store: StoreAddress | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    tell: Callable[[str], None] = lambda _: None,
) -> Manifest:
    """Embed a corpus and write the gallery, replacing one that is there.

    Interrupted at any moment it leaves `out` as it was, and started again with the same model, corpus and batch it goes
    on where it was, to the same bytes (the time in the manifest aside).

    Args:
        model: used on the device where its encoder is.
        corpus: what is embedded.
        out: the gallery's folder.
        skip_bad: leave out images that cannot be read, with their captions; the manifest lists them.
        batch: how many images or captions are encoded at once.
        shortlist: which shortlists are wanted; they are tuned to the model's match heads and measured against them,
            the calibrated ones where it has them.
        storage: how Gaussians are stored; without it each modality has the smallest that changes no match probability
            by more than 0.001.
        processes: that build it together. Each encodes batches of its own, and the first one makes the gallery of all,
            with the same bytes as one would alone. `out` must be the same folder for all.
        store: where its items go; without it they stay in the folder.
        progress: called after every batch.
        tell: told, in sentences, what takes long after the last batch.

    Raises:
        CorpusError: an image cannot be read, or two items would have the same id.
        ArtifactError: `out` holds something else than a gallery, or is being built by another process, or cannot be
            written, or the model gives numbers that are not finite.
        LostProcessError: another process has ended too early; finished batches stay.
        LockedError: another process changes the gallery that is there, and would lose its changes.
        ConfigError: the model embeds an item as several points, a kind of shortlist cannot be built of so few items, or
            there is too little memory or disk, and nothing has been done yet; or the storage that was asked for changes
            match probabilities too much, and what is encoded is kept for another one; or the store holds another
            gallery.
        UnavailableError: the store does not answer; what is encoded is kept.
    """
    out = out.resolve()
    with writing(out), ExitStack() as held:
        with processes.first_ahead():
            _require_one_embedding(model)
            _require_replaceable(out)
            _require_distinct_ids(corpus)
            dim = model.encoder.config.embed_dim
            wanted = shortlist if store is None else wanted_in_store(shortlist, _items(corpus), dim)
            plan = _plan(model, corpus, out, Parameters(batch, wanted, THUMBNAIL_SIDE, storage))
            origin = _origin(model, corpus, out)
            space = held.enter_context(workspace(out, _shards_depend_on(origin, plan.parameters), processes))
            if processes.first:
                held.enter_context(locked(out))
        embedding = Embedding(model, space, plan.parameters, progress, processes)
        entries, left_out = embedding.images(corpus, skip_bad)
        embedding.captions(entries)
        if processes.first:
            finished = _empty_folder(space.directory / "gallery")
            shards = (partial(embedding.shards, Modality.IMAGE), partial(embedding.shards, Modality.TEXT))
            assemble(finished, origin, plan, entries, *shards, (*_skipped(corpus), *left_out), tell)
            if store is not None:
                built, finished = finished, _empty_folder(space.directory / "folder")
                upload(built, store, finished, tell)
            publish(finished, out)
        processes.wait()
    return read_manifest(out)


def _origin(model: LoadedModel, corpus: Corpus, out: Path) -> Origin:
    place = os.path.relpath(model.directory.resolve(), out)
    return Origin(place, model.fingerprint, corpus.fingerprint, model.encoder.config.embed_dim)


def _plan(model: LoadedModel, corpus: Corpus, out: Path, parameters: Parameters) -> Plan:
    """How the gallery will be built; refused here when it cannot be."""
    entries, dim = corpus.entries, model.encoder.config.embed_dim
    counts = {Modality.IMAGE: len(entries), Modality.TEXT: sum(len(entry.captions) for entry in entries)}
    require_disk(out, sum(counts.values()), dim, parameters.storage)
    return Plan(parameters, choose(parameters.shortlist, counts, dim), match_heads(model))


def match_heads(model: LoadedModel) -> dict[Modality, MatchHead]:
    """The match head of the direction in which each modality answers, calibrated where it is."""
    calibrated = model.encoder.calibration.heads if model.encoder.calibration else {}
    return {modality: calibrated.get(direction, model.encoder.match) for direction, modality in ANSWERS.items()}


def _shards_depend_on(origin: Origin, parameters: Parameters) -> dict[str, Any]:
    """What has to be the same for finished shards to be taken up: not what is made of them later."""
    shards = {"batch": parameters.batch, "thumbnail_side": parameters.thumbnail_side}
    return {"schema": SCHEMA, **asdict(origin), **shards}


def _items(corpus: Corpus) -> int:
    """How many items a corpus has, of both modalities."""
    return sum(1 + len(entry.captions) for entry in corpus.entries)


def _skipped(corpus: Corpus) -> Iterator[LeftOut]:
    """What the corpus left out when it was read."""
    for problem in corpus.skipped:
        yield LeftOut(problem.where, problem.what)


def _empty_folder(path: Path) -> Path:
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    return path


def _require_one_embedding(model: LoadedModel) -> None:
    points = model.encoder.config.embedding.points
    if points > 1:
        raise ConfigError(
            f"{model.directory} embeds an item as {points} points, and a gallery holds one for each item: "
            "train it with points = 1"
        )


def _require_replaceable(out: Path) -> None:
    """A gallery may be replaced, and an empty folder; a person's other files may not."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    try:
        known = "model_fingerprint" in read_json(out / MANIFEST, "")
    except ArtifactError:
        known = False
    if not known:
        raise ArtifactError(f"{out} exists and is no gallery: name another folder, or remove it")


def _require_distinct_ids(corpus: Corpus) -> None:
    # An id that could be a caption's has a # in it, and hardly any has: the others need not be kept.
    suspects = {entry.id for entry in corpus.entries if "#" in entry.id}
    for entry in corpus.entries if suspects else ():
        clash = suspects.intersection(caption_ids(entry))
        if clash:
            raise CorpusError(
                f"{corpus.root}: {min(clash)!r} is the id of an image and would be that of a caption of {entry.id!r}; "
                "rename the image."
            )
