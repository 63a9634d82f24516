"""What the branches look at, against the softmax of their own weights computed in NumPy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from models.attention import LocalAttention
from models.attention_maps import attend_picture, attend_text
from models.embedding import EmbeddingConfig
from models.encoders import Encoder, EncoderConfig
from models.image import Framing, frame, framed_area, from_array, normalise
from models.match import MatchHead
from models.text import Vocabulary

Array = npt.NDArray[np.float64]
VOCABULARY = Vocabulary.from_captions(["a red star", "a blue ring"])
NOISE = from_array(np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8))


def encoder_of(embedding: EmbeddingConfig) -> Encoder:
    torch.manual_seed(0)
    config = EncoderConfig(16, 8, "resnet18", 2, Framing(32, 0.8), embedding)
    encoder = Encoder(config, VOCABULARY, MatchHead(9.0, 8.0)).eval().requires_grad_(False)
    for part in encoder.modules():
        if isinstance(part, LocalAttention):
            part.w_2.weight *= 9  # So that the weights differ.
    return encoder


def attention_of(local: Array, attention: LocalAttention) -> Array:
    """Lin et al. (2017): softmax(w₂ tanh(W₁ x)) over positions [positions, features], averaged over the heads."""
    first, second = (part.weight.double().numpy() for part in (attention.w_1, attention.w_2))
    logits = second @ np.tanh(first @ local.T)
    weights = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return np.asarray(weights.mean(0))


PCME = EmbeddingConfig()
PVSE = EmbeddingConfig(variance=False, points=3)


@pytest.mark.parametrize("embedding", [PCME, PVSE])
def test_attention_over_words(embedding: EmbeddingConfig) -> None:
    """A weight a word, as the branches have it, without the two marks, whose share is told; punctuation is no word."""
    encoder = encoder_of(embedding)
    found = attend_text(encoder, "A zorbly, red star!")
    assert found.words == ("a", "zorbly", "red", "star")
    ids = torch.tensor(VOCABULARY.encode("a zorbly red star"))
    local = encoder.text.embed.weight[ids].double().numpy()
    branches = {"mean": encoder.text.mean_branch, "variance": encoder.text.variance_branch}
    for name, branch in branches.items():
        weights, on_marks = getattr(found.maps, name), getattr(found, f"{name}_on_marks")
        if branch is None:
            assert (name, weights, on_marks) == ("variance", None, None)
            continue
        expected = attention_of(local, branch.attention)
        np.testing.assert_allclose(weights.numpy(), expected[1:-1] / expected[1:-1].sum(), atol=1e-6)
        assert on_marks == pytest.approx(expected[0] + expected[-1], abs=1e-6)
        assert np.ptp(weights.numpy()) > 0.05


@pytest.mark.parametrize("embedding", [PCME, PVSE])
def test_attention_over_a_picture(embedding: EmbeddingConfig) -> None:
    """A weight a cell of the feature map, row by row, as the branches have it."""
    encoder = encoder_of(embedding)
    found = attend_picture(encoder, NOISE)
    assert (found.height, found.width) == (4, 4)
    features = encoder.image.cnn(normalise(frame(NOISE, encoder.config.framing)[None]))[0]
    local = np.array([features[:, row, column].double().numpy() for row in range(4) for column in range(4)])
    for name in ("mean", "variance"):
        branch, weights = getattr(encoder.image, f"{name}_branch"), getattr(found.maps, name)
        if branch is None:
            assert (name, weights) == ("variance", None)
        else:
            np.testing.assert_allclose(weights.numpy(), attention_of(local, branch.attention), atol=1e-6)


@pytest.mark.parametrize("variance", [True, False])
def test_a_model_without_attention_has_none(variance: bool) -> None:
    """HIB and VSE: words and grid are told, and no weights."""
    encoder = encoder_of(EmbeddingConfig(attention=False, variance=variance))
    text, picture = attend_text(encoder, "a star"), attend_picture(encoder, NOISE)
    assert (text.words, picture.height) == (("a", "star"), 4)
    for maps in (text.maps, picture.maps):
        assert (maps.mean, maps.variance) == (None, None)


def test_attention_on_the_marks_alone_leaves_the_words_alike() -> None:
    """Where rounding leaves nothing for the words, their weights are equal and finite."""
    encoder = encoder_of(PCME)
    branch = encoder.text.mean_branch
    assert branch is not None
    branch.attention.w_2.weight *= 1e5
    encoder.text.embed.weight[1] = (
        torch.linalg.pinv(branch.attention.w_1.weight) @ branch.attention.w_2.weight[0].sign()
    )
    weights = attend_text(encoder, "a red star").maps.mean
    assert weights is not None
    torch.testing.assert_close(weights, torch.full((3,), 1 / 3))


@pytest.mark.parametrize(("width", "height"), [(90, 60), (60, 90), (64, 64)])
@pytest.mark.parametrize("crop", [0.5, 0.875, 1.0])
def test_the_area_is_what_the_model_sees(width: int, height: int, crop: float) -> None:
    """On a picture whose colour tells the place, the cells of a framed picture are those of the area."""
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    picture = from_array(np.stack([across, down, 0 * across], -1).astype(np.uint8))
    framing = Framing(16, crop)
    area, seen = framed_area(picture, framing), frame(picture, framing).astype(float)
    cells = (np.arange(2, 14) + 0.5) / 16
    np.testing.assert_allclose(seen[8, 2:14, 0], (area.left + cells * area.width) * width - 0.5, atol=1)
    np.testing.assert_allclose(seen[2:14, 8, 1], (area.top + cells * area.height) * height - 0.5, atol=1)
