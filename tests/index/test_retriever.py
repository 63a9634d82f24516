from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.items import Modality
from index.local.gallery import Gallery
from index.searching.no_match import NoMatch, NoMatchReason
from index.searching.projection import project
from index.searching.rerank import Rerank
from index.searching.retriever import Retriever, SearchOptions, SearchResult
from index.shortlists.choice import Wanted
from index.shortlists.kinds import KINDS
from index.shortlists.loss import Space
from models.calibration import Calibration, Direction
from models.gaussian import Gaussian
from models.match import MatchHead, Noise, TraceTerm
from models.probability_map import PlattMap

GalleryOf = Callable[..., Gallery]

RAW = MatchHead(6.0, 5.0)
TO_IMAGE, TO_TEXT = (
    MatchHead(a, b, TraceTerm(c), TraceTerm(d)) for a, b, c, d in ((9, 6, 0.4, -0.3), (4, 1, 0.1, 0.2))
)
CALIBRATION = Calibration({Direction.TEXT_TO_IMAGE: TO_IMAGE, Direction.IMAGE_TO_TEXT: TO_TEXT}, {}, {})
COUNT, DIM = 60, 8


def draw(n: int, seed: int) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    mean = torch.nn.functional.normalize(torch.randn(n, DIM, generator=generator), dim=-1)
    return Gaussian(mean, torch.randn(n, DIM, generator=generator) - 4)


IMAGES, TEXTS, QUERY = draw(COUNT, 0), draw(40, 1), draw(1, 2)[0]


@pytest.fixture
def gallery(gallery_of: GalleryOf) -> Gallery:
    return gallery_of(IMAGES, TEXTS)


def sampled_by_loops(query: Gaussian, item: Gaussian, head: MatchHead, samples: int, seed: int) -> float:
    """PCME's equation 5 sample by sample in float64, with the trace terms of the head."""
    noise = Noise.draw(DIM, samples, seed)
    traces = [float(g.variance.double().sum()) for g in (query, item)]
    shift = head.shift + head.query.slope * traces[0] + head.item.slope * traces[1]
    ours = query.mean.double().numpy() + np.exp(query.log_variance.double().numpy() / 2) * noise.query.numpy()
    theirs = item.mean.double().numpy() + np.exp(item.log_variance.double().numpy() / 2) * noise.item.numpy()
    logits = [shift - head.scale * np.sqrt(((x - y) ** 2).sum() + 1e-6) for x in ours for y in theirs]
    return float(np.mean([1 / (1 + np.exp(-logit)) for logit in logits]))


def probabilities(result: SearchResult) -> dict[int, float]:
    return {hit.row: hit.match_probability for hit in result.hits}


@pytest.mark.parametrize(
    ("direction", "items", "head"),
    [(Direction.TEXT_TO_IMAGE, IMAGES, TO_IMAGE), (Direction.IMAGE_TO_TEXT, TEXTS, TO_TEXT)],
)
def test_answers_are_those_of_loops(gallery: Gallery, direction: Direction, items: Gaussian, head: MatchHead) -> None:
    """Order, probabilities (of the direction's head, and raw), distances and expected matches are those of loops."""
    options = SearchOptions(top_k=10, shortlist=COUNT, samples=5, seed=3)
    result = Retriever(gallery, RAW, CALIBRATION).search(QUERY, direction, options)
    expected = [sampled_by_loops(QUERY, items[row], head, 5, 3) for row in range(len(items))]
    order = sorted(range(len(items)), key=lambda row: -expected[row])[:10]
    assert [hit.row for hit in result.hits] == order
    assert [hit.rank for hit in result.hits] == list(range(1, 11))
    assert result.expected_matches == pytest.approx(sum(expected), rel=1e-5)
    for hit in result.hits:
        assert hit.match_probability == pytest.approx(expected[hit.row], rel=1e-4)
        assert hit.raw_match_probability == pytest.approx(sampled_by_loops(QUERY, items[hit.row], RAW, 5, 3), rel=1e-4)
        assert hit.mean_distance == pytest.approx(float(torch.dist(QUERY.mean, items.mean[hit.row])), rel=1e-4)
        assert hit.uncertainty.sigma == pytest.approx(float(items[hit.row].sigma), rel=1e-6)
        assert gallery.find(hit.item.id) == (hit.item.modality, hit.row)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from(Rerank))
def test_a_probability_does_not_depend_on_the_shortlist(
    gallery: Gallery, shortlist: int, top_k: int, rerank: Rerank
) -> None:
    """However many items are ranked or asked for, an item's probability is the same (to float32's rounding)."""
    retriever = Retriever(gallery, RAW, CALIBRATION)
    whole = SearchOptions(top_k=COUNT, shortlist=COUNT, rerank=rerank)
    some = SearchOptions(top_k=top_k, shortlist=shortlist, rerank=rerank)
    everyone = probabilities(retriever.search(QUERY, Direction.TEXT_TO_IMAGE, whole))
    found = retriever.search(QUERY, Direction.TEXT_TO_IMAGE, some)
    assert len(found.hits) == min(top_k, COUNT)
    assert found.ranked == (COUNT if rerank is Rerank.EXHAUSTIVE else min(max(top_k, shortlist), COUNT))
    for row, probability in probabilities(found).items():
        assert probability == pytest.approx(everyone[row], rel=1e-5)


def test_without_a_number_the_measured_one_is_taken(gallery_of: GalleryOf) -> None:
    """A search that names no number takes the gallery's; one that wants more answers takes as many as those."""
    large = gallery_of(draw(300, 3), TEXTS)
    size = large.manifest.shortlists[Modality.IMAGE].size
    retriever = Retriever(large, RAW, CALIBRATION)
    for options, expected in ((SearchOptions(), size), (SearchOptions(top_k=size + 5), size + 5)):
        assert retriever.search(QUERY, Direction.TEXT_TO_IMAGE, options).ranked == expected


@pytest.mark.parametrize("kind", KINDS)
def test_a_shortlist_of_any_kind_over_lifted_means(gallery_of: GalleryOf, kind: str) -> None:
    """What is shown, and orders where nothing else does, is the distance of the means: a lift's values are another."""
    images = draw(5_000, 3)
    lifted = gallery_of(images, draw(0, 4), Wanted(kind, "lifted"), TO_IMAGE)
    assert lifted.manifest.shortlists[Modality.IMAGE].over is not Space.MEAN
    retriever = Retriever(lifted, RAW, CALIBRATION)
    for rerank in (Rerank.CLOSED_FORM, Rerank.NONE):
        hits = retriever.search(QUERY, Direction.TEXT_TO_IMAGE, SearchOptions(top_k=20, rerank=rerank)).hits
        distances = [float(torch.dist(QUERY.mean, images.mean[hit.row])) for hit in hits]
        assert [hit.mean_distance for hit in hits] == pytest.approx(distances, rel=1e-5)
        order = [hit.match_probability if rerank is Rerank.CLOSED_FORM else -hit.mean_distance for hit in hits]
        assert order == sorted(order, reverse=True)


def test_kinds_give_the_same_answers(gallery_of: GalleryOf) -> None:
    """Every kind, tuned to hold everything, gives the answers of the exact one, bit for bit."""
    images = draw(5_000, 3)
    answers = []
    for kind in KINDS:
        retriever = Retriever(gallery_of(images, draw(0, 4), Wanted(kind, recall=1.0), TO_IMAGE), RAW, CALIBRATION)
        found = retriever.search(QUERY, Direction.TEXT_TO_IMAGE, SearchOptions(shortlist=200))
        answers.append([(hit.row, hit.match_probability, hit.mean_distance) for hit in found.hits])
    assert answers == [answers[0]] * len(KINDS)


@pytest.mark.parametrize("rerank", [Rerank.SAMPLED, Rerank.CLOSED_FORM])
def test_a_map_changes_what_is_shown_and_not_the_raw(gallery: Gallery, rerank: Rerank) -> None:
    """With a map of the raw probability, what is shown is mapped, error and all; the raw one and the order stay."""
    found = PlattMap(0.5, -1.0)
    mapped = Calibration(dict.fromkeys(Direction, replace(RAW, map=found)), {}, {})
    options = SearchOptions(top_k=COUNT, rerank=rerank)
    plain, ours = (Retriever(gallery, RAW, c).search(QUERY, Direction.TEXT_TO_IMAGE, options) for c in (None, mapped))
    assert [hit.row for hit in ours.hits] == [hit.row for hit in plain.hits]
    for before, after in zip(plain.hits, ours.hits, strict=True):
        raw = torch.tensor(before.match_probability)
        assert after.match_probability == pytest.approx(float(found(raw)), rel=1e-4)
        assert after.raw_match_probability == pytest.approx(before.match_probability, rel=1e-5)
        assert before.standard_error is not None
        assert after.standard_error == pytest.approx(before.standard_error * float(found.slope(raw)), rel=1e-3)


def test_where_the_means_win_the_distance_orders(gallery: Gallery) -> None:
    """A calibration that sees the means alone ranks by their distance, and has nothing to sample."""
    blind = Calibration(dict.fromkeys(Direction, MatchHead(5.0, 4.0, means_alone=True)), {}, {})
    result = Retriever(gallery, RAW, blind).search(QUERY, Direction.TEXT_TO_IMAGE, SearchOptions(top_k=COUNT))
    distances = [hit.mean_distance for hit in result.hits]
    assert distances == sorted(distances)
    assert {hit.standard_error for hit in result.hits} == {0.0}
    for hit in result.hits:
        assert hit.match_probability == pytest.approx(1 / (1 + np.exp(5.0 * hit.mean_distance - 4.0)), rel=1e-3)


def test_without_rerank_the_distance_orders(gallery: Gallery) -> None:
    """With no rerank items come by mean distance, and still have the probability of the closed form."""
    retriever = Retriever(gallery, RAW, CALIBRATION)
    options = SearchOptions(top_k=COUNT, rerank=Rerank.NONE)
    near = retriever.search(QUERY, Direction.TEXT_TO_IMAGE, options)
    distances = (IMAGES.mean - QUERY.mean).square().sum(-1).numpy()
    assert [hit.row for hit in near.hits] == np.argsort(distances).tolist()
    closed = retriever.search(QUERY, Direction.TEXT_TO_IMAGE, replace(options, rerank=Rerank.CLOSED_FORM))
    assert probabilities(near) == pytest.approx(probabilities(closed))
    assert [hit.row for hit in near.hits] != [hit.row for hit in closed.hits]
    assert {hit.standard_error for hit in near.hits} == {0.0}


def test_closed_form_is_the_limit_of_samples(gallery: Gallery) -> None:
    """Sampled probabilities come close to those in closed form when there are many samples."""
    retriever = Retriever(gallery, RAW)
    many = SearchOptions(top_k=COUNT, samples=400)
    sampled = probabilities(retriever.search(QUERY, Direction.TEXT_TO_IMAGE, many))
    closed = probabilities(retriever.search(QUERY, Direction.TEXT_TO_IMAGE, replace(many, rerank=Rerank.CLOSED_FORM)))
    assert sampled == pytest.approx(closed, abs=0.03)


def test_without_calibration_the_raw_head_serves(gallery: Gallery) -> None:
    """Without a calibration both probabilities are the raw one, the answer says so, and never claims no match."""
    hopeless = MatchHead(6.0, -20.0)
    result = Retriever(gallery, hopeless).search(QUERY, Direction.IMAGE_TO_TEXT, SearchOptions())
    assert not result.calibrated
    assert result.no_match is None
    assert all(hit.match_probability == hit.raw_match_probability for hit in result.hits)


def test_equal_items_come_by_row(gallery_of: GalleryOf) -> None:
    """Items with the same Gaussian have the same probability and come in the order of their rows."""
    same = Gaussian(IMAGES.mean[:1].repeat(30, 1), IMAGES.log_variance[:1].repeat(30, 1))
    result = Retriever(gallery_of(same, TEXTS), RAW).search(
        QUERY, Direction.TEXT_TO_IMAGE, SearchOptions(top_k=7, rerank=Rerank.NONE, shortlist=7)
    )
    assert [hit.row for hit in result.hits] == list(range(7))


def test_the_cut(gallery: Gallery) -> None:
    """Only items that reach the probability asked for are answers; the sum of probabilities is over all."""
    retriever = Retriever(gallery, RAW, CALIBRATION)
    options = SearchOptions(top_k=COUNT)
    whole = retriever.search(QUERY, Direction.TEXT_TO_IMAGE, options)
    least = whole.hits[4].match_probability
    cut = retriever.search(QUERY, Direction.TEXT_TO_IMAGE, replace(options, min_match_probability=least))
    assert [hit.row for hit in cut.hits] == [hit.row for hit in whole.hits[:5]]
    assert (cut.expected_matches, cut.no_match) == (whole.expected_matches, None)


def test_nothing_reaches_the_probability(gallery: Gallery) -> None:
    """When nothing reaches it there are no answers, and the reason names what was asked for and the best there is."""
    retriever = Retriever(gallery, RAW, CALIBRATION)
    best = retriever.search(QUERY, Direction.TEXT_TO_IMAGE, SearchOptions()).hits[0].match_probability
    result = retriever.search(QUERY, Direction.TEXT_TO_IMAGE, SearchOptions(min_match_probability=0.99))
    assert result.hits == ()
    detail = f"No item reaches the match probability 0.99; the best one has {best:.3g}."
    assert result.no_match == NoMatch(NoMatchReason.BELOW_MINIMUM, detail)


@pytest.mark.parametrize(("shift", "says"), [(-9.0, True), (9.0, False)])
def test_few_expected_matches(gallery: Gallery, shift: float, says: bool) -> None:
    """With a calibration, fewer than half a match expected is said to be none; the items are given all the same."""
    head = MatchHead(2.0, shift)
    calibration = Calibration(dict.fromkeys(Direction, head), {}, {})
    result = Retriever(gallery, RAW, calibration).search(QUERY, Direction.TEXT_TO_IMAGE, SearchOptions())
    assert (result.expected_matches < 0.5) == says
    assert (result.no_match is not None) == says
    assert result.no_match is None or result.no_match.reason is NoMatchReason.NOTHING_PROBABLE
    assert len(result.hits) == 10


@pytest.mark.parametrize("rerank", Rerank)
def test_a_gallery_without_captions(gallery_of: GalleryOf, rerank: Rerank) -> None:
    """Where the modality asked for has no items there is no answer, and the reason says so."""
    retriever = Retriever(gallery_of(IMAGES, draw(0, 0)), RAW, CALIBRATION)
    result = retriever.search(QUERY, Direction.IMAGE_TO_TEXT, SearchOptions(rerank=rerank))
    assert (result.hits, result.expected_matches, result.ranked) == ((), 0.0, 0)
    detail = "The gallery holds no item of the modality that was asked for."
    assert result.no_match == NoMatch(NoMatchReason.EMPTY_GALLERY, detail)


def test_one_sample_has_no_standard_error(gallery: Gallery) -> None:
    """With one sample a side the standard error is unknown, and not a number that JSON lacks."""
    result = Retriever(gallery, RAW).search(QUERY, Direction.TEXT_TO_IMAGE, SearchOptions(samples=1))
    assert {hit.standard_error for hit in result.hits} == {None}


def test_the_same_answer_from_many_threads(gallery: Gallery) -> None:
    """The same query gets the same answer, bit for bit, whatever other threads ask meanwhile."""
    retriever = Retriever(gallery, RAW, CALIBRATION)
    queries = [(draw(1, seed)[0], SearchOptions(seed=seed % 3, samples=3 + seed % 4)) for seed in range(12)]

    def ask(number: int) -> SearchResult:
        query, options = queries[number % len(queries)]
        return replace(retriever.search(query, Direction.TEXT_TO_IMAGE, options), stages={})

    alone = [ask(number) for number in range(len(queries))]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(ask, range(120)))
    assert together == alone * 10


def test_stages_are_timed(gallery: Gallery) -> None:
    """Every stage has its milliseconds."""
    result = Retriever(gallery, RAW).search(QUERY, Direction.TEXT_TO_IMAGE, SearchOptions())
    assert list(result.stages) == ["shortlist", "gather", "rerank", "items"]
    assert all(milliseconds >= 0 for milliseconds in result.stages.values())
    assert gallery.count(Modality.IMAGE) == COUNT


@pytest.mark.parametrize("rerank", Rerank)
def test_a_projection_is_of_the_hits(gallery: Gallery, rerank: Rerank) -> None:
    """It is that of the query and the Gaussians of the hits, in their order; unasked, there is none."""
    retriever = Retriever(gallery, RAW, CALIBRATION)
    options = SearchOptions(top_k=7, rerank=rerank, projection=True)
    found = retriever.search(QUERY, Direction.TEXT_TO_IMAGE, options)
    assert found.projection == project(QUERY, gallery.gaussians(Modality.IMAGE, [hit.row for hit in found.hits]))
    unasked = replace(options, projection=False)
    assert retriever.search(QUERY, Direction.TEXT_TO_IMAGE, unasked).projection is None
