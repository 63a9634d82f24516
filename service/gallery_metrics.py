"""What Prometheus may ask of the galleries: read when it asks, so that a swap or a change is seen at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from index.items import Modality
from models.errors import UnavailableError
from service.galleries import Galleries
from service.swap import Outcome


class GalleryMetrics(Collector):
    """The gauges of all galleries of a server."""

    def __init__(self, galleries: Galleries) -> None:
        self._galleries = galleries

    def collect(self) -> Iterator[Metric]:
        """One family after the other, each with all galleries."""
        yield self._items()
        yield self._held()
        yield self._changes()
        yield self._generations()
        yield self._compactions()
        yield self._swaps()

    def _items(self) -> Metric:
        family = GaugeMetricFamily("penumbra_gallery_items", "Items of a gallery.", labels=("gallery", "modality"))
        for name, served in self._galleries.served.items():
            # A store that does not answer is no reason to tell nothing else.
            with suppress(UnavailableError):
                for modality in Modality:
                    family.add_metric((name, modality.value), served.engine.gallery.count(modality))
        return family

    def _held(self) -> Metric:
        """What shortlists were measured to hold when the gallery was built: nothing where nothing was."""
        family = GaugeMetricFamily(
            "penumbra_shortlist_held_ratio",
            "Measured share of the ten most probable of all items that a shortlist of this size holds.",
            labels=("gallery", "modality", "size"),
        )
        for name, served in self._galleries.served.items():
            for modality, record in served.engine.gallery.manifest.shortlists.items():
                for size, share in (record.loss.by_size if record.loss else {}).items():
                    family.add_metric((name, modality.value, str(size)), share)
        return family

    def _changes(self) -> Metric:
        family = GaugeMetricFamily(
            "penumbra_gallery_changes",
            "Items that came and went since a gallery was built or compacted.",
            labels=("gallery", "change"),
        )
        for name, served in self._galleries.served.items():
            pending = served.engine.gallery.pending
            family.add_metric((name, "added"), pending.added)
            family.add_metric((name, "removed"), pending.removed)
        return family

    def _generations(self) -> Metric:
        family = GaugeMetricFamily(
            "penumbra_gallery_generation", "How often a gallery was compacted, where it may be.", labels=("gallery",)
        )
        for name, served in self._galleries.served.items():
            if (living := served.engine.holding.living) is not None:
                family.add_metric((name,), living.generation)
        return family

    def _compactions(self) -> Metric:
        family = CounterMetricFamily(
            "penumbra_compactions", "Galleries built anew with their changes.", labels=("gallery", "outcome")
        )
        for name, served in self._galleries.served.items():
            compactor = served.engine.holding.compactor
            family.add_metric((name, "done"), compactor.done)
            family.add_metric((name, "failed"), compactor.failed)
        return family

    def _swaps(self) -> Metric:
        family = CounterMetricFamily("penumbra_swaps", "Tries to replace a gallery.", labels=("gallery", "outcome"))
        for name, served in self._galleries.served.items():
            for outcome in Outcome:
                family.add_metric((name, outcome.value), served.swaps[outcome])
        return family
