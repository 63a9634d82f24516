"""Shards put together into the files of a gallery; the same shards give the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from corpus.manifest import Entry
from index.files import manifest as layout
from index.files.arrays import open_gaussians, write_exact, write_stored
from index.files.findings import SelfRetrieval, check_self_retrieval, check_variances
from index.files.manifest import FileRecord, LeftOut, Manifest, Parameters, write_manifest
from index.files.shards import Shard
from index.gaussians.storage import StoredGaussians
from index.gaussians.storage_choice import choose_storage
from index.gaussians.storage_error import StorageFinding
from index.items import Item, Modality, write_items
from index.shortlists.choice import Choice
from index.shortlists.tuning import Asking, ShortlistRecord, make
from models.match import MatchHead

Shards = Callable[[], Iterable[Shard]]
"""Reads all shards of a modality, in order, as often as it is called."""


@dataclass(frozen=True)
class Origin:
    """Where a gallery comes from: its model (path relative to the gallery, fingerprint, dimensions) and its corpus."""

    model: str
    model_fingerprint: str
    corpus_fingerprint: str
    dim: int


@dataclass(frozen=True)
class Plan:
    """How a gallery is to be built.

    Args:
        parameters: what was asked for.
        kinds: the kind of shortlist of each modality.
        heads: the match head of the direction in which each modality answers.
    """

    parameters: Parameters
    kinds: Mapping[Modality, Choice]
    heads: Mapping[Modality, MatchHead]


@dataclass(frozen=True)
class Material:
    """What a gallery is made of.

    Args:
        counts: of each modality.
        items: gives the items of both, each with its row within its modality, whenever it is called.
        shards: of each modality, in the order of the rows; those of images with their pictures.
    """

    counts: Mapping[Modality, int]
    items: Callable[[], Iterable[tuple[int, Item]]]
    shards: Mapping[Modality, Shards]


def assemble(
    directory: Path,
    origin: Origin,
    plan: Plan,
    entries: Sequence[Entry],
    images: Shards,
    captions: Shards,
    left_out: Sequence[LeftOut],
    tell: Callable[[str], None] = lambda _: None,
) -> Manifest:
    """Write a whole gallery of a corpus.

    Args:
        directory: an empty folder.
        origin: the model and the corpus.
        plan: how it is to be built.
        entries: those kept, in the order of the images' Gaussians; their captions, in that of the captions'.
        images: shards of the images.
        captions: shards of the captions.
        left_out: what is not in it.
        tell: told, in sentences, what takes long.
    """
    counts = {Modality.IMAGE: len(entries), Modality.TEXT: sum(len(entry.captions) for entry in entries)}
    shards = {Modality.IMAGE: images, Modality.TEXT: captions}
    return assemble_material(
        directory, origin, plan, Material(counts, partial(items_of, entries), shards), left_out, tell
    )


def assemble_material(
    directory: Path,
    origin: Origin,
    plan: Plan,
    material: Material,
    left_out: Sequence[LeftOut],
    tell: Callable[[str], None],
) -> Manifest:
    """Write a whole gallery; see `assemble`."""
    counts, shards = material.counts, material.shards
    storage = _write_gaussians(directory, counts, origin.dim, shards, plan)
    gaussians = {m: open_gaussians(directory, m, (counts[m], origin.dim), storage[m].storage) for m in Modality}
    made: dict[Modality, tuple[ShortlistRecord, SelfRetrieval]] = {}
    for modality, count in counts.items():
        tell(f"{modality}: a shortlist of kind {plan.kinds[modality].kind} over {count:,} items, tuned and measured.")
        made[modality] = _write_shortlist(directory, modality, gaussians, plan)
    pictures = enumerate(chain.from_iterable(shard.pictures for shard in shards[Modality.IMAGE]()))
    write_items(directory / layout.ITEMS, material.items(), pictures)
    manifest = Manifest(
        origin.model,
        origin.model_fingerprint,
        origin.corpus_fingerprint,
        origin.dim,
        counts,
        datetime.now(UTC).isoformat(timespec="seconds"),
        plan.parameters,
        {path.name: FileRecord.of(path) for path in sorted(directory.iterdir())},
        tuple(left_out),
        {modality: found for modality, (_, found) in made.items()},
        {modality: check_variances(stored) for modality, stored in gaussians.items()},
        storage,
        {modality: record for modality, (record, _) in made.items()},
    )
    write_manifest(directory, manifest)
    return manifest


def _write_gaussians(
    directory: Path, counts: Mapping[Modality, int], dim: int, shards: Mapping[Modality, Shards], plan: Plan
) -> dict[Modality, StorageFinding]:
    """Write the arrays of both modalities: aside in float32, and from there as they are to be stored."""
    with TemporaryDirectory(dir=directory) as aside:
        exact = {m: write_exact(Path(aside), m, (counts[m], dim), shards[m]()) for m in Modality}
        chosen = {m: choose_storage(m, exact, plan.parameters.storage, plan.heads) for m in Modality}
        for modality, (finding, coding) in chosen.items():
            write_stored(directory, modality, exact[modality], finding.storage, coding)
    return {modality: finding for modality, (finding, _) in chosen.items()}


def _write_shortlist(
    directory: Path, modality: Modality, gaussians: Mapping[Modality, StoredGaussians], plan: Plan
) -> tuple[ShortlistRecord, SelfRetrieval]:
    """Make the shortlist of a modality from what is stored, and write it; the other one asks, if there is any of it."""
    [other] = (each for each in Modality if each is not modality)
    asking = other if len(gaussians[other]) else modality
    made = make(
        gaussians[modality],
        Asking(asking, gaussians[asking]),
        plan.heads[modality],
        plan.kinds[modality],
        plan.parameters.shortlist,
    )
    made.shortlist.save(directory / layout.shortlist_file(modality))
    if made.points.heights is not None:
        np.save(directory / layout.heights_file(modality), made.points.heights)
    return made.record, check_self_retrieval(made.shortlist, made.points, *made.searched)


def items_of(entries: Sequence[Entry]) -> Iterator[tuple[int, Item]]:
    """All items, each with its row."""
    for row, entry in enumerate(entries):
        yield row, Item(entry.id, Modality.IMAGE, None, entry.id, entry.label, entry.meta)
    yield from enumerate(
        Item(identifier, Modality.TEXT, text, entry.id, entry.label)
        for entry in entries
        for identifier, text in zip(caption_ids(entry), entry.captions, strict=True)
    )


def caption_ids(entry: Entry) -> tuple[str, ...]:
    """The ids of an entry's captions."""
    return tuple(f"{entry.id}#{place}" for place in range(len(entry.captions)))
