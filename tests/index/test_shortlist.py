from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from index.shortlist import FlatShortlist
from models.errors import ArtifactError

Floats = npt.NDArray[np.float32]

# On a small grid distances are exact in float32, and ties abound.
GRID = st.integers(-2, 2).map(float)


def brute_force(means: Floats, mean: Floats, n: int) -> tuple[list[int], list[float]]:
    distances = [float(((row.astype(float) - mean.astype(float)) ** 2).sum()) for row in means]
    rows = sorted(range(len(means)), key=lambda row: (distances[row], row))[:n]
    return rows, [distances[row] for row in rows]


@given(arrays(np.float32, st.tuples(st.integers(1, 250), st.just(2)), elements=GRID), st.integers(0, 260))
def test_nearest_first_and_ties_by_row(means: Floats, n: int) -> None:
    """The search gives what sorting all distances gives, ties by row also where the cut goes through them."""
    found = FlatShortlist.build(means).search(means[0], n)
    assert (found.rows.tolist(), found.values.tolist()) == brute_force(means, means[0], n)


def test_ties_in_a_large_index() -> None:
    """Ties come by row in an index of thousands too, for numbers on both sides of 100."""
    means = np.random.default_rng(0).integers(-2, 3, (5000, 2)).astype(np.float32)
    for n in (5, 99, 100, 200, 1000):
        assert FlatShortlist.build(means).search(means[0], n).rows.tolist() == brute_force(means, means[0], n)[0]


@pytest.mark.parametrize("n", [1, 99, 100, 101, 299, 300])
def test_many_equal_means(n: int) -> None:
    """Among equal means the first rows are found, for any number asked for (faiss changes its method at 100)."""
    means = np.ones((300, 8), np.float32)
    assert FlatShortlist.build(means).search(means[0] * 0.3, n).rows.tolist() == list(range(n))


def test_distances_are_close_to_float64() -> None:
    """Squared distances have float32's precision, also for near points of large norm, and are 0 to oneself."""
    rng = np.random.default_rng(0)
    means = (100 + rng.normal(size=(500, 64)) / 10).astype(np.float32)
    found = FlatShortlist.build(means).search(means[7], 50)
    rows, distances = brute_force(means, means[7], 50)
    assert found.rows.tolist() == rows
    np.testing.assert_allclose(found.values, distances, rtol=1e-5)
    assert (found.rows[0], found.values[0]) == (7, 0.0)


def test_nothing_to_find() -> None:
    """An index of no means finds nothing."""
    found = FlatShortlist.build(np.empty((0, 4), np.float32)).search(np.zeros(4, np.float32), 5)
    assert (len(found.rows), len(found.values)) == (0, 0)


def test_saved_and_loaded(tmp_path: Path) -> None:
    """An index read from its file answers as the one that was written."""
    means = np.random.default_rng(1).normal(size=(30, 5)).astype(np.float32)
    FlatShortlist.build(means).save(tmp_path / "index")
    loaded = FlatShortlist.load(tmp_path / "index")
    assert (len(loaded), loaded.dim) == (30, 5)
    assert loaded.search(means[3], 30).rows.tolist() == brute_force(means, means[3], 30)[0]


def test_no_index(tmp_path: Path) -> None:
    """A file that faiss cannot read is named."""
    (tmp_path / "index").write_bytes(b"no index at all")
    with pytest.raises(ArtifactError, match="index cannot be read as a faiss index: build the gallery again"):
        FlatShortlist.load(tmp_path / "index")
