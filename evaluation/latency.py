"""What a text query to a gallery costs, stage by stage, on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from time import perf_counter

from evaluation.machine import percentiles
from index.searching.rerank import Rerank
from index.searching.retriever import Retriever, SearchOptions
from models.calibration import Direction
from models.encoders import Encoder

WARM_UP = 50


@dataclass(frozen=True)
class QueryTimes:
    """Milliseconds of queries that were asked one at a time.

    Args:
        rerank: how their answers got a probability.
        queries: how many were timed; those before, which warm up, are not counted.
        stages: p50 and p95 of each; `beyond the encoder` is all of the search.
    """

    rerank: Rerank
    queries: int
    stages: Mapping[str, Mapping[str, float]]


def query_times(
    encoder: Encoder, retriever: Retriever, texts: Sequence[str], queries: int, rerank: Rerank = Rerank.SAMPLED
) -> QueryTimes:
    """Ask with texts, again from the first when there are fewer than queries.

    Raises:
        ValueError: there are no texts, or no queries.
    """
    if not texts or queries < 1:
        raise ValueError("a measurement needs a text and a query")
    options = SearchOptions(rerank=rerank)
    asked = [_stages(encoder, retriever, text, options) for text in islice(cycle(texts), WARM_UP + queries)][WARM_UP:]
    return QueryTimes(rerank, queries, {name: percentiles([each[name] for each in asked]) for name in asked[0]})


def _stages(encoder: Encoder, retriever: Retriever, text: str, options: SearchOptions) -> dict[str, float]:
    start = perf_counter()
    query = encoder.encode_texts([text])[0]
    encoded = perf_counter()
    result = retriever.search(query, Direction.TEXT_TO_IMAGE, options)
    beyond = 1_000 * (perf_counter() - encoded)
    return {"encode": 1_000 * (encoded - start), **result.stages, "beyond the encoder": beyond}
