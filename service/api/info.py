"""What this server is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from fastapi import APIRouter

from index.items import Modality
from models.runtimes.runtime import Network
from service.answers import GalleryInfo, Info, ModelInfo, RuntimeInfo, ShortlistInfo
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
        runtimes=_runtimes(state),
        threads=state.settings.threads,
        thread_pools=dict(state.engine.pools),
        batches=dict(state.engine.worker.batches),
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


def _runtimes(state: State) -> dict[Network, RuntimeInfo]:
    choices = state.engine.runtimes
    return {network: RuntimeInfo(runtime=each.runtime, why=each.why) for network, each in choices.items()}


def _gallery(state: State) -> GalleryInfo:
    manifest = state.engine.gallery.manifest
    return GalleryInfo(
        fingerprint=manifest.fingerprint,
        counts=dict(manifest.counts),
        created=manifest.created,
        shortlists={modality: _shortlist(state, modality) for modality in Modality},
        variances={modality: each.verdict for modality, each in manifest.variances.items()},
        storage={modality: each.verdict for modality, each in manifest.storage.items()},
    )


def _shortlist(state: State, modality: Modality) -> ShortlistInfo:
    engine, record = state.engine, state.engine.gallery.manifest.shortlists[modality]
    built, exact = ({}, {}) if record.loss is None else (record.loss.by_size, record.loss.exactly_by_size)
    return ShortlistInfo(
        kind=record.kind,
        why=record.why,
        over=record.over,
        size=engine.shortlist_size(modality),
        held=built,
        held_exactly=exact,
        current=engine.loss_is_current(modality),
        verdict=record.verdict,
    )
