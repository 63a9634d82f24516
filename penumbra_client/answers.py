"""What a server answers with. The meaning and range of each field stand in the server's own /docs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Modality = Literal["image", "text"]
Order = Literal["desc", "asc"]
OddityKind = Literal["mismatched", "hubs"]


@dataclass(frozen=True)
class Uncertainty:
    """How sure the model is of one instance."""

    sigma: float
    """Geometric mean of the standard deviations, above 0."""
    log_det_covariance: float
    total_variance: float
    percentile: float | None
    """Share of the gallery's items of this modality with a smaller sigma, 0 to 100; None without any."""


@dataclass(frozen=True)
class Query:
    """What was asked, as it was understood."""

    modality: Modality
    text: str | None
    id: str | None
    unknown_words: tuple[str, ...]
    uncertainty: Uncertainty


@dataclass(frozen=True)
class Hit:
    """One item that may match."""

    rank: int
    """From 1."""
    id: str
    modality: Modality
    text: str | None
    image_url: str | None
    mean_distance: float
    match_probability: float
    """0 to 1, calibrated where the model has a calibration."""
    standard_error: float | None
    """What sampling leaves in it; 0 unless sampled, None for one sample a side."""
    raw_match_probability: float
    uncertainty: Uncertainty


@dataclass(frozen=True)
class NoMatch:
    """Why nothing in the gallery is to be taken for an answer."""

    reason: str
    detail: str


@dataclass(frozen=True)
class Fingerprints:
    """What computed an answer, and over what."""

    model: str
    gallery: str


@dataclass(frozen=True)
class Spot:
    """A Gaussian in the plane of a projection."""

    x: float
    y: float
    covariance: tuple[float, float, float]
    """Of x with x, of x with y, of y with y."""


@dataclass(frozen=True)
class Projection:
    """Where a query and its answers lie in a plane."""

    explained: float
    """Share of the means' variance that the plane holds."""
    query: Spot
    results: tuple[Spot, ...]


@dataclass(frozen=True)
class SearchAnswer:
    """The answer to a search."""

    query: Query
    direction: str
    results: tuple[Hit, ...]
    """By match probability; by mean distance with rerank = none."""
    expected_matches: float
    ranked: int
    familiarity: float | None
    no_match: NoMatch | None
    """Results may be there all the same; None when something may be taken for an answer."""
    calibrated: bool
    fingerprints: Fingerprints
    projection: Projection | None = None
    """None unless asked for."""


@dataclass(frozen=True)
class Item:
    """One item of a gallery."""

    id: str
    modality: Modality
    text: str | None
    image_id: str | None
    image_url: str | None
    label: str | None
    meta: Mapping[str, Any]
    uncertainty: Uncertainty


@dataclass(frozen=True)
class ItemList:
    """A page of items in the order of their uncertainty."""

    modality: Modality
    order: Order
    total: int
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Histogram:
    """How σ is distributed among a gallery's items."""

    modality: Modality
    total: int
    edges: tuple[float, ...]
    """Of the bins, one more than these."""
    counts: tuple[int, ...]


@dataclass(frozen=True)
class OwnCaption:
    """A caption of an image, and whether it matches it."""

    id: str
    text: str
    match_probability: float


@dataclass(frozen=True)
class Oddity:
    """An item that an audit found odd; `captions` of a mismatched image, `occurrences` and `expected` of a hub."""

    item: Item
    match_probability: float | None
    """Of its worst caption, or of a caption with its own image; None for a hub."""
    captions: tuple[OwnCaption, ...]
    occurrences: int | None
    """How many queries have it among their first answers."""
    expected: float | None
    """The same if chance drew the answers."""


@dataclass(frozen=True)
class Hubness:
    """How far the first answers are from being spread over all items."""

    queries: int
    answers: int
    skewness: float | None
    skewness_by_chance: float | None


@dataclass(frozen=True)
class Oddities:
    """A page of odd items, the oddest first."""

    kind: OddityKind
    modality: Modality
    total: int
    created: str
    current: bool
    """Whether the gallery is as it was when it was audited."""
    hubness: Hubness | None
    items: tuple[Oddity, ...]


@dataclass(frozen=True)
class Word:
    """What one word does to the uncertainty of its text."""

    word: str
    start: int
    """Its first character in the text of the query."""
    end: int
    uncertainty: Uncertainty
    """Of the text without this word."""
    change: float
    """Natural logarithm of σ with the word / σ without it: above 0 where it raises σ."""


@dataclass(frozen=True)
class Words:
    """Which words make a text vague, and what could be said instead."""

    query: Query
    words: tuple[Word, ...]
    more_specific: tuple[Item, ...]


@dataclass(frozen=True)
class Grid:
    """The cells that a picture is looked at in."""

    height: int
    width: int


@dataclass(frozen=True)
class Area:
    """The part of a picture that a grid lies on, in shares of its width and height."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Marks:
    """Shares of a text's attention that no word has."""

    mean: float | None
    variance: float | None


@dataclass(frozen=True)
class Attention:
    """What the model's two branches look at; `words` and `marks` of a text, `grid` and `area` of a picture."""

    modality: Modality
    text: str | None
    id: str | None
    unknown_words: tuple[str, ...]
    words: tuple[str, ...] | None
    grid: Grid | None
    area: Area | None
    mean: tuple[float, ...] | None
    """A weight for each word, or for each cell row by row; None for a model without attention."""
    variance: tuple[float, ...] | None
    marks: Marks | None


@dataclass(frozen=True)
class Change:
    """What came into a gallery."""

    items: tuple[Item, ...]
    fingerprints: Fingerprints


@dataclass(frozen=True)
class Swap:
    """What came of the last try to replace a gallery."""

    at: str
    outcome: str
    before: str
    after: str | None
    error: str | None


@dataclass(frozen=True)
class Readiness:
    """That queries may be sent, and the galleries whose last replacement was refused, with the reason."""

    status: str
    refused_swaps: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Model:
    """The model that answers."""

    fingerprint: str
    embed_dim: int
    backbone: str
    words: int
    calibrated: bool


@dataclass(frozen=True)
class Shortlist:
    """Which items get a probability."""

    kind: str
    over: str
    size: int
    verdict: str


@dataclass(frozen=True)
class Gallery:
    """The gallery that is searched."""

    fingerprint: str
    counts: Mapping[str, int]
    created: str
    shortlists: Mapping[str, Shortlist]
    variances: Mapping[str, str]
    storage: Mapping[str, str]


@dataclass(frozen=True)
class Served:
    """One of a server's galleries."""

    default: bool
    fingerprints: Fingerprints
    counts: Mapping[str, int]
    last_swap: Swap | None


@dataclass(frozen=True)
class Limits:
    """The most that a request may ask for: of these, those that one request can reach."""

    bytes: int
    pixels: int
    characters: int
    words: int
    top_k: int
    shortlist: int
    samples: int
    changes: int
    deadline_seconds: float


@dataclass(frozen=True)
class Info:
    """What a server is."""

    version: str
    model: Model
    gallery: Gallery
    galleries: Mapping[str, Served]
    threads: int
    limits: Limits
