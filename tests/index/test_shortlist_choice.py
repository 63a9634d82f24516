from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from index.gaussians.points import Points
from index.gaussians.storage import Storage
from index.items import Modality
from index.room import GIB, require_disk
from index.shortlists.choice import Wanted, choose
from index.shortlists.kinds import KINDS
from models.errors import ConfigError

MIB = 2**20


def counts(images: int, texts: int) -> dict[Modality, int]:
    return {Modality.IMAGE: images, Modality.TEXT: texts}


@pytest.mark.parametrize(
    ("images", "texts", "kinds", "says"),
    [
        (2_000, 12_000, ("flat", "flat"), "The points of 2,000 images are 2.0 MiB, which is quickly scanned"),
        (40_000, 200_000, ("ivf_rabitq", "ivf_rabitq"), "To scan the points of 40,000 images, 39.2 MiB"),
        (2_000, 1_000_000, ("flat", "ivf_rabitq"), "quickly scanned"),
        (10_000_000, 0, ("ivf_rabitq", "flat"), "9.6 GiB, would take too long"),
    ],
)
def test_auto_goes_by_size(images: int, texts: int, kinds: tuple[str, str], says: str) -> None:
    """Small modalities are scanned, large ones get lists; each for itself, with a sentence that has the figures."""
    found = choose(Wanted(), counts(images, texts), 256)
    assert tuple(choice.kind for choice in found.values()) == kinds
    assert says in found[Modality.IMAGE].why


def test_auto_without_enough_to_train() -> None:
    """Few items of very many dimensions, which lists cannot be trained on, get codes of a byte."""
    found = choose(Wanted(), counts(4_000, 0), 8_192)
    assert found[Modality.IMAGE].kind == "sq8"
    assert "too few to train ivf_rabitq" in found[Modality.IMAGE].why


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_that_was_asked_for_is_taken(kind: str) -> None:
    """For both modalities, also where there is nothing of one."""
    found = choose(Wanted(kind), counts(6_000, 0), 64)
    assert {choice.kind for choice in found.values()} == {kind}


def test_too_few_to_train() -> None:
    """Lists over fewer items than their training needs are refused, with what to do instead."""
    with pytest.raises(ConfigError, match=r"5,000 items at least, and there are 4,999 texts: build with --kind flat"):
        choose(Wanted("ivf_rabitq"), counts(6_000, 4_999), 64)
    choose(Wanted("ivf_rabitq"), counts(6_000, 5_000), 64)


def test_too_little_memory() -> None:
    """What does not fit is refused with both numbers and the kind that would fit; where none would, with the memory."""
    wanted = Wanted("flat", memory=GIB)
    with pytest.raises(ConfigError, match=r"flat take 1\.9 GiB .* 1\.0 GiB allowed: build with --kind sq8 \(490"):
        choose(wanted, counts(1_000_000, 1_000_000), 256)
    with pytest.raises(ConfigError, match=r"take 4\.\d GiB .*: build with --kind ivf_rabitq"):
        choose(Wanted("sq8", memory=GIB), counts(10_000_000, 9_000_000), 256)
    with pytest.raises(ConfigError, match=r"ivf_rabitq take 110\.8 MiB .* 64\.0 MiB allowed: raise --memory"):
        choose(Wanted(memory=64 * MIB), counts(1_000_000, 1_000_000), 256)


@pytest.mark.parametrize("kind", KINDS)
def test_memory_is_foreseen(kind: str, tmp_path: Path) -> None:
    """What a shortlist takes is within a quarter of the size of its file."""
    means = np.random.default_rng(0).normal(size=(5_500, 65)).astype(np.float32)
    KINDS[kind].build(Points(means)).save(tmp_path / "index")
    assert KINDS[kind].memory_bytes(5_500, 65) == pytest.approx((tmp_path / "index").stat().st_size, rel=0.25)


class Usage(NamedTuple):
    """As `shutil.disk_usage` has it."""

    total: int
    used: int
    free: int


def test_too_little_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk without room for the Gaussians as often as they lie there is refused; the folder need not be there yet."""

    def usage(_: Any) -> Usage:
        return Usage(2**40, 2**40, 3 * GIB)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    require_disk(tmp_path / "none" / "gallery", 600_000, 256, None)
    with pytest.raises(ConfigError, match=r"gallery needs at least 4\.5 GiB and its disk has 3\.0 GiB free: make room"):
        require_disk(tmp_path / "none" / "gallery", 1_000_000, 256, None)
    with pytest.raises(ConfigError, match=r"needs at least 3\.4 GiB"):
        require_disk(tmp_path / "none" / "gallery", 600_000, 256, Storage.FLOAT32)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"kind": "pyramid"}, "'pyramid' is no kind of shortlist: name one of auto, flat, sq8, hnsw, ivf_rabitq"),
        ({"over": "medians"}, "not over 'medians': name one of auto, mean, lifted"),
        ({"recall": 0.0}, "recall of 0.0 is no share"),
        ({"recall": 99.0}, "recall of 99.0 is no share"),
    ],
)
def test_nonsense_is_refused(wrong: dict[str, Any], says: str) -> None:
    """What is no kind, no space and no share is named."""
    with pytest.raises(ConfigError, match=says):
        Wanted(**wrong)
