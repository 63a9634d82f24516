"""First answers, their margins and their mistakes, against loops over all pairs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.random import default_rng
from sklearn.metrics import roc_auc_score

from corpus.manifest import Entry
from evaluation import positives as positives_module
from evaluation.confidence import SCORES, Confidence, confidence, tops
from evaluation.contest import Contest
from evaluation.positives import Positives
from evaluation.protocols import Embedded, rank
from evaluation.relevance import Relevance, relevant
from evaluation.selective import in_bins
from models.calibration import Direction
from models.gaussian import Gaussian
from models.match import MatchHead, TraceTerm, closed_form
from models.probability_map import IsotonicMap

HEAD, MEAN_ONLY = MatchHead(9.0, 8.0, TraceTerm(0.4), TraceTerm(-0.2)), MatchHead(7.0, 6.0)


def gaussians(count: int, seed: int) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    mean = torch.nn.functional.normalize(torch.randn(count, 6, generator=generator), dim=-1)
    return Gaussian(mean, torch.randn(count, 6, generator=generator) - 3)


QUERIES, ITEMS = gaussians(40, 0), gaussians(12, 1)


def test_first_answers_by_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Query by query; with the means alone it is the nearest mean. Blocks change nothing."""
    whole = tops(QUERIES, ITEMS, HEAD)
    for row in range(40):
        probabilities = closed_form(QUERIES[row : row + 1], ITEMS, HEAD)[0].double().numpy()
        order = np.argsort(-probabilities)
        assert whole.item[row] == order[0]
        assert whole.probability[row] == pytest.approx(probabilities[order[0]], abs=1e-6)
        assert whole.margin[row] == pytest.approx(probabilities[order[0]] - probabilities[order[1]], abs=1e-6)
    points = tops(QUERIES, ITEMS, MEAN_ONLY, means_alone=True)
    distances = torch.cdist(QUERIES.mean.double(), ITEMS.mean.double())
    assert torch.equal(points.item, distances.argmin(dim=1))
    expected = torch.sigmoid(6.0 - 7.0 * distances.min(dim=1).values)
    assert points.probability == pytest.approx(expected.numpy(), abs=1e-5)
    monkeypatch.setattr(positives_module, "BLOCK_CELLS", 60)
    again = tops(QUERIES, ITEMS, HEAD)
    assert torch.equal(again.item, whole.item)
    assert again.margin == pytest.approx(whole.margin, abs=1e-6)


def test_of_equally_probable_items_the_nearest_is_first() -> None:
    """As a search orders them: a map with steps makes many items equally probable."""
    steps = replace(MEAN_ONLY, map=IsotonicMap((0.0, 1.0), (0.5, 0.5)))
    nearest = torch.cdist(QUERIES.mean.double(), ITEMS.mean.double()).argmin(dim=1)
    assert torch.equal(tops(QUERIES, ITEMS, steps).item, nearest)
    assert torch.equal(tops(QUERIES, ITEMS, steps, means_alone=True).item, nearest)
    assert not tops(QUERIES, ITEMS, steps).margin.any()


def test_a_single_item_is_first_by_all_of_its_probability() -> None:
    """There is no second to be above of."""
    alone = tops(QUERIES, ITEMS[:1], HEAD)
    assert alone.margin.tolist() == alone.probability.tolist()


def test_scores_are_held_against_their_own_answers() -> None:
    """Each score's AUROC is that of scikit-learn over the mistakes of the answers it speaks of."""
    rng = default_rng(0)
    table = rng.random((40, 12)) < 0.3
    table[3] = False
    entries = [Entry(str(i), Path("x.png"), ("text",) * (4 if i < 4 else 3)) for i in range(12)]
    wider, own = Positives.of_mask(table), Positives.of_mask(table & (rng.random((40, 12)) < 0.5))
    ranked = rank(QUERIES, ITEMS, own, wider)
    embedded = Embedded(entries, ITEMS, QUERIES)
    found = confidence(embedded, Direction.TEXT_TO_IMAGE, ranked, wider, HEAD, MEAN_ONLY)
    asked = table.any(axis=1)
    full, points = tops(QUERIES, ITEMS, HEAD), tops(QUERIES, ITEMS, MEAN_ONLY, means_alone=True)
    rows = np.arange(40)
    wrong, by_means = ~table[rows, full.item.numpy()][asked], ~table[rows, points.item.numpy()][asked]
    expected = {
        "sigma": roc_auc_score(wrong, QUERIES.sigma.numpy()[asked]),
        "probability": roc_auc_score(wrong, -full.probability[asked]),
        "margin": roc_auc_score(wrong, -full.margin[asked]),
        "mean_only_probability": roc_auc_score(by_means, -points.probability[asked]),
        "mean_only_margin": roc_auc_score(by_means, -points.margin[asked]),
    }
    assert tuple(found.abstention) == SCORES
    for name, value in expected.items():
        assert found.abstention[name].auroc == pytest.approx(value)
        assert found.abstention[name].risk[-1] == pytest.approx((by_means if "mean" in name else wrong).mean())
    assert np.mean(found.r_precision.values) > 0


def test_bins_are_of_the_ranking_by_the_means() -> None:
    """Recall@1 and R-Precision query by query, in bins of σ and of the probability by the means; contests beside."""
    rng = default_rng(1)
    entries = [Entry(str(i), Path("x.png"), ("text",) * (4 if i < 4 else 3)) for i in range(12)]
    own = relevant(entries, Relevance.INSTANCE)
    table = own.mask() | (rng.random((40, 12)) < 0.3)
    wider = Positives.of_mask(table)
    found = confidence(
        Embedded(entries, ITEMS, QUERIES),
        Direction.TEXT_TO_IMAGE,
        rank(QUERIES, ITEMS, own, wider),
        wider,
        HEAD,
        MEAN_ONLY,
    )
    order = torch.cdist(QUERIES.mean.double(), ITEMS.mean.double()).argsort(dim=1).numpy()
    first = np.array([own.mask()[i, order[i, 0]] for i in range(40)], dtype=float)
    precision = np.array([table[i, order[i, : table[i].sum()]].mean() for i in range(40)])
    certain = tops(QUERIES, ITEMS, MEAN_ONLY, means_alone=True).probability
    sigma = QUERIES.sigma.double().numpy()
    assert found.recall_1 == in_bins(sigma, first)
    assert found.r_precision == in_bins(sigma, precision)
    assert found.mean_only_recall_1 == in_bins(certain, first)
    assert found.mean_only_r_precision == in_bins(certain, precision)
    assert [(each.score, each.figure) for each in found.contests] == [
        ("sigma", "auroc"),
        ("sigma", "area"),
        ("probability", "auroc"),
        ("probability", "area"),
    ]
    for each in found.contests:
        assert each.value == pytest.approx(getattr(found.abstention[each.score], each.figure))
        assert each.rival_value == pytest.approx(getattr(found.abstention["mean_only_probability"], each.figure))
        assert each.low <= each.advantage <= each.high


def test_sentences_say_who_wins() -> None:
    """A score that knows all beats one that guesses, either way round; a narrow difference is none."""
    bins = in_bins(np.arange(20.0), np.arange(20.0))
    contest = Contest("auroc", "sigma", "mean_only_probability", 0.9, 0.6, 0.3, 0.2, 0.4)
    lost = replace(contest, advantage=-0.3, low=-0.4, high=-0.2)
    open_ended = replace(contest, advantage=0.1, low=-0.1, high=0.2)
    unknown = replace(contest, advantage=np.nan, low=np.nan, high=np.nan)
    lines = [list(Confidence({}, bins, bins, bins, bins, (each,)).sentences)[2] for each in (contest, lost, open_ended)]
    assert lines[0].endswith("R-AUROC: σ beats the mean-only probability by 0.300 (0.200 to 0.400).")
    assert lines[1].endswith("R-AUROC: the mean-only probability beats σ by 0.300 (0.200 to 0.400).")
    assert lines[2].endswith("R-AUROC: no difference between σ and the mean-only probability (-0.100 to +0.200).")
    assert "cannot be compared" in next(Confidence({}, None, None, bins, bins, (unknown,)).sentences)
