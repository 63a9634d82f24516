"""Sums and rows of all processes, with gradients.

Every process computes the same loss of all rows. What comes back through a sum is the total of all processes'
gradients, which is the number of processes times the gradient of that loss; DistributedDataParallel takes the mean over
the processes of what reaches the parameters, and so gives them the gradient itself.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from models.embedding import Encoding
from models.gaussian import Gaussian


class _Total(torch.autograd.Function):
    """torch.distributed.nn's all_reduce, which is deprecated; what is to replace it is not public."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        total = own.detach().clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return total_of(gradients[0])


def total_of(own: Tensor) -> Tensor:
    """The sum of one tensor of each process, of the same shape in all of them."""
    total: Tensor = _Total.apply(own)
    return total


def rows_of_all(own: Tensor, first: int, count: int) -> Tensor:
    """[count, …]: the rows of all processes, `own` from row `first` on; no process need have as many as another."""
    around = (0, 0) * (own.ndim - 1) + (first, count - first - len(own))
    return total_of(torch.nn.functional.pad(own, around))


def encodings_of_all(own: Encoding, first: int, count: int) -> Encoding:
    """The encodings of all processes' inputs likewise, without their attention, whose width is each process's own."""
    mean, log_variance = (rows_of_all(part, first, count) for part in (own.gaussian.mean, own.gaussian.log_variance))
    residual = None if own.residual is None else rows_of_all(own.residual, first, count)
    return Encoding(Gaussian(mean, log_variance), residual, None, None)
