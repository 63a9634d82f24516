"""The processes that share one piece of work, as torchrun starts them: the one place that asks which of them this is.

Alone, nothing here waits for anybody, and no process group is made.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

import torch
import torch.distributed as dist

# Its functions have, as their default, the group that exists when it is imported, and hold it for ever. Torch imports
# it late, with its optimisers: a group that exists by then outlives `joined`, and its threads sometimes abort the
# process as it ends.
import torch.distributed.nn.functional

from models.errors import PenumbraError

T = TypeVar("T")

# The first process measures and writes while the others wait. One that dies is noticed at once: its connections end.
PATIENCE: Final = timedelta(hours=6)
BACKEND: Final = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"


class LostProcessError(PenumbraError):
    """Another process of the same work has ended too early; it has said why, or was killed."""


class SaidElsewhereError(PenumbraError):
    """The first process cannot start and has said why; the others have nothing to add."""


@dataclass(frozen=True)
class Processes:
    """This process among those that share its work.

    Args:
        rank: its number among all, from 0.
        size: how many there are.
        local_rank: its number among those of this machine.
        local_size: how many there are on this machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def alone(self) -> bool:
        """Whether there is no other."""
        return self.size == 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    def part(self, count: int) -> slice:
        """Which of `count` rows are this process's; all parts together are all rows, in the order of the ranks."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def wait(self) -> None:
        """Until all are here."""
        self.any(False)

    def any(self, here: bool) -> bool:
        """Whether it is so in one of them at least."""
        if self.alone:
            return here
        answer = torch.tensor(int(here))
        with noticing_losses():
            dist.all_reduce(answer, dist.ReduceOp.MAX)
        return bool(answer)

    def sent(self, value: T) -> T:
        """The value of the first process, in all of them."""
        if self.alone:
            return value
        values = [value]
        with noticing_losses():
            dist.broadcast_object_list(values, src=0, device=torch.device("cpu"))
        return values[0]

    @contextmanager
    def first_ahead(self) -> Iterator[None]:
        """The block runs in the first process, and then in the others; what ends the first one ends them, too.

        Raises:
            SaidElsewhereError: in the others, where the first one could not do it.
        """
        if not self.first and not self.sent(True):
            raise SaidElsewhereError("the first process has said what is wrong")
        try:
            yield
        except PenumbraError:
            if self.first:
                self.sent(False)
            raise
        if self.first:
            self.sent(True)


ALONE: Final = Processes()


@contextmanager
def joined() -> Iterator[Processes]:
    """Within the block, this process is connected with those that torchrun started with it; it is alone without."""
    size = int(os.environ.get("WORLD_SIZE", 1))
    if size == 1:
        yield ALONE
        return
    local = (int(os.environ[name]) for name in ("LOCAL_RANK", "LOCAL_WORLD_SIZE"))
    with noticing_losses():
        dist.init_process_group(BACKEND, timeout=PATIENCE)
    try:
        yield Processes(dist.get_rank(), size, *local)
    finally:
        dist.destroy_process_group()


@contextmanager
def noticing_losses() -> Iterator[None]:
    """Turn what a broken connection to another process raises into a sentence.

    Raises:
        LostProcessError: in the place of torch's error.
    """
    try:
        yield
    except RuntimeError as error:
        if not _is_loss(error):
            raise
        raise LostProcessError(
            "another process of this work has ended too early; when its reason is mended, start the same command again "
            "to go on"
        ) from error


def _is_loss(error: RuntimeError) -> bool:
    # Gloo's errors within a backward pass come as plain RuntimeErrors, and are known by their text alone.
    return isinstance(error, dist.DistError) or "gloo" in str(error).lower()
