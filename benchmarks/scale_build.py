"""`python -m benchmarks.scale_build CASE FOLDER`: builds a synthetic gallery; time and peak memory as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from time import perf_counter

import torch

from benchmarks.scale import Case
from benchmarks.synthetic import Collection, write_gallery
from evaluation.machine import resident
from index.gaussians.storage import Storage
from index.items import Modality
from index.shortlists.kinds import set_threads


@contextmanager
def watched_memory() -> Iterator[list[int]]:
    """The greatest number of bytes of its own that this process had, looked at twenty times a second."""
    peak, over = [0], Event()

    def look() -> None:
        while not over.wait(0.05):
            peak[0] = max(peak[0], resident()["own"])

    thread = Thread(target=look)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def main() -> None:
    """Build, and print what it took."""
    case, folder = Case(**json.loads(sys.argv[1])), Path(sys.argv[2])
    torch.set_num_threads(case.threads)
    set_threads(case.threads)
    collection = Collection(case.count, case.dim, seed=case.seed)
    before, start = resident()["own"], perf_counter()
    storage = None if case.storage == "auto" else Storage(case.storage)
    with watched_memory() as peak:
        manifest = write_gallery(folder, collection, case.kind, storage)
    figures = {
        "seconds": perf_counter() - start,
        "items_per_second": case.count / (perf_counter() - start),
        "bytes": sum(record.bytes for record in manifest.files.values()),
        "peak_own_bytes": peak[0] - before,
        "storage": manifest.storage[Modality.IMAGE].verdict,
        "self_retrieval": manifest.self_retrieval[Modality.IMAGE].verdict,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
