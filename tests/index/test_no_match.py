"""The reasons why nothing found is to be taken for an answer, and which comes first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest
import torch

from index.local.gallery import Gallery
from index.searching.no_match import Findings, NoMatchReason, Standing, no_match
from index.searching.retriever import Retriever, SearchOptions
from models.calibration import Calibration, Direction
from models.familiarity import Familiarity
from models.gaussian import Gaussian
from models.match import MatchHead

DIM = 4
KNOWN = Familiarity(torch.zeros(2 * DIM), torch.eye(2 * DIM), torch.arange(1, 1_001) / 100, most_sigma=2.0)
USUAL = Gaussian(torch.zeros(DIM), torch.zeros(DIM))
FOUND = Findings(held=2_000, ranked=200, kept=10, best=0.7, expected=3.2, calibrated=True, least=0.0)
GalleryOf = Callable[[Gaussian, Gaussian], Gallery]

# What makes each reason hold, in the order in which they are given; the query is usual unless one of them says else.
CAUSES = {
    NoMatchReason.EMPTY_GALLERY: {"held": 0, "ranked": 0, "kept": 0},
    NoMatchReason.NOTHING_ALLOWED: {"ranked": 0, "kept": 0},
    NoMatchReason.UNLIKE_TRAINING: {"mean": 100.0},
    NoMatchReason.TOO_UNCERTAIN: {"log_variance": 1.5},
    NoMatchReason.BELOW_MINIMUM: {"kept": 0, "least": 0.9},
    NoMatchReason.NOTHING_PROBABLE: {"expected": 0.1},
}


def judged(causes: dict[str, float], known: Familiarity | None = KNOWN) -> NoMatchReason | None:
    query = Gaussian(torch.full((DIM,), causes.pop("mean", 0.0)), torch.full((DIM,), causes.pop("log_variance", 0.0)))
    found = no_match(replace(FOUND, **causes), None if known is None else Standing.of(query, known))
    return None if found is None else found.reason


@pytest.mark.parametrize("holding", list(product([False, True], repeat=len(CAUSES))))
def test_the_first_reason_that_holds(holding: tuple[bool, ...]) -> None:
    """Whatever else holds, the earliest in the order of the reasons is given; none when none holds."""
    assert list(CAUSES) == list(NoMatchReason)
    true = [reason for reason, holds in zip(CAUSES, holding, strict=True) if holds]
    causes = {name: value for reason in reversed(true) for name, value in CAUSES[reason].items()}
    if NoMatchReason.TOO_UNCERTAIN in true:
        assert not KNOWN.unlike(Gaussian(torch.zeros(DIM), torch.full((DIM,), 1.5)))
    assert judged(causes) == (true[0] if true else None)


def test_without_familiarity_a_query_is_never_unlike() -> None:
    """A model that knows of no queries says nothing about them."""
    assert judged({"mean": 100.0}, known=None) is None
    assert judged({"log_variance": 5.0}, known=None) is None


def test_few_expected_matches_need_a_calibration() -> None:
    """A sum of probabilities that were never calibrated is no reason."""
    assert judged({"expected": 0.1, "calibrated": False}) is None


def test_sentences_have_their_figures() -> None:
    """How many known queries are as far out, both σ, and the probabilities."""
    far = no_match(FOUND, Standing.of(Gaussian(torch.tensor([9.95, 0, 0, 0]), torch.zeros(DIM)), KNOWN))
    assert far is not None
    assert "of 1,000 held-out ones 6 are as far out" in far.detail
    vague = no_match(FOUND, Standing.of(Gaussian(torch.zeros(DIM), torch.full((DIM,), 1.5)), KNOWN))
    assert vague is not None
    assert "2.12" in vague.detail
    assert "2 at most" in vague.detail


@pytest.mark.parametrize("least", [0.0, 1.0])
def test_a_search_with_an_unlike_query(gallery_of: GalleryOf, least: float) -> None:
    """Its answers are given as they would be, with the warning; a usual query of the other direction gets none."""
    items = Gaussian(torch.randn(20, DIM, generator=torch.Generator().manual_seed(0)), torch.full((20, DIM), -2.0))
    certain = Calibration(dict.fromkeys(Direction, MatchHead(0.1, 9.0)), {}, {})
    retriever = Retriever(gallery_of(items, items), MatchHead(1.0, 1.0), certain, {Direction.TEXT_TO_IMAGE: KNOWN})
    query, options = Gaussian(torch.full((DIM,), 9.0), torch.zeros(DIM)), SearchOptions(min_match_probability=least)
    warned = retriever.search(query, Direction.TEXT_TO_IMAGE, options)
    assert warned.no_match is not None
    assert warned.no_match.reason is NoMatchReason.UNLIKE_TRAINING
    assert warned.familiarity == pytest.approx(1 / 1_001)
    silent = retriever.search(query, Direction.IMAGE_TO_TEXT, options)
    assert silent.familiarity is None
    assert [hit.row for hit in warned.hits] == [hit.row for hit in silent.hits]
    assert len(warned.hits) == (10 if least == 0 else 0)
    usual = retriever.search(USUAL, Direction.TEXT_TO_IMAGE, SearchOptions())
    assert (usual.no_match, usual.familiarity) == (None, 1.0)
