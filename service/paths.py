"""What a request is about, as its path tells before it is routed."""

from __future__ import annotations

from typing import Final

PROBES: Final = frozenset({"/healthz", "/readyz"})
COMPUTING: Final = frozenset({"search", "uncertainty", "attention"})
"""Routes that compute, and change nothing."""


def noun(path: str) -> str:
    """The first part of a path, or the one after the gallery that it names: search, items."""
    parts = path.strip("/").split("/")
    return "/".join(parts[2:3]) if parts[0] == "galleries" else parts[0]
