"""What a model's two branches look at: their attention over the words of a text, and over a grid laid on a picture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.embedding import Encoding
from models.encoders import Encoder
from models.image import Area, Picture, framed_area
from models.text import batch, words


@dataclass(frozen=True, eq=False)
class AttentionMaps:
    """Weights [positions] of each branch, which sum to one.

    Args:
        mean: of the mean branch, averaged over its heads; None for a model without attention.
        variance: of the variance branch; None for one without it, or without attention.
    """

    mean: Tensor | None
    variance: Tensor | None

    @classmethod
    def of(cls, encoding: Encoding) -> AttentionMaps:
        """Those of one input; see `models.embedding.Encoding`."""
        mean, variance = encoding.mean_attention, encoding.variance_attention
        return cls(None if mean is None else mean[0].mean(0).cpu(), None if variance is None else variance[0].cpu())


@dataclass(frozen=True, eq=False)
class TextAttention:
    """Attention over a text.

    Args:
        words: as the model reads them.
        maps: a weight a word.
        mean_on_marks: the share of the mean branch's attention that the marks of beginning and end have, beside those.
        variance_on_marks: of the variance branch's.
    """

    words: tuple[str, ...]
    maps: AttentionMaps
    mean_on_marks: float | None
    variance_on_marks: float | None


@dataclass(frozen=True, eq=False)
class PictureAttention:
    """Attention over a picture.

    Args:
        height: rows of the grid.
        width: its columns.
        area: the part of the picture that the grid lies on.
        maps: a weight a cell, row by row.
    """

    height: int
    width: int
    area: Area
    maps: AttentionMaps


@torch.inference_mode()
def attend_text(encoder: Encoder, text: str) -> TextAttention:
    """The attention of a model with weights (no other runtime gives any) over a text with words."""
    vocabulary = encoder.vocabulary
    ids, lengths = (each.to(encoder.device) for each in batch([vocabulary.encode(text)]))
    found = AttentionMaps.of(encoder.text(ids, lengths))
    (mean, mean_on_marks), (variance, variance_on_marks) = _on_words(found.mean), _on_words(found.variance)
    read = words(text, vocabulary.punctuation)
    return TextAttention(read, AttentionMaps(mean, variance), mean_on_marks, variance_on_marks)


@torch.inference_mode()
def attend_picture(encoder: Encoder, picture: Picture) -> PictureAttention:
    """The attention of a model with weights over a picture."""
    features = encoder.image.cnn(encoder.pixels([picture]).to(encoder.device)).float()
    height, width = features.shape[-2:]
    maps = AttentionMaps.of(encoder.image.heads(features))
    return PictureAttention(height, width, framed_area(picture, encoder.config.framing), maps)


def _on_words(weights: Tensor | None) -> tuple[Tensor | None, float | None]:
    """The weights of the positions between `<start>` and `<end>` among themselves, and the share of these two."""
    if weights is None:
        return None, None
    # Where the marks have all there is, no word is before another.
    inner = weights[1:-1].clamp_min(torch.finfo(weights.dtype).tiny)
    return inner / inner.sum(), float(weights[0] + weights[-1])
