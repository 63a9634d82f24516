"""A model of the size that is used on photographs, with random weights, which cost the same time as any."""

from __future__ import annotations

import torch
from torch import nn

from models.encoders import Encoder, EncoderConfig
from models.image import Framing

SIDE = 224


def resnet50(like: Encoder) -> Encoder:
    """A ResNet-50 for pictures of 224 × 224 with 1,024 dimensions, and the vocabulary of another model.

    Its batch norms have the statistics of noise, and its variances hardly depend on the picture: without that, features
    grow from layer to layer until the variances are no numbers.
    """
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig(embed_dim=1024, framing=Framing(SIDE)), like.vocabulary, like.match)
    for norm in encoder.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = None  # The mean over all batches that are seen.
    with torch.no_grad():
        encoder.train().image(torch.randn(8, 3, SIDE, SIDE))
        for name in ("variance_fc.weight", "variance_branch.fc.weight"):
            encoder.image.get_parameter(name).mul_(1e-3)
    return encoder.eval().requires_grad_(False)
