"""Shards put together into the files of a gallery; the same shards give the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np
from torch import Tensor

from corpus.manifest import Entry
from index import manifest as layout
from index.findings import SelfRetrieval, Variances, check_self_retrieval, check_variances
from index.items import Item, Modality, write_items
from index.manifest import FileRecord, LeftOut, Manifest, Parameters, write_manifest
from index.shards import Shard
from index.shortlist import KINDS

Shards = Callable[[], Iterable[Shard]]
"""Reads all shards of a modality, in order, as often as it is called."""


@dataclass(frozen=True)
class Origin:
    """Where a gallery comes from: its model (path relative to the gallery, fingerprint, dimensions) and its corpus."""

    model: str
    model_fingerprint: str
    corpus_fingerprint: str
    dim: int


def assemble(
    directory: Path,
    origin: Origin,
    parameters: Parameters,
    entries: Sequence[Entry],
    images: Shards,
    captions: Shards,
    left_out: Sequence[LeftOut],
) -> Manifest:
    """Write a whole gallery.

    Args:
        directory: an empty folder.
        origin: the model and the corpus.
        parameters: how it is being built.
        entries: those kept, in the order of the images' Gaussians; their captions, in that of the captions'.
        images: shards of the images.
        captions: shards of the captions.
        left_out: what is not in it.
    """
    counts = {Modality.IMAGE: len(entries), Modality.TEXT: sum(len(entry.captions) for entry in entries)}
    shards = {Modality.IMAGE: images, Modality.TEXT: captions}
    findings = {
        modality: _write_shelf(directory, modality, (counts[modality], origin.dim), shards[modality], parameters)
        for modality in Modality
    }
    pictures = enumerate(chain.from_iterable(shard.pictures for shard in images()))
    write_items(directory / layout.ITEMS, _items(entries), pictures)
    manifest = Manifest(
        origin.model,
        origin.model_fingerprint,
        origin.corpus_fingerprint,
        origin.dim,
        counts,
        datetime.now(UTC).isoformat(timespec="seconds"),
        parameters,
        {path.name: FileRecord.of(path) for path in sorted(directory.iterdir())},
        tuple(left_out),
        {modality: found[0] for modality, found in findings.items()},
        {modality: found[1] for modality, found in findings.items()},
    )
    write_manifest(directory, manifest)
    return manifest


def _write_shelf(
    directory: Path, modality: Modality, shape: tuple[int, int], shards: Shards, parameters: Parameters
) -> tuple[SelfRetrieval, Variances]:
    """Write the arrays and the index of a modality, and check them."""
    _write_arrays(directory, modality, shape, shards())
    means = np.load(directory / layout.means_file(modality), mmap_mode="r")
    log_variances = np.load(directory / layout.log_variances_file(modality), mmap_mode="r")
    shortlist = KINDS[parameters.shortlist].build(means)
    shortlist.save(directory / layout.shortlist_file(modality))
    return check_self_retrieval(shortlist, means), check_variances(means, log_variances)


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
