"""`python -m benchmarks.scale_search CASE FOLDER`: searches a gallery in a fresh process; times and memory as JSON."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.scale import Case
from benchmarks.synthetic import HEAD
from evaluation.machine import percentiles, resident
from index.items import Modality
from index.local.gallery import Gallery
from index.searching.rerank import Rerank
from index.searching.retriever import Retriever, SearchOptions, SearchResult
from index.shortlists.kinds import set_threads
from models.calibration import Direction
from models.gaussian import Gaussian
from models.runtimes.timing import milliseconds

WARM_UP = 20
TOP = 10


def main() -> None:
    """Open, search, and print what it took."""
    case, folder = Case(**json.loads(sys.argv[1])), Path(sys.argv[2])
    torch.set_num_threads(case.threads)
    set_threads(case.threads)
    before = resident()
    with Gallery.open(folder) as gallery:
        queries = gallery.gaussians(Modality.TEXT, range(min(gallery.count(Modality.TEXT), WARM_UP + case.queries)))
        figures = _figures(Retriever(gallery, HEAD), queries, case)
    print(json.dumps({"resident_before": before, **figures}))


def _figures(retriever: Retriever, queries: Gaussian, case: Case) -> dict[str, object]:
    results = [_ask(retriever, query, SearchOptions()) for query in queries][WARM_UP:]
    # Before the exhaustive search, which goes through all pages of the files.
    memory = resident()
    options = SearchOptions(rerank=Rerank.CLOSED_FORM)
    closed = [_ask(retriever, query, options) for query in queries][WARM_UP:]
    some = list(zip(queries[WARM_UP:], closed, strict=True))[: case.exhaustive]
    every = [_ask(retriever, query, replace(options, rerank=Rerank.EXHAUSTIVE)) for query, _ in some]
    shares = [_share(found[1], whole[1]) for (_, found), whole in zip(some, every, strict=True)]
    return {
        "resident": memory,
        "sampled_ms": percentiles([each[0] for each in results]),
        "stages_ms": {name: percentiles([each[1].stages[name] for each in results]) for name in results[0][1].stages},
        "closed_form_ms": percentiles([each[0] for each in closed]),
        "exhaustive_ms": percentiles([each[0] for each in every]),
        "share_of_exhaustive_top_10": float(np.mean(shares)),
        "expected_matches": float(np.mean([each[1].expected_matches for each in every])),
    }


def _ask(retriever: Retriever, query: Gaussian, options: SearchOptions) -> tuple[float, SearchResult]:
    found: list[SearchResult] = []
    took = milliseconds(lambda: found.append(retriever.search(query, Direction.TEXT_TO_IMAGE, options)))
    return took, found[0]


def _share(found: SearchResult, whole: SearchResult) -> float:
    best = {hit.row for hit in whole.hits[:TOP]}
    return len(best & {hit.row for hit in found.hits[:TOP]}) / len(best)


if __name__ == "__main__":
    main()
