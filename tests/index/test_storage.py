"""Gaussians on disk: what comes back, how far it is from what was given, and what that changes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from index.files.arrays import open_gaussians, write_exact, write_stored
from index.files.shards import Shard
from index.gaussians.storage import BLOCK, Storage, StoredGaussians, coding_of, stored
from index.gaussians.storage_choice import choose_storage
from index.gaussians.storage_error import LIMIT, StorageError, StorageFinding, storage_error
from index.items import Modality
from index.local.gallery import Gallery
from index.searching.retriever import Retriever, SearchOptions
from models.calibration import Direction
from models.errors import ConfigError
from models.gaussian import Gaussian
from models.match import LogVarianceTerm, MatchHead, closed_form

HEAD = MatchHead(10.0, 12.0)
CODED = (Storage.FLOAT16, Storage.COMPACT)
LEVELS = {Storage.FLOAT16: 65_535, Storage.COMPACT: 255}


def draw(n: int, dim: int = 32, seed: int = 0) -> Gaussian:
    """Means on the unit sphere, log-variances that differ by dimension and by item."""
    generator = torch.Generator().manual_seed(seed)
    means = torch.nn.functional.normalize(torch.randn(n, dim, generator=generator), dim=-1)
    scales = torch.linspace(0.0, 2.0, dim)
    return Gaussian(means, torch.randn(n, dim, generator=generator) * scales - 5)


def exactly(gaussians: Gaussian) -> StoredGaussians:
    return StoredGaussians(gaussians.mean.numpy(), gaussians.log_variance.numpy())


def again(gaussians: Gaussian, storage: Storage) -> Gaussian:
    return stored(gaussians, storage, coding_of(exactly(gaussians), storage)).take(slice(None))


LOG_VARIANCES = arrays(np.float32, st.tuples(st.integers(1, 30), st.just(3)), elements=st.floats(-40, 10, width=32))


@pytest.mark.parametrize("storage", CODED)
@given(values=LOG_VARIANCES)
def test_codes_are_within_half_a_step(storage: Storage, values: np.ndarray) -> None:
    """Every log-variance comes back within half a step of its dimension; the ends of the range come back too."""
    exact = torch.from_numpy(values)
    found = again(Gaussian(torch.zeros(values.shape), exact), storage).log_variance
    span = exact.amax(0) - exact.amin(0)
    # Offset and step are themselves rounded to float32.
    rounding = 4e-6 * exact.abs().amax(0) + 1e-12
    assert ((found - exact).abs() <= span / LEVELS[storage] / 2 + rounding + span * 1e-6).all()


@pytest.mark.parametrize("storage", CODED)
@given(seed=st.integers(0, 10_000))
def test_what_was_stored_stays(storage: Storage, seed: int) -> None:
    """Stored once more with the same coding, nothing changes any more; means are those of float16."""
    gaussians = draw(20, seed=seed)
    coding = coding_of(exactly(gaussians), storage)
    once = stored(gaussians, storage, coding)
    twice = stored(once.take(slice(None)), storage, coding)
    assert np.array_equal(once.log_variances, twice.log_variances)
    assert np.array_equal(once.means, gaussians.mean.half().numpy())
    assert np.array_equal(once.means, twice.means)


@pytest.mark.parametrize("storage", Storage)
def test_rows_and_blocks_agree(storage: Storage) -> None:
    """Rows in any order, repeated ones too, slices and blocks are the same Gaussians to the bit, in float32."""
    gaussians = draw(2 * BLOCK + 5, dim=4)
    held = stored(gaussians, storage, coding_of(exactly(gaussians), storage))
    whole = held.take(slice(None))
    assert whole.mean.dtype == torch.float32
    rows = [7, BLOCK + 3, 0, 7, 2 * BLOCK + 4]
    assert torch.equal(held.take(rows).log_variance, whole.log_variance[rows])
    assert torch.equal(held.take(rows).mean, whole.mean[rows])
    starts, blocks = zip(*held.blocks(), strict=True)
    assert starts == (0, BLOCK, 2 * BLOCK)
    assert torch.equal(torch.cat([block.log_variance for block in blocks]), whole.log_variance)
    assert len(held.take([])) == 0


@pytest.mark.parametrize("storage", Storage)
@pytest.mark.parametrize("count", [0, 1, 40])
def test_written_equals_opened(tmp_path: Path, storage: Storage, count: int) -> None:
    """What is opened is what `stored` gives, to the bit, and its sigmas are those of what is held."""
    gaussians = draw(count)
    (tmp_path / "aside").mkdir()
    shards = [Shard(gaussians[start : start + 7], ()) for start in range(0, count, 7)]
    exact = write_exact(tmp_path / "aside", Modality.TEXT, (count, 32), shards)
    assert torch.equal(exact.take(slice(None)).mean, gaussians.mean)
    coding = coding_of(exact, storage)
    written = write_stored(tmp_path, Modality.TEXT, exact, storage, coding)
    opened = open_gaussians(tmp_path, Modality.TEXT, (count, 32), storage).take(slice(None))
    expected = stored(gaussians, storage, coding).take(slice(None))
    for found in (written.take(slice(None)), opened):
        assert torch.equal(found.mean, expected.mean)
        assert torch.equal(found.log_variance, expected.log_variance)
    sigmas = np.load(tmp_path / "text.sigmas.npy")
    np.testing.assert_array_equal(sigmas, expected.sigma.numpy())


@pytest.mark.parametrize("storage", CODED)
@given(seed=st.integers(0, 10_000))
def test_the_error_is_what_probabilities_change_by(storage: Storage, seed: int) -> None:
    """For few enough items the worst error is that of all pairs, with stored items and with stored queries."""
    items, others = draw(30, seed=seed), draw(20, seed=seed + 1)
    coding = storage, coding_of(exactly(items), storage)
    found = storage_error(exactly(items), exactly(others), coding, HEAD, MatchHead(5.0, 5.0))
    changed = again(items, storage)
    answering = (closed_form(others, items, HEAD) - closed_form(others, changed, HEAD)).abs()
    asking = (closed_form(items, others, MatchHead(5.0, 5.0)) - closed_form(changed, others, MatchHead(5.0, 5.0))).abs()
    assert found is not None
    assert found.pairs == 2 * 600
    assert found.worst == pytest.approx(float(max(answering.max(), asking.max())), abs=1e-6)
    assert found.mean == pytest.approx(float(torch.cat([answering.flatten(), asking.flatten()]).mean()), abs=1e-6)
    assert found.worst < {Storage.FLOAT16: 1e-3, Storage.COMPACT: 1e-2}[storage]


def test_the_error_of_nothing() -> None:
    """No item has no error; without the other modality the items ask each other."""
    none, some = exactly(draw(0)), exactly(draw(10))
    assert storage_error(none, some, (Storage.COMPACT, None), HEAD, HEAD) is None
    alone = storage_error(some, none, (Storage.FLOAT16, coding_of(some, Storage.FLOAT16)), HEAD, HEAD)
    assert alone is not None
    assert alone.pairs == 200


def test_a_mean_too_great_for_float16_is_an_error() -> None:
    """Infinity in place of a mean is as wrong as can be, and is no number that JSON lacks."""
    items = exactly(Gaussian(draw(10).mean * 1e6, draw(10).log_variance))
    found = storage_error(items, items, (Storage.FLOAT16, coding_of(items, Storage.FLOAT16)), HEAD, HEAD)
    assert found is not None
    assert not found.holds
    assert np.isfinite(found.worst)


def twins(n: int, seed: int = 0) -> Gaussian:
    """Log-variances whose second half is the first one but for differences of 1e-4."""
    gaussians = draw(n, seed=seed)
    differences = 1e-4 * torch.randn(n, 16, generator=torch.Generator().manual_seed(seed + 100))
    first = gaussians.log_variance[:, 16:]
    return Gaussian(gaussians.mean, torch.cat([first, first + differences], -1))


def reading_differences() -> MatchHead:
    """A head that reads these differences and nothing else, as a fit without a penalty may come to."""
    return MatchHead(10.0, 12.0, item=LogVarianceTerm((2500.0,) * 16 + (-2500.0,) * 16, 0.0, 0.0, -9.0, 9.0))


def test_the_smallest_that_holds_is_chosen() -> None:
    """Compact where it holds; a head that reads small differences gets more bits, and the finding says why."""
    exact = {Modality.IMAGE: exactly(twins(50)), Modality.TEXT: exactly(twins(60, seed=1))}
    plain, coding = choose_storage(Modality.IMAGE, exact, None, dict.fromkeys(Modality, HEAD))
    assert (plain.storage, plain.refused) == (Storage.COMPACT, {})
    assert coding is not None
    heads = {Modality.IMAGE: reading_differences(), Modality.TEXT: HEAD}
    careful, coding = choose_storage(Modality.IMAGE, exact, None, heads)
    assert careful.storage is Storage.FLOAT32
    assert coding is None
    assert list(careful.refused) == [Storage.COMPACT, Storage.FLOAT16]
    assert all(worst > LIMIT for worst in careful.refused.values())
    assert "As compact probabilities would change" in careful.verdict
    assert StorageFinding.from_dict({"storage": "float32", "error": None, "refused": {**careful.refused}}) == careful


def test_what_does_not_hold_is_refused() -> None:
    """A storage that was asked for and changes too much is refused in a sentence; float32 is never measured."""
    exact = {modality: exactly(twins(50)) for modality in Modality}
    heads = dict.fromkeys(Modality, reading_differences())
    with pytest.raises(ConfigError, match=r"stored as compact, the images' match .* name another storage"):
        choose_storage(Modality.IMAGE, exact, Storage.COMPACT, heads)
    assert choose_storage(Modality.IMAGE, exact, Storage.FLOAT32, heads) == (StorageFinding(Storage.FLOAT32), None)


def test_what_is_no_number_does_not_hold() -> None:
    """An error that is not a number is not within the limit."""
    assert StorageError(LIMIT, 0.0, 1).holds
    assert not StorageError(float("nan"), 0.0, 1).holds


@pytest.mark.parametrize("storage", Storage)
def test_items_find_themselves(gallery_of: Callable[..., Gallery], storage: Storage) -> None:
    """An item that asks for itself is its own nearest, at distance zero, and its percentile counts what is held."""
    gallery = gallery_of(draw(80), draw(80, seed=1), storage=storage)
    assert gallery.manifest.storage[Modality.IMAGE].storage is storage
    retriever = Retriever(gallery, HEAD)
    sigmas = gallery.gaussians(Modality.IMAGE, range(80)).sigma
    for row in (0, 41, 79):
        query = gallery.gaussians(Modality.IMAGE, [row])
        [hit] = retriever.search(query[0], Direction.TEXT_TO_IMAGE, SearchOptions(top_k=1)).hits
        assert (hit.row, hit.mean_distance) == (row, 0.0)
        [uncertainty] = gallery.uncertainties(Modality.IMAGE, query)
        assert uncertainty.percentile == 100 * int((sigmas < sigmas[row]).sum()) / 80


MEMORY = """
import sys
import numpy as np
from evaluation.machine import resident
from index.gaussians.storage import Storage, StoredGaussians, coding_of
arrays = (np.load(path, mmap_mode="r") for path in sys.argv[1:])
gaussians = StoredGaussians(*arrays)
next(iter(gaussians.blocks()))[1].total_variance
before = resident()["own"]
coding_of(gaussians, Storage.COMPACT)
gaussians.measure(lambda block: block.total_variance)
print(resident()["own"] - before)
"""


def test_going_through_all_takes_the_memory_of_a_block(tmp_path: Path) -> None:
    """What goes through all Gaussians of a file block by block leaves nothing of the blocks behind: neither a coding
    nor a number of each item. In a process of its own, whose heap holds nothing else.
    """
    paths = [tmp_path / "means.npy", tmp_path / "log_variances.npy"]
    for path in paths:
        np.save(path, np.ones((200 * BLOCK, 128), np.float32))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", MEMORY, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=True)
    assert int(done.stdout) < 50 * BLOCK * 128 * 4
