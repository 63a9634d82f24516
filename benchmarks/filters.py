"""What a filter costs and what a filtered search holds, on a clustered synthetic gallery, for shares that may answer.

Times are of the processor, on one thread: they say the same when other programs run. The filter's is that of one which
was not asked for before, a search's that of a filter which was.

python -m benchmarks.filters --items 200000 ivf_rabitq flat sq8 hnsw
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from benchmarks.kinds import Asked, processor_milliseconds
from benchmarks.synthetic import HEAD, Collection, write_gallery
from index.filters.conditions import Filter
from index.filters.form import parse
from index.gaussians.storage import Storage
from index.items import Modality
from index.local.gallery import Gallery
from index.searching.rerank import Rerank
from index.searching.retriever import Retriever, SearchOptions
from index.shortlists.kinds import set_threads
from models.calibration import Direction
from models.gaussian import Gaussian

SHARES = (None, 0.5, 0.1, 0.02, 0.01, 0.005, 0.0001)
QUERIES, EXHAUSTIVE, TOP = 100, 20, 10
OPTIONS = SearchOptions(rerank=Rerank.CLOSED_FORM)


def share_of(items: int, share: float | None) -> Filter | None:
    """A filter that lets a share of the items through, and one where that is less than one."""
    return None if share is None else parse({"number": {"gte": min(round(items * (1 - share)), items - 1)}})


def figures(gallery: Gallery, queries: Gaussian, wanted: Filter | None) -> str:
    """A line: the filter's own time, a search's, and what its answers hold of the ten most probable that may answer."""
    cold = 0.0 if wanted is None else processor_milliseconds(lambda: gallery.allowed(Modality.IMAGE, wanted))
    retriever, options = Retriever(gallery, HEAD), replace(OPTIONS, filter=wanted)
    found = [retriever.search(query, Direction.TEXT_TO_IMAGE, options) for query in queries]
    times = [
        processor_milliseconds(partial(retriever.search, query, Direction.TEXT_TO_IMAGE, options)) for query in queries
    ]
    exhaustive = replace(options, rerank=Rerank.EXHAUSTIVE)
    held = []
    for query, answer in list(zip(queries, found, strict=True))[:EXHAUSTIVE]:
        best = {hit.row for hit in retriever.search(query, Direction.TEXT_TO_IMAGE, exhaustive).hits}
        held.append(len(best & {hit.row for hit in answer.hits}) / len(best))
    ranked = min(answer.ranked for answer in found)
    return (
        f"filter {cold:.1f} ms, search p50 {np.median(times):.2f} ms, p95 {np.percentile(times, 95):.2f} ms; {ranked} "
        f"ranked; holds {100 * np.mean(held):.1f} % of the {TOP} most probable"
    )


def main() -> None:
    """Measure the kinds named and print a line for each share."""
    asked = Asked.read(__doc__)
    torch.set_num_threads(1)
    set_threads(1)
    console = Console()
    collection = Collection(asked.items, asked.dim)
    for kind in asked.kinds:
        with tempfile.TemporaryDirectory() as folder:
            write_gallery(Path(folder) / "gallery", collection, kind, Storage.FLOAT16)
            with Gallery.open(Path(folder) / "gallery") as gallery:
                queries = gallery.gaussians(Modality.TEXT, range(QUERIES))
                for share in SHARES:
                    name = "all" if share is None else f"{100 * share:g} %"
                    line = figures(gallery, queries, share_of(asked.items, share))
                    console.print(f"{kind}, {name}: {line}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
