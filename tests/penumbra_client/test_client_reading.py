"""JSON read into dataclasses: what fits, what is made to fit, and what is named."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penumbra_client import BadAnswerError, Grid, Histogram, Readiness, Uncertainty
from penumbra_client.reading import read

uncertainties = st.builds(
    Uncertainty, *[st.floats(allow_nan=False, allow_infinity=False)] * 3, st.none() | st.floats(0, 100)
)


@given(uncertainties, st.dictionaries(st.text(), st.integers()))
def test_what_is_written_is_read(value: Uncertainty, more: dict[str, int]) -> None:
    """Any value comes back from its fields, whatever stands beside them."""
    assert read(Uncertainty, {**more, **asdict(value)}) == value


def test_a_whole_number_may_be_a_fraction() -> None:
    """JSON has one kind of numbers: 1 is read as 1.0 where a fraction is meant; a list becomes a tuple."""
    found = read(Histogram, {"modality": "image", "total": 2, "edges": [0, 1.5], "counts": [2]})
    assert found == Histogram("image", 2, (0.0, 1.5), (2,))
    assert type(found.edges[0]) is float


def test_a_new_word_is_taken_as_it_is() -> None:
    """A newer server may know another modality."""
    told: dict[str, Any] = {"modality": "sound", "total": 0, "edges": [], "counts": []}
    assert read(Histogram, told).modality == "sound"


@pytest.mark.parametrize(
    ("kind", "told", "place"),
    [
        (Grid, {"height": True, "width": 1}, "the answer.height is True"),
        (Grid, {"height": 1.5, "width": 1}, "the answer.height is 1.5"),
        (Grid, {"height": None, "width": 1}, "the answer.height is None"),
        (Grid, {"height": 1}, "lacks the answer.width"),
        (Grid, [], "the answer is []"),
        (Readiness, {"status": "ready", "refused_swaps": {"a": 1}}, "the answer.refused_swaps.a is 1"),
        (Histogram, {"modality": "text", "total": 0, "edges": ["x"], "counts": []}, "the answer.edges is 'x'"),
    ],
)
def test_what_does_not_fit_is_named(kind: type, told: Any, place: str) -> None:
    """With its place in the answer."""
    with pytest.raises(BadAnswerError) as caught:
        read(kind, told)
    assert place in str(caught.value)
