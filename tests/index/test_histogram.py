"""Bins of σ, against NumPy's."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from index.exploring.histogram import histogram

SIGMAS = arrays.arrays(np.float32, st.integers(1, 60), elements=st.floats(2**-10, 1, width=32))


@given(SIGMAS, st.integers(1, 50))
def test_every_item_is_in_the_bin_of_its_sigma(sigmas: np.ndarray, bins: int) -> None:
    """Edges rise from the least to the greatest σ, and counts are those of NumPy between them."""
    ordered = np.sort(sigmas)
    found = histogram(ordered, bins)
    assert (np.diff(found.edges) > 0).all()
    assert found.counts.tolist() == np.histogram(ordered, found.edges)[0].tolist()
    assert found.counts.sum() == len(sigmas)
    assert len(found.counts) <= bins
    if ordered[0] != ordered[-1]:
        assert (found.edges[0], found.edges[-1]) == (ordered[0], ordered[-1])


def test_bins_are_of_equal_width() -> None:
    """As many as asked for, where σ differs by enough."""
    found = histogram(np.array([0.1, 0.2, 0.25, 0.5], np.float32), 4)
    np.testing.assert_allclose(found.edges, [0.1, 0.2, 0.3, 0.4, 0.5], atol=1e-7)
    assert found.counts.tolist() == [1, 2, 0, 1]


def test_equal_sigmas_have_one_bin() -> None:
    """It lies around them; where there is nothing there is no bin."""
    found = histogram(np.full(7, 0.2, np.float32), 40)
    np.testing.assert_allclose(found.edges, [0.198, 0.202], rtol=1e-6)
    assert found.counts.tolist() == [7]
    nothing = histogram(np.empty(0, np.float32), 40)
    assert (nothing.edges.tolist(), nothing.counts.tolist()) == ([], [])
