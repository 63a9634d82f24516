"""The sampled rerank from matrix products beside the published broadcast formula, in paired runs."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from models.gaussian import Gaussian
from models.match import DISTANCE_EPSILON, MatchHead, Noise, sampled

RUNS = 15


@dataclass(frozen=True)
class RerankTimes:
    """Medians over paired runs, and the largest difference of the probabilities."""

    items: int
    dim: int
    samples: int
    products_ms: float
    broadcast_ms: float
    difference: float


def rerank_times(items: int = 1_000, dim: int = 1_024, samples: int = 7) -> RerankTimes:
    """Measure both on the same Gaussians and the same noise, one after the other."""
    generator = torch.Generator().manual_seed(0)
    mean = torch.nn.functional.normalize(torch.randn(items + 1, dim, generator=generator), dim=-1)
    both = Gaussian(mean, torch.randn(items + 1, dim, generator=generator) - 7)
    query, gallery = both[0], both[1:]
    head, noise = MatchHead(10.0, 12.0), Noise.draw(dim, samples, 0)
    ours = sampled(query, gallery, head, noise).value
    theirs = broadcast(query, gallery, head, noise)
    pairs = [
        (_timed(lambda: sampled(query, gallery, head, noise)), _timed(lambda: broadcast(query, gallery, head, noise)))
        for _ in range(RUNS)
    ]
    products, broadcasts = (float(np.median(column)) for column in zip(*pairs, strict=True))
    return RerankTimes(items, dim, samples, products, broadcasts, float((ours - theirs).abs().max()))


def broadcast(query: Gaussian, items: Gaussian, head: MatchHead, noise: Noise) -> Tensor:
    """The published formula as it stands: every difference of every pair of samples, [n, J, J, dim]."""
    q, x = query.sample(noise.query), items.sample(noise.item)
    distances = ((x[:, None] - q[:, None]).square().sum(-1) + DISTANCE_EPSILON).sqrt()
    return torch.sigmoid(head.shift - head.scale * distances).mean((-1, -2))


def _timed(work: object) -> float:
    start = perf_counter()
    work()  # type: ignore[operator]
    return 1_000 * (perf_counter() - start)
