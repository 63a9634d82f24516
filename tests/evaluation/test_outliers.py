"""Outliers made and told apart: against scikit-learn, and on queries whose unlikeness is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score

from corpus.manifest import Entry
from evaluation import outliers
from evaluation.confidence import tops
from evaluation.familiarity import fit_familiarity
from evaluation.outliers import (
    NOISES,
    SCORES,
    Detection,
    OutlierFigures,
    auroc,
    detect,
    distances_in_plane,
    noise_pictures,
    outlier_queries,
    text_outliers,
)
from evaluation.positives import Floats
from evaluation.protocols import Embedded
from models.calibration import Calibration, Direction
from models.encoders import Encoder, EncoderConfig
from models.gaussian import Gaussian
from models.image import Framing, encode_png
from models.match import MatchHead, TraceTerm
from models.text import Vocabulary, words

DIM = 8
CAPTIONS = ("a red star left of a ring", "one blue square", "three rings at night by the sea")


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    torch.manual_seed(0)
    config = EncoderConfig(embed_dim=DIM, word_dim=8, backbone="resnet18", stages=1, framing=Framing(32))
    return Encoder(config, Vocabulary.from_captions(CAPTIONS), MatchHead(9.0, 8.0)).eval().requires_grad_(False)


def gaussians(count: int, seed: int) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    mean = torch.nn.functional.normalize(torch.randn(count, DIM, generator=generator), dim=-1)
    return Gaussian(mean, torch.randn(count, DIM, generator=generator) - 3)


def entries(folder: Path, count: int = 6) -> list[Entry]:
    rng, found = np.random.default_rng(0), []
    for number in range(count):
        path = folder / f"{number}.png"
        path.write_bytes(encode_png(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)))
        found.append(Entry(str(number), path, CAPTIONS[:2]))
    return found


def test_auroc_is_that_of_scikit_learn() -> None:
    """Of outliers against the collection's own, ties included."""
    rng = np.random.default_rng(0)
    own, others = rng.integers(0, 9, 50).astype(float), rng.integers(3, 12, 30).astype(float)
    expected = roc_auc_score(np.r_[np.zeros(50), np.ones(30)], np.r_[own, others])
    assert auroc(own, others) == pytest.approx(expected)


def test_both_together_is_a_distance_from_the_other_half() -> None:
    """Each half of the own queries is measured with the mean and covariance of the other, outliers with both."""
    rng = np.random.default_rng(1)
    mixing = np.array([[1.0, 0.6], [0.0, 0.3]])
    own, others = rng.standard_normal((400, 2)) @ mixing, rng.standard_normal((30, 2)) * 3
    inside, beyond = distances_in_plane(own, others)
    for row in (0, 1, 2, 77):
        assert inside[row] == pytest.approx(_by_scikit_learn(own[1 - row % 2 :: 2], own[row]), rel=1e-4)
    for row in range(30):
        mean = np.mean([_by_scikit_learn(own[half::2], others[row]) for half in (0, 1)])
        assert beyond[row] == pytest.approx(mean, rel=1e-4)


def _by_scikit_learn(points: Floats, asked: Floats) -> float:
    """The Mahalanobis distance from points, in their standard units."""
    centre, deviation = points.mean(axis=0), points.std(axis=0)
    covariance = LedoitWolf(assume_centered=True).fit((points - centre) / deviation).covariance_
    return float(mahalanobis((asked - centre) / deviation, np.zeros(len(asked)), np.linalg.inv(covariance)))


def test_scores_against_scikit_learn(encoder: Encoder) -> None:
    """Every score's AUROC is that of its own quantity; what the model lacks is left out."""
    queries, items, odd = gaussians(60, 0), gaussians(20, 1), gaussians(25, 2)
    odd = Gaussian(-odd.mean, odd.log_variance + 1)
    heads = {direction: MatchHead(9.0, 8.0, TraceTerm(0.4)) for direction in Direction}
    points = dict.fromkeys(Direction, MatchHead(7.0, 6.0))
    known = fit_familiarity(gaussians(100, 3), np.arange(100))
    collection = Embedded([], items, queries)
    unlike = {Direction.TEXT_TO_IMAGE: {"odd": odd, "none": odd[:0]}, Direction.IMAGE_TO_TEXT: {"odd": odd}}
    bare = detect(collection, encoder, unlike)[Direction.TEXT_TO_IMAGE]
    assert set(bare.kinds["odd"].auroc) == {"sigma", "probability", "both"}
    assert (bare.kinds["odd"].alarms, bare.false_alarms) == (None, None)
    encoder.calibration, encoder.familiarity = Calibration(heads, points, {}), {Direction.TEXT_TO_IMAGE: known}
    found = detect(collection, encoder, unlike)
    encoder.calibration = encoder.familiarity = None
    assert list(found[Direction.TEXT_TO_IMAGE].kinds) == ["odd"]
    told = found[Direction.TEXT_TO_IMAGE].kinds["odd"]
    assert tuple(told.auroc) == SCORES
    outlier = np.r_[np.zeros(60), np.ones(25)]
    both = Gaussian(torch.cat([queries.mean, odd.mean]), torch.cat([queries.log_variance, odd.log_variance]))
    expected = {
        "sigma": both.sigma.numpy(),
        "probability": -tops(both, items, heads[Direction.TEXT_TO_IMAGE]).probability,
        "familiarity": known.distance(both).numpy(),
        "mean_only_probability": torch.cdist(both.mean, items.mean).min(dim=1).values.numpy(),
        "mean_only_familiarity": known.distance(both, means_alone=True).numpy(),
    }
    for score, values in expected.items():
        assert told.auroc[score] == pytest.approx(roc_auc_score(outlier, values), abs=1e-3), score
    warned = known.unlike(both) | known.too_uncertain(both)
    assert told.alarms == pytest.approx(float(warned[60:].double().mean()))
    assert found[Direction.TEXT_TO_IMAGE].false_alarms == pytest.approx(float(warned[:60].double().mean()))
    assert found[Direction.IMAGE_TO_TEXT].false_alarms is None


def test_text_outliers_have_no_cue_but_their_order(encoder: Encoder, tmp_path: Path) -> None:
    """Shuffled captions have the words of captions; random ones have the length and known words only."""
    made = text_outliers(encoder, entries(tmp_path), np.random.default_rng(0))
    bags = {tuple(sorted(words(caption))) for caption in CAPTIONS[:2]}
    assert {tuple(sorted(words(text))) for text in made["shuffled captions"]} == bags
    assert len(set(made["shuffled captions"])) > 4
    assert {len(words(text)) for text in made["random words"]} == {len(bag) for bag in bags}
    assert not any(encoder.vocabulary.unknown(text) for text in made["random words"])


@pytest.mark.parametrize("name", NOISES)
def test_noise_is_of_its_kind(name: str) -> None:
    """Mid-grey on average; neighbouring pixels agree in smooth noise alone."""
    pictures = np.stack(list(noise_pictures(name, 3, np.random.default_rng(0)))).astype(float)
    assert abs(pictures.mean() - 128) < 5
    assert pictures.std() > 50
    centred = pictures - pictures.mean()
    neighbours = (centred[:, :, 1:] * centred[:, :, :-1]).mean() / centred.var()
    assert neighbours == pytest.approx(0.95 if name == "smooth noise" else 0, abs=0.1)


def test_encoded_outliers(encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts and noise always, other collections by their names, noise framed as pictures are; progress to the end."""
    monkeypatch.setattr(outliers, "SYNTHETIC", 70)
    collection, told = entries(tmp_path), []
    silent = [replace(entry, captions=()) for entry in collection]
    made = outlier_queries(
        encoder, collection, {"other": collection, "silent": silent}, lambda done, total: told.append((done, total))
    )
    assert list(made[Direction.TEXT_TO_IMAGE]) == ["shuffled captions", "random words", "other", "silent"]
    assert list(made[Direction.IMAGE_TO_TEXT]) == [*NOISES, "other", "silent"]
    lengths = [[len(each) for each in made[direction].values()] for direction in Direction]
    assert lengths == [[12, 12, 12, 0], [70, 70, 70, 6, 6]]
    assert told[-1] == (210 + 6 + 12 + 6, 210 + 6 + 12 + 6)
    again = encoder.encode_images(
        [encode_png(next(noise_pictures("uniform noise", 1, _after_texts(encoder, collection))))]
    )
    torch.testing.assert_close(again.mean[0], made[Direction.IMAGE_TO_TEXT]["uniform noise"].mean[0])


def _after_texts(encoder: Encoder, collection: list[Entry]) -> np.random.Generator:
    """The generator as it is when the texts are made and noise is not."""
    rng = np.random.default_rng(0)
    text_outliers(encoder, collection, rng)
    return rng


def test_verdict() -> None:
    """Names what is told apart, what is not, and the false alarms."""
    kinds = {
        name: Detection({"both": 0.5, "familiarity": area}, 0.5, 9) for name, area in (("noise", 0.97), ("salad", 0.6))
    }
    expected = "familiarity tells noise from these queries (AUROC ≥ 0.95), and falls short for salad (0.60)"
    assert OutlierFigures(kinds, 0.012).verdict == f"{expected}; 1.2 % of these are false alarms."
    assert OutlierFigures(kinds, None).verdict.startswith("both tells nothing")
