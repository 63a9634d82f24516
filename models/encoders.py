"""PCME's encoders: pixels and words in, Gaussians out (Chun et al., 2021, section 3.2 and figure 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models import independence
from models.backbones import LastTokenGRU, resnet_features, resnet_width
from models.calibration import Calibration, Direction
from models.embedding import EmbeddingConfig, Encoding, Wholes, encoding_of, mean_branch, variance_branch
from models.errors import ConfigError
from models.familiarity import Familiarity
from models.gaussian import Gaussian
from models.image import Framing, Picture, decode, frame, normalise
from models.match import MatchHead
from models.text import Vocabulary, batch


@dataclass(frozen=True)
class EncoderConfig:
    """What a model is: everything that must be known to rebuild its networks.

    Args:
        embed_dim: dimensions of the common space.
        word_dim: width of a word embedding.
        backbone: a torchvision ResNet.
        stages: residual stages kept of it.
        framing: how a picture becomes the square that the image encoder sees.
        embedding: Gaussians or points, with attention or without.
    """

    embed_dim: int = 512
    word_dim: int = 300
    backbone: str = "resnet50"
    stages: int = 4
    framing: Framing = field(default_factory=Framing)
    embedding: EmbeddingConfig = field(default_factory=EmbeddingConfig)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> EncoderConfig:
        """From JSON.

        Raises:
            ConfigError: a key is unknown.
        """
        try:
            parts = {
                "framing": Framing(**values["framing"]),
                "embedding": EmbeddingConfig(**values.get("embedding", {})),
            }
            return cls(**{**values, **parts})
        except (TypeError, KeyError) as error:
            raise ConfigError(f"the model's configuration does not fit this version of Penumbra: {error}") from error


class ImageEncoder(nn.Module):
    """A ResNet's feature map, pooled and locally attended, as a Gaussian."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        width = resnet_width(config.backbone, config.stages)
        self.cnn = resnet_features(config.backbone, config.stages)
        self.fc = nn.Linear(width, config.embed_dim)
        self.mean_branch = mean_branch(config.embedding, width, config.embed_dim)
        self.variance_fc = nn.Linear(width, config.embed_dim) if config.embedding.variance else None
        self.variance_branch = variance_branch(config.embedding, width, config.embed_dim)

    def forward(self, pixels: Tensor) -> Encoding:
        """Encode normalised pixels [n, 3, height, width] of any height and width."""
        return self.heads(self.cnn(pixels).to(self.fc.weight.dtype))

    def heads(self, features: Tensor) -> Encoding:
        """What feature maps [n, width, h, w] come to."""
        with torch.autocast(features.device.type, enabled=False):
            pooled = features.mean((-2, -1))
            wide = None if self.variance_fc is None else self.variance_fc(pooled)
            local = features.flatten(2).transpose(1, 2)
            return encoding_of(self.mean_branch, self.variance_branch, (self.fc(pooled), wide), local)


class TextEncoder(nn.Module):
    """Word embeddings read by a bi-GRU and locally attended, as a Gaussian."""

    def __init__(self, config: EncoderConfig, words: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, config.word_dim)
        self.rnn = LastTokenGRU(config.word_dim, config.embed_dim)
        self.mean_branch = mean_branch(config.embedding, config.word_dim, config.embed_dim)
        self.variance_rnn = LastTokenGRU(config.word_dim, config.embed_dim) if config.embedding.variance else None
        self.variance_branch = variance_branch(config.embedding, config.word_dim, config.embed_dim)

    def forward(self, ids: Tensor, lengths: Tensor) -> Encoding:
        """Encode word ids [n, length], of which the first `lengths` [n] are real, in any order."""
        words = self.embed(ids)
        wide = None if self.variance_rnn is None else self.variance_rnn(words, lengths)
        return self._attend(words, lengths, (self.rnn(words, lengths), wide))

    def read_in_order(self, ids: Tensor, lengths: Tensor) -> Wholes:
        """Features of whole texts on the CPU, of which none is longer than the one before it."""
        words = self.embed(ids)
        wide = None if self.variance_rnn is None else self.variance_rnn.in_order(words, lengths)
        return self.rnn.in_order(words, lengths), wide

    def attend(self, ids: Tensor, lengths: Tensor, wholes: Wholes) -> Encoding:
        """Encode texts whose features as a whole are known."""
        return self._attend(self.embed(ids), lengths, wholes)

    def _attend(self, words: Tensor, lengths: Tensor, wholes: Wholes) -> Encoding:
        padding = torch.arange(words.shape[1], device=words.device) >= lengths[:, None]
        return encoding_of(self.mean_branch, self.variance_branch, wholes, words, padding)


class Encoder(nn.Module):
    """A whole model: both encoders, the vocabulary, the match head, and its calibration where there is one.

    Args:
        config: what the networks are.
        vocabulary: the words that the text encoder knows.
        match: the uncalibrated match head.
        calibration: match heads fitted on held-out pairs, one for each direction.
        familiarity: the held-out queries that the model knows, for each direction.
    """

    def __init__(
        self,
        config: EncoderConfig,
        vocabulary: Vocabulary,
        match: MatchHead,
        calibration: Calibration | None = None,
        familiarity: Mapping[Direction, Familiarity] | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.vocabulary = vocabulary
        self.match = match
        self.calibration = calibration
        self.familiarity = familiarity
        self.image = ImageEncoder(config)
        self.text = TextEncoder(config, len(vocabulary))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.text.embed.weight.device

    @torch.inference_mode()
    def encode_pixels(self, pixels: Tensor) -> Gaussian:
        """Gaussians [n, dim] of normalised pixels [n, 3, height, width]; on the CPU a row's bits are its own."""
        return independence.encode_pixels(self.image.cnn, self.image.heads, pixels.to(self.device))

    @torch.inference_mode()
    def encode_tokens(self, ids: Tensor, lengths: Tensor) -> Gaussian:
        """Gaussians [n, dim] of word ids [n, length] of which the first `lengths` [n] are real; likewise."""
        return independence.encode_tokens(self.text, ids.to(self.device), lengths.to(self.device))

    def encode_images(self, images: Sequence[Picture | bytes]) -> Gaussian:
        """Gaussians [n, dim] of pictures, decoded or as the bytes of a file.

        Raises:
            ImageError: bytes that are no acceptable picture.
        """
        pictures = [decode(image) if isinstance(image, bytes) else image for image in images]
        return self.encode_pixels(self.pixels(pictures))

    def encode_texts(self, texts: Sequence[str]) -> Gaussian:
        """Gaussians [n, dim] of texts; words outside the vocabulary count as unknown."""
        return self.encode_tokens(*batch([self.vocabulary.encode(text) for text in texts]))

    def pixels(self, pictures: Sequence[Picture]) -> Tensor:
        """What the image encoder sees of pictures: normalised pixels [n, 3, side, side]."""
        return normalise(np.stack([frame(picture, self.config.framing) for picture in pictures]))
