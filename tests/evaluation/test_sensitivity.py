"""σ against what should raise it: encoders whose answer is known, and every figure by plain loops."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.random import default_rng
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from torch import Tensor

from corpus.manifest import Corpus, Entry
from corpus.read import read
from corpus.scenes.generate import write
from evaluation import disturbed as disturbed_module
from evaluation.calibration import calibrate
from evaluation.disturbed import Disturbed, disturb
from evaluation.generality import generality
from evaluation.perturbations import BLURRED, DROPPED, ERASED, drop_words
from evaluation.positives import Positives
from evaluation.protocols import Embedded, embed, rank_both_ways
from evaluation.relevance import Relevance, relevant
from evaluation.report import Asked, measure
from evaluation.sensitivity import (
    Series,
    disturbed_series,
    levels_of,
    observed_series,
    response_across,
    response_within,
)
from models.calibration import Direction
from models.encoders import Encoder
from models.gaussian import Gaussian
from models.image import Framing
from models.match import MatchHead

MEAN_ONLY = dict.fromkeys(Direction, MatchHead(7.0, 6.0))


class Stub:
    """Its σ is the erased area of a picture plus a hundredth, and of a caption one over the number of its words."""

    config = SimpleNamespace(framing=Framing(32, 1.0))

    def encode_pixels(self, pixels: Tensor) -> Gaussian:
        """Means from a few of the pixels."""
        mean = pixels.flatten(1)[:, ::97]
        return self._gaussian(mean, (pixels == 0).float().mean((1, 2, 3)) + 0.01)

    def encode_texts(self, texts: list[str]) -> Gaussian:
        """Means from the letters."""
        counts = torch.tensor([float(len(text.split())) for text in texts])
        letters = torch.tensor([[float(text.count(chr(97 + place))) for place in range(26)] for text in texts])
        return self._gaussian(torch.nn.functional.pad(letters, (0, 6)), 1 / counts)

    def _gaussian(self, mean: Tensor, sigma: Tensor) -> Gaussian:
        return Gaussian(mean, 2 * sigma.log()[:, None].expand_as(mean).contiguous())


class Blind(Stub):
    """The same means; σ is one constant."""

    def _gaussian(self, mean: Tensor, sigma: Tensor) -> Gaussian:
        return Gaussian(mean, torch.full_like(mean, -40.0))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Ten small Scenes with two captions each."""
    folder = tmp_path_factory.mktemp("scenes") / "corpus"
    write(folder, 10, 1, side=32, per_image=2)
    return read(folder)


def all_series(encoder: Stub, scenes: Corpus) -> dict[str, Series]:
    collection = embed(cast(Encoder, encoder), scenes.entries)
    own, truth = (relevant(scenes.entries, kind) for kind in (Relevance.INSTANCE, Relevance.TRUTH))
    found = disturb(cast(Encoder, encoder), collection)
    return {each.what: disturbed_series(each, collection, own, truth, MEAN_ONLY) for each in found}


def test_a_sigma_that_is_the_erased_area_follows_it(scenes: Corpus) -> None:
    """ρ, share and AUROC are one, and mean σ is the level itself; so for dropped words. Blur never moves it: no σ."""
    found = all_series(Stub(), scenes)
    erased, blurred, dropped = (found[what].sigma for what in ("erased", "blurred", "dropped"))
    assert erased is not None
    assert erased.means == pytest.approx(np.array(ERASED) + 0.01, abs=0.03)
    assert erased.deviations == pytest.approx([0.0] * 5, abs=1e-6)
    assert (erased.spearman, erased.share_rising, erased.auroc) == (pytest.approx(1), 1.0, 1.0)
    assert found["erased"].contest is not None
    assert found["erased"].sentence is not None
    assert "images: σ rises with the erased area: higher in 100 % (ρ 1.00, AUROC 1.00)" in found["erased"].sentence
    assert blurred is None
    assert dropped is not None
    assert (dropped.spearman, dropped.share_rising) == (pytest.approx(1), 1.0)


def test_without_variances_the_means_stand_alone(scenes: Corpus) -> None:
    """Points: σ is absent, the distance is what it was, and the keys of the JSON are the same."""
    living, points = all_series(Stub(), scenes), all_series(Blind(), scenes)
    for what, series in points.items():
        assert series.sigma is None
        assert series.contest is None
        assert series.sentence is None
        assert series.distance == living[what].distance
        plain, other = series.to_dict(), living[what].to_dict()
        assert plain.keys() == other.keys()
        assert plain["mean_sigma"] is None
        sigma = living[what].sigma
        assert other["mean_sigma"] == (None if sigma is None else sigma.means)
        json.dumps(plain)


def test_what_is_encoded_again(scenes: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first level is the collection's; captions lose their words; samples are bounded, and progress ends."""
    encoder, told = cast(Encoder, Stub()), list[tuple[int, int]]()
    collection = embed(encoder, scenes.entries)
    monkeypatch.setattr(disturbed_module, "MOST_IMAGES", 7)
    found = disturb(encoder, collection, lambda done, total: told.append((done, total)), batch=3)
    assert [(each.what, each.levels) for each in found] == [
        ("erased", ERASED),
        ("blurred", BLURRED),
        ("dropped", DROPPED),
    ]
    assert told[-1][0] == told[-1][1] == 7 * 8 + len(found[2].rows) * 4
    assert len(found[0].rows) == 7
    for each in found:
        whole = collection.sides(each.direction)[0][torch.from_numpy(each.rows)]
        assert torch.equal(each.encoded[0].mean, whole.mean)
        assert all(len(level) == len(each.rows) for level in each.encoded)
    captions = [caption for entry in scenes.entries for caption in entry.captions]
    assert found[2].rows.tolist() == [row for row, text in enumerate(captions) if len(text.split()) >= 5]
    shorter = drop_words([captions[row] for row in found[2].rows], 0.6, 0)
    assert torch.equal(found[2].encoded[3].mean, encoder.encode_texts(shorter).mean)
    again = disturb(encoder, collection, batch=64)
    for one, other in zip(found[0].encoded, again[0].encoded, strict=True):
        torch.testing.assert_close(one.mean, other.mean)


def test_short_captions_have_no_series(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caption of four words would lose none at the first level; one of five does."""
    monkeypatch.setattr(disturbed_module, "MOST_IMAGES", 0)
    one = Gaussian(torch.zeros(1, 32), torch.zeros(1, 32))
    for caption, expected in (("a red star here", []), ("a red star over here", ["dropped"])):
        embedded = Embedded([Entry("a", Path("x.png"), (caption,))], one, one)
        assert [each.what for each in disturb(cast(Encoder, Stub()), embedded)] == expected


def test_levels_are_ranked_against_the_whole_collection() -> None:
    """Level by level and query by query: recall, R-Precision, nearest distance and its probability, by loops."""
    rng = default_rng(0)
    g = torch.Generator().manual_seed(0)
    images, texts = (Gaussian(torch.randn(n, 4, generator=g), torch.randn(n, 4, generator=g)) for n in (6, 12))
    entries = [Entry(str(i), Path("x.png"), ("one", "two")) for i in range(6)]
    own = relevant(entries, Relevance.INSTANCE)
    table = own.mask() | (rng.random((12, 6)) < 0.3)
    rows = np.array([1, 3, 4])
    levels = tuple(Gaussian(torch.randn(3, 4, generator=g), torch.randn(3, 4, generator=g)) for _ in range(4))
    given = Disturbed(Direction.IMAGE_TO_TEXT, "blurred", rows, (0.0, 0.1, 0.2, 0.3), levels)
    embedded = Embedded(entries, images, texts)
    found = disturbed_series(given, embedded, own, Positives.of_mask(table), MEAN_ONLY)
    for place, queries in enumerate(levels):
        distances = torch.cdist(queries.mean.double(), texts.mean.double()).numpy()
        order = distances.argsort(axis=1)
        first = [order[i, 0] // 2 == row for i, row in enumerate(rows)]
        assert found.recall_1[place] == pytest.approx(np.mean(first))
        counts = [table[:, row].sum() for row in rows]
        precision = [table[order[i, :r], row].mean() for i, (row, r) in enumerate(zip(rows, counts, strict=True))]
        assert found.r_precision[place] == pytest.approx(np.mean(precision))
        nearest = distances.min(axis=1)
        assert found.distance.means[place] == pytest.approx(nearest.mean(), rel=1e-5)
        assert found.distance.deviations[place] == pytest.approx(nearest.std(), rel=1e-4)
        assert found.probability is not None
        assert found.probability[place] == pytest.approx((1 / (1 + np.exp(7 * nearest - 6))).mean(), rel=1e-4)
    assert found.sigma is not None
    assert found.sigma.means == pytest.approx([float(level.sigma.mean()) for level in levels])
    assert (found.side, found.counts) == ("images", (3, 3, 3, 3))


def test_response_within_items_by_loops() -> None:
    """SciPy's ρ item by item, with ties; items that do not answer at all are left out of the mean."""
    rng = default_rng(0)
    levels, values = (0.0, 0.1, 0.5, 0.9), rng.integers(0, 4, (4, 30)).astype(float)
    values[:, 7] = 2.0
    found = response_within(levels, values)
    each = [spearmanr(levels, values[:, i]).statistic for i in range(30) if np.ptp(values[:, i]) > 0]
    assert found.spearman == pytest.approx(np.mean(each))
    assert found.share_rising == np.mean([values[3, i] > values[0, i] for i in range(30)])
    assert found.auroc == pytest.approx(roc_auc_score([0] * 30 + [1] * 30, np.concatenate([values[0], values[3]])))
    assert np.isnan(response_within(levels, np.ones((4, 5))).spearman)


def test_levels_of_what_is_observed() -> None:
    """Equal values stay together, groups rise, everything is in one; many values give ten groups of about a tenth."""
    values = default_rng(0).integers(0, 4, 100)
    groups = levels_of(values)
    assert [set(values[group].tolist()) for group in groups] == [{0}, {1}, {2}, {3}]
    many = levels_of(default_rng(1).permutation(1000))
    assert [len(group) for group in many] == [100] * 10
    assert sorted(np.concatenate(many).tolist()) == list(range(1000))
    assert [group.tolist() for group in levels_of(np.array([5, 5, 5]))] == [[0, 1, 2]]


def test_observed_captions_by_loops(scenes: Corpus) -> None:
    """Groups of the captions: means of σ, distance and recall in each, and ρ over all of them; where truth is known it
    is there for both sides."""
    collection = embed(cast(Encoder, Stub()), scenes.entries)
    own, truth = (relevant(scenes.entries, kind) for kind in (Relevance.INSTANCE, Relevance.TRUTH))
    ranked = rank_both_ways(collection, own, truth)
    found = observed_series(collection, ranked, truth, MEAN_ONLY)
    assert [(each.side, each.what) for each in found] == [
        ("texts", "length"),
        ("texts", "generality"),
        ("texts", "matches"),
        ("images", "matches"),
    ]
    captions = [caption for entry in scenes.entries for caption in entry.captions]
    values = generality(captions, scenes.entries)
    sigma, nearest = collection.texts.sigma.double().numpy(), ranked[Direction.TEXT_TO_IMAGE].nearest
    series, groups = found[1], levels_of(values)
    assert series.sigma is not None
    assert series.sigma.spearman == pytest.approx(spearmanr(values, sigma).statistic)
    assert series.distance.spearman == pytest.approx(spearmanr(values, nearest).statistic)
    assert series.sigma.means == pytest.approx([sigma[group].mean() for group in groups])
    recall = ranked[Direction.TEXT_TO_IMAGE].found_first
    assert series.recall_1 == pytest.approx([recall[group].mean() for group in groups])
    assert sum(series.counts) == len(captions)
    assert found[3].levels[-1] <= 20
    assert [each.what for each in observed_series(collection, ranked, None, None)] == ["length", "generality"]
    assert series.sentence is not None
    assert series.sentence.startswith("texts: Spearman's ρ of σ with their generality is ")


def test_what_does_not_vary_has_no_correlation() -> None:
    """Captions of one length."""
    found = response_across(np.array([5, 5, 5]), np.arange(3.0), [np.arange(3)])
    assert np.isnan(found.spearman)
    assert found.means == (1.0,)
    series = Series("texts", "length", (5.0,), (3,), found, found, None, (0.5,), (0.5,))
    assert series.sentence is None
    assert replace(series, sigma=replace(found, spearman=0.5)).sentence is not None


def test_a_model_of_points_is_measured_without_its_sigma(scenes: Corpus) -> None:
    """Every figure that needs σ is absent, the others are there, no warning is raised, and it is all JSON."""
    encoder: Any = Blind()
    encoder.match, encoder.calibration = MatchHead(10.0, 9.0), None
    collection = embed(encoder, scenes.entries)
    encoder.calibration = calibrate(collection, encoder.match)
    figures = measure(collection, encoder, asked=Asked(disturbed=disturb(encoder, collection)))
    assert figures.variances["texts"].verdict.startswith("This model has no variances")
    assert figures.confidence is not None
    for sure in figures.confidence.values():
        assert "sigma" not in sure.abstention
        assert sure.recall_1 is sure.r_precision is None
        assert sure.contests == ()
        assert len(sure.mean_only_recall_1.values) > 0
    assert figures.ambiguity is not None
    assert np.isnan(figures.ambiguity["texts"].spearman)
    assert figures.sensitivity is not None
    assert len(figures.sensitivity) == 7
    assert all(each.sigma is None for each in figures.sensitivity)
    assert not [line for line in figures.sentences if "σ" in line]
    json.dumps(figures.to_dict())
