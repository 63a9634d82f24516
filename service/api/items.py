"""The gallery's items. An id may hold anything, a slash too; percent-encode it."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Final

from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import Field

from models.image import no_larger
from service.answers import ItemAnswer
from service.api import examples
from service.api.places import GalleryEngine
from service.engine import StoredPicture
from service.schemas import Strict
from service.state import ServiceState, State

router = APIRouter(prefix="/items", tags=["items"])

Identifier = Annotated[str, Path(description="The item's id, percent-encoded.", examples=["scene-00007"])]
# A path with the version of its picture always leads to the same bytes, so they are kept for good, and another path is
# told when an item is replaced. The version is of what was built, or of the one picture that came since (see
# `index.local`): with the gallery's fingerprint, one change would have every browser fetch all pictures again. What has
# no version, or an old one, is asked for again soon, because an item may be replaced, and a whole gallery too.
_LASTING: Final = "max-age=31536000, immutable"
_PASSING: Final = "max-age=60"


class PictureQuestion(Strict):
    """Which form of a picture."""

    side: int | None = Field(
        None, ge=16, lt=2**31, description="Its longest side in pixels, from 16; without it, or above it, as stored."
    )
    v: str | None = Field(None, max_length=64, description="Its version, as answers have it; only for keeping it.")


@router.get("/{id:path}/image", response_class=Response, responses=examples.PICTURE)
def picture(
    id: Identifier,
    question: Annotated[PictureQuestion, Query()],
    engine: GalleryEngine,
    state: ServiceState,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """The picture of an image, as a JPEG of 256 pixels at most, or of fewer."""
    if engine.gallery.find(id) is None and engine.gallery.find(f"{id}/image") is not None:
        # The path of the item "a/image" looks like that of the picture of "a" once it is decoded.
        answer = ItemAnswer.of(engine.describe(f"{id}/image"), engine)
        return Response(answer.model_dump_json(), media_type="application/json")
    stored = engine.picture(id)
    headers = {"ETag": _etag(stored, question.side), "Cache-Control": _caching(stored, question.v, state)}
    if if_none_match is not None and _matches(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    jpeg = stored.jpeg if question.side is None else no_larger(stored.jpeg, question.side)
    return Response(jpeg, media_type="image/jpeg", headers=headers)


@router.get("/{id:path}", responses=examples.answers(examples.ITEM, item=True))
def item(id: Identifier, engine: GalleryEngine) -> ItemAnswer:
    """One item: what it is, and how sure the model is of it."""
    return ItemAnswer.of(engine.describe(id), engine)


def _etag(stored: StoredPicture, side: int | None) -> str:
    """Of what the answer is made from, so that nothing is resized to find out that it is known."""
    name = sha256(stored.jpeg).hexdigest()[:32]
    return f'"{name}"' if side is None else f'"{name}-{side}"'


def _caching(stored: StoredPicture, version: str | None, state: State) -> str:
    """How long it may be kept, and by whom: what needs a key is not for a cache that others share."""
    whose = "public" if state.settings.keys is None else "private"
    return f"{whose}, {_LASTING if version is not None and version == stored.version else _PASSING}"


def _matches(candidates: str, etag: str) -> bool:
    """Whether an If-None-Match names this entity (RFC 9110, 13.1.2; weak comparison)."""
    names = [each.strip().removeprefix("W/") for each in candidates.split(",")]
    return "*" in names or etag in names
