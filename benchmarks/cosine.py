"""The same means searched by cosine alone, by libraries that know nothing else, at equal recall of their neighbours.

And by a gallery that is asked for as many, which gives each a probability.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import faiss
import numpy as np
import numpy.typing as npt
import torch

from benchmarks.synthetic import HEAD, Collection, write_gallery
from evaluation.machine import percentiles
from index.items import Modality
from index.local.gallery import Gallery
from index.searching.rerank import Rerank
from index.searching.retriever import Retriever, SearchOptions
from models.calibration import Direction
from models.gaussian import concatenate
from models.runtimes.timing import milliseconds

# Its stubs are older than it is.
_FAISS: Final[Any] = faiss

Floats = npt.NDArray[np.float32]
Search = Callable[[Floats, int], npt.NDArray[Any]]

LINKS, BREADTH, TOP = 16, 100, 10
EFFORTS = (16, 32, 64, 128, 256, 512, 1024, 2048)
WARM_UP = 20


@dataclass(frozen=True)
class Engine:
    """An index that was built: searched with an effort, it gives the rows of the k nearest."""

    name: str
    build_seconds: float
    search: Callable[[Floats, int, int], npt.NDArray[Any]]


def compare(collection: Collection, threads: int, recall: float = 0.99) -> dict[str, Any]:
    """For each library the least effort that reaches a recall of the exact ten nearest, and the time of one query."""
    torch.set_num_threads(threads)
    faiss.omp_set_num_threads(threads)
    means = np.concatenate([shard.gaussians.mean.numpy() for shard in collection.items()])
    queries = np.concatenate([shard.gaussians.mean.numpy() for shard in collection.asking()])[:220]
    exact = _exact(means, queries)
    figures = {engine.name: _measured(engine, queries, exact, recall) for engine in _engines(means, threads)}
    figures["Penumbra, ten"] = _ours(collection, exact)
    missing = [name for name in ("hnswlib", "usearch") if find_spec(name) is None]
    return {"count": len(means), "dim": means.shape[1], "threads": threads, "libraries": figures, "missing": missing}


def _exact(means: Floats, queries: Floats) -> npt.NDArray[Any]:
    """[q, TOP] rows of the greatest cosines; the means have norm one."""
    values, rows = torch.empty(len(queries), 0), torch.empty(len(queries), 0, dtype=torch.int64)
    for start in range(0, len(means), 65_536):
        found = torch.from_numpy(queries) @ torch.from_numpy(means[start : start + 65_536]).mT
        numbers = torch.arange(start, start + found.shape[1]).expand(len(queries), -1)
        values, rows = torch.cat([values, found], -1), torch.cat([rows, numbers], -1)
        values, places = values.topk(TOP)
        rows = rows.gather(-1, places)
    return rows.numpy()


def _measured(engine: Engine, queries: Floats, exact: npt.NDArray[Any], recall: float) -> dict[str, Any]:
    """With the least effort that reaches the recall, or the greatest that there is."""
    for effort in EFFORTS:
        found = [_nearest(engine, query, effort) for query in queries]
        reached = _recall(found, exact)
        if reached >= recall:
            break
    times = [milliseconds(partial(_nearest, engine, query, effort)) for query in queries][WARM_UP:]
    return {"build_seconds": engine.build_seconds, "effort": effort, "recall": reached, "ms": percentiles(times)}


def _ours(collection: Collection, exact: npt.NDArray[Any]) -> dict[str, Any]:
    """A gallery asked for the ten nearest alone, each with its probability in closed form, item and uncertainty."""
    options = SearchOptions(top_k=TOP, shortlist=TOP, rerank=Rerank.NONE)
    asking = concatenate([shard.gaussians for shard in collection.asking()])[: len(exact)]
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "gallery"
        seconds = milliseconds(lambda: write_gallery(folder, collection, "hnsw", None, over="mean")) / 1000
        with Gallery.open(folder) as gallery:
            search = partial(Retriever(gallery, HEAD).search, direction=Direction.TEXT_TO_IMAGE, options=options)
            found = [np.array([hit.row for hit in search(query).hits]) for query in asking]
            times = [milliseconds(partial(search, query)) for query in asking][WARM_UP:]
            effort = gallery.manifest.shortlists[Modality.IMAGE].effort.reach
    return {"build_seconds": seconds, "effort": effort, "recall": _recall(found, exact), "ms": percentiles(times)}


def _recall(found: Sequence[npt.NDArray[Any]], exact: npt.NDArray[Any]) -> float:
    """The share of the exact ten that was found."""
    return float(np.mean([len(set(f.tolist()) & set(e.tolist())) / TOP for f, e in zip(found, exact, strict=True)]))


def _nearest(engine: Engine, query: Floats, effort: int) -> npt.NDArray[Any]:
    return engine.search(query[None], TOP, effort)


def _engines(means: Floats, threads: int) -> Iterator[Engine]:
    """Each is built when it is its turn, so that one is in memory at a time."""
    yield _faiss(means)
    if find_spec("hnswlib"):
        yield _hnswlib(means, threads)
    if find_spec("usearch"):
        yield _usearch(means, threads)


def _faiss(means: Floats) -> Engine:
    index = faiss.IndexHNSWFlat(means.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = BREADTH

    def search(query: Floats, k: int, effort: int) -> npt.NDArray[Any]:
        return np.asarray(index.search(query, k, params=_FAISS.SearchParametersHNSW(efSearch=effort))[1][0])

    return Engine("faiss HNSW", milliseconds(lambda: index.add(means)) / 1000, search)


def _hnswlib(means: Floats, threads: int) -> Engine:
    index = import_module("hnswlib").Index(space="cosine", dim=means.shape[1])
    index.init_index(max_elements=len(means), ef_construction=BREADTH, M=LINKS)
    index.set_num_threads(threads)

    def search(query: Floats, k: int, effort: int) -> npt.NDArray[Any]:
        index.set_ef(effort)
        return np.asarray(index.knn_query(query, k, num_threads=1)[0][0])

    return Engine("hnswlib", milliseconds(lambda: index.add_items(means)) / 1000, search)


def _usearch(means: Floats, threads: int) -> Engine:
    module = import_module("usearch.index")
    index = module.Index(ndim=means.shape[1], metric="cos", dtype="f32", connectivity=LINKS, expansion_add=BREADTH)

    def search(query: Floats, k: int, effort: int) -> npt.NDArray[Any]:
        index.expansion_search = effort
        return np.asarray(index.search(query[0], k).keys)

    rows = np.arange(len(means))
    return Engine("usearch", milliseconds(lambda: index.add(rows, means, threads=threads)) / 1000, search)
