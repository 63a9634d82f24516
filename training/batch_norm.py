"""Batch normalisation over the pictures of all processes, so that their number changes no statistics."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.collectives import total_of


class GlobalBatchNorm(nn.BatchNorm2d):
    """`torch.nn.SyncBatchNorm` for the CPU, where that has no kernels: the same statistics by the same formula.

    In training it normalises by the mean and the variance of all processes' pictures; otherwise it is its base.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise [n, channels, height, width]; n may differ between the processes."""
        if not self.training:
            settled: Tensor = super().forward(input)
            return settled
        values = input.to(self.weight.dtype)
        own = torch.tensor([values.numel() / self.num_features], dtype=values.dtype)
        totals = total_of(torch.cat([values.sum((0, 2, 3)), own]))
        mean, count = totals[:-1] / totals[-1], totals[-1]
        centred = values - mean[:, None, None]
        variance = total_of(centred.square().sum((0, 2, 3))) / count
        self._remember(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight / (variance + self.eps).sqrt()
        normalised: Tensor = centred * scale[:, None, None] + self.bias[:, None, None]
        return normalised.to(input.dtype)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics, which a finished model uses, towards those of a batch."""
        assert self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None
        self.running_mean.lerp_(mean, self.momentum or 0.0)
        self.running_var.lerp_(variance, self.momentum or 0.0)
        self.num_batches_tracked.add_(1)


def with_global_statistics(network: nn.Module, device: torch.device) -> None:
    """Let all batch normalisations within a network, in place, look at the pictures of all processes."""
    if device.type != "cpu":
        nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return
    for module in network.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                own = GlobalBatchNorm(child.num_features, child.eps, child.momentum)
                own.load_state_dict(child.state_dict())
                setattr(module, name, own)
