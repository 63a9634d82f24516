"""What Prometheus may ask: requests by route and status, time by stage, the queue, the gallery."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from index.items import Modality
from service.engine import Engine

_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """The counters of one server, in a registry of its own."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, engine: Engine) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "penumbra_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = self._histogram("penumbra_request_seconds", "Time to answer a request.", "route")
        self._stages = self._histogram(
            "penumbra_stage_seconds", "Time of one stage of a query, waiting included.", "stage"
        )
        self._gauge("penumbra_queries", "Queries in the server, waiting ones included.").set_function(
            lambda: engine.admission.count
        )
        self._gauge("penumbra_queue_length", "Inputs that wait for the encoder.").set_function(
            lambda: engine.worker.waiting
        )
        size = Gauge("penumbra_gallery_items", "Items of the gallery.", ("modality",), registry=self._registry)
        for modality in Modality:
            size.labels(modality.value).set(engine.gallery.count(modality))
        self._held(engine)

    def _held(self, engine: Engine) -> None:
        """What shortlists were measured to hold when the gallery was built: nothing where nothing was."""
        held = Gauge(
            "penumbra_shortlist_held_ratio",
            "Measured share of the ten most probable of all items that a shortlist of this size holds.",
            ("modality", "size"),
            registry=self._registry,
        )
        for modality, record in engine.gallery.manifest.shortlists.items():
            for size, share in (record.loss.by_size if record.loss else {}).items():
                held.labels(modality.value, str(size)).set(share)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request; `route` is its template, so that ids do not become labels."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def stages(self, milliseconds: Mapping[str, float]) -> None:
        """Record the stages of a query."""
        for stage, duration in milliseconds.items():
            self._stages.labels(stage).observe(duration / 1000)

    def render(self) -> bytes:
        """In Prometheus's text format."""
        return generate_latest(self._registry)

    def _histogram(self, name: str, what: str, label: str) -> Histogram:
        return Histogram(name, what, (label,), buckets=_BUCKETS, registry=self._registry)

    def _gauge(self, name: str, what: str) -> Gauge:
        return Gauge(name, what, registry=self._registry)
