"""Shards put together into the files of a gallery; the same shards give the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from corpus.manifest import Entry
from index import manifest as layout
from index.choice import Choice
from index.findings import check_self_retrieval, check_variances
from index.items import Item, Modality, write_items
from index.loss import Stored
from index.manifest import FileRecord, LeftOut, Manifest, Parameters, write_manifest
from index.points import Floats, Rows
from index.shards import Shard
from index.shortlisting import Asking, Made, make
from models.gaussian import Gaussian
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
    """Write a whole gallery.

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
    for modality, shards in ((Modality.IMAGE, images), (Modality.TEXT, captions)):
        _write_arrays(directory, modality, (counts[modality], origin.dim), shards())
    shelves = {modality: _Shelf.open(directory, modality) for modality in Modality}
    made: dict[Modality, Made] = {}
    for modality, count in counts.items():
        tell(f"{modality}: a shortlist of kind {plan.kinds[modality].kind} over {count:,} items, tuned and measured.")
        made[modality] = _write_shortlist(directory, modality, shelves, plan)
    pictures = enumerate(chain.from_iterable(shard.pictures for shard in images()))
    write_items(directory / layout.ITEMS, _items(entries), pictures)
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
        {m: check_self_retrieval(each.shortlist, each.points, *each.searched) for m, each in made.items()},
        {m: check_variances(shelf.means, shelf.log_variances) for m, shelf in shelves.items()},
        {m: each.record for m, each in made.items()},
    )
    write_manifest(directory, manifest)
    return manifest


@dataclass(frozen=True, eq=False)
class _Shelf:
    """The arrays of a modality as they were written, memory-mapped."""

    means: Floats
    log_variances: Floats

    @classmethod
    def open(cls, directory: Path, modality: Modality) -> _Shelf:
        """Map them."""
        files = (layout.means_file(modality), layout.log_variances_file(modality))
        return cls(*(np.load(directory / file, mmap_mode="r") for file in files))

    @property
    def stored(self) -> Stored:
        """Their Gaussians."""
        return Stored(len(self.means), self._take)

    def _take(self, rows: Rows | slice) -> Gaussian:
        return Gaussian(*(torch.from_numpy(np.array(array[rows])) for array in (self.means, self.log_variances)))


def _write_shortlist(directory: Path, modality: Modality, shelves: Mapping[Modality, _Shelf], plan: Plan) -> Made:
    """Make the shortlist of a modality and write it; the other one asks, where there is any of it."""
    other = next(each for each in Modality if each is not modality)
    asking = other if len(shelves[other].means) else modality
    shelf = shelves[modality]
    made = make(
        shelf.stored,
        shelf.means,
        Asking(asking, shelves[asking].stored),
        plan.heads[modality],
        plan.kinds[modality],
        plan.parameters.shortlist,
    )
    made.shortlist.save(directory / layout.shortlist_file(modality))
    if made.points.heights is not None:
        np.save(directory / layout.heights_file(modality), made.points.heights)
    return made


def _write_arrays(directory: Path, modality: Modality, shape: tuple[int, int], shards: Iterable[Shard]) -> None:
    """Write means, log-variances and sigmas as .npy, piece by piece, so that they need not fit into memory."""
    with (
        _open_array(directory / layout.means_file(modality), shape) as means,
        _open_array(directory / layout.log_variances_file(modality), shape) as log_variances,
        _open_array(directory / layout.sigmas_file(modality), shape[:1]) as sigmas,
    ):
        for shard in shards:
            means.write(_raw(shard.gaussians.mean))
            log_variances.write(_raw(shard.gaussians.log_variance))
            sigmas.write(_raw(shard.gaussians.sigma))


def _open_array(path: Path, shape: tuple[int, ...]) -> BinaryIO:
    """A new .npy file of float32, up to its numbers."""
    file = path.open("wb")
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return file


def _raw(tensor: Tensor) -> bytes:
    return tensor.numpy().astype("<f4").tobytes()


def _items(entries: Sequence[Entry]) -> Iterator[tuple[int, Item]]:
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
