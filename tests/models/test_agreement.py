"""Agreement of a runtime with torch: its two numbers, its bounds, and the inputs that it is measured on."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.encoders import Encoder, EncoderConfig
from models.gaussian import Gaussian
from models.image import Framing
from models.match import MatchHead
from models.runtimes.agreement import COSINE, LOG_VARIANCE, Agreement, agreement, compare, probes
from models.runtimes.runtime import Network
from models.text import END, START, UNKNOWN, Vocabulary

VOCABULARY = Vocabulary.from_captions(["a red star left of a blue ring"])
CONFIG = EncoderConfig(embed_dim=16, word_dim=8, backbone="resnet18", stages=1, framing=Framing(32, 1.0))


def plane(angle: float, log_variance: float = 0.0) -> Gaussian:
    """A mean in the plane, at an angle."""
    mean = torch.tensor([[math.cos(angle), math.sin(angle)]], dtype=torch.float64)
    return Gaussian(mean, torch.full_like(mean, log_variance))


@given(st.floats(0, math.pi), st.floats(-3, 3))
def test_both_numbers_are_what_they_say(angle: float, off: float) -> None:
    """The cosine of the angle between the means, and the root mean square of the log-variances' differences."""
    found = compare(plane(0.3, 1.0), plane(0.3 + angle, 1.0 + off))
    assert found.cosine == pytest.approx(math.cos(angle), abs=1e-12)
    assert found.log_variance == pytest.approx(abs(off), abs=1e-12)
    assert found.holds == (found.cosine >= COSINE and found.log_variance <= LOG_VARIANCE)


def test_the_worst_input_counts() -> None:
    """One input that is off in a batch, or one batch of several, is enough."""
    good, bad = plane(0.0), plane(1.0, 2.0)
    batch = Gaussian(torch.cat([good.mean, bad.mean]), torch.cat([good.log_variance, bad.log_variance]))
    both = Gaussian(good.mean.repeat(2, 1), good.log_variance.repeat(2, 1))
    assert compare(both, batch) == Agreement(pytest.approx(math.cos(1.0)), pytest.approx(2.0))
    turned = {0.0: good, 1.0: bad}
    found = agreement(lambda x: good, lambda x: turned[float(x)], [(torch.tensor(0.0),), (torch.tensor(1.0),)])
    assert found == compare(good, bad)


@pytest.mark.parametrize("part", ["mean", "log_variance"])
def test_what_is_not_a_number_agrees_with_nothing(part: str) -> None:
    """NaN in a mean or a log-variance, as a runtime that overflows has it."""
    good = plane(0.0)
    assert compare(good, good).holds
    assert not compare(good, replace(good, **{part: getattr(good, part) * torch.nan})).holds


def test_probes_are_always_the_same_and_differ_among_themselves() -> None:
    """Pictures of the model's own size and sentences of known and unknown words, alone and as one batch."""
    encoder = Encoder(CONFIG, VOCABULARY, MatchHead(1.0, 0.0))
    for network in Network:
        once, again = probes(encoder, network, 8), probes(encoder, network, 8)
        assert len(once) == 9
        assert all(
            torch.equal(one, other)
            for ours, theirs in zip(once, again, strict=True)
            for one, other in zip(ours, theirs, strict=True)
        )
        assert len({inputs[0].numpy().tobytes() for inputs in once[:-1]}) == 8
        assert once[-1][0].shape[0] == 8
    [pixels] = probes(encoder, Network.IMAGE, 3)[-1]
    assert pixels.shape == (3, 3, 32, 32)
    ids, lengths = probes(encoder, Network.TEXT, 16)[-1]
    assert (ids[:, 0] == START).all()
    assert (ids[torch.arange(16), lengths - 1] == END).all()
    assert (lengths.min(), lengths.max()) == (3, 42)
    assert UNKNOWN in ids
    assert int(ids.max()) < len(VOCABULARY)
