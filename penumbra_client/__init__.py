"""A Python client of Penumbra's HTTP API, for threads (`Client`) and for asyncio (`AsyncClient`).

Five lines to a first result, with `penumbra serve` running:

    >>> from penumbra_client import Client
    >>> with Client("http://127.0.0.1:8000") as client:
    ...     answer = client.search_text("a red star")
    ...     for hit in answer.results[:1]:
    ...         print(f"{hit.rank}. {hit.id}: {hit.match_probability:.0%}, σ {hit.uncertainty.sigma:.3f}")
    1. ...: ...%, σ ...

It needs httpx2 and nothing else of Penumbra.
"""

from penumbra_client.answers import (
    Area,
    Attention,
    Change,
    Fingerprints,
    Gallery,
    Grid,
    Histogram,
    Hit,
    Hubness,
    Info,
    Item,
    ItemList,
    Limits,
    Marks,
    Model,
    NoMatch,
    Oddities,
    Oddity,
    OwnCaption,
    Projection,
    Query,
    Readiness,
    SearchAnswer,
    Served,
    Shortlist,
    Spot,
    Swap,
    Uncertainty,
    Word,
    Words,
)
from penumbra_client.clients import AsyncClient, Client
from penumbra_client.errors import (
    BadAnswerError,
    ClientError,
    ConflictError,
    DeadlineError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    ProblemError,
    ServerFailureError,
    UnauthenticatedError,
    UnreachableError,
)
from penumbra_client.operations import Caption, Picture, SearchOptions
from penumbra_client.retries import Retries

__all__ = [
    "Area",
    "AsyncClient",
    "Attention",
    "BadAnswerError",
    "Caption",
    "Change",
    "Client",
    "ClientError",
    "ConflictError",
    "DeadlineError",
    "Fingerprints",
    "ForbiddenError",
    "Gallery",
    "Grid",
    "Histogram",
    "Hit",
    "Hubness",
    "Info",
    "InvalidRequestError",
    "Item",
    "ItemList",
    "Limits",
    "Marks",
    "Model",
    "NoMatch",
    "NotFoundError",
    "Oddities",
    "Oddity",
    "OverloadedError",
    "OwnCaption",
    "Picture",
    "ProblemError",
    "Projection",
    "Query",
    "Readiness",
    "Retries",
    "SearchAnswer",
    "SearchOptions",
    "Served",
    "ServerFailureError",
    "Shortlist",
    "Spot",
    "Swap",
    "UnauthenticatedError",
    "Uncertainty",
    "UnreachableError",
    "Word",
    "Words",
]
