"""What an audit found odd in the gallery."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as Parameters

from service.api import examples
from service.api.places import GalleryEngine
from service.exploring_answers import OdditiesAnswer
from service.exploring_schemas import OdditiesQuestion
from service.oddities import oddities
from service.schemas import check_limit
from service.state import ServiceState

router = APIRouter(prefix="/oddities", tags=["oddities"])


@router.get("", responses=examples.answers(examples.ODDITIES, audit=True))
def of_gallery(
    question: Annotated[OdditiesQuestion, Parameters()], engine: GalleryEngine, state: ServiceState
) -> OdditiesAnswer:
    """Images whose own captions hardly match them (likely label errors), or items that answer too many queries (hubs).

    As `penumbra index audit` found them, the oddest first; what was removed since is left out.
    """
    check_limit("limit", question.limit, state.settings.limits.top_k)
    found = oddities(engine, question.kind, question.modality, question.limit, question.offset)
    return OdditiesAnswer.of(question, found, engine)
