"""What this server is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from fastapi import APIRouter

from service.answers import GalleryInfo, Info, ModelInfo
from service.api import examples
from service.state import ServiceState, State

router = APIRouter(tags=["server"])


@router.get("/info", responses=examples.answers(examples.INFO, bad_input=False))
def info(state: ServiceState) -> Info:
    """Versions, fingerprints, sizes and limits."""
    return Info(
        version=package_version(),
        model=_model(state),
        gallery=_gallery(state),
        threads=state.settings.threads,
        limits=state.settings.limits,
    )


def package_version() -> str:
    """Penumbra's, as it was installed."""
    try:
        return version("penumbra")
    except PackageNotFoundError:
        return "not installed"


def _model(state: State) -> ModelInfo:
    encoder = state.engine.model.encoder
    return ModelInfo(
        fingerprint=state.engine.model.fingerprint,
        embed_dim=encoder.config.embed_dim,
        backbone=encoder.config.backbone,
        words=len(encoder.vocabulary),
        calibrated=encoder.calibration is not None,
    )


def _gallery(state: State) -> GalleryInfo:
    manifest = state.engine.gallery.manifest
    return GalleryInfo(
        fingerprint=manifest.fingerprint,
        counts=dict(manifest.counts),
        created=manifest.created,
        shortlist=manifest.parameters.shortlist,
        variances={modality: each.verdict for modality, each in manifest.variances.items()},
        storage={modality: each.verdict for modality, each in manifest.storage.items()},
    )
