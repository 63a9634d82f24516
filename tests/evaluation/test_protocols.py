"""Relevance, ranking of a whole collection, the report, and σ against the true number of matches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.random import default_rng
from scipy.stats import rankdata

from corpus.manifest import Corpus, Entry
from corpus.read import read
from corpus.scenes.generate import write
from evaluation.calibration import calibrate
from evaluation.protocols import Embedded, embed, ranking_quality
from evaluation.relevance import Relevance, owners, plausible, relevant
from evaluation.report import measure, recall_1_of_exact
from evaluation.uncertainty import ambiguity_correlation
from models.calibration import Direction
from models.encoders import Encoder, EncoderConfig
from models.errors import ConfigError
from models.gaussian import Gaussian
from models.image import Framing, decode
from models.match import MatchHead
from models.text import Vocabulary

ENTRIES = [
    Entry("a", Path("a.png"), ("one", "two"), "rose"),
    Entry("b", Path("b.png"), ("three",), "lily"),
    Entry("c", Path("c.png"), ("four",), "rose"),
]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Twelve small Scenes with three captions each."""
    folder = tmp_path_factory.mktemp("scenes") / "corpus"
    write(folder, 12, 1, side=32, per_image=3)
    return read(folder)


@pytest.fixture(scope="module")
def encoder(scenes: Corpus) -> Encoder:
    """A small model with random weights."""
    torch.manual_seed(0)
    config = EncoderConfig(16, 8, "resnet18", 1, Framing(32, 1.0))
    words = Vocabulary.from_captions([caption for entry in scenes.entries for caption in entry.captions])
    return Encoder(config, words, MatchHead(10.0, 9.0)).eval().requires_grad_(False)


def test_relevance_by_instance_and_by_label() -> None:
    """A caption matches its own image, or every image of its class."""
    assert owners(ENTRIES).tolist() == [0, 0, 1, 2]
    assert relevant(ENTRIES, Relevance.INSTANCE).astype(int).tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert relevant(ENTRIES, Relevance.LABEL).astype(int).tolist() == [[1, 0, 1], [1, 0, 1], [0, 1, 0], [1, 0, 1]]


def test_what_is_not_known_is_not_assumed() -> None:
    """Without labels or scenes the wider relevances are refused, and the plausible one is by instance."""
    bare = [Entry("a", Path("a.png"), ("one",))]
    assert plausible(bare) is Relevance.INSTANCE
    assert plausible(ENTRIES) is Relevance.LABEL
    for kind in (Relevance.LABEL, Relevance.TRUTH):
        with pytest.raises(ConfigError, match="choose instance"):
            relevant(bare, kind)


def test_scenes_know_the_truth(scenes: Corpus) -> None:
    """Every caption is true of its own picture, and truth is what counts where it is known."""
    truth = relevant(scenes.entries, Relevance.TRUTH)
    assert plausible(scenes.entries) is Relevance.TRUTH
    assert truth[np.arange(36), owners(scenes.entries)].all()


def test_embedding_is_the_encoder_item_by_item(encoder: Encoder, scenes: Corpus) -> None:
    """Whatever the batch: each image and caption as if encoded alone, in order; progress reaches the end."""
    told: list[tuple[int, int]] = []
    embedded = embed(encoder, scenes.entries, lambda done, total: told.append((done, total)), batch=5)
    assert told[-1] == (48, 48)
    for row in (0, 7, 11):
        alone = encoder.encode_images([decode(scenes.entries[row].image.read_bytes())])
        torch.testing.assert_close(embedded.images.mean[row], alone.mean[0], atol=1e-5, rtol=1e-4)
        caption = encoder.encode_texts([scenes.entries[row].captions[1]])
        torch.testing.assert_close(embedded.texts.log_variance[3 * row + 1], caption.log_variance[0], atol=1e-4, rtol=0)


def embedded_by_hand() -> Embedded:
    """Images on a line at 0, 1, 2; captions near their images, but for caption `two`, which lies beyond 1."""

    def points(values: list[float]) -> Gaussian:
        mean = torch.tensor(values)[:, None]
        return Gaussian(mean, torch.zeros_like(mean))

    return Embedded(ENTRIES, points([0.0, 1.0, 2.0]), points([0.1, 1.2, 0.9, 2.1]))


def test_ranking_quality_by_hand() -> None:
    """Three of four captions find their image first; images find a caption of theirs first, two in three."""
    quality = ranking_quality(embedded_by_hand(), Relevance.INSTANCE)
    text = quality[Direction.TEXT_TO_IMAGE]
    assert (text.recall_1, text.recall_5, text.queries) == (0.75, 1.0, 4)
    image = quality[Direction.IMAGE_TO_TEXT]
    assert image.recall_1 == pytest.approx(1.0)
    assert image.r_precision == pytest.approx((1 / 2 + 1 + 1) / 3)


def test_recall_of_exact_captions_leaves_the_others_out() -> None:
    """Only captions that are true of one image are asked."""
    truth = relevant(ENTRIES, Relevance.INSTANCE).copy()
    assert recall_1_of_exact(embedded_by_hand(), truth) == 0.75
    truth[1] = True
    assert recall_1_of_exact(embedded_by_hand(), truth) == 1.0


def test_ambiguity_correlation_is_that_of_ranks() -> None:
    """Spearman's ρ is Pearson's r of the ranks; items that match nothing are left out."""
    rng = default_rng(0)
    matches = rng.random((40, 25)) < rng.random((40, 1))
    matches[3] = False
    sigma = matches.sum(1) + rng.normal(0, 5, 40)
    kept = matches.any(1)
    expected = np.corrcoef(rankdata(sigma[kept]), rankdata(matches.sum(1)[kept]))[0, 1]
    found = ambiguity_correlation(sigma, matches)
    assert found.spearman == pytest.approx(expected)
    assert found.items == kept.sum()
    assert np.isnan(ambiguity_correlation(np.ones(40), matches).spearman)


def test_the_report_holds_every_figure(encoder: Encoder, scenes: Corpus) -> None:
    """With a calibration its reliability stands beside the raw one; Scenes add what only they know."""
    embedded = embed(encoder, scenes.entries)
    figures = measure(embedded, encoder)
    assert set(figures.reliability["text-to-image"]) == {"pairs", "matches", "raw"}
    encoder.calibration = calibrate(embedded, encoder.match)
    figures = measure(embedded, encoder)
    encoder.calibration = None
    calibrated = figures.reliability["text-to-image"]
    assert calibrated["calibrated"]["log_loss"] < calibrated["raw"]["log_loss"]
    assert figures.recall_1_exact is not None
    assert len(figures.sentences) == 5
    assert figures.to_dict()["ambiguity"]["texts"]["items"] == 36
