"""What every kind of shortlist has to do, against brute force in float64; approximate ones to a recall stated here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from index.allowed import Allowed, Mask
from index.gaussians.points import Points
from index.ranking import Floats, Ranking, Rows
from index.shortlists.contract import Effort, Shortlist
from index.shortlists.kinds import KINDS, FlatShortlist, set_threads
from models.errors import ArtifactError

COUNT, DIM = 5_200, 24
COPIED = 17
RECALL = {"flat": 1.0, "sq8": 0.999, "hnsw": 0.97, "ivf_rabitq": 0.97}
"""What each kind holds of the 20 nearest of the clustered points below, at the effort below."""
EFFORT = {"flat": Effort(), "sq8": Effort(1, 2), "hnsw": Effort(128, 2), "ivf_rabitq": Effort(16, 4)}

BUILD: dict[str, Callable[[Points], Shortlist]] = {name: kind.build for name, kind in KINDS.items()}
"""`test_milvus_contract` has more."""

# On a small grid distances are exact in float32, and ties abound.
GRID = st.integers(-2, 2).map(float)
every_kind = pytest.mark.parametrize("kind", KINDS)
lifted_or_not = pytest.mark.parametrize("lifted", [False, True], ids=["mean", "lifted"])


@dataclass(frozen=True, eq=False)
class Case:
    """A shortlist with its points and some queries."""

    shortlist: Shortlist
    points: Points
    queries: tuple[Floats, ...]


@cache
def points_of(lifted: bool) -> Points:
    """Points in 60 clusters of decaying spectrum; one in twenty is a copy of the same one."""
    rng = np.random.default_rng(7)
    spectrum = np.arange(1, DIM + 1) ** -0.5
    centres = rng.normal(size=(60, DIM)) * spectrum
    means = centres[rng.integers(0, 60, COUNT)] + 0.4 * rng.normal(size=(COUNT, DIM)) * spectrum
    height = rng.gamma(2, 0.2, COUNT)
    copies = rng.choice(COUNT, COUNT // 20, replace=False)
    means[copies], height[copies] = means[COPIED], height[COPIED]
    return Points(means.astype(np.float32), height.astype(np.float32) if lifted else None)


@cache
def case(kind: str, lifted: bool) -> Case:
    points = points_of(lifted)
    rng = np.random.default_rng(8)
    means = points.means[rng.integers(0, COUNT, 40)] + 0.1 * rng.normal(size=(40, DIM)).astype(np.float32)
    # Around this one everything is equally near.
    means[0] = points.means[COPIED]
    return Case(BUILD[kind](points), points, tuple(points.query(mean) for mean in means))


def everyone(points: Points) -> Floats:
    """All points."""
    return points.take(slice(None))


def distances(points: Floats, point: Floats) -> np.ndarray:
    return np.asarray(((points.astype(float) - point.astype(float)) ** 2).sum(1))


def brute_force(points: Floats, point: Floats, n: int) -> tuple[list[int], list[float]]:
    found = distances(points, point)
    rows = np.lexsort((np.arange(len(points)), found))[:n]
    return rows.tolist(), found[rows].tolist()


def same(one: Ranking, other: Ranking) -> bool:
    """To the bit."""
    return np.array_equal(one.rows, other.rows) and np.array_equal(one.values, other.values)


def found_by(found: Case, n: int, effort: Effort) -> list[Ranking]:
    return [found.shortlist.search(query, n, effort) for query in found.queries]


# Every kind


@lifted_or_not
@every_kind
def test_values_and_order_are_exact(kind: str, lifted: bool) -> None:
    """What is found has the squared distances of float64, is in their order, each row once, and ties come by row."""
    tried = case(kind, lifted)
    for query, found in zip(tried.queries, found_by(tried, 30, EFFORT[kind]), strict=True):
        expected = distances(tried.points.take(found.rows), query)
        np.testing.assert_allclose(found.values, expected, rtol=1e-5)
        assert np.lexsort((found.rows, found.values)).tolist() == list(range(30))
        assert len(set(found.rows.tolist())) == 30


@every_kind
def test_equal_distances_come_by_row(kind: str) -> None:
    """Items on a grid, of which many are equally near in different places, come by row where they are."""
    means = np.random.default_rng(0).integers(-2, 3, (COUNT, 4)).astype(np.float32)
    found = BUILD[kind](Points(means)).search(np.zeros(4, np.float32), 60, EFFORT[kind])
    assert len(set(found.values.tolist())) < 10
    assert np.lexsort((found.rows, found.values)).tolist() == list(range(60))


@lifted_or_not
@every_kind
def test_it_holds_what_it_states(kind: str, lifted: bool) -> None:
    """Of the 20 nearest, equally near ones being equally good, it finds the share that is stated above."""
    tried, held = case(kind, lifted), []
    for query, found in zip(tried.queries, found_by(tried, 20, EFFORT[kind]), strict=True):
        limit = brute_force(everyone(tried.points), query, 20)[1][-1]
        held.append((found.values <= limit * (1 + 1e-5)).mean())
    assert np.mean(held) >= RECALL[kind]


@lifted_or_not
@every_kind
def test_with_the_greatest_effort_nearly_all_is_found(kind: str, lifted: bool) -> None:
    """Effort is worth something: with all of it every kind finds 99 % of the 20 nearest."""
    tried = case(kind, lifted)
    most, held = Effort(tried.shortlist.reaches[-1], tried.shortlist.refines[-1]), []
    for query, found in zip(tried.queries, found_by(tried, 20, most), strict=True):
        limit = brute_force(everyone(tried.points), query, 20)[1][-1]
        held.append((found.values <= limit * (1 + 1e-5)).mean())
    assert np.mean(held) >= 0.99


@pytest.mark.parametrize("n", [COUNT // 2, COUNT, COUNT + 1, 10 * COUNT])
@every_kind
def test_asked_for_all_it_is_exact(kind: str, n: int) -> None:
    """Asked for a good part of the items, or for more than there are, it finds them all, in order."""
    tried = case(kind, True)
    found = tried.shortlist.search(tried.queries[0], n, EFFORT[kind])
    rows, values = brute_force(everyone(tried.points), tried.queries[0], n)
    assert len(found.rows) == min(n, COUNT)
    np.testing.assert_allclose(found.values, values, rtol=1e-5)
    assert (found.rows == rows).mean() > 0.99


@every_kind
def test_it_gives_as_many_as_were_asked_for(kind: str) -> None:
    """However small the effort, the number of rows is the one asked for."""
    tried = case(kind, False)
    for n in (1, 7, 300, 2_000):
        assert {len(found.rows) for found in found_by(tried, n, Effort())} == {n}
    assert len(tried.shortlist.search(tried.queries[0], 0, Effort()).rows) == 0


@lifted_or_not
@every_kind
def test_nothing_to_find(kind: str, lifted: bool, tmp_path: Path) -> None:
    """A shortlist of no items finds nothing, read from its file too."""
    none = np.empty(0, np.float32)
    points = Points(np.empty((0, 4), np.float32), none if lifted else None)
    built = BUILD[kind](points)
    built.save(tmp_path / "index")
    for each in (built, KINDS[kind].load(tmp_path / "index", points)):
        found = each.search(points.query(np.zeros(4, np.float32)), 5, EFFORT[kind])
        assert (len(each), len(found.rows), len(found.values)) == (0, 0, 0)


@pytest.mark.parametrize("kind", ["flat", "sq8", "hnsw"])
def test_a_few_items(kind: str) -> None:
    """Of three items the nearest come first, as many as there are."""
    means = np.array([[0, 0], [3, 0], [1, 0]], np.float32)
    found = BUILD[kind](Points(means)).search(np.array([0.9, 0], np.float32), 5, EFFORT[kind])
    assert found.rows.tolist() == [2, 0, 1]


@lifted_or_not
@every_kind
def test_saved_and_loaded(kind: str, lifted: bool, tmp_path: Path) -> None:
    """Read from its file it answers as the one that was written, to the bit."""
    tried = case(kind, lifted)
    tried.shortlist.save(tmp_path / "index")
    loaded = Case(KINDS[kind].load(tmp_path / "index", tried.points), tried.points, tried.queries)
    pairs = zip(found_by(tried, 25, EFFORT[kind]), found_by(loaded, 25, EFFORT[kind]), strict=True)
    assert all(same(*pair) for pair in pairs)
    assert (len(loaded.shortlist), loaded.shortlist.reaches) == (COUNT, tried.shortlist.reaches)


@lifted_or_not
@every_kind
def test_threads_change_nothing(kind: str, lifted: bool, tmp_path: Path) -> None:
    """Built again, with one thread and with two, it is the same file, and answers the same with either."""
    tried, files, answers = case(kind, lifted), set(), []
    try:
        for threads in (1, 2):
            set_threads(threads)
            BUILD[kind](tried.points).save(tmp_path / "index")
            files.add((tmp_path / "index").read_bytes())
            answers.append(found_by(tried, 25, EFFORT[kind]))
    finally:
        set_threads(1)
    assert len(files) == 1
    assert all(same(*pair) for pair in zip(*answers, strict=True))


@every_kind
def test_an_item_finds_itself(kind: str) -> None:
    """A point's own row comes first, at distance 0, but for an earlier copy of it."""
    tried = case(kind, True)
    for row in range(0, COUNT, 400):
        point = tried.points.take(np.array([row]))[0]
        found = tried.shortlist.search(point, 20, EFFORT[kind])
        assert found.values[0] == 0
        assert np.array_equal(tried.points.take(found.rows[:1])[0], point)


@every_kind
def test_means_of_half_precision(kind: str) -> None:
    """Points may be stored in float16; distances are those of the stored numbers."""
    means = points_of(False).means.astype(np.float16)
    points = Points(means)
    found = BUILD[kind](points).search(points.query(means[5]), 10, EFFORT[kind])
    assert found.values.dtype == np.float32
    np.testing.assert_allclose(
        found.values, distances(means[found.rows].astype(np.float32), means[5].astype(np.float32)), rtol=1e-5
    )


@every_kind
def test_no_index(kind: str, tmp_path: Path) -> None:
    """A file that faiss cannot read is named, and so is one of another kind and one of other points."""
    (tmp_path / "index").write_bytes(b"no index at all")
    with pytest.raises(ArtifactError, match="index cannot be read as a faiss index: build the gallery again"):
        KINDS[kind].load(tmp_path / "index", points_of(False))
    case(kind, False).shortlist.save(tmp_path / "index")
    other = "sq8" if kind != "sq8" else "flat"
    with pytest.raises(ArtifactError, match="is another kind of faiss index"):
        KINDS[other].load(tmp_path / "index", points_of(False))
    with pytest.raises(ArtifactError, match=r"holds 5200 points of 24 dimensions instead of 5200 of 25: build"):
        KINDS[kind].load(tmp_path / "index", points_of(True))


# Every kind, where not all may answer


def one_in(few: float) -> Mask:
    return np.asarray(np.random.default_rng(9).random(COUNT) < 1 / few)


def farthest(query: Floats, count: int) -> Mask:
    """None of those that are near."""
    far = np.argsort(-distances(everyone(points_of(True)), query))[:count]
    return np.asarray(np.isin(np.arange(COUNT), far))


def nearest_of(tried: Case, query: Floats, n: int, mask: Mask) -> tuple[Rows, Floats]:
    """By brute force."""
    rows = np.flatnonzero(mask)
    places, values = brute_force(tried.points.take(rows), query, n)
    return rows[places], np.array(values)


@pytest.mark.parametrize("few", [1.1, 2, 10, 100, 1_000])
@lifted_or_not
@every_kind
def test_only_those_allowed_answer(kind: str, lifted: bool, few: float) -> None:
    """Whatever share may answer, the 20 nearest of it are found as without a filter: exact values, order and ties by
    row, the recall that is stated, and as many as there are."""
    tried, mask, held = case(kind, lifted), one_in(few), []
    allowed = Allowed(mask)
    for query in tried.queries:
        found = tried.shortlist.search(query, 20, EFFORT[kind], allowed)
        rows, values = nearest_of(tried, query, 20, mask)
        assert mask[found.rows].all()
        assert len(set(found.rows.tolist())) == len(found.rows) == len(rows)
        np.testing.assert_allclose(found.values, distances(tried.points.take(found.rows), query), rtol=1e-5)
        assert np.lexsort((found.rows, found.values)).tolist() == list(range(len(rows)))
        held.append((found.values <= values[-1] * (1 + 1e-5)).mean())
    assert np.mean(held) >= RECALL[kind]


@pytest.mark.parametrize("count", [1, 15, 2_300, 4_000])
@every_kind
def test_those_allowed_may_all_be_far(kind: str, count: int) -> None:
    """Where none of those near may answer, as many are found as there are, with the least effort too, and half of the
    nearest at least, which lie far and equally so; exactly where they are few."""
    tried = case(kind, True)
    for query in tried.queries[:8]:
        mask = farthest(query, count)
        rows, values = nearest_of(tried, query, 40, mask)
        for effort in (Effort(), EFFORT[kind]):
            found = tried.shortlist.search(query, 40, effort, Allowed(mask))
            assert mask[found.rows].all()
            assert len(set(found.rows.tolist())) == min(40, count)
        if count <= 2_000:
            assert found.rows.tolist() == rows.tolist()
        assert (found.values <= values[-1] * (1 + 1e-5)).mean() >= 0.5


@every_kind
def test_any_number_of_those_allowed(kind: str) -> None:
    """Asked for any number, it finds that many of those allowed, or all of them; of none it finds none."""
    tried, mask = case(kind, False), one_in(2)
    for n in (0, 1, 300, 1_000, COUNT):
        assert len(tried.shortlist.search(tried.queries[1], n, Effort(), Allowed(mask)).rows) == min(n, mask.sum())
    everyone_found = tried.shortlist.search(tried.queries[1], COUNT, Effort(), Allowed(mask))
    assert np.array_equal(np.sort(everyone_found.rows), np.flatnonzero(mask))
    assert not len(tried.shortlist.search(tried.queries[1], 5, Effort(), Allowed(np.zeros(COUNT, bool))).rows)


@every_kind
def test_allowing_all_changes_nothing(kind: str) -> None:
    """With all allowed the answers are those without a filter, to the bit."""
    tried = case(kind, False)
    found = found_by(tried, 20, EFFORT[kind])
    filtered = [tried.shortlist.search(each, 20, EFFORT[kind], Allowed(np.ones(COUNT, bool))) for each in tried.queries]
    assert all(same(*pair) for pair in zip(found, filtered, strict=True))


def test_what_is_allowed_composes() -> None:
    """The rows that two filters allow are those that each allows; rows, count, share and bits say the same."""
    evens = Allowed(np.arange(COUNT) % 2 == 0)
    both = Allowed(one_in(3)) & evens
    assert both.rows.tolist() == [row for row in range(0, COUNT, 2) if one_in(3)[row]]
    assert (both.count, both.share) == (len(both.rows), len(both.rows) / COUNT)
    assert np.flatnonzero(np.unpackbits(both.bits, bitorder="little")).tolist() == both.rows.tolist()
    assert np.concatenate(list(both.blocks(100))).tolist() == both.rows.tolist()


# Exact search alone


def flat(means: Floats, mean: Floats, n: int) -> tuple[list[int], list[float]]:
    found = FlatShortlist.build(Points(means)).search(mean, n)
    return found.rows.tolist(), found.values.tolist()


@given(arrays(np.float32, st.tuples(st.integers(1, 250), st.just(2)), elements=GRID), st.integers(0, 260))
def test_nearest_first_and_ties_by_row(means: Floats, n: int) -> None:
    """The exact search gives what sorting all distances gives, ties by row also where the cut goes through them."""
    assert flat(means, means[0], n) == brute_force(means, means[0], n)


def test_ties_in_a_large_index() -> None:
    """Ties come by row in an index of thousands too, for numbers on both sides of 100."""
    means = np.random.default_rng(0).integers(-2, 3, (5000, 2)).astype(np.float32)
    for n in (5, 99, 100, 200, 1000):
        assert flat(means, means[0], n)[0] == brute_force(means, means[0], n)[0]


@pytest.mark.parametrize("n", [1, 99, 100, 101, 299, 300])
def test_many_equal_means(n: int) -> None:
    """Among equal means the first rows are found, for any number asked for (faiss changes its method at 100)."""
    means = np.ones((300, 8), np.float32)
    assert flat(means, means[0] * 0.3, n)[0] == list(range(n))


def test_distances_are_close_to_float64() -> None:
    """Squared distances have float32's precision, also for near points of large norm, and are 0 to oneself."""
    rng = np.random.default_rng(0)
    means = (100 + rng.normal(size=(500, 64)) / 10).astype(np.float32)
    rows, values = flat(means, means[7], 50)
    assert rows == brute_force(means, means[7], 50)[0]
    np.testing.assert_allclose(values, brute_force(means, means[7], 50)[1], rtol=1e-5)
    assert (rows[0], values[0]) == (7, 0.0)


# Points


@lifted_or_not
def test_points_are_the_same_however_they_are_read(lifted: bool) -> None:
    """Row by row, block by block and as a sample; a query lies at height 0."""
    points = points_of(lifted)
    rows: Rows = np.array([3, 5_100, 3])
    assert np.array_equal(np.concatenate([block for _, block in points.blocks()]), everyone(points))
    assert np.array_equal(points.take(rows), everyone(points)[rows])
    assert np.array_equal(points.sample(COUNT + 5), everyone(points))
    assert len(points.sample(100)) == 100
    assert points.query(points.means[0]).tolist() == points.means[0].tolist() + [0.0] * lifted
