"""What answers look like: every field with its range."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, Final, Self
from urllib.parse import quote

import numpy as np
from pydantic import AfterValidator, BaseModel, Field

from index.items import Item, Modality
from index.searching.no_match import NoMatch, NoMatchReason
from index.searching.projection import Projection, Spot
from index.searching.retriever import Hit
from index.searching.uncertainty import Uncertainty
from index.shortlists.loss import Space
from models.calibration import Direction
from models.runtimes.runtime import Network, Runtime
from service.engine import Answer, Described, EncodedQuery, Engine
from service.holding import Holding
from service.schemas import Order
from service.settings import Limits
from service.swap import Outcome, Swap


def _rounded(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("an answer holds a number that is not finite")
    # Adding zero turns -0.0 into 0.0.
    return round(value, _DECIMALS) + 0.0


def _all_rounded(rows: Sequence[Sequence[float | None]]) -> list[list[float]]:
    """The same for eighty numbers of a search, in a quarter of the time; what is not known is not a number."""
    numbers: list[list[float]] = (np.array(rows, np.float64).round(_DECIMALS) + 0.0).tolist()
    return numbers


def _known(number: float) -> float | None:
    return None if math.isnan(number) else number


# Six decimals are more than any number of an answer is sure of.
_DECIMALS: Final = 6
Rounded = Annotated[float, AfterValidator(_rounded)]
"""A number of an answer, which is rounded when it becomes one."""
Finite = Annotated[float, Field(allow_inf_nan=False)]
"""One that was rounded before."""


_IMAGE_URL: Final = (
    "Path of an image's picture, another one whenever the picture changes; `&side=160` may be added for a smaller one. "
    "Null for a text."
)


class UncertaintyAnswer(BaseModel):
    """How sure the model is of one instance."""

    sigma: Finite = Field(description="Geometric mean of the standard deviations, above 0.")
    log_det_covariance: Finite = Field(description="Natural logarithm of the covariance's determinant.")
    total_variance: Finite = Field(description="Trace of the covariance, above 0.")
    percentile: Finite | None = Field(
        description="Share of the gallery's items of this modality with a smaller sigma, 0 to 100; null without any."
    )

    @classmethod
    def of(cls, uncertainty: Uncertainty) -> Self:
        """From the index's value."""
        return cls.of_all([uncertainty])[0]

    @classmethod
    def of_all(cls, uncertainties: Sequence[Uncertainty]) -> list[Self]:
        """From several."""
        rows = [(u.sigma, u.log_det_covariance, u.total_variance, u.percentile) for u in uncertainties]
        return [
            cls(sigma=sigma, log_det_covariance=log_det, total_variance=trace, percentile=_known(percentile))
            for sigma, log_det, trace, percentile in _all_rounded(rows)
        ]


class QueryAnswer(BaseModel):
    """What was asked, as it was understood."""

    modality: Modality = Field(description="image or text.")
    text: str | None = Field(description="The text that was read; null for a picture.")
    id: str | None = Field(description="The item that asked; null for a text or an upload.")
    unknown_words: list[str] = Field(description="Words that the model has never seen.")
    uncertainty: UncertaintyAnswer

    @classmethod
    def of(cls, query: EncodedQuery) -> Self:
        """From the engine's value."""
        return cls(
            modality=query.modality,
            text=query.text,
            id=query.id,
            unknown_words=list(query.unknown_words),
            uncertainty=UncertaintyAnswer.of(query.uncertainty),
        )


class HitAnswer(BaseModel):
    """One item that may match."""

    rank: int = Field(description="From 1.")
    id: str
    modality: Modality
    text: str | None = Field(description="A text's words; null for an image.")
    image_url: str | None = Field(
        description="Path of an image's picture, to which `&side=160` may be added for a smaller one; null for a text."
    )
    mean_distance: Finite = Field(description="Euclidean distance of the means, 0 to 2.")
    match_probability: Finite = Field(description="0 to 1, calibrated where the model has a calibration.")
    standard_error: Finite | None = Field(
        description="What sampling leaves in it; 0 unless sampled, null for one sample a side."
    )
    raw_match_probability: Finite = Field(description="By the model's own head, 0 to 1.")
    uncertainty: UncertaintyAnswer

    @classmethod
    def of_all(cls, hits: Sequence[Hit], engine: Engine) -> list[Self]:
        """From the retriever's values, found by this engine."""
        rows = [(h.mean_distance, h.match_probability, h.standard_error, h.raw_match_probability) for h in hits]
        uncertainties = UncertaintyAnswer.of_all([hit.uncertainty for hit in hits])
        return [
            cls(
                rank=hit.rank,
                id=hit.item.id,
                modality=hit.item.modality,
                text=hit.item.text,
                image_url=image_url(hit.item, engine),
                mean_distance=distance,
                match_probability=probability,
                standard_error=_known(error),
                raw_match_probability=raw,
                uncertainty=uncertainty,
            )
            for hit, uncertainty, (distance, probability, error, raw) in zip(
                hits, uncertainties, _all_rounded(rows), strict=True
            )
        ]


class NoMatchAnswer(BaseModel):
    """Nothing here is to be taken for an answer."""

    reason: NoMatchReason = Field(
        description="The first that holds of empty-gallery; nothing-allowed, the filter lets none through; "
        "unlike-training, a query unlike those the model knows; too-uncertain, a sigma above all that was calibrated "
        "on; below-minimum, nothing reaches min_match_probability; nothing-probable."
    )
    detail: str = Field(description="The same as a sentence, with its figures.")

    @classmethod
    def of(cls, found: NoMatch) -> Self:
        """From the index's value."""
        return cls(reason=found.reason, detail=found.detail)


class SpotAnswer(BaseModel):
    """A Gaussian in the plane of a projection."""

    x: Rounded = Field(description="Of its mean, along the first principal component of the means.")
    y: Rounded = Field(description="Of its mean, along the second.")
    covariance: tuple[Rounded, Rounded, Rounded] = Field(
        description="Its projected covariance: of x with x, of x with y, of y with y."
    )

    @classmethod
    def of(cls, spot: Spot) -> Self:
        """From the index's value."""
        return cls(**asdict(spot))


class ProjectionAnswer(BaseModel):
    """Where a query and its answers lie in a plane."""

    explained: Rounded = Field(description="Share of the means' variance that the plane holds, 0 to 1.")
    query: SpotAnswer
    results: list[SpotAnswer] = Field(description="In the order of the results.")

    @classmethod
    def of(cls, found: Projection) -> Self:
        """From the index's value."""
        results = [SpotAnswer.of(spot) for spot in found.items]
        return cls(explained=found.explained, query=SpotAnswer.of(found.query), results=results)


class Fingerprints(BaseModel):
    """What computed an answer, and over what."""

    model: str
    gallery: str

    @classmethod
    def of(cls, engine: Engine) -> Self:
        """Of what answers."""
        return cls(model=engine.model.fingerprint, gallery=engine.fingerprint)


class SearchAnswer(BaseModel):
    """The answer to a search; its timings stand in the header Server-Timing."""

    query: QueryAnswer
    direction: Direction
    results: list[HitAnswer] = Field(description="By match probability; by mean distance with rerank = none.")
    expected_matches: Rounded = Field(description="Sum of the match probabilities over the items ranked.")
    ranked: int = Field(description="Items that got a probability: the shortlist, or all with rerank = exhaustive.")
    familiarity: Rounded | None = Field(
        description="Share of the model's held-out queries that are at least as unlike the others as this one, 0 to 1: "
        "small for a query unlike those the model knows; null where it knows of none."
    )
    no_match: NoMatchAnswer | None = Field(
        description="Why nothing here is to be taken for an answer, results or not; null when something may be."
    )
    projection: ProjectionAnswer | None = Field(
        description="By principal component analysis of the means of query and results; null unless asked for."
    )
    calibrated: bool = Field(description="Whether probabilities come from a head fitted on held-out pairs.")
    fingerprints: Fingerprints

    @classmethod
    def of(cls, answer: Answer, direction: Direction, engine: Engine) -> Self:
        """From the value of this engine."""
        result = answer.result
        return cls(
            query=QueryAnswer.of(answer.query),
            direction=direction,
            results=HitAnswer.of_all(result.hits, engine),
            expected_matches=result.expected_matches,
            ranked=result.ranked,
            familiarity=result.familiarity,
            no_match=NoMatchAnswer.of(result.no_match) if result.no_match else None,
            projection=ProjectionAnswer.of(result.projection) if result.projection else None,
            calibrated=result.calibrated,
            fingerprints=Fingerprints(model=engine.model.fingerprint, gallery=result.gallery),
        )


class ItemAnswer(BaseModel):
    """One item of the gallery."""

    id: str
    modality: Modality
    text: str | None = Field(description="A text's words; null for an image.")
    image_id: str | None = Field(description="The image a text was written for; an image's own id.")
    image_url: str | None = Field(
        description="Path of an image's picture, to which `&side=160` may be added for a smaller one; null for a text."
    )
    label: str | None = Field(description="Its class, where there are classes.")
    meta: dict[str, Any] = Field(description="What the collection says of it.")
    uncertainty: UncertaintyAnswer

    @classmethod
    def of(cls, described: Described, engine: Engine) -> Self:
        """From the value of this engine."""
        item = described.item
        return cls(
            id=item.id,
            modality=item.modality,
            text=item.text,
            image_id=item.image_id,
            image_url=image_url(item, engine),
            label=item.label,
            meta=dict(item.meta),
            uncertainty=UncertaintyAnswer.of(described.uncertainty),
        )


class ChangeAnswer(BaseModel):
    """What came into a gallery, on the disk by now."""

    items: list[ItemAnswer]
    fingerprints: Fingerprints = Field(description="Of the gallery with this change, or with later ones too.")


class ItemList(BaseModel):
    """A page of items in the order of their uncertainty."""

    modality: Modality
    order: Order
    total: int = Field(description="Items of this modality in the gallery that fit.")
    items: list[ItemAnswer]


class ModelInfo(BaseModel):
    """The model that answers."""

    fingerprint: str
    embed_dim: int
    backbone: str
    words: int = Field(description="Words it knows.")
    calibrated: bool


class ShortlistInfo(BaseModel):
    """Which items get a probability, and what is lost by it."""

    kind: str = Field(description="Of index: flat, sq8, hnsw or ivf_rabitq.")
    why: str = Field(description="Why this kind.")
    over: Space = Field(description="Its order: of the means, or of means lifted by the variances (expected, head).")
    size: int = Field(description="Items that get a probability when a search does not say how many.")
    held: dict[int, float] = Field(
        description="Measured share of the ten most probable of all items that a shortlist of each size holds; "
        "empty where there was nothing to measure."
    )
    held_exactly: dict[Space, dict[int, float]] = Field(
        description="The same for exact shortlists, of the means and of lifted means."
    )
    current: bool = Field(
        description="Whether that was measured with the calibration that answers now; if not, build the gallery again."
    )
    verdict: str = Field(description="The same in a sentence.")


class GalleryInfo(BaseModel):
    """The gallery that is searched."""

    fingerprint: str
    counts: dict[Modality, int]
    created: str = Field(description="UTC, ISO 8601.")
    shortlists: dict[Modality, ShortlistInfo] = Field(description="Of the items that answer.")
    variances: dict[Modality, str] = Field(description="Whether its variances say anything, in a sentence.")
    storage: dict[Modality, str] = Field(description="How Gaussians are stored and what that changes, in a sentence.")


class SwapInfo(BaseModel):
    """What came of the last try to replace a gallery."""

    at: str = Field(description="When it ended, UTC, ISO 8601.")
    outcome: Outcome = Field(description="switched, or refused: the old one goes on.")
    before: str = Field(description="Fingerprint of the gallery that answered until then.")
    after: str | None = Field(description="Fingerprint of the one that answers since; null when it was refused.")
    error: str | None = Field(description="Why it was refused, in a sentence.")

    @classmethod
    def of(cls, swap: Swap) -> Self:
        """From the swap's value."""
        return cls(**asdict(swap))


class CompactionInfo(BaseModel):
    """What came of the last compaction."""

    at: str = Field(description="When it ended, UTC, ISO 8601.")
    seconds: float = Field(description="How long it took.")
    error: str | None = Field(description="Why it failed, so that the changes wait on; null when it did not.")


class ChangesInfo(BaseModel):
    """How a gallery changes while it is served."""

    refused: str | None = Field(description="Why changes are refused, in a sentence; null when they are taken.")
    added: int = Field(description="Items that came since it was built or compacted.")
    removed: int = Field(description="Items built that went since then; one that was replaced counts as both.")
    generation: int | None = Field(description="How often it was compacted; null when changes are refused.")
    compacting: bool = Field(description="Whether it is being built anew with its changes.")
    last_compaction: CompactionInfo | None = Field(description="Null before the first since the start.")

    @classmethod
    def of(cls, holding: Holding) -> Self:
        """From what the server holds."""
        pending, last = holding.gallery.pending, holding.compactor.last
        return cls(
            refused=holding.refusal,
            added=pending.added,
            removed=pending.removed,
            generation=holding.living.generation if holding.living else None,
            compacting=holding.compactor.running,
            last_compaction=CompactionInfo(**asdict(last)) if last else None,
        )


class ServedInfo(BaseModel):
    """One of the server's galleries."""

    default: bool = Field(description="Whether it answers requests that name none.")
    fingerprints: Fingerprints
    counts: dict[Modality, int]
    changes: ChangesInfo
    last_swap: SwapInfo | None = Field(description="Null before the first since the start.")


class RuntimeInfo(BaseModel):
    """What computes one of the model's networks."""

    runtime: Runtime
    why: str = Field(description="Why this one, in words.")


class Info(BaseModel):
    """What this server is."""

    version: str
    model: ModelInfo
    gallery: GalleryInfo
    galleries: dict[str, ServedInfo] = Field(description="All galleries of this server, by name.")
    runtimes: dict[Network, RuntimeInfo] = Field(description="What computes the model's networks.")
    threads: int = Field(description="Threads that encode pictures; texts and searches take one each.")
    thread_pools: dict[str, int] = Field(description="The same, as each library tells it.")
    batches: dict[Modality, int] = Field(
        description="Inputs that are encoded at once; 1 where a batch would change the bits of an answer."
    )
    limits: Limits


class Health(BaseModel):
    """A probe's answer."""

    status: str


class Readiness(Health):
    """Whether queries should be sent, and what wants looking after though they may."""

    refused_swaps: dict[str, str] = Field(
        description="Galleries whose last replacement was refused, so that the old one goes on, and why."
    )


def image_url(item: Item, engine: Engine) -> str | None:
    """The path of an image's picture, its id percent-encoded; another one whenever the picture changes."""
    if item.modality is not Modality.IMAGE:
        return None
    version = engine.gallery.picture_version(item.id)
    query = "" if version is None else f"?v={version}"
    return f"{engine.place.address}/items/{quote(item.id, safe='')}/image{query}"
