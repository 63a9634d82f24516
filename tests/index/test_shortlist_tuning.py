"""How a shortlist is chosen, tuned and measured: against all probabilities of all pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache, cached_property
from typing import Any

import numpy as np
import pytest
import torch

from index.gaussians import storage
from index.gaussians.storage import Storage, StoredGaussians
from index.items import Modality
from index.shortlists.choice import Choice, Wanted
from index.shortlists.contract import Effort
from index.shortlists.loss import SIZES, TOP, Curve, Loss, Space, exhaustive
from index.shortlists.tuning import LEAST_SIZE, QUERIES, Asking, Made, ShortlistRecord, choose_space, make
from models.errors import ArtifactError
from models.gaussian import Gaussian
from models.match import MatchHead, TraceTerm, closed_form
from models.probability_map import PlattMap

DIM = 12
PLAIN = MatchHead(9.0, 6.0)
VAGUE_WINS = MatchHead(9.0, 6.0, TraceTerm(), TraceTerm(6.0))
MEANS = MatchHead(9.0, 6.0, means_alone=True)
WANTED = Wanted()


def draw(n: int, seed: int) -> Gaussian:
    """Means on a sphere and total variances that differ a lot."""
    generator = torch.Generator().manual_seed(seed)
    mean = torch.nn.functional.normalize(torch.randn(n, DIM, generator=generator), dim=-1)
    return Gaussian(mean, torch.randn(n, 1, generator=generator) * 0.7 + torch.randn(n, DIM, generator=generator) - 4)


ITEMS, QUERYING = draw(5_200, 0), draw(300, 1)


def stored(gaussians: Gaussian) -> StoredGaussians:
    return storage.stored(gaussians, Storage.FLOAT32, None)


class Watched(StoredGaussians):
    """Remembers the rows that were taken."""

    @cached_property
    def seen(self) -> list[list[int]]:
        """Once for each time."""
        return []

    def take(self, rows: Any) -> Gaussian:
        """Take them."""
        self.seen.append(rows.tolist())
        return super().take(rows)


@cache
def made(kind: str, head: MatchHead, wanted: Wanted = WANTED) -> Made:
    return made_of(ITEMS, kind, head, wanted)


def made_of(items: Gaussian, kind: str, head: MatchHead, wanted: Wanted = WANTED) -> Made:
    asking = Asking(Modality.TEXT, stored(QUERYING))
    return make(stored(items), asking, head, Choice(kind, "Because."), wanted)


def true_share(found: Made, head: MatchHead, size: int) -> float:
    """Over all 300 queries, what searches hold of the ten most probable items of all, from all probabilities."""
    probabilities = closed_form(QUERYING.to(dtype=torch.float64), ITEMS.to(dtype=torch.float64), head)
    best = probabilities.topk(TOP).indices.numpy()
    queries = [found.points.query(mean) for mean in QUERYING.mean.numpy()]
    shortlists = [found.shortlist.search(query, size, found.record.effort).rows for query in queries]
    return float(np.mean([len(np.intersect1d(*pair)) / TOP for pair in zip(best, shortlists, strict=True)]))


# The exhaustive answer


@pytest.mark.parametrize("head", [PLAIN, VAGUE_WINS, MEANS])
def test_the_exhaustive_answer_is_that_of_all_pairs(head: MatchHead) -> None:
    """Computed in blocks it is the ten most probable of all, with what a logit is worth near the tenth."""
    truth = exhaustive(QUERYING[:20], stored(ITEMS), head)
    everything = closed_form(QUERYING[:20].to(dtype=torch.float64), ITEMS.to(dtype=torch.float64), head)
    for rows, row in zip(truth.rows, everything, strict=True):
        assert set(row.topk(TOP).indices.tolist()) <= set(rows.tolist())
        assert len(rows) <= TOP + 1
    tenth = everything.topk(TOP).indices[:, -1]
    apart = (QUERYING.mean[:20] - ITEMS.mean[tenth]).square().sum(-1)
    expected = apart + QUERYING.total_variance[:20] + ITEMS.total_variance[tenth]
    worth = 2 * expected.sqrt() / head.scale_of(QUERYING[:20])
    assert truth.exchange == pytest.approx(float(worth.median()), rel=1e-3)


def test_a_map_changes_no_answer() -> None:
    """Neither does one that makes all probabilities nearly the same."""
    flat = replace(VAGUE_WINS, map=PlattMap(1e-6, 0.0))
    one, other = (exhaustive(QUERYING[:9], stored(ITEMS), head) for head in (VAGUE_WINS, flat))
    assert [rows.tolist() for rows in one.rows] == [rows.tolist() for rows in other.rows]


def test_equal_items_are_equally_good() -> None:
    """Where thirty copies share the tenth place all count, and any ten of them are the whole answer."""
    copied = Gaussian(ITEMS.mean[:200].clone(), ITEMS.log_variance[:200].clone())
    copied.mean[50:80], copied.log_variance[50:80] = QUERYING.mean[0], -8.0
    truth = exhaustive(QUERYING[:1], stored(copied), PLAIN)
    assert sorted(truth.rows[0].tolist()) == list(range(50, 80))
    assert truth.held([np.arange(60, 70)]) == 1.0
    assert truth.held([np.arange(65, 85)]) == 1.0
    assert truth.held([np.arange(75, 200)]) == 0.5


def test_a_gallery_of_fewer_than_ten() -> None:
    """All items are the answer, and a part of them is that share of it."""
    truth = exhaustive(QUERYING[:3], stored(ITEMS[:4]), PLAIN)
    assert truth.held([np.array([0, 1, 2, 3])] * 3) == 1.0
    assert truth.held([np.array([2])] * 3) == 0.25


def test_a_model_without_numbers_is_named() -> None:
    """Where variances overflow, so that probabilities are no numbers, a sentence says so, and nothing is measured."""
    wild = Gaussian(ITEMS.mean[:30], torch.full((30, DIM), 200.0))
    with pytest.raises(ArtifactError, match="no numbers"):
        exhaustive(QUERYING[:3], stored(wild), PLAIN)


# What is measured


@pytest.mark.parametrize(("kind", "within"), [("flat", 0.02), ("sq8", 0.02), ("ivf_rabitq", 0.03)])
def test_what_was_measured_is_true(kind: str, within: float) -> None:
    """What the record says of its size is what searches hold, counted over all queries from all pairs."""
    found = made(kind, VAGUE_WINS)
    assert found.record.loss is not None
    measured = found.record.loss.by_size[found.record.size]
    assert measured == pytest.approx(true_share(found, VAGUE_WINS, found.record.size), abs=within)
    assert measured >= WANTED.recall - within


def test_the_lift_is_taken_where_it_pays() -> None:
    """Where an item's variances count, the means alone lose a lot, and the lift like the head next to nothing."""
    record = made("flat", VAGUE_WINS).record
    assert record.loss is not None
    assert record.over is Space.HEAD
    assert record.loss.curves[Space.MEAN][0] < 0.5 < 0.95 < record.loss.curves[Space.HEAD][0]
    assert record.loss.built == pytest.approx(record.loss.curves[Space.HEAD], abs=1e-3)


def test_the_means_are_taken_where_they_suffice() -> None:
    """Where the head sees the means alone their shortlist loses nothing, and no lift like the head is tried."""
    record = made("flat", MEANS).record
    assert record.loss is not None
    assert (record.over, record.size, set(record.loss.curves)) == (Space.MEAN, LEAST_SIZE, {Space.MEAN, Space.EXPECTED})
    assert record.loss.built == (1.0,) * len(SIZES)


def test_over_what_was_asked_for() -> None:
    """The means although they lose, or a lift although the means would do; the verdict says what is lost."""
    means = made("flat", VAGUE_WINS, Wanted(over="mean")).record
    assert means.over is Space.MEAN
    assert means.size >= LEAST_SIZE
    assert "nearest over the means hold" in means.verdict
    assert "% over the means lifted like the match head; wanted 99.0 %; 128 queries)." in means.verdict
    assert made("flat", MEANS, Wanted(over="lifted")).record.over is Space.EXPECTED


def test_a_greater_recall_costs_effort() -> None:
    """More of the answer takes more effort or a larger shortlist, and is held."""
    few, many = (made("ivf_rabitq", VAGUE_WINS, Wanted(recall=recall)).record for recall in (0.5, 0.995))
    cost = [(record.size, record.effort.reach, record.effort.refine) for record in (few, many)]
    assert cost[0] < cost[1]


def test_it_is_the_same_again() -> None:
    """Made again the record is the same: the queries are drawn by a seed."""
    assert made_of(ITEMS, "ivf_rabitq", VAGUE_WINS).record == made("ivf_rabitq", VAGUE_WINS).record


def test_halves_are_apart() -> None:
    """Queries that it is measured with are not those that it was chosen with; where there is one it is both."""
    asking = Watched(QUERYING.mean.numpy(), QUERYING.log_variance.numpy())
    make(stored(ITEMS), Asking(Modality.TEXT, asking), PLAIN, Choice("flat", ""), WANTED)
    assert [len(each) for each in asking.seen] == [QUERIES // 2, QUERIES // 2]
    assert not set(asking.seen[0]) & set(asking.seen[1])
    alone = Asking(Modality.TEXT, stored(QUERYING[:1]))
    record = make(stored(ITEMS), alone, PLAIN, Choice("flat", ""), WANTED).record
    assert record.loss is not None
    assert record.loss.queries == 1


def test_nothing_to_measure() -> None:
    """A modality without items says so, and a search of it would take the usual number."""
    found = made_of(ITEMS[:0], "ivf_rabitq", PLAIN)
    expected = ShortlistRecord("ivf_rabitq", "Because.", Space.MEAN, Effort(), LEAST_SIZE, None)
    assert found.record == expected
    assert found.record.verdict == "There is nothing to search."


def test_another_calibration_is_noticed() -> None:
    """A record knows the head that it was measured against."""
    loss = made("flat", PLAIN).record.loss
    assert isinstance(loss, Loss)
    assert loss.compared_with(MatchHead(9.0, 6.0))
    assert not loss.compared_with(replace(PLAIN, shift=6.1))


# Which space


def curves(**starts: float) -> Mapping[Space, Curve]:
    """Curves of some share up to the least size that a search takes, and of 1 at the next one."""
    least = SIZES.index(LEAST_SIZE)
    return {
        Space(name): (0.0,) * least + (start,) + (1.0,) * (len(SIZES) - 1 - least) for name, start in starts.items()
    }


@pytest.mark.parametrize(
    ("held", "over"),
    [
        ({"mean": 0.991, "expected": 0.993, "head": 0.994}, Space.MEAN),
        ({"mean": 0.9899, "expected": 0.993, "head": 0.994}, Space.EXPECTED),
        ({"mean": 0.5, "expected": 0.6, "head": 0.995}, Space.HEAD),
        ({"mean": 0.5, "expected": 0.6, "head": 0.7}, Space.MEAN),
    ],
)
def test_the_plainest_space_that_suffices(held: dict[str, float], over: Space) -> None:
    """It is the one with the smallest shortlist that holds enough, and of equals the plainest."""
    assert choose_space(curves(**held), WANTED) is over
