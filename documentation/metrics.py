"""The page of what Prometheus may ask, from a server that has answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from prometheus_client.metrics_core import Metric

from documentation.markdown import code, generated, table

INTRODUCTION: Final = """\
`GET /metrics` answers in Prometheus's text format. A counter's name ends in `_total` there, and a histogram is its
`_bucket`, `_sum` and `_count`. Those of a drift are there where the model's calibration has deciles, the index of a
drift from 200 queries on. What to watch is in [Operations](../operations.md#watch).
"""
PARTS: Final = frozenset({"le"})
"""Labels of a histogram's own."""


def page(families: Sequence[Metric]) -> str:
    """One table."""
    rows = [
        (code(each.name), each.type, ", ".join(map(code, _labels(each))), each.documentation)
        for each in sorted(families, key=lambda each: each.name)
        if not each.name.endswith("_created")
    ]
    return generated("Metrics", "a running server", INTRODUCTION.rstrip()) + "\n" + table(HEADINGS, rows)


HEADINGS: Final = ("metric", "type", "labels", "what")


def _labels(metric: Metric) -> list[str]:
    return sorted({label for sample in metric.samples for label in sample.labels} - PARTS)
