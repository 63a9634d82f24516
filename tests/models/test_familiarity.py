"""How unlike the known queries a query is, against scipy and a count by hand; and on disk."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import mahalanobis

from models import checkpoint
from models.calibration import Direction
from models.encoders import Encoder, EncoderConfig
from models.errors import ArtifactError
from models.familiarity import UNLIKE_BELOW, Familiarity, coordinates
from models.gaussian import Gaussian
from models.image import Framing
from models.match import MatchHead
from models.text import Vocabulary

DIM = 3
GENERATOR = torch.Generator().manual_seed(0)
MIXING = torch.randn(2 * DIM, 2 * DIM, generator=GENERATOR, dtype=torch.float64)
COVARIANCE = MIXING @ MIXING.mT + torch.eye(2 * DIM)
CENTRE = torch.randn(2 * DIM, generator=GENERATOR, dtype=torch.float64)


def familiarity(distances: list[float], most_sigma: float = 1.0) -> Familiarity:
    whitening = torch.linalg.inv(torch.linalg.cholesky(COVARIANCE))
    return Familiarity(CENTRE.float(), whitening.float().tril(), torch.tensor(distances), most_sigma)


def queries(count: int, seed: int = 1) -> Gaussian:
    points = torch.randn(count, 2 * DIM, generator=torch.Generator().manual_seed(seed))
    return Gaussian(points[:, :DIM], points[:, DIM:])


def test_distance_is_that_of_mahalanobis() -> None:
    """Of mean and log-variance together, and of the means alone with their own covariance, as scipy has it."""
    known, asked = familiarity([1.0]), queries(20)
    points, inverse = coordinates(asked).double().numpy(), np.linalg.inv(COVARIANCE.numpy())
    own = np.linalg.inv(COVARIANCE[:DIM, :DIM].numpy())
    both = [mahalanobis(point, CENTRE.numpy(), inverse) for point in points]
    means = [mahalanobis(point[:DIM], CENTRE[:DIM].numpy(), own) for point in points]
    assert known.distance(asked).numpy() == pytest.approx(np.array(both), rel=1e-4)
    assert known.distance(asked, means_alone=True).numpy() == pytest.approx(np.array(means), rel=1e-4)
    assert float(known.distance(asked[3])) == pytest.approx(both[3], rel=1e-4)


@given(st.lists(st.floats(0, 10, width=32), min_size=1, max_size=30), st.integers(0, 1_000))
def test_typicality_is_a_count(distances: list[float], seed: int) -> None:
    """One more than the known queries at least as far out, over one more than all of them; never zero."""
    known, asked = familiarity(sorted(distances)), queries(5, seed)
    for row in range(5):
        far = float(known.distance(asked[row]))
        expected = (1 + sum(each >= far for each in distances)) / (1 + len(distances))
        assert float(known.typicality(asked[row])) == expected


def test_far_out_is_unlike() -> None:
    """Ever further from the centre a query becomes unlike, and what is not a number is unlike."""
    known = familiarity(torch.arange(1, 201).div(20).tolist())
    shift = torch.tensor([0.0, 1.0, 100.0])[:, None] * torch.ones(DIM)
    asked = Gaussian(CENTRE[:DIM].float() + shift, CENTRE[DIM:].float().expand(3, DIM))
    assert known.unlike(asked).tolist() == [False, False, True]
    assert (known.typicality(asked) <= UNLIKE_BELOW).tolist() == [False, False, True]
    assert bool(known.unlike(Gaussian(asked.mean[0] * math.nan, asked.log_variance[0])))


def test_too_uncertain_is_beyond_the_greatest() -> None:
    """The greatest σ known is not too uncertain, nor is it with another rounding; more is."""
    known = familiarity([1.0], most_sigma=0.5)
    sigma = torch.tensor([0.1, 0.5, 0.50001, 0.51])
    asked = Gaussian(torch.zeros(4, DIM), (2 * sigma.log())[:, None].expand(4, DIM))
    assert known.too_uncertain(asked).tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    "wrong",
    [{"centre": torch.zeros(5)}, {"whitening": torch.eye(4)}, {"distances": torch.zeros(0)}],
)
def test_shapes_are_checked(wrong: dict[str, torch.Tensor]) -> None:
    """What does not fit together is refused."""
    with pytest.raises(ValueError, match=r"is|are"):
        replace(familiarity([1.0]), **wrong)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A model of random weights that knows queries of both modalities."""
    config = EncoderConfig(embed_dim=16, word_dim=8, backbone="resnet18", stages=1, framing=Framing(32))
    encoder = Encoder(config, Vocabulary.from_captions(["a ring"]), MatchHead(9.0, 8.0))
    whitening = torch.randn(32, 32).tril()
    encoder.familiarity = {
        direction: Familiarity(torch.randn(32), whitening, torch.rand(7).sort().values, 0.25) for direction in Direction
    }
    checkpoint.save(encoder, tmp_path / "model", {})
    return tmp_path / "model"


def test_on_disk(saved: Path) -> None:
    """What is read is what was written, and the fingerprint does not know of it; without the file there is none."""
    before = checkpoint.load(saved)
    known = before.encoder.familiarity
    assert known is not None
    one = known[Direction.IMAGE_TO_TEXT]
    assert (len(known), one.most_sigma) == (2, 0.25)
    checkpoint.save_familiarity({Direction.IMAGE_TO_TEXT: one}, saved)
    after = checkpoint.load(saved)
    assert after.fingerprint == before.fingerprint
    assert after.encoder.familiarity is not None
    [again] = after.encoder.familiarity.values()
    for name in ("centre", "whitening", "distances"):
        assert torch.equal(getattr(again, name), getattr(one, name))
    assert not again.whitening.triu(1).any()
    (saved / checkpoint.FAMILIARITY).unlink()
    assert checkpoint.load(saved).encoder.familiarity is None


def test_a_damaged_file_is_named(saved: Path) -> None:
    """Cut short, or of another model's size: a sentence with the remedy; a model that gets a new one is still read."""
    path = saved / checkpoint.FAMILIARITY
    content = path.read_bytes()
    path.write_bytes(content[:-50])
    with pytest.raises(ArtifactError, match="penumbra calibrate"):
        checkpoint.load(saved)
    checkpoint.save_familiarity({Direction.IMAGE_TO_TEXT: familiarity([1.0])}, saved)
    with pytest.raises(ArtifactError, match="16 dimensions"):
        checkpoint.load(saved)
    assert checkpoint.load(saved, with_calibration=False).encoder.familiarity is None
