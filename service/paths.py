"""What a request is about, as its path tells before it is routed."""

from __future__ import annotations

from typing import Final

PROBES: Final = frozenset({"/healthz", "/readyz"})
COMPUTING: Final = frozenset({"search", "uncertainty", "attention"})
"""Routes that compute, and change nothing."""

_CHANGING: Final = frozenset({"POST", "PUT", "DELETE"})


def takes_place(method: str, path: str) -> bool:
    """Whether a request takes a place among the queries: it has something computed, or changes a gallery's items."""
    return noun(path) in COMPUTING or (method in _CHANGING and noun(path) == "items")


def noun(path: str) -> str:
    """The first part of a path, or the one after the gallery that it names: search, items."""
    parts = path.strip("/").split("/")
    return "/".join(parts[2:3]) if parts[0] == "galleries" else parts[0]
