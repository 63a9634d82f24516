"""Opens a gallery wherever it lies: its manifest says."""

from __future__ import annotations

from pathlib import Path

from index.files.manifest import Stored, check_model, read_manifest
from index.lifecycle.living import LivingGallery
from index.local.gallery import Gallery
from index.milvus.address import StoreAddress
from index.milvus.gallery import MilvusGallery
from index.milvus.living import MilvusLiving
from index.searching.contract import ChangingGallery, OpenGallery


def open_gallery(directory: Path, *, model: str | None = None) -> OpenGallery:
    """A gallery, open for searches.

    Args:
        directory: its folder.
        model: the fingerprint of the model that will answer with it, or None to check none.

    Raises:
        ArtifactError: it is damaged, or another model's, or its store holds another gallery.
        UnavailableError: its store does not answer.
    """
    store = read_manifest(directory).store
    return Gallery.open(directory, model=model) if store is None else _in_milvus(directory, store, model)


def open_for_changes(directory: Path, *, model: str | None = None) -> ChangingGallery:
    """A gallery and the right to change it; raises as `open_gallery` does.

    Raises:
        LockedError: it lies on this machine, and another process changes it.
    """
    store = read_manifest(directory).store
    if store is None:
        return LivingGallery.open(directory, model=model)
    return MilvusLiving(_in_milvus(directory, store, model))


def _in_milvus(directory: Path, store: Stored, model: str | None) -> MilvusGallery:
    check_model(directory, read_manifest(directory), model)
    return MilvusGallery.open(directory, StoreAddress.parse(store.address))
