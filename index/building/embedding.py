"""A corpus encoded batch by batch, with loader threads ahead of the encoder; processes take turns at the batches."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeVar

import numpy as np
import torch

from corpus.manifest import Corpus, Entry
from index.building.loading import LoadedPicture, load_batches
from index.files.manifest import LeftOut, Parameters
from index.files.shards import Shard, Workspace
from index.items import Modality
from index.processes import ALONE, Processes
from models.checkpoint import LoadedModel
from models.errors import ArtifactError, CorpusError
from models.gaussian import Gaussian
from models.image import normalise

T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """How far a build is: `done` of this process's `total` items of a modality, and how many a second since it was
    (re)started.
    """

    modality: Modality
    done: int
    total: int
    per_second: float


class Embedding:
    """Encodes this process's batches into the shards of a workspace, but for those finished before.

    Args:
        model: the encoder is used on the device where it is.
        space: where the shards are.
        parameters: how many are encoded at once, and the size of stored pictures.
        progress: called after every batch.
        processes: that share the batches.
    """

    def __init__(
        self,
        model: LoadedModel,
        space: Workspace,
        parameters: Parameters,
        progress: Callable[[Progress], None],
        processes: Processes = ALONE,
    ) -> None:
        self._model = model
        self._space = space
        self._parameters = parameters
        self._processes = processes
        self._progress = progress

    def images(self, corpus: Corpus, skip_bad: bool) -> tuple[list[Entry], list[LeftOut]]:
        """Encode all images, with the others; returns the entries whose image could be read, and what was left out."""
        batches = _batches(corpus.entries, self._parameters.batch)
        with closing(self._encoded_pictures(batches)) as encoded:
            self._finish(Modality.IMAGE, batches, _refusing(encoded, skip_bad))
        kept: list[Entry] = []
        left_out: list[LeftOut] = []
        for entries, shard in zip(batches, _refusing(self.shards(Modality.IMAGE), skip_bad), strict=True):
            kept += [entries[place] for place in shard.places]
            left_out += shard.left_out
        if not kept:
            raise CorpusError(f"{corpus.root} holds no image that can be read; put others there.")
        return kept, left_out

    def captions(self, entries: Sequence[Entry]) -> None:
        """Encode all captions of the entries kept."""
        texts = [caption for entry in entries for caption in entry.captions]
        batches = _batches(texts, self._parameters.batch)
        missing = self._missing(Modality.TEXT, batches)
        self._finish(Modality.TEXT, batches, (self._encode_texts(batches[number]) for number in missing))

    def shards(self, modality: Modality) -> Iterator[Shard]:
        """All shards of a modality, in order, when they are finished."""
        number = 0
        while self._space.has(modality, number):
            yield self._space.read(modality, number)
            number += 1

    def _finish(self, modality: Modality, batches: Sequence[Sequence[Any]], encoded: Iterator[Shard]) -> None:
        """Write this process's missing shards, which `encoded` yields in their order, and wait for the others."""
        total = sum(len(batches[number]) for number in self._own(batches))
        missing = self._missing(modality, batches)
        before = done = total - sum(len(batches[number]) for number in missing)
        started = perf_counter()
        self._progress(Progress(modality, done, total, 0.0))
        for number, shard in zip(missing, encoded, strict=True):
            self._space.write(modality, number, shard)
            done += len(batches[number])
            self._progress(Progress(modality, done, total, (done - before) / (perf_counter() - started)))
        self._processes.wait()

    def _own(self, batches: Sequence[object]) -> range:
        # In turn, and not in one piece each: what an interruption leaves is then shared, too.
        return range(self._processes.rank, len(batches), self._processes.size)

    def _missing(self, modality: Modality, batches: Sequence[object]) -> list[int]:
        return [number for number in self._own(batches) if not self._space.has(modality, number)]

    def _encoded_pictures(self, batches: Sequence[Sequence[Entry]]) -> Generator[Shard, None, None]:
        missing = (batches[number] for number in self._missing(Modality.IMAGE, batches))
        framing = self._model.encoder.config.framing
        for loaded in load_batches(missing, framing, self._parameters.thumbnail_side):
            yield self._encode_pictures(loaded)

    def _encode_pictures(self, loaded: Sequence[LoadedPicture | LeftOut]) -> Shard:
        places = tuple(place for place, each in enumerate(loaded) if isinstance(each, LoadedPicture))
        pictures = [each for each in loaded if isinstance(each, LoadedPicture)]
        left_out = tuple(each for each in loaded if isinstance(each, LeftOut))
        if not pictures:
            return Shard(Gaussian(*torch.empty(2, 0, self._model.encoder.config.embed_dim)), (), (), left_out)
        pixels = normalise(np.stack([picture.pixels for picture in pictures]))
        gaussians = self._finite(self._model.encoder.encode_pixels(pixels))
        return Shard(gaussians, places, tuple(picture.jpeg for picture in pictures), left_out)

    def _encode_texts(self, texts: Sequence[str]) -> Shard:
        return Shard(self._finite(self._model.encoder.encode_texts(texts)), tuple(range(len(texts))))

    def _finite(self, gaussians: Gaussian) -> Gaussian:
        """The same Gaussians in float32 on the CPU."""
        found = gaussians.to("cpu", torch.float32)
        if not (found.mean.isfinite().all() and found.log_variance.isfinite().all()):
            raise ArtifactError(
                f"{self._model.directory} gives numbers that are not finite, as a diverged training leaves them: "
                "train it again"
            )
        return found


def _refusing(shards: Iterator[Shard], skip_bad: bool) -> Iterator[Shard]:
    """The shards, up to the first one with an image that must not be left out."""
    for shard in shards:
        if shard.left_out and not skip_bad:
            bad = shard.left_out[0]
            reason = bad.why.rstrip(".")
            raise CorpusError(f"{bad.what}: {reason}; mend or remove it, or leave out what is bad with --skip-bad.")
        yield shard


def _batches(sequence: Sequence[T], size: int) -> list[Sequence[T]]:
    return [sequence[start : start + size] for start in range(0, len(sequence), size)]
