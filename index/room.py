"""Memory and disk: amounts as people read them, and what a build needs of the disk."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from index.gaussians.storage import Storage
from models.errors import ConfigError

GIB: Final = 2**30


def amount(count: int) -> str:
    """Bytes for people."""
    return f"{count / GIB:,.1f} GiB" if count >= GIB else f"{count / 2**20:,.1f} MiB"


def require_disk(folder: Path, count: int, dim: int, storage: Storage | None) -> None:
    """Refuse a build for whose Gaussians the disk has no room.

    They lie there three times before the build ends: as they are encoded, side by side in float32, and as they are
    stored. What comes later takes less than the second of these, which is removed before.

    Args:
        folder: of the gallery; it need not be there yet.
        count: items of both modalities.
        dim: of their Gaussians.
        storage: what was asked for; without it the smallest is counted.

    Raises:
        ConfigError: there is less room than that.
    """
    needed = count * dim * (2 * Storage.FLOAT32.bytes + (storage or Storage.COMPACT).bytes)
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise ConfigError(
            f"{folder} needs at least {amount(needed)} and its disk has {amount(free)} free: make room there"
        )
