"""Searches with a filter: the answers are those of a search of everything, of which the others are left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.filters.form import parse
from index.items import Modality
from index.local.gallery import Gallery
from index.searching.no_match import NoMatchReason
from index.searching.rerank import Rerank
from index.searching.retriever import ANSWERS, Retriever, SearchOptions
from index.shortlists.choice import Wanted
from index.shortlists.kinds import FEW, KINDS
from models.calibration import Calibration, Direction
from models.gaussian import Gaussian
from models.match import MatchHead, TraceTerm

GalleryOf = Callable[..., Gallery]

RAW = MatchHead(6.0, 5.0)
CALIBRATION = Calibration(dict.fromkeys(Direction, MatchHead(9.0, 6.0, TraceTerm(0.4), TraceTerm(-0.3))), {}, {})
COUNT, CAPTIONS, DIM = 60, 130, 8
MANY, RARE = 5_600, 9
COLOURS = ("red", "green", "blue")


def draw(n: int, seed: int) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    mean = torch.nn.functional.normalize(torch.randn(n, DIM, generator=generator), dim=-1)
    return Gaussian(mean, torch.randn(n, DIM, generator=generator) - 4)


QUERY = draw(1, 2)[0]
METAS = [{"n": n, "colours": [COLOURS[n % 3], COLOURS[n % 2]]} for n in range(COUNT)]
filters = st.fixed_dictionaries(
    {},
    optional={
        "n": st.integers(-1, COUNT)
        | st.builds(lambda low, high: {"gte": low, "lt": high}, *[st.integers(0, COUNT)] * 2),
        "colours": st.sampled_from(COLOURS) | st.just({"in": ["red", "blue"]}),
        "image_id": st.sampled_from([{"lt": "i3"}, "i7"]),
        "id": st.sampled_from([{"gte": "i2"}, "i7", "i7#0"]),
    },
)


@pytest.fixture
def gallery(gallery_of: GalleryOf) -> Gallery:
    return gallery_of(draw(COUNT, 0), draw(CAPTIONS, 1), metas=METAS)


def matching(gallery: Gallery, direction: Direction, wanted: dict[str, Any]) -> set[int]:
    """The rows whose items match, one by one."""
    modality = ANSWERS[direction]
    images = {item.id: item for item in gallery.items(Modality.IMAGE, range(COUNT))}
    items = gallery.items(modality, range(gallery.count(modality)))
    return {row for row, item in enumerate(items) if parse(wanted).matches(item, images[str(item.image_id)])}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(filters, st.integers(1, 20), st.sampled_from(Rerank), st.sampled_from(Direction))
def test_it_is_everything_without_the_others(
    gallery: Gallery, wanted: dict[str, Any], top_k: int, rerank: Rerank, direction: Direction
) -> None:
    """Whatever is asked, the answers, their order and their probabilities are those of the whole gallery without the
    items that do not match; those that do and are ranked are what is summed up."""
    retriever, options = Retriever(gallery, RAW, CALIBRATION), SearchOptions(500, 500, rerank)
    whole = retriever.search(QUERY, direction, options)
    expected = [hit for hit in whole.hits if hit.row in matching(gallery, direction, wanted)]
    found = retriever.search(QUERY, direction, SearchOptions(top_k, 500, rerank, filter=parse(wanted)))
    assert [hit.row for hit in found.hits] == [hit.row for hit in expected[:top_k]]
    assert [hit.match_probability for hit in found.hits] == pytest.approx(
        [hit.match_probability for hit in expected[:top_k]], rel=1e-5
    )
    assert found.ranked == len(expected)
    assert found.expected_matches == pytest.approx(sum(hit.match_probability for hit in expected), rel=1e-5)
    assert (found.no_match is not None and found.no_match.reason is NoMatchReason.NOTHING_ALLOWED) == (not expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_rare_value_fills_the_answer(gallery_of: GalleryOf, kind: str) -> None:
    """Of thousands of items, a value that nine have gives these nine, and one that hundreds have as many as asked for,
    where the nearest items have neither; the shortlist is as long as without a filter."""
    images = draw(MANY, 3)
    far = torch.argsort(-((images.mean - QUERY.mean) ** 2).sum(-1)).tolist()
    values = {row: "rare" if place < RARE else "some" if place < 2_600 else "rest" for place, row in enumerate(far)}
    metas = [{"value": values[row]} for row in range(MANY)]
    retriever = Retriever(gallery_of(images, draw(0, 4), Wanted(kind), metas=metas), RAW, CALIBRATION)

    def search(value: str, rerank: Rerank) -> list[int]:
        options = SearchOptions(50, 200, rerank, filter=parse({"value": value}))
        found = retriever.search(QUERY, Direction.TEXT_TO_IMAGE, options)
        there = list(values.values()).count(value)
        assert found.ranked == (there if rerank is Rerank.EXHAUSTIVE else min(200, there))
        assert {values[hit.row] for hit in found.hits} == {value}
        return [hit.row for hit in found.hits]

    for rerank in Rerank:
        assert sorted(search("rare", rerank)) == sorted(far[:RARE])
        assert len(search("some", rerank)) == len(search("rest", rerank)) == 50
    assert FEW < 2_600 - RARE


def test_what_holds_for_none(gallery: Gallery) -> None:
    """With nothing allowed there is no answer, none is expected, and the reason says that it is the filter's."""
    options = SearchOptions(filter=parse({"n": {"gt": COUNT}}))
    found = Retriever(gallery, RAW, CALIBRATION).search(QUERY, Direction.IMAGE_TO_TEXT, options)
    assert (found.hits, found.expected_matches, found.ranked) == ((), 0.0, 0)
    assert found.no_match is not None
    assert found.no_match.reason is NoMatchReason.NOTHING_ALLOWED
    assert found.no_match.detail == "The filter lets none of the gallery's 130 items through that could answer."


def test_what_a_gallery_says_of_odd_metadata(gallery_of: GalleryOf) -> None:
    """NaN, numbers beyond all bounds and deep nesting are built, and searched past."""
    deep: dict[str, Any] = {"leaf": 1}
    for _ in range(200):
        deep = {"in": deep}
    metas = [{"x": float("nan")}, {"x": 10**400}, {"x": -(2**70)}, {"deep": deep}, {"x": "a" * 5_000}]
    retriever = Retriever(gallery_of(draw(5, 0), draw(5, 1), metas=metas), RAW)
    for wanted, rows in (({"x": {"lte": 0}}, [2]), ({"x": {"gte": ""}}, []), ({"x": -(2.0**70)}, [2])):
        found = retriever.search(QUERY, Direction.TEXT_TO_IMAGE, SearchOptions(filter=parse(wanted)))
        assert [hit.row for hit in found.hits] == rows
    assert retriever.gallery.count(Modality.IMAGE) == 5
