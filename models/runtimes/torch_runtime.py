"""torch under bfloat16 autocast, where convolutions and products are wide. In float32 torch is the encoder itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.gaussian import Gaussian
from models.runtimes.runtime import Compute


def in_bfloat16(network: nn.Module) -> Compute:
    """A network as a function, where it is."""
    device = next(network.parameters()).device

    @torch.inference_mode()
    def compute(*inputs: Tensor) -> Gaussian:
        with torch.autocast(device.type, torch.bfloat16):
            gaussian: Gaussian = network(*(each.to(device) for each in inputs)).gaussian
        return gaussian

    return compute
