"""torch as a runtime: eager float32, the reference, and bfloat16 where convolutions and products are wide."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from models.gaussian import Gaussian
from models.runtimes.runtime import Compute


def computed(network: nn.Module, *, bf16: bool = False) -> Compute:
    """A network as a function, in float32 or under bfloat16 autocast."""
    device = next(network.parameters()).device

    @torch.inference_mode()
    def compute(*inputs: Tensor) -> Gaussian:
        with _precision(device, bf16):
            gaussian: Gaussian = network(*(each.to(device) for each in inputs)).gaussian
        return gaussian

    return compute


def _precision(device: torch.device, bf16: bool) -> AbstractContextManager[object]:
    return torch.autocast(device.type, torch.bfloat16) if bf16 else nullcontext()
