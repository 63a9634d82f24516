"""What Prometheus may ask: requests by route and status, time by stage, the queue, the galleries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from models.calibration import Direction
from service.drift import Window
from service.engine import Engine
from service.galleries import Galleries
from service.gallery_metrics import GalleryMetrics

_BUCKETS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64)
_SIGMAS: Final = (0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.15, 0.2, 0.5, 1)
_PROBABILITIES: Final = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1)


_Metric = TypeVar("_Metric", Counter, Histogram)


class _Labelled(dict[tuple[str, ...], _Metric]):
    """A metric by its labels, found once: looking for them takes longer than counting, fifteen times a query."""

    def __init__(self, metric: _Metric) -> None:
        super().__init__()
        self._metric: _Metric = metric

    def __missing__(self, labels: tuple[str, ...]) -> _Metric:
        found: _Metric = self._metric.labels(*labels)
        self[labels] = found
        return found


class DriftCollector(Collector):
    """Shares of each gallery's last queries in the deciles of the calibration's, and their population stability index.

    They are of what answers now: after a swap they begin anew, because other probabilities are to be expected then.
    """

    def __init__(self, galleries: Galleries) -> None:
        self._galleries = galleries

    def collect(self) -> Iterable[Metric]:
        """What is known; nothing of a model whose calibration has no reference, no index of too few queries."""
        shares = GaugeMetricFamily(
            "penumbra_query_decile_ratio",
            "Share of the last queries in each decile of the calibration's; 0.1 where nothing has changed.",
            labels=("gallery", "direction", "of", "decile"),
        )
        index = GaugeMetricFamily(
            "penumbra_query_drift_psi",
            "Population stability index of the last queries against the calibration's.",
            labels=("gallery", "direction", "of"),
        )
        for place, window in self._windows():
            for decile, share in enumerate(window.shares, start=1):
                shares.add_metric((*place, str(decile)), share)
            if (found := window.index) is not None:
                index.add_metric(place, found)
        return shares, index

    def _windows(self) -> Iterator[tuple[tuple[str, str, str], Window]]:
        """Each with its gallery, its direction and what it is of."""
        for name, served in self._galleries.served.items():
            for direction, watched in served.engine.watched.items():
                for of, window in watched.windows.items():
                    yield (name, direction.value, of), window


class Metrics:
    """The counters of one server, in a registry of its own."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, galleries: Galleries) -> None:
        self._registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self._requests = _Labelled(Counter("penumbra_requests", "Requests answered.", labels, registry=self._registry))
        self._seconds = self._histogram("penumbra_request_seconds", "Time to answer a request.", ("route",))
        self._stages = self._histogram(
            "penumbra_stage_seconds", "Time of one stage of a query, waiting included.", ("stage",)
        )
        self._gauge("penumbra_queries", "Queries in the server, waiting ones included.").set_function(
            lambda: galleries.workers.admission.count
        )
        self._gauge("penumbra_query_places", "Queries that the server takes at once, as things are.").set_function(
            lambda: galleries.workers.admission.limit
        )
        self._gauge("penumbra_queue_length", "Inputs that wait for the encoder.").set_function(
            lambda: galleries.workers.encodings.waiting
        )
        self._registry.register(GalleryMetrics(galleries))
        batches = self._histogram("penumbra_batch_inputs", "Inputs encoded at once.", ("modality",), _SIZES)
        galleries.workers.encodings.on_batch = lambda kind, count: batches[(kind.value,)].observe(count)
        asked = ("gallery", "direction")
        self._sigmas = self._histogram("penumbra_query_sigma", "Sigma of queries.", asked, _SIGMAS)
        self._tops = self._histogram(
            "penumbra_query_top_probability", "Greatest match probability of searches.", asked, _PROBABILITIES
        )
        self._registry.register(DriftCollector(galleries))

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request; `route` is its template, so that ids do not become labels."""
        self._requests[method, route, str(status)].inc()
        self._seconds[(route,)].observe(seconds)

    def query(self, engine: Engine, direction: Direction, sigma: float, top_probability: float | None) -> None:
        """Record what was asked, and the greatest probability that was found for it; None where it is not known."""
        asked = (engine.place.name, direction.value)
        self._sigmas[asked].observe(sigma)
        if top_probability is not None:
            self._tops[asked].observe(top_probability)
        if direction in engine.watched:
            engine.watched[direction].add(sigma, top_probability)

    def stages(self, milliseconds: Mapping[str, float]) -> None:
        """Record the stages of a query."""
        for stage, duration in milliseconds.items():
            self._stages[(stage,)].observe(duration / 1000)

    def render(self) -> bytes:
        """In Prometheus's text format."""
        return generate_latest(self._registry)

    def _histogram(
        self, name: str, what: str, labels: Sequence[str], buckets: Sequence[float] = _BUCKETS
    ) -> _Labelled[Histogram]:
        return _Labelled(Histogram(name, what, labels, buckets=buckets, registry=self._registry))

    def _gauge(self, name: str, what: str) -> Gauge:
        return Gauge(name, what, registry=self._registry)
