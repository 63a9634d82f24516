"""Models that are ready to encode: one for each fingerprint, shared by all galleries that it made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import median
from threading import Lock
from typing import Final

import numpy as np
import torch
from torch import Tensor

from index.items import Modality
from models.checkpoint import LoadedModel
from models.encoders import Encoder
from models.gaussian import Gaussian
from models.image import normalise
from models.independence import is_independent
from models.runtimes.choose import Equipped, equip
from models.runtimes.runtime import Runtime
from models.runtimes.timing import milliseconds
from models.text import SPECIALS, batch
from service.backlog import Backlog
from service.batching import EncodingWorker, Lane
from service.settings import Limits

LARGE_MS: Final = 25
"""A picture that takes a processor so long is computed outside of the interpreter nearly all that time. Batches of
smaller ones would take it from each other and from searches: with two at once there were fewer answers in all.
"""
_TIMED: Final = 3


class Encoding:
    """One model and the threads that encode with it.

    Args:
        encoder: with weights, which some runtimes do without: what it attends to only torch can tell.
        equipped: the model, and what computes its networks.
        worker: the threads.
    """

    def __init__(self, encoder: Encoder, equipped: Equipped, worker: EncodingWorker) -> None:
        self.encoder = encoder
        self.model = equipped.model
        self.runtimes = equipped.choices
        self.worker = worker
        self.users = 0


class Encodings:
    """The models in use, by fingerprint; from any thread. `on_batch` is told of all their batches.

    Args:
        limits: how many inputs may be encoded at once.
        runtime: what computes networks; None for the fastest that agrees with torch.
        threads: that encode pictures, one or several at a time.
        prepare: run first in every thread that encodes.
        searches: of what is encoded.
    """

    def __init__(
        self,
        limits: Limits,
        runtime: Runtime | None,
        threads: int,
        prepare: Callable[[], None],
        searches: Backlog,
    ) -> None:
        self._limits = limits
        self._runtime = runtime
        self._threads = threads
        self._prepare = prepare
        self.on_batch: Callable[[Modality, int], None] = lambda kind, size: None
        self._lock = Lock()
        self._in_use: dict[str, Encoding] = {}
        self._searches = searches
        searches.on_end = self._look_again

    @property
    def waiting(self) -> int:
        """The number of inputs that no turn has taken yet."""
        return sum(each.worker.waiting for each in list(self._in_use.values()))

    def take(self, model: LoadedModel) -> Encoding:
        """The encoding of a model's fingerprint, made where there is none yet; `give_back` ends its use.

        Raises:
            ArtifactError, ConfigError: the runtime asked for cannot be used with it.
        """
        with self._lock:
            found = self._in_use.get(model.fingerprint)
            if found is None:
                equipped = equip(model, self._runtime, self._threads)
                found = Encoding(model.encoder, equipped, self._worker(equipped.model.encoder))
                found.worker.on_batch = lambda kind, size: self.on_batch(kind, size)
                self._in_use[model.fingerprint] = found
            found.users += 1
            return found

    def give_back(self, encoding: Encoding) -> None:
        """End one use; after the last one, finish what is queued and end the thread."""
        with self._lock:
            encoding.users -= 1
            if encoding.users:
                return
            del self._in_use[encoding.model.fingerprint]
        encoding.worker.close()

    def _look_again(self) -> None:
        for each in list(self._in_use.values()):
            each.worker.look_again()

    def _worker(self, encoder: Encoder) -> EncodingWorker:
        lanes = _lanes(encoder, self._limits, self._threads)
        return EncodingWorker(lanes, self._threads, self._prepare, self._searches)


def _lanes(encoder: Encoder, limits: Limits, threads: int) -> Mapping[Modality, Lane]:
    """For texts (their word ids) and pictures (normalised pixels [1, 3, side, side]).

    They are encoded in batches, and those of large pictures side by side, where an input has the bits then that it has
    alone.
    """
    encode_texts, encode_pictures = partial(_encode_texts, encoder), partial(_encode_pictures, encoder)
    words, pictures = _probes(encoder, limits)
    texts = is_independent([partial(encode_texts, threads=1)], words)
    images = is_independent([partial(encode_pictures, threads=each) for each in {1, threads}], pictures)
    alone = median(milliseconds(lambda: encode_pictures(pictures[:1], 1)) for _ in range(_TIMED))
    side_by_side = threads if texts and images and alone >= LARGE_MS else 1
    return {
        Modality.TEXT: Lane(encode_texts, len(words) if texts else 1, gathers=True),
        Modality.IMAGE: Lane(encode_pictures, len(pictures) if images else 1, side_by_side),
    }


def _probes(encoder: Encoder, limits: Limits) -> tuple[Sequence[Sequence[int]], Sequence[Tensor]]:
    """As many texts and pictures as are to be encoded at once."""
    random, side = np.random.default_rng(0), encoder.config.framing.side
    words = [random.integers(len(SPECIALS) - 1, len(encoder.vocabulary), 2 + n % 30) for n in range(limits.batch)]
    pictures = [normalise(random.integers(0, 256, (1, side, side, 3), np.uint8)) for _ in range(limits.picture_batch)]
    return [each.tolist() for each in words], pictures


def _encode_texts(encoder: Encoder, ids: Sequence[Sequence[int]], threads: int) -> Gaussian:
    # Torch's network takes one thread by itself: sharing a text out takes longer than the text.
    del threads
    return encoder.encode_tokens(*batch(ids))


def _encode_pictures(encoder: Encoder, pixels: Sequence[Tensor], threads: int) -> Gaussian:
    # Torch keeps the number for the thread that calls it, and changes it in no time.
    torch.set_num_threads(threads)
    return encoder.encode_pixels(torch.cat(tuple(pixels)))
