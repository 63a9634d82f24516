"""A gallery replaced while it is searched."""

from __future__ import annotations

from fastapi import APIRouter

from service.answers import SwapInfo
from service.api import examples
from service.api.places import ServedGallery
from service.errors import SwapRefusedError
from service.state import ServiceState

router = APIRouter(tags=["galleries"])


@router.post("/reload", responses=examples.answers(examples.SWAP, gallery=True, swap=True))
async def reload(served: ServedGallery, state: ServiceState) -> SwapInfo:
    """Serve what lies in the gallery's folder now; where that is broken, the old one goes on."""
    swap = await state.galleries.reload(served)
    if swap.error is not None:
        raise SwapRefusedError(swap.error)
    return SwapInfo.of(swap)
