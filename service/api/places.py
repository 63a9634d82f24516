"""Which gallery a request is for: the one in its path, `/galleries/{gallery}/…`, or the default."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Path, Request

from service.engine import Engine
from service.errors import GalleryChoiceError
from service.galleries import Served
from service.state import ServiceState

PREFIX = "/galleries/{gallery}"
"""Where every route of a gallery is found a second time."""


async def in_path(
    gallery: Annotated[str, Path(description="A gallery's name, from /info.", examples=["default"])],
) -> None:
    """Declares the parameter of `PREFIX`."""


async def _named(request: Request) -> str | None:
    name: str | None = request.path_params.get("gallery")
    return name


# Dependencies are coroutines though they wait for nothing: FastAPI runs any other in a thread, 0.2 ms for each.
PathGallery = Annotated[str | None, Depends(_named)]
"""The name in the path, where there is one."""


async def _served(name: PathGallery, state: ServiceState) -> Served:
    return state.galleries.find(name)


async def _leased(name: PathGallery, state: ServiceState) -> AsyncIterator[Engine]:
    with state.galleries.lease(name) as engine:
        yield engine


ServedGallery = Annotated[Served, Depends(_served)]
"""The gallery of the request, whatever answers for it."""
GalleryEngine = Annotated[Engine, Depends(_leased)]
"""What answers for the gallery of the request, held until the request is over."""


def chosen(in_path: str | None, in_body: str | None) -> str | None:
    """The name in the path or in the body.

    Raises:
        GalleryChoiceError: there are two.
    """
    if in_path is not None and in_body not in (None, in_path):
        raise GalleryChoiceError(f"The path names the gallery {in_path!r} and the body {in_body!r}; name one of them.")
    return in_body if in_path is None else in_path
