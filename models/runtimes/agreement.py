"""Whether a runtime gives the Gaussians that float32 torch gives, on pictures and sentences made here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from torch import Tensor

from models.encoders import Encoder
from models.gaussian import Gaussian
from models.image import Pixels, normalise
from models.runtimes.runtime import Compute, Network
from models.text import END, START, UNKNOWN, Vocabulary, batch

COSINE: Final = 0.9999
"""The least cosine of a mean with torch's."""
LOG_VARIANCE: Final = 0.05
"""The largest root mean square difference of an input's log-variances from torch's: 2.5 % of σ."""

_LENGTHS: Final = (1, 3, 4, 6, 8, 11, 17, 40)

Inputs: TypeAlias = tuple[Tensor, ...]


@dataclass(frozen=True)
class Agreement:
    """How near a runtime's Gaussians come to float32 torch's, over the inputs that they were compared on.

    Args:
        cosine: the least of the cosines of the means.
        log_variance: the largest of the root mean square differences of the log-variances of one input.
    """

    cosine: float
    log_variance: float

    @property
    def holds(self) -> bool:
        """Whether both are within their bounds; a number that is not finite is not."""
        return self.cosine >= COSINE and self.log_variance <= LOG_VARIANCE

    def __str__(self) -> str:
        return f"cosine {self.cosine:.6f}, log-variance ± {self.log_variance:.2g}"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Agreement:
        """From JSON; raises `KeyError`, `TypeError` or `ValueError` for what is none."""
        return cls(float(values["cosine"]), float(values["log_variance"]))


def agreement(reference: Compute, other: Compute, batches: Sequence[Inputs]) -> Agreement:
    """Compare two runtimes of one network on several batches."""
    each = [compare(reference(*inputs), other(*inputs)) for inputs in batches]
    return Agreement(min(one.cosine for one in each), max(one.log_variance for one in each))


def compare(reference: Gaussian, other: Gaussian) -> Agreement:
    """The agreement of Gaussians [n, dim] or [n, K, dim]; NaN in either agrees with nothing."""
    ours, theirs = (each.to("cpu", torch.float64) for each in (reference, other))
    cosines = torch.cosine_similarity(ours.mean, theirs.mean, dim=-1)
    apart = (ours.log_variance - theirs.log_variance).square().mean(-1).sqrt()
    return Agreement(float(cosines.nan_to_num(nan=-1.0).min()), float(apart.nan_to_num(nan=torch.inf).max()))


def probes(encoder: Encoder, network: Network, count: int) -> list[Inputs]:
    """The first `count` inputs of a network, each alone and all of them as one batch: always the same."""
    if network is Network.IMAGE:
        pixels = normalise(np.stack(list(islice(_pictures(encoder.config.framing.side), count))))
        return [*((pixels[n : n + 1],) for n in range(count)), (pixels,)]
    sentences = list(islice(_sentences(encoder.vocabulary), count))
    return [*(batch([sentence]) for sentence in sentences), batch(sentences)]


def _pictures(side: int) -> Iterator[Pixels]:
    """uint8 [side, side, 3], without end: coarse and fine random tiles, from blots of colour to noise."""
    generator = np.random.default_rng(0)
    while True:
        for tiles in (1, 3, 8, side):
            colours = generator.integers(0, 256, (tiles, tiles, 3), dtype=np.uint8)
            rows = np.arange(side) * tiles // side
            yield colours[rows][:, rows]


def _sentences(vocabulary: Vocabulary) -> Iterator[tuple[int, ...]]:
    """Word ids without end: one word to forty, drawn from all that the vocabulary knows and the unknown one."""
    generator = np.random.default_rng(0)
    while True:
        for length in _LENGTHS:
            drawn = generator.integers(UNKNOWN, len(vocabulary), length)
            yield (START, *map(int, drawn), END)
