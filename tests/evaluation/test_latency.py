"""What counts when queries are timed. Times themselves are not tested."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from evaluation.latency import WARM_UP, query_times
from index.searching.rerank import Rerank
from models.gaussian import Gaussian


class Asked:
    """Stands for an encoder and a retriever at once, and remembers what they were asked."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.reranks: set[Rerank] = set()

    def encode_texts(self, texts: list[str]) -> Gaussian:
        """Points."""
        self.texts += texts
        return Gaussian(torch.zeros(len(texts), 2), torch.zeros(len(texts), 2))

    def search(self, query: Gaussian, direction: object, options: Any) -> SimpleNamespace:
        """A stage that says the how-manieth query it was."""
        self.reranks.add(options.rerank)
        return SimpleNamespace(stages={"shortlist": float(len(self.texts))})


def test_the_warm_up_does_not_count() -> None:
    """All texts are asked in turn, again from the first; the stages are those of the queries after the warm-up alone,
    here numbered on from it, so that median and 95th percentile are known; the rerank is the one that was named.
    """
    asked = Asked()
    found = query_times(cast(Any, asked), cast(Any, asked), ["a", "b", "c"], 21, Rerank.CLOSED_FORM)
    assert asked.texts == (["a", "b", "c"] * 40)[: WARM_UP + 21]
    assert asked.reranks == {Rerank.CLOSED_FORM}
    assert found.stages["shortlist"] == {"p50": WARM_UP + 11, "p95": WARM_UP + 20}
    assert set(found.stages) == {"encode", "shortlist", "beyond the encoder"}


def test_nothing_to_measure() -> None:
    """No text or no query is refused, instead of figures of nothing."""
    for texts, queries in (([], 5), (["a"], 0)):
        with pytest.raises(ValueError, match="needs a text and a query"):
            query_times(cast(Any, Asked()), cast(Any, Asked()), texts, queries)
