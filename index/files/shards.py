"""What a build has finished, kept so that one that is interrupted goes on where it was.

A build works in a folder beside its target, of a name that is the same every time. Each batch becomes one file there, a
shard, written aside, forced to the disk and renamed: the shards that exist are the journal of what is finished.

Several processes may work there, each on other batches.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import torch

from index.files.manifest import LeftOut
from index.items import Modality
from index.processes import ALONE, Processes
from models.artifact import sync, write_json
from models.errors import ArtifactError
from models.gaussian import Gaussian

PLAN: Final = "plan.json"
LOCK: Final = "lock"


@dataclass(frozen=True, eq=False)
class Shard:
    """One batch, encoded.

    Args:
        gaussians: Gaussian [n, dim] of what was kept of the batch.
        places: which of the batch these are, from 0.
        pictures: JPEGs of these; none for captions.
        left_out: what was not kept, and why.
    """

    gaussians: Gaussian
    places: tuple[int, ...]
    pictures: tuple[bytes, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


class Workspace:
    """The shards of one build, in a folder."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def read(self, modality: Modality, batch: int) -> Shard:
        """A shard that was finished, now or before an interruption."""
        with np.load(self._path(modality, batch)) as file:
            ends = np.cumsum(file["lengths"]).tolist()
            jpegs = file["jpegs"].tobytes()
            return Shard(
                Gaussian(torch.from_numpy(file["mean"]), torch.from_numpy(file["log_variance"])),
                tuple(file["places"].tolist()),
                tuple(jpegs[start:end] for start, end in zip([0, *ends], ends, strict=False)),
                tuple(LeftOut(**each) for each in json.loads(file["left_out"].tobytes())),
            )

    def has(self, modality: Modality, batch: int) -> bool:
        """Whether a shard is finished."""
        return self._path(modality, batch).exists()

    def write(self, modality: Modality, batch: int, shard: Shard) -> None:
        """Finish a shard, durably."""
        path = self._path(modality, batch)
        aside = path.with_suffix(".part")
        left_out = json.dumps([asdict(each) for each in shard.left_out]).encode()
        with aside.open("wb") as file:
            np.savez(
                file,
                mean=shard.gaussians.mean.numpy(),
                log_variance=shard.gaussians.log_variance.numpy(),
                places=np.array(shard.places, np.int64),
                lengths=np.array([len(jpeg) for jpeg in shard.pictures], np.int64),
                jpegs=np.frombuffer(b"".join(shard.pictures), np.uint8),
                left_out=np.frombuffer(left_out, np.uint8),
            )
        sync(aside)
        aside.replace(path)
        sync(self.directory)

    def _path(self, modality: Modality, batch: int) -> Path:
        return self.directory / f"{modality.value}-{batch:08d}.npz"


@contextmanager
def workspace(target: Path, plan: Mapping[str, Any], processes: Processes = ALONE) -> Iterator[Workspace]:
    """The folder in which `target` is being built; what is in it stays unless `plan` is another one.

    It is removed when the block ends without an error. The first of several processes has to be in before the others.

    Raises:
        ArtifactError: somebody else is building the same target.
    """
    directory = target.with_name(f".{target.name}.building")
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / LOCK).open("a") as file:
        _lock(file, fcntl.LOCK_EX if processes.first else fcntl.LOCK_SH, target)
        if processes.first and _read_plan(directory) != plan:
            _empty(directory)
            write_json(directory / PLAN, plan)
        if processes.first and not processes.alone:
            _lock(file, fcntl.LOCK_SH, target)
        yield Workspace(directory)
        if processes.first:
            shutil.rmtree(directory)


def _lock(file: IO[str], kind: int, target: Path) -> None:
    # It goes with the process: nothing is left behind by one that was killed. Shared by those who build together, it
    # keeps a next build out until the last of them has ended.
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ArtifactError(
            f"{target} is being built by another process: wait for it, or name another folder"
        ) from error


def _read_plan(directory: Path) -> Any:
    try:
        return json.loads((directory / PLAN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _empty(directory: Path) -> None:
    for path in directory.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()
