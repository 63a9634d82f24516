"""What a report shows of single items, against loops over them."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.random import default_rng

from corpus.manifest import Entry
from evaluation.positives import Positives
from evaluation.protocols import Embedded
from evaluation.reports.items import by_matches, items_of, sigma_histogram
from models.gaussian import Gaussian
from models.image import decode, encode_png


def embedded(folder: Path, count: int = 6) -> Embedded:
    """Images that are less certain the later they come, two captions each, the first wording always the same."""
    entries = []
    for place in range(count):
        pixels = np.full((300, 200, 3), 40 * place, dtype=np.uint8)
        (folder / f"{place}.png").write_bytes(encode_png(pixels))
        entries.append(Entry(f"i{place}", folder / f"{place}.png", ("the same", f"caption {place}")))
    images = Gaussian(torch.zeros(count, 4), torch.arange(count).float()[:, None].expand(count, 4) - 9)
    texts = Gaussian(torch.zeros(2 * count, 4), -torch.arange(2 * count).float()[:, None].expand(2 * count, 4))
    return Embedded(entries, images, texts)


def test_extremes_are_the_first_and_last_by_sigma(tmp_path: Path) -> None:
    """Images by rising and falling σ with a small JPEG of themselves; a wording is shown once, at its extreme."""
    found = items_of(embedded(tmp_path), None, shown=2)
    assert [item["id"] for item in found["images"]["most_certain"]] == ["i0", "i1"]
    assert [item["id"] for item in found["images"]["least_certain"]] == ["i5", "i4"]
    assert found["images"]["most_certain"][0]["sigma"] == pytest.approx(np.exp(-4.5), rel=1e-5)
    assert [item["text"] for item in found["texts"]["most_certain"]] == ["caption 5", "the same"]
    assert [item["text"] for item in found["texts"]["least_certain"]] == ["the same", "caption 0"]
    head, body = found["images"]["least_certain"][0]["thumbnail"].split(",")
    assert head == "data:image/jpeg;base64"
    picture = decode(b64decode(body))
    assert picture.size == (107, 160)
    assert np.abs(np.asarray(picture).astype(int) - 200).max() < 8
    assert found["texts"]["matches"] is None


def test_histogram_counts_everything() -> None:
    """Every item is in one bin, as NumPy counts the logarithms; the ends are the extremes."""
    sigma = default_rng(0).lognormal(size=500)
    found = sigma_histogram(sigma)
    assert sum(found["count"]) == 500
    assert (found["edges"][0], found["edges"][-1]) == (pytest.approx(sigma.min()), pytest.approx(sigma.max()))
    assert found["count"] == np.histogram(np.log(sigma), len(found["count"]))[0].tolist()


@pytest.mark.parametrize("log_variance", [-40.0, -3.2])
def test_points_and_one_sigma_for_all_show_nothing(tmp_path: Path, log_variance: float) -> None:
    """No histogram, no σ against matches, no extremes, of either side."""
    made = embedded(tmp_path)
    alike = [Gaussian(g.mean, torch.full_like(g.mean, log_variance)) for g in (made.images, made.texts)]
    found = items_of(Embedded(made.entries, *alike), Positives.of_mask(np.ones((12, 6), dtype=bool)))
    for side in ("images", "texts"):
        assert found[side] == {"histogram": None, "matches": None, "most_certain": [], "least_certain": []}


def test_sigma_by_matches_keeps_equal_numbers_together(tmp_path: Path) -> None:
    """With few distinct numbers each is a bin of its own: median and deciles are those of its items."""
    rng = default_rng(1)
    counts = rng.integers(0, 4, 400)
    sigma = rng.lognormal(size=400) * (1 + counts)
    found = by_matches(sigma, counts)
    assert found is not None
    assert found["number"] == [1, 2, 3]
    for place, number in enumerate((1, 2, 3)):
        mine = sigma[counts == number]
        assert found["median"][place] == pytest.approx(np.median(mine))
        assert found["low"][place] == pytest.approx(np.percentile(mine, 10))
        assert found["high"][place] == pytest.approx(np.percentile(mine, 90))
    collection = embedded(tmp_path)
    table = np.zeros((12, 6), dtype=bool)
    table[:, 0], table[:3, 1] = True, True
    shown = items_of(collection, Positives.of_mask(table), shown=0)
    assert shown["images"]["matches"]["number"] == [3, 12]
    assert shown["texts"]["matches"]["number"] == [1, 2]


def test_matches_in_about_equal_bins() -> None:
    """Many distinct numbers come in at most twelve bins of about the same size, in rising order."""
    counts = default_rng(2).permutation(np.arange(1, 601))
    found = by_matches(counts / 100, counts)
    assert found is not None
    assert len(found["number"]) == 12
    assert found["number"] == sorted(found["number"])
    assert np.ptp(np.diff(found["number"])) < 2
