"""The arrays of a modality as files: written piece by piece, so that they need not fit into memory, and mapped."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from index.files import manifest as layout
from index.files.shards import Shard
from index.gaussians.storage import Coding, Storage, StoredGaussians, stored
from index.items import REMEDY, Modality
from models.errors import ArtifactError


def write_exact(folder: Path, modality: Modality, shape: tuple[int, int], shards: Iterable[Shard]) -> StoredGaussians:
    """Write means and log-variances [n, dim] of shards in float32, and map them."""
    with (
        _new_array(folder / layout.means_file(modality), shape, np.dtype("<f4")) as means,
        _new_array(folder / layout.log_variances_file(modality), shape, np.dtype("<f4")) as log_variances,
    ):
        for shard in shards:
            means.write(_raw(shard.gaussians.mean.numpy(), "<f4"))
            log_variances.write(_raw(shard.gaussians.log_variance.numpy(), "<f4"))
    return open_gaussians(folder, modality, shape, Storage.FLOAT32)


def write_stored(
    folder: Path, modality: Modality, exact: StoredGaussians, storage: Storage, coding: Coding | None
) -> StoredGaussians:
    """Write Gaussians as a gallery holds them, with σ of what is held and not of what it was made of."""
    shape = (len(exact), exact.dim)
    with (
        _new_array(folder / layout.means_file(modality), shape, storage.mean_type) as means,
        _new_array(folder / layout.log_variances_file(modality), shape, storage.log_variance_type) as log_variances,
        _new_array(folder / layout.sigmas_file(modality), shape[:1], np.dtype("<f4")) as sigmas,
    ):
        for _, block in exact.blocks():
            held = stored(block, storage, coding)
            means.write(held.means.tobytes())
            log_variances.write(held.log_variances.tobytes())
            sigmas.write(_raw(held.take(slice(None)).sigma.numpy(), "<f4"))
    if coding is not None:
        np.save(folder / layout.coding_file(modality), np.stack([coding.offset, coding.step]))
    return open_gaussians(folder, modality, shape, storage)


def open_gaussians(folder: Path, modality: Modality, shape: tuple[int, int], storage: Storage) -> StoredGaussians:
    """Map the Gaussians of a modality.

    Raises:
        ArtifactError: a file is missing, cut short or of another make.
    """
    coding = None
    if storage is not Storage.FLOAT32 and shape[0]:
        coding = Coding(*map_array(folder / layout.coding_file(modality), (2, shape[1]), np.dtype("<f4")).copy())
    return StoredGaussians(
        map_array(folder / layout.means_file(modality), shape, storage.mean_type),
        map_array(folder / layout.log_variances_file(modality), shape, storage.log_variance_type),
        coding,
    )


def map_array(path: Path, shape: tuple[int, ...], kind: np.dtype[Any]) -> npt.NDArray[Any]:
    """An array of this shape and type, memory-mapped; raises `ArtifactError` when the file holds none."""
    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ArtifactError(f"{path} cannot be read ({error}): {REMEDY}") from error
    if array.shape != shape or array.dtype != kind:
        raise ArtifactError(f"{path} holds {array.dtype} {list(array.shape)} instead of {kind} {list(shape)}: {REMEDY}")
    return array


def _new_array(path: Path, shape: tuple[int, ...], kind: np.dtype[Any]) -> BinaryIO:
    """A new .npy file, up to its numbers."""
    file = path.open("wb")
    description = np.lib.format.dtype_to_descr(kind)
    np.lib.format.write_array_header_1_0(file, {"descr": description, "fortran_order": False, "shape": shape})
    return file


def _raw(array: npt.NDArray[Any], kind: str) -> bytes:
    return array.astype(kind).tobytes()
