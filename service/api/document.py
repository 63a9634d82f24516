"""The OpenAPI document of a server that has keys: how a key is shown, and the scope that each route wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from service.api import examples
from service.keys import Scope

_SCHEME: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "A key made with `penumbra keys new`. What each route wants of it is named beside it: "
    f"{', '.join(Scope)}.",
}


def with_keys(document: dict[str, Any], needed: Callable[[str, str], Scope | None]) -> dict[str, Any]:
    """The document of all routes with what the keys add to it.

    Args:
        document: as FastAPI makes it; changed in place.
        needed: the scope that a method and a path want; None where no key is wanted.
    """
    document["components"]["securitySchemes"] = {"key": _SCHEME}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if (scope := needed(method.upper(), path)) is not None:
                # OpenAPI 3.1 takes names of roles here, though it does not define them for this kind of scheme.
                operation["security"] = [{"key": [scope.value]}]
                operation["responses"] = {**examples.KEYS, **operation["responses"]}
    return document
