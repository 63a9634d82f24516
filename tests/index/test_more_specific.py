"""More certain texts like a query, against a loop over all texts."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_retriever import GalleryOf, draw

from index.exploring.more_specific import more_specific
from index.items import Item, Modality
from index.local.gallery import Gallery
from models.gaussian import Gaussian

WORDINGS = ("a star", "A star!", "a ring", "two rings", "a red ring", "round")
TEXTS = draw(40, 1)


@pytest.fixture(scope="module")
def words() -> list[str]:
    return [WORDINGS[row % len(WORDINGS)] for row in range(len(TEXTS))]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 999), width=st.floats(-6, -2), count=st.integers(0, 6), asked=st.sampled_from(WORDINGS))
def test_as_a_loop_has_it(
    gallery_of: GalleryOf, words: list[str], seed: int, width: float, count: int, asked: str
) -> None:
    """Those with σ of at most 0.9 of the query's: fewest of its words left out, then nearest; each wording once."""
    gallery, query = gallery_of(draw(5, 0), TEXTS), draw(1, seed)[0]
    query = Gaussian(query.mean, torch.full_like(query.mean, width))
    known, expected = {asked.lower().strip("!")}, []
    distances = ((TEXTS.mean - query.mean) ** 2).sum(-1).tolist()
    lacking = [len(set(asked.lower().strip("!").split()) - set(each.lower().strip("!").split())) for each in words]
    for row in sorted(range(len(TEXTS)), key=lambda row: (lacking[row], distances[row], row)):
        wording = words[row].lower().strip("!")
        if len(expected) < count and TEXTS.sigma[row] <= 0.9 * query.sigma and wording not in known:
            known.add(wording)
            expected.append(row)
    with patch.object(Gallery, "items", lambda _, modality, rows: [_item(row, words) for row in rows]):
        assert more_specific(gallery, query, asked, range(len(TEXTS)), count) == tuple(expected)


def test_a_gallery_without_texts_has_none(gallery_of: GalleryOf) -> None:
    """Where there are no texts, none is suggested."""
    gallery = gallery_of(draw(3, 0), draw(0, 1))
    assert more_specific(gallery, draw(1, 2)[0], "round", [], 3) == ()


def _item(row: int, words: list[str]) -> Item:
    return replace(Item(f"t{row}", Modality.TEXT), text=words[row])
