"""Which storage a modality gets: the one that was asked for if it holds, or the smallest that does."""

from __future__ import annotations

from collections.abc import Mapping

from index.gaussians.storage import Coding, Storage, StoredGaussians, coding_of
from index.gaussians.storage_error import LIMIT, StorageFinding, storage_error
from index.items import Modality
from models.errors import ConfigError
from models.match import MatchHead

SMALLEST_FIRST = (Storage.COMPACT, Storage.FLOAT16)


def choose_storage(
    modality: Modality,
    exact: Mapping[Modality, StoredGaussians],
    asked: Storage | None,
    heads: Mapping[Modality, MatchHead],
) -> tuple[StorageFinding, Coding | None]:
    """The storage of a modality, measured on its items, and the coding of its log-variances.

    Args:
        modality: whose Gaussians are to be stored.
        exact: those of both modalities, in float32.
        asked: what a person asked for; None takes the smallest that holds.
        heads: the match head of the direction in which each modality answers.

    Raises:
        ConfigError: what was asked for changes match probabilities by more than they may change.
    """
    [other] = (each for each in Modality if each is not modality)
    refused: dict[str, float] = {}
    for storage in SMALLEST_FIRST if asked is None else (asked,):
        if storage is Storage.FLOAT32:
            break
        coding = coding_of(exact[modality], storage)
        error = storage_error(exact[modality], exact[other], (storage, coding), heads[modality], heads[other])
        if error is None or error.holds:
            return StorageFinding(storage, error, refused), coding
        refused[storage] = error.worst
    if asked in refused:
        raise ConfigError(
            f"stored as {asked}, the {modality.value}s' match probabilities would change by up to "
            f"{refused[asked]:.1e}, more than the {LIMIT:g} allowed: name another storage, or none to have the "
            "smallest that holds"
        )
    return StorageFinding(Storage.FLOAT32, None, refused), None
