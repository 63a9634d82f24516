"""A row of a batch has the bits that it has alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models import independence
from models.embedding import EmbeddingConfig
from models.encoders import Encoder, EncoderConfig
from models.gaussian import Gaussian
from models.image import Framing
from models.independence import is_independent
from models.match import MatchHead
from models.text import Vocabulary, batch

VOCABULARY = Vocabulary.from_captions([" ".join(f"word{n}" for n in range(60))])
CONFIGS = {
    "odd sizes": EncoderConfig(18, 7, "resnet18", 1, Framing(33, 1.0)),
    "of use": EncoderConfig(64, 32, "resnet18", 2, Framing(40, 1.0)),
    "bottlenecks": EncoderConfig(32, 16, "resnet50", 1, Framing(32, 1.0)),
    "points": EncoderConfig(16, 8, "resnet18", 1, Framing(32, 1.0), EmbeddingConfig(variance=False, points=3)),
    "no attention": EncoderConfig(16, 8, "resnet18", 1, Framing(32, 1.0), EmbeddingConfig(attention=False)),
}


@pytest.fixture(scope="module", params=CONFIGS)
def encoder(request: pytest.FixtureRequest) -> Encoder:
    """Of random weights; the statistics of batches too, so that no layer is trivial."""
    torch.manual_seed(3)
    model = Encoder(CONFIGS[request.param], VOCABULARY, MatchHead(1.0, 1.0)).eval().requires_grad_(False)
    for name, values in model.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            values.uniform_(0.5, 1.5)
    return model


def pictures(encoder: Encoder, count: int) -> torch.Tensor:
    side = encoder.config.framing.side
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


def texts(lengths: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    random = np.random.default_rng(0)
    return batch([random.integers(3, len(VOCABULARY), length).tolist() for length in lengths])


def same(one: Gaussian, other: Gaussian) -> bool:
    return torch.equal(one.mean, other.mean) and torch.equal(one.log_variance, other.log_variance)


def test_a_picture_is_the_same_in_every_batch(encoder: Encoder) -> None:
    """Each picture has its bits alone in batches of all sizes, at all places, beside any others."""
    pixels = pictures(encoder, 7)
    alone = [encoder.encode_pixels(pixels[n : n + 1]) for n in range(7)]
    for size in (2, 3, 5, 7):
        rows = np.random.default_rng(size).permutation(7)[:size]
        together = encoder.encode_pixels(pixels[rows])
        assert all(same(together[place : place + 1], alone[row]) for place, row in enumerate(rows))


def test_a_text_is_the_same_in_every_batch(encoder: Encoder) -> None:
    """Likewise for texts, of lengths 1 to 40."""
    lengths = [1, 2, 4, 5, 5, 5, 6, 16, 17, 40]
    ids, counts = texts(lengths)
    alone = [encoder.encode_tokens(ids[n : n + 1, : lengths[n]], counts[n : n + 1]) for n in range(len(lengths))]
    for size in (2, 3, 6, len(lengths)):
        rows = np.random.default_rng(size).permutation(len(lengths))[:size]
        together = encoder.encode_tokens(ids[rows], counts[rows])
        assert all(same(together[place : place + 1], alone[row]) for place, row in enumerate(rows))


def test_a_few_pictures_at_once_change_nothing(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network takes so many pixels at once and no more; the bits are those of all together, in their order."""
    pixels, taken = pictures(encoder, 7), []
    together = encoder.encode_pixels(pixels)
    features = encoder.image.cnn.forward
    monkeypatch.setattr(independence, "_PIXELS", 3 * pixels[0, 0].numel())
    monkeypatch.setattr(encoder.image.cnn, "forward", lambda part: taken.append(len(part)) or features(part))
    assert same(encoder.encode_pixels(pixels), together)
    assert taken == [3, 3, 1]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_texts_of_one_length_are_alike_on_any_number_of_threads(encoder: Encoder, count: int) -> None:
    """However rows would be shared out: of five, one thread of two would get fewer than MKL's kernel for many takes."""
    before, (ids, lengths) = torch.get_num_threads(), texts([3] * 13)
    torch.set_num_threads(1)
    alone = [encoder.encode_tokens(ids[n : n + 1], lengths[n : n + 1]) for n in range(13)]
    torch.set_num_threads(count)
    for size in range(1, 14):
        together = encoder.encode_tokens(ids[:size].flip(0), lengths[:size].flip(0))
        assert all(same(together[size - 1 - row : size - row], alone[row]) for row in range(size))
    assert torch.get_num_threads() == count
    torch.set_num_threads(before)


def test_threads_change_nothing(encoder: Encoder) -> None:
    """One thread, two, three and five give the same bits, for a lone input and for a batch."""
    before, pixels, (ids, lengths) = torch.get_num_threads(), pictures(encoder, 5), texts([2, 9, 9, 17, 30])
    found = []
    for count in (1, 2, 3, 5):
        torch.set_num_threads(count)
        found.append([encoder.encode_pixels(pixels[:n]) for n in (1, 5)])
        found[-1] += [encoder.encode_tokens(ids[:n], lengths[:n]) for n in (1, 5)]
    torch.set_num_threads(before)
    assert all(all(map(same, found[0], others)) for others in found[1:])


def test_the_values_are_those_of_the_networks(encoder: Encoder) -> None:
    """Within the rounding of float32, and in the order given; nothing at all gives nothing."""
    pixels, (ids, lengths) = pictures(encoder, 3), texts([9, 2, 30, 9, 1])
    pairs = (
        (encoder.encode_pixels(pixels), encoder.image(pixels).gaussian),
        (encoder.encode_tokens(ids, lengths), encoder.text(ids, lengths).gaussian),
    )
    for ours, theirs in pairs:
        torch.testing.assert_close(ours.mean, theirs.mean, atol=2e-6, rtol=1e-5)
        torch.testing.assert_close(ours.log_variance, theirs.log_variance, atol=1e-5, rtol=1e-5)
    assert len(encoder.encode_pixels(pixels[:0])) == len(encoder.encode_tokens(ids[:0], lengths[:0])) == 0


@settings(max_examples=15, deadline=None)
@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=20), padding=st.integers(0, 20))
def test_padding_and_order_of_texts_change_nothing(lengths: list[int], padding: int) -> None:
    """Whatever lengths come together, in whatever order, however far they are padded."""
    torch.manual_seed(0)
    model = Encoder(CONFIGS["odd sizes"], VOCABULARY, MatchHead(1.0, 1.0)).eval()
    ids, counts = texts(lengths)
    wider = torch.nn.functional.pad(ids, (0, padding)).flip(0)
    back = model.encode_tokens(wider, counts.flip(0))[list(range(len(lengths)))[::-1]]
    assert same(back, model.encode_tokens(ids, counts))


def test_an_encoder_that_looks_at_its_batch_is_found_out() -> None:
    """`is_independent` says no when a row knows the size of its batch, its place or the way; and yes otherwise."""

    def with_more(more: torch.Tensor) -> Gaussian:
        return Gaussian(more, torch.zeros_like(more))

    def plain(given: Sequence[float]) -> Gaussian:
        return with_more(torch.tensor(given)[:, None])

    inputs = [1.0, 2.0, 3.0]
    assert is_independent([plain], inputs)
    assert is_independent([plain, plain], inputs)
    assert not is_independent([lambda given: with_more(plain(given).mean + len(given))], inputs)
    assert not is_independent(
        [lambda given: with_more(plain(given).mean + 1e-7 * torch.arange(len(given))[:, None])], inputs
    )
    assert not is_independent([plain, lambda given: with_more(plain(given).mean + 1e-6)], inputs)
    # A way that is off for lone inputs alone.
    assert not is_independent([plain, lambda given: with_more(plain(given).mean + (len(given) == 1))], inputs)
