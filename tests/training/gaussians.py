"""Small encodings to compute losses of."""

from __future__ import annotations

import torch
from torch import Tensor

from models.embedding import Encoding
from models.gaussian import Gaussian


def some(n: int, dim: int, seed: int) -> Gaussian:
    """Gaussians around the unit sphere, with gradients."""
    g = torch.Generator().manual_seed(seed)
    mean = torch.nn.functional.normalize(torch.randn(n, dim, generator=g), dim=-1).requires_grad_()
    return Gaussian(mean, (torch.randn(n, dim, generator=g) - 4).requires_grad_())


def encoded(gaussian: Gaussian, residual: Tensor | None = None) -> Encoding:
    """As an encoder gives it, without attention maps."""
    return Encoding(gaussian, residual, None, None)


def points(mean: Tensor, residual: Tensor | None = None) -> Encoding:
    """Points, as an encoding."""
    return encoded(Gaussian(mean, torch.full_like(mean, -40.0)), residual)


def own(images: int, captions: int = 1) -> Tensor:
    """bool [n, n · k]: image i matches the captions from k · i on."""
    return torch.eye(images, dtype=torch.bool).repeat_interleave(captions, dim=1)


def generator(seed: int = 0) -> torch.Generator:
    """Where noise comes from."""
    return torch.Generator().manual_seed(seed)
