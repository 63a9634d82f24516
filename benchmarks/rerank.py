"""The sampled rerank from matrix products beside the published broadcast formula, in paired runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from index.searching.rerank import Rerank, separation
from models.gaussian import Gaussian
from models.match import DISTANCE_EPSILON, MatchHead, Noise, sampled
from models.runtimes.timing import milliseconds

RUNS = 15


@dataclass(frozen=True)
class RerankTimes:
    """Medians over paired runs, the median of their ratios, and the largest difference of the probabilities."""

    items: int
    dim: int
    samples: int
    threads: int
    products_ms: float
    broadcast_ms: float
    ratio: float
    closed_form_ms: float
    difference: float


@torch.inference_mode()
def rerank_times(threads: int, items: int = 1_000, dim: int = 1_024, samples: int = 7) -> RerankTimes:
    """Measure both on the same Gaussians and the same noise, one after the other."""
    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(0)
    mean = torch.nn.functional.normalize(torch.randn(items + 1, dim, generator=generator), dim=-1)
    both = Gaussian(mean, torch.randn(items + 1, dim, generator=generator) - 7)
    query, gallery = both[0], both[1:]
    # Probabilities between 0.2 and 0.5: near 0 any two formulas would agree.
    head, noise = MatchHead(10.0, 22.0), Noise.draw(dim, samples, 0)
    ours = sampled(query, gallery, head, noise).value
    theirs = broadcast(query, gallery, head, noise)
    ways = (
        lambda: sampled(query, gallery, head, noise),
        lambda: broadcast(query, gallery, head, noise),
        lambda: separation(query, gallery, Rerank.CLOSED_FORM, noise).match(head),
    )
    runs = np.array([[milliseconds(way) for way in ways] for _ in range(RUNS)])
    products, broadcasts, closed = np.median(runs, 0).tolist()
    ratio, difference = float(np.median(runs[:, 1] / runs[:, 0])), float((ours - theirs).abs().max())
    return RerankTimes(items, dim, samples, threads, products, broadcasts, ratio, closed, difference)


def broadcast(query: Gaussian, items: Gaussian, head: MatchHead, noise: Noise) -> Tensor:
    """The published formula as it stands: every difference of every pair of samples, [n, J, J, dim]."""
    q, x = query.sample(noise.query), items.sample(noise.item)
    distances = ((x[:, None] - q[:, None]).square().sum(-1) + DISTANCE_EPSILON).sqrt()
    return torch.sigmoid(head.shift - head.scale * distances).mean((-1, -2))
