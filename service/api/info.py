"""What this server is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from fastapi import APIRouter

from index.items import Modality
from models.runtimes.runtime import Network
from service.answers import (
    ChangesInfo,
    Fingerprints,
    GalleryInfo,
    Info,
    ModelInfo,
    RuntimeInfo,
    ServedInfo,
    ShortlistInfo,
    SwapInfo,
)
from service.api import examples
from service.api.places import GalleryEngine
from service.engine import Engine
from service.galleries import Served
from service.state import ServiceState, State

router = APIRouter(tags=["server"])


@router.get("/info", responses=examples.answers(examples.INFO, gallery=True))
def info(engine: GalleryEngine, state: ServiceState) -> Info:
    """Versions, fingerprints, sizes and limits."""
    return Info(
        version=package_version(),
        model=_model(engine),
        gallery=_gallery(engine),
        galleries={name: _served(served, state) for name, served in state.galleries.served.items()},
        runtimes=_runtimes(engine),
        threads=state.settings.threads,
        thread_pools=dict(engine.workers.pools),
        batches=dict(engine.worker.batches),
        limits=state.settings.limits,
    )


def package_version() -> str:
    """Penumbra's, as it was installed."""
    try:
        return version("penumbra")
    except PackageNotFoundError:
        return "not installed"


def _model(engine: Engine) -> ModelInfo:
    encoder = engine.model.encoder
    return ModelInfo(
        fingerprint=engine.model.fingerprint,
        embed_dim=encoder.config.embed_dim,
        backbone=encoder.config.backbone,
        words=len(encoder.vocabulary),
        calibrated=engine.calibration is not None,
    )


def _served(served: Served, state: State) -> ServedInfo:
    engine, swap = served.engine, served.last_swap
    return ServedInfo(
        default=served is state.galleries.default,
        fingerprints=Fingerprints.of(engine),
        counts={modality: engine.gallery.count(modality) for modality in Modality},
        changes=ChangesInfo.of(engine.holding),
        last_swap=SwapInfo.of(swap) if swap else None,
    )


def _runtimes(engine: Engine) -> dict[Network, RuntimeInfo]:
    choices = engine.runtimes
    return {network: RuntimeInfo(runtime=each.runtime, why=each.why) for network, each in choices.items()}


def _gallery(engine: Engine) -> GalleryInfo:
    manifest = engine.gallery.manifest
    return GalleryInfo(
        fingerprint=engine.fingerprint,
        counts={modality: engine.gallery.count(modality) for modality in Modality},
        created=manifest.created,
        shortlists={modality: _shortlist(engine, modality) for modality in Modality},
        variances={modality: each.verdict for modality, each in manifest.variances.items()},
        storage={modality: each.verdict for modality, each in manifest.storage.items()},
    )


def _shortlist(engine: Engine, modality: Modality) -> ShortlistInfo:
    record = engine.gallery.manifest.shortlists[modality]
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
