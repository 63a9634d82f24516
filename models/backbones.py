"""Where features come from: a ResNet's feature map, and word embeddings read by a bi-GRU."""

from __future__ import annotations

from collections import OrderedDict
from urllib.error import URLError

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from models.errors import ConfigError, WeightsError

# torchvision is imported where a network is made: it loads torch's compiler, and commands that need no network start
# in a third less time without.
RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")


def resnet_features(name: str, stages: int = 4) -> nn.Sequential:
    """A torchvision ResNet (He et al., 2016) up to its last feature map: [n, 3, h, w] -> [n, width, h', w'].

    Args:
        name: one of `RESNETS`.
        stages: how many of the four residual stages are kept; the map's stride is 2 ** (stages + 1). Fewer make a small
            model with a fine map.

    Raises:
        ConfigError: an unknown name or number of stages.
    """
    if name not in RESNETS or not 1 <= stages <= 4:
        raise ConfigError(
            f"backbone {name!r} with {stages} stages: choose one of {', '.join(RESNETS)} and 1 to 4 stages"
        )
    from torchvision.models import get_model

    network = get_model(name, weights=None)
    kept = ["conv1", "bn1", "relu", "maxpool", *(f"layer{i + 1}" for i in range(stages))]
    return nn.Sequential(OrderedDict((part, getattr(network, part)) for part in kept))


def resnet_width(name: str, stages: int = 4) -> int:
    """The number of channels of `resnet_features`."""
    expansion = 1 if name in ("resnet18", "resnet34") else 4
    return int(64 * 2 ** (stages - 1) * expansion)


def load_imagenet(features: nn.Sequential, name: str) -> None:
    """Fill a backbone with torchvision's published weights (IMAGENET1K_V1), from its cache or the network.

    Raises:
        WeightsError: they are not in the cache and cannot be fetched.
    """
    from torchvision.models import get_model_weights

    weights = get_model_weights(name).IMAGENET1K_V1
    try:
        state = weights.get_state_dict(progress=True, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        raise WeightsError(
            f"the ImageNet weights of {name} cannot be fetched from {weights.url} ({error}): put the file into "
            f"{torch.hub.get_dir()}/checkpoints, or train with pretrained = false"
        ) from error
    own = features.state_dict()
    features.load_state_dict({key: state[key] for key in own})


class LastTokenGRU(nn.Module):
    """A bidirectional GRU (Cho et al., 2014) read at the last real token, in both directions.

    The published text encoder gathers the padded output of a bi-GRU at position length − 1. There the backward
    direction has read one token only, so one step of a cell gives the same number as running it over the sequence;
    and the forward direction at that position does not see the padding behind it. Any order and any padding of a batch
    will do.

    Args:
        features: width of the word embeddings.
        dim: width of the output, half of it for each direction.
    """

    def __init__(self, features: int, dim: int) -> None:
        super().__init__()
        if dim % 2:
            raise ConfigError(f"the embedding dimension {dim} is odd, and a bi-GRU gives half of it to each direction")
        self.forwards = nn.GRU(features, dim // 2, batch_first=True)
        self.backwards = nn.GRUCell(features, dim // 2)

    def forward(self, words: Tensor, lengths: Tensor) -> Tensor:
        """Read [n, length, features] with `lengths` [n] real tokens each; returns [n, dim]."""
        rows = torch.arange(words.shape[0], device=words.device)
        states, _ = self.forwards(words)
        last = lengths - 1
        return torch.cat([states[rows, last], self.backwards(words[rows, last])], -1)

    def in_order(self, words: Tensor, lengths: Tensor) -> Tensor:
        """The same of texts on the CPU of which none is longer than the one before it.

        Each is read to its own end, so that texts of all lengths go together and no padding is read.
        """
        rows = torch.arange(words.shape[0])
        _, last = self.forwards(pack_padded_sequence(words, lengths, batch_first=True))
        return torch.cat([last[0], self.backwards(words[rows, lengths - 1])], -1)
