"""The loss of one batch as a module: both encoders and the objective, over the pairs of all processes."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from index.processes import Processes
from models.encoders import Encoder
from models.image import normalise
from training.collectives import encodings_of_all
from training.data import Batch
from training.objectives import LossParts, Objective


class PairLoss(nn.Module):
    """The loss of a batch.

    Args:
        encoder: embeds this process's part of it.
        objective: is given the embeddings of the whole batch, so that every picture meets every caption.
        processes: that share the batch.
        bf16: run the backbone in bfloat16.
    """

    def __init__(self, encoder: Encoder, objective: Objective, processes: Processes, bf16: bool) -> None:
        super().__init__()
        self.encoder = encoder
        self.objective = objective
        self.processes = processes
        self.bf16 = bf16

    def forward(self, batch: Batch, generator: torch.Generator) -> LossParts:
        """The same in all processes, which draw the same from their generators."""
        device, precision = self.encoder.device, self.encoder.text.embed.weight.dtype
        pixels = normalise(batch.pixels).to(device, precision, memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.bf16):
            images = self.encoder.image(pixels)
        texts = self.encoder.text(batch.ids.to(device), batch.lengths.to(device))
        if not self.processes.alone:
            count, captions = batch.matches.shape
            images = encodings_of_all(images, batch.first, count)
            texts = encodings_of_all(texts, batch.first * captions // count, captions)
        parts: LossParts = self.objective(images, texts, batch.matches.to(device), generator)
        return parts


def shared(loss: PairLoss) -> nn.Module:
    """The same loss, after whose backward pass every process has the gradient of all."""
    if loss.processes.alone:
        return loss
    # The buffers are those of batch normalisation, which are the same everywhere.
    return DistributedDataParallel(loss, forward_sync_buffers=False)
