from __future__ import annotations

from dataclasses import asdict, replace

import faiss
import numpy as np

from index.files.findings import SelfRetrieval, Variances, check_self_retrieval, check_variances
from index.gaussians.points import Points
from index.gaussians.storage import StoredGaussians
from index.ranking import Floats
from index.shortlists.contract import Effort
from index.shortlists.kinds import FlatShortlist, set_threads


def means(n: int, dim: int = 8) -> Floats:
    drawn = np.random.default_rng(0).normal(size=(n, dim)).astype(np.float32)
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), np.float32)


def self_retrieval(indexed: Floats, stored: Floats) -> SelfRetrieval:
    """Of an index over some means, checked with others."""
    return check_self_retrieval(FlatShortlist.build(Points(indexed)), Points(stored), 20, Effort())


def test_items_find_themselves() -> None:
    """A sound index passes, at most 200 items being searched."""
    found = self_retrieval(means(500), means(500))
    assert (found.checked, found.found, found.tied, found.failed) == (200, 200, 0, ())


def test_a_wrong_index_is_found_out() -> None:
    """An index in which two means changed places fails for these two, and the verdict says how many."""
    swapped = means(50)
    swapped[[3, 4]] = swapped[[4, 3]]
    found = self_retrieval(swapped, means(50))
    assert found.failed == (3, 4)
    assert found.verdict == "2 of 50 items do not find themselves; build the index again."


def test_equal_means_may_find_each_other() -> None:
    """An item whose mean another one has too passes, and is counted."""
    repeated = means(50)
    repeated[9] = repeated[2]
    found = self_retrieval(repeated, repeated)
    assert (found.found, found.tied, found.failed) == (50, 1, ())


def test_nothing_to_check() -> None:
    """No items and one item have verdicts of their own."""
    none = means(0)
    assert self_retrieval(none, none).verdict == "There is nothing to search."
    assert check_variances(StoredGaussians(none, none)).verdict == "There are too few items to judge their variances."
    assert check_variances(StoredGaussians(means(1), means(1))).state is None


def test_collapse_is_named() -> None:
    """Variances that are tiny beside the distances are called collapsed."""
    varied = np.random.default_rng(1).normal(size=(100, 8)).astype(np.float32)
    assert "collapsed" in check_variances(StoredGaussians(means(100), varied - 12)).verdict
    assert "collapsed" not in check_variances(StoredGaussians(means(100), varied - 3)).verdict


def test_steady_dimensions() -> None:
    """Dimensions whose variance is the same for all items are counted."""
    logs = np.random.default_rng(1).normal(size=(100, 8)).astype(np.float32) - 3
    logs[:, 2:5] = -3
    state = check_variances(StoredGaussians(means(100), logs)).state
    assert state is not None
    assert state.steady_dimensions == 3


def test_an_earlier_manifest_is_read() -> None:
    """One whose state does not count dimensions, with the steady ones beside it; what is written now is read too."""
    state = check_variances(StoredGaussians(means(100), means(100))).state
    assert state is not None
    assert Variances.from_dict({"state": asdict(state)}) == Variances(state)
    earlier = {k: v for k, v in asdict(state).items() if not k.endswith("_dimensions")}
    read = Variances.from_dict({"state": earlier, "steady_dimensions": 5}).state
    assert read == replace(state, steady_dimensions=5, collapsed_dimensions=None)
    assert Variances.from_dict({"state": None, "steady_dimensions": 0}) == Variances(None)


def test_distance_of_items_in_a_regular_order() -> None:
    """The distance between items does not depend on a rhythm of their order (captions from exact to vague)."""
    rhythmic = np.tile(means(6), (40, 1))
    state = check_variances(StoredGaussians(rhythmic, rhythmic)).state
    everyone = ((rhythmic[:, None] - rhythmic[None]) ** 2).sum(-1).mean()
    assert state is not None
    assert abs(state.squared_distance / everyone - 1) < 0.2


def test_near_copies_find_themselves_on_any_number_of_threads() -> None:
    """Among many points that differ by rounding alone each is nearest to itself, however many threads may be used."""
    rng = np.random.default_rng(3)
    near = np.tile(means(1, 256), (12_000, 1)) + rng.normal(scale=1e-6, size=(12_000, 256)).astype(np.float32)
    points = Points(near, np.full(12_000, 1.03, np.float32))
    shortlist = FlatShortlist.build(points)
    before = faiss.omp_get_max_threads()
    try:
        for threads in (1, 2, 4):
            set_threads(threads)
            assert check_self_retrieval(shortlist, points, 20, Effort()).failed == ()
            assert faiss.omp_get_max_threads() == threads
    finally:
        set_threads(before)
