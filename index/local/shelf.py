"""One modality of a gallery as it was built: its Gaussians, their order by σ, and its shortlist."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from index.files import manifest as layout
from index.files.arrays import map_array, open_gaussians
from index.files.manifest import Manifest
from index.gaussians.points import Points
from index.gaussians.storage import StoredGaussians
from index.items import REMEDY, Modality
from index.ranking import Floats, Rows
from index.shortlists.contract import Shortlist
from index.shortlists.kinds import KINDS
from index.shortlists.loss import Space
from index.shortlists.tuning import ShortlistRecord
from models.errors import ArtifactError


@dataclass(frozen=True, eq=False)
class Shelf:
    """What was built of a modality.

    Args:
        gaussians: where they lie.
        sigmas: σ of each [n].
        by_sigma: rows in the order of σ [n].
        ordered_sigmas: σ in that order [n].
        points: what the shortlist searches.
        shortlist: over them.
        record: what the manifest says of the shortlist.
    """

    gaussians: StoredGaussians
    sigmas: Floats
    by_sigma: Rows
    ordered_sigmas: Floats
    points: Points
    shortlist: Shortlist
    record: ShortlistRecord

    def __len__(self) -> int:
        return len(self.gaussians)


def open_shelf(directory: Path, manifest: Manifest, modality: Modality) -> Shelf:
    """Open a modality of a gallery; raises `ArtifactError` when a file is missing or of another make."""
    count, dim = manifest.counts[modality], manifest.dim
    sigmas = map_array(directory / layout.sigmas_file(modality), (count,), np.dtype("<f4"))
    order = np.argsort(sigmas, kind="stable").astype(np.int64)
    gaussians = open_gaussians(directory, modality, (count, dim), manifest.storage[modality].storage)
    points = _open_points(directory, manifest, modality, gaussians.means)
    record = manifest.shortlists[modality]
    shortlist = _open_shortlist(directory / layout.shortlist_file(modality), record.kind, points)
    return Shelf(gaussians, sigmas, order, sigmas[order], points, shortlist, record)


def _open_points(directory: Path, manifest: Manifest, modality: Modality, means: npt.NDArray[Any]) -> Points:
    """The points of a modality's shortlist."""
    if manifest.shortlists[modality].over is Space.MEAN:
        return Points(means)
    return Points(means, map_array(directory / layout.heights_file(modality), means.shape[:1], np.dtype("<f4")))


def _open_shortlist(path: Path, kind: str, points: Points) -> Shortlist:
    if kind not in KINDS:
        raise ArtifactError(f"{path} is of kind {kind!r}, which this version of Penumbra lacks: {REMEDY}")
    return KINDS[kind].load(path, points)
