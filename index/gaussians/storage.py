"""How the Gaussians of a gallery lie on disk, and how they come back: as float32, converted here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import torch

from index.ranking import Floats, Rows
from models.gaussian import Gaussian

BLOCK: Final = 512
"""Items that are read, converted and computed with at once: what is made of them stays in the processor's cache."""


class Storage(StrEnum):
    """What a number of a Gaussian is written as."""

    FLOAT32 = "float32"
    """As it is: 8 bytes a dimension."""
    FLOAT16 = "float16"
    """Means in float16, log-variances as codes of 16 bits: 4 bytes a dimension."""
    COMPACT = "compact"
    """Means in float16, log-variances as codes of 8 bits: 3 bytes a dimension."""

    @property
    def mean_type(self) -> np.dtype[Any]:
        """Of the means on disk."""
        return np.dtype("<f4" if self is Storage.FLOAT32 else "<f2")

    @property
    def log_variance_type(self) -> np.dtype[Any]:
        """Of the log-variances on disk, or of their codes."""
        return np.dtype({Storage.FLOAT32: "<f4", Storage.FLOAT16: "<u2", Storage.COMPACT: "u1"}[self])

    @property
    def bytes(self) -> int:
        """Of one dimension of one item."""
        return self.mean_type.itemsize + self.log_variance_type.itemsize


@dataclass(frozen=True, eq=False)
class Coding:
    """Log-variances as whole numbers: offset + step · code in each dimension, an error of half a step at most.

    A float of 16 bits would spend its bits on magnitudes that log-variances do not have.

    Args:
        offset: float32 [dim].
        step: float32 [dim], above zero.
    """

    offset: Floats
    step: Floats

    @classmethod
    def spanning(cls, least: Floats, most: Floats, storage: Storage) -> Coding:
        """The coding whose codes reach from `least` to `most` [dim]."""
        step = ((most - least) / np.iinfo(storage.log_variance_type).max).astype(np.float32)
        # Where all items are alike, up to what float32 can divide, one code is enough; its step may be anything.
        return cls(least, np.where(step > 0, step, np.float32(1)))

    def encode(self, log_variances: Floats, kind: np.dtype[Any]) -> npt.NDArray[Any]:
        """Codes [n, dim] of log-variances [n, dim]."""
        nearest = np.rint((log_variances - self.offset) / self.step)
        codes: npt.NDArray[Any] = nearest.clip(0, np.iinfo(kind).max).astype(kind)
        return codes

    def decode_(self, codes: torch.Tensor) -> torch.Tensor:
        """Turn codes, float32 [n, dim], into log-variances, in place."""
        return codes.mul_(torch.from_numpy(self.step)).add_(torch.from_numpy(self.offset))


class Gaussians(Protocol):
    """The Gaussians of a modality, wherever they lie."""

    def __len__(self) -> int:
        """How many rows there are."""
        ...

    @property
    def dim(self) -> int:
        """The number of dimensions."""
        ...

    def take(self, rows: Sequence[int] | Rows) -> Gaussian:
        """The Gaussians [k, dim] of rows, in their order; raises `IndexError` when there is no such row."""
        ...

    def blocks(self) -> Iterator[tuple[int, Gaussian]]:
        """All of them, some at a time, each block with the row that it starts at."""
        ...


@dataclass(frozen=True, eq=False)
class StoredGaussians:
    """The Gaussians of a modality where they lie.

    Args:
        means: [n, dim], float32 or float16; may be memory-mapped.
        log_variances: [n, dim], float32, or codes.
        coding: of the codes; None for float32.
    """

    means: npt.NDArray[Any]
    log_variances: npt.NDArray[Any]
    coding: Coding | None = None

    def __len__(self) -> int:
        return len(self.means)

    @property
    def dim(self) -> int:
        """The number of dimensions."""
        return int(self.means.shape[1])

    def take(self, rows: Sequence[int] | Rows | slice) -> Gaussian:
        """The Gaussians [k, dim] of rows, in their order; float32, on the CPU, a copy.

        Raises:
            IndexError: there is no such row.
        """
        mean, log_variance = as_float32(self.means, rows), as_float32(self.log_variances, rows)
        return Gaussian(mean, log_variance if self.coding is None else self.coding.decode_(log_variance))

    def blocks(self) -> Iterator[tuple[int, Gaussian]]:
        """All of them, `BLOCK` at a time, each block with the row that it starts at."""
        for start in range(0, len(self), BLOCK):
            yield start, self.take(slice(start, start + BLOCK))

    def measure(self, measure: Callable[[Gaussian], torch.Tensor]) -> torch.Tensor:
        """A number of each of them [n], by what measures a block of them.

        The numbers go where all have room. As a small tensor for each block they would lie between the blocks in
        memory, and keep the system from having these back: the memory taken would be that of all Gaussians.
        """
        found = torch.empty(len(self))
        for start, block in self.blocks():
            found[start : start + len(block)] = measure(block)
        return found


def as_float32(array: npt.NDArray[Any], rows: Sequence[int] | Rows | slice) -> torch.Tensor:
    """Rows of an array of numbers or codes, in their order: float32 [k, dim], a copy; a file is read front to back.

    Raises:
        IndexError: there is no such row.
    """
    # The result is allocated by torch, whose memory is aligned the same every time: the matrix products that follow may
    # round differently on other alignments. And it is converted by torch, since numpy needs twenty times as long.
    if isinstance(rows, slice):
        # A copy first, since torch takes no array that is read-only.
        block = torch.from_numpy(np.array(array[rows]))
        return torch.empty(block.shape).copy_(block)
    wanted = np.asarray(rows, dtype=np.int64)
    order = np.argsort(wanted, kind="stable")
    read = torch.from_numpy(array[wanted[order]])
    return read[torch.from_numpy(np.argsort(order))].to(torch.float32)


def stored(gaussians: Gaussian, storage: Storage, coding: Coding | None) -> StoredGaussians:
    """Gaussians [n, dim] as a gallery would hold them, in memory."""
    means, log_variances = gaussians.mean.numpy(), gaussians.log_variance.numpy()
    with np.errstate(over="ignore"):
        means = means.astype(storage.mean_type)
    if coding is None:
        return StoredGaussians(means, log_variances)
    return StoredGaussians(means, coding.encode(log_variances, storage.log_variance_type), coding)


def coding_of(gaussians: StoredGaussians, storage: Storage) -> Coding | None:
    """The coding that reaches over all log-variances of a modality."""
    return None if storage is Storage.FLOAT32 or not len(gaussians) else Coding.spanning(*_span(gaussians), storage)


def _span(gaussians: StoredGaussians) -> tuple[Floats, Floats]:
    """The least and the greatest log-variance in each dimension, [dim] each."""
    least, most = torch.full((gaussians.dim,), torch.inf), torch.full((gaussians.dim,), -torch.inf)
    for _, block in gaussians.blocks():
        # In place, as in `StoredGaussians.measure`.
        torch.minimum(least, block.log_variance.amin(0), out=least)
        torch.maximum(most, block.log_variance.amax(0), out=most)
    return least.numpy(), most.numpy()
