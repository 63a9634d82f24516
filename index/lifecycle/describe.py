"""What a person wants to know of a gallery, as plain values."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from index.items import Modality
from index.lifecycle.opening import open_gallery
from index.searching.contract import GalleryState
from index.shortlists.loss import Loss


def describe(directory: Path) -> dict[str, Any]:
    """Open a gallery and describe it: for `penumbra index info` and as JSON.

    Raises:
        ArtifactError: it cannot be opened.
    """
    with closing(open_gallery(directory)) as opened:
        gallery, manifest = opened.gallery, opened.gallery.manifest
        return {
            "directory": str(directory),
            **({} if manifest.store is None else {"store": manifest.store.address}),
            "fingerprint": gallery.fingerprint,
            "model": {"path": manifest.model, "fingerprint": manifest.model_fingerprint},
            "corpus": {"fingerprint": manifest.corpus_fingerprint},
            "created": manifest.created,
            "dim": manifest.dim,
            "bytes": sum(record.bytes for record in manifest.files.values()),
            "parameters": asdict(manifest.parameters),
            **{modality.value: _describe_modality(gallery, modality) for modality in Modality},
            "changed": asdict(gallery.pending),
            "left_out": [asdict(each) for each in manifest.left_out],
        }


def _describe_modality(gallery: GalleryState, modality: Modality) -> dict[str, Any]:
    record = gallery.manifest.shortlists[modality]
    found, variances = gallery.manifest.self_retrieval[modality], gallery.manifest.variances[modality]
    return {
        "count": gallery.count(modality),
        "self_retrieval": found.verdict,
        "shortlist": {
            "kind": record.kind,
            "why": record.why,
            "over": record.over.value,
            "effort": asdict(record.effort),
            "size": record.size,
            "loss": record.verdict,
            "held": _held(record.loss),
        },
        "variances": variances.verdict,
        "storage": gallery.manifest.storage[modality].verdict,
        "steady_dimensions": variances.state.steady_dimensions if variances.state else 0,
        "collapsed_dimensions": variances.state.collapsed_dimensions if variances.state else 0,
    }


def _held(loss: Loss | None) -> dict[str, Any]:
    """The curves: the share of the ten most probable that each size holds, of exact shortlists and of the built one."""
    if loss is None:
        return {}
    return {"built": loss.by_size, **{space.value: curve for space, curve in loss.exactly_by_size.items()}}
