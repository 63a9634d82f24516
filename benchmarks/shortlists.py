"""What each kind of shortlist costs and holds, on clustered synthetic Gaussians with varied σ.

Times are of the processor, on one thread: they say the same when other programs run.

python -m benchmarks.shortlists --items 200000 --dim 256 flat sq8 ivf_rabitq hnsw
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import process_time

import numpy as np
import torch
from rich.console import Console

from benchmarks.kinds import Asked, processor_milliseconds
from index.gaussians.points import Points
from index.gaussians.storage import Storage, stored
from index.items import Modality
from index.shortlists.choice import Choice, Wanted
from index.shortlists.kinds import KINDS, set_threads
from index.shortlists.tuning import Asking, make
from models.gaussian import Gaussian
from models.match import MatchHead, TraceTerm

CLUSTERS, QUERIES = 1_000, 300
# An item's total variance counts for it here, as calibration has found it to on Scenes.
HEAD = MatchHead(12.0, 9.0, TraceTerm(), TraceTerm(4.0))


@dataclass(frozen=True)
class KindTimes:
    """One kind: seconds to build, bytes of its file, milliseconds of a search (p50, p95), what was measured of it."""

    build_s: float
    bytes: int
    p50_ms: float
    p95_ms: float
    verdict: str
    effort: str
    held: Sequence[float]


def synthetic(items: int, dim: int, seed: int, world: int = 0) -> Gaussian:
    """Gaussians in 1,000 clusters whose coordinates have a spectrum of 1/√k, randomly rotated; tr Σ is log-normal.

    Args:
        items: how many.
        dim: dimensions.
        seed: of the items.
        world: seed of the clusters, the same for items and queries.
    """
    shared, own = np.random.default_rng(world), np.random.default_rng(seed)
    spectrum = np.arange(1, dim + 1) ** -0.5
    spectrum /= np.linalg.norm(spectrum)
    centres = shared.normal(size=(CLUSTERS, dim)) * spectrum
    rotation = np.linalg.qr(shared.normal(size=(dim, dim)))[0].astype(np.float32)
    mean = np.empty((items, dim), np.float32)
    for start in range(0, items, 100_000):
        which = own.integers(0, CLUSTERS, min(100_000, items - start))
        points = centres[which] + 0.5 * own.normal(size=(len(which), dim)) * spectrum
        mean[start : start + len(which)] = points.astype(np.float32) @ rotation
    traces = 0.15 * np.exp(0.7 * own.standard_normal((items, 1), np.float32))
    log_variance = np.log(traces / dim) + 0.3 * own.standard_normal((items, dim), np.float32)
    return Gaussian(torch.from_numpy(mean), torch.from_numpy(log_variance.astype(np.float32)))


def kind_times(kind: str, items: Gaussian, asking: Gaussian) -> KindTimes:
    """Make a shortlist of a kind as a gallery would, then search it with queries one at a time, on one thread."""
    answers, asks = (stored(each, Storage.FLOAT32, None) for each in (items, asking))
    started = process_time()
    KINDS[kind].build(Points(answers.means))
    built = process_time() - started
    made = make(answers, Asking(Modality.TEXT, asks), HEAD, Choice(kind, ""), Wanted(kind))
    with tempfile.TemporaryDirectory() as folder:
        made.shortlist.save(Path(folder) / "index")
        size = (Path(folder) / "index").stat().st_size
    points = map(made.points.query, asking.mean.numpy()[:QUERIES])
    times = [processor_milliseconds(partial(made.shortlist.search, point, *made.searched)) for point in points]
    median, tail = np.percentile(times[len(times) // 10 :], [50, 95])
    record = made.record
    held = record.loss.built if record.loss else ()
    return KindTimes(built, size, float(median), float(tail), record.verdict, str(record.effort), held)


def main() -> None:
    """Measure the kinds named and print a line for each."""
    asked = Asked.read(__doc__)
    torch.set_num_threads(1)
    set_threads(1)
    console = Console()
    items, asking = synthetic(asked.items, asked.dim, 1), synthetic(2_000, asked.dim, 2)
    for kind in asked.kinds:
        found = kind_times(kind, items, asking)
        shares = ", ".join(f"{100 * share:.1f}" for share in found.held)
        console.print(
            f"{kind}: built in {found.build_s:.1f} s, {found.bytes / 2**20:.0f} MiB, p50 {found.p50_ms:.2f} ms, "
            f"p95 {found.p95_ms:.2f} ms, {found.effort}; holds {shares} %. {found.verdict}",
            highlight=False,
            soft_wrap=True,
        )


if __name__ == "__main__":
    main()
