"""What `penumbra doctor` looks at: each check finds one thing and says what to do where it is not well."""

from __future__ import annotations

import os
import platform
import shutil
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import Final

import numpy as np
import torch
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from cli.demo import SHIPPED_MODEL
from index.files.manifest import MANIFEST, read_manifest
from index.gaussians.points import Points
from index.items import Modality
from index.lifecycle.opening import open_gallery
from index.room import GIB, amount
from index.shortlists.kinds import FlatShortlist
from index.threads import available
from models import checkpoint
from models.errors import PenumbraError
from models.runtimes.runtime import EXPORTED, missing_package

DISTRIBUTION: Final = "penumbra"
KNOWN_TEXT: Final = "a red star left of a large blue ring at night"
KNOWN_SIGMA: Final = 0.030085
"""σ of that text by the model that ships; another one means that something computes wrongly here."""
_TOLERANCE: Final = 1e-5
_LITTLE: Final = GIB


class State(StrEnum):
    """How a check went; the value is what is printed before it."""

    WELL = "✓"
    DOUBTFUL = "!"
    FAILED = "✗"


@dataclass(frozen=True)
class Check:
    """What was looked at, what was found, and what to do about it (nothing where all is well)."""

    name: str
    state: State
    found: str
    remedy: str | None = None


def environment(port: int) -> Iterator[Check]:
    """Everything that does not depend on a gallery or a model of one's own."""
    yield python()
    yield packages()
    yield torch_build()
    yield faiss()
    yield runtimes()
    yield shipped_model()
    yield memory()
    yield disk(Path())
    yield free_port(port)


def python() -> Check:
    """The interpreter is one that this version is for."""
    here, wanted = platform.python_version(), str(metadata(DISTRIBUTION)["Requires-Python"])
    if SpecifierSet(wanted).contains(here, prereleases=True):
        return Check("python", State.WELL, here)
    return Check("python", State.FAILED, f"{here}, and this needs {wanted}", "make an environment with a newer Python")


def packages() -> Check:
    """Every package that is needed is there, in a version that pyproject.toml allows."""
    named = map(Requirement, requires(DISTRIBUTION) or ())
    wanted = [each for each in named if each.marker is None or each.marker.evaluate({"extra": ""})]
    wrong = [problem for each in wanted if (problem := _problem(each))]
    if not wrong:
        return Check("packages", State.WELL, f"all {len(wanted)} are in versions that this one is for")
    return Check("packages", State.FAILED, "; ".join(wrong), "pip install --upgrade penumbra")


def _problem(wanted: Requirement) -> str | None:
    try:
        here = version(wanted.name)
    except PackageNotFoundError:
        return f"{wanted.name} is not installed"
    allowed = wanted.specifier.contains(here, prereleases=True)
    return None if allowed else f"{wanted.name} is {here}, not {wanted.specifier}"


def torch_build() -> Check:
    """What the networks are computed on."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU, which serving does not need"
    threads = f"{torch.get_num_threads()} of {available()} processors"
    return Check(
        "torch", State.WELL, f"{torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, {threads}, {gpu}"
    )


def faiss() -> Check:
    """The nearest of three points is found."""
    points = Points(np.eye(3, dtype=np.float32))
    [nearest] = FlatShortlist.build(points).search(np.eye(3, dtype=np.float32)[1], 1).rows
    if nearest == 1:
        return Check("faiss", State.WELL, f"{version('faiss-cpu')} finds what is nearest")
    return Check(
        "faiss", State.FAILED, "it finds another point than the nearest", "pip install --force-reinstall faiss-cpu"
    )


def runtimes() -> Check:
    """What can compute a model's networks here. Torch is enough, others are faster."""
    there = ["torch", *(each.value for each in EXPORTED if missing_package(each) is None)]
    missing = [each.value for each in EXPORTED if missing_package(each) is not None]
    found = ", ".join(there) + (f"; not installed: {', '.join(missing)}" if missing else "")
    return Check("runtimes", State.WELL, found)


def shipped_model() -> Check:
    """The model that ships can be read, and computes what it computed when it was made."""
    try:
        model = checkpoint.load(SHIPPED_MODEL)
    except PenumbraError as error:
        return Check("shipped model", State.FAILED, str(error), "install penumbra again")
    sigma = model.encoder.encode_texts([KNOWN_TEXT]).sigma.item()
    if abs(sigma - KNOWN_SIGMA) < _TOLERANCE:
        return Check("shipped model", State.WELL, f"{model.fingerprint[:12]} computes what it should")
    found = f"σ of a known text is {sigma:.6f} instead of {KNOWN_SIGMA:.6f}"
    return Check("shipped model", State.FAILED, found, "install torch again, in the version of requirements.lock")


def memory() -> Check:
    """There is memory for the model and a gallery."""
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return Check("memory", State.DOUBTFUL, "this system does not tell how much is free", "look yourself")
    return _room("memory", free, f"{amount(free)} free, beside what the system keeps of files")


def disk(folder: Path) -> Check:
    """There is room for a gallery where the command runs."""
    free = shutil.disk_usage(folder).free
    return _room("disk", free, f"{amount(free)} free here")


def _room(name: str, free: int, found: str) -> Check:
    if free >= _LITTLE:
        return Check(name, State.WELL, found)
    return Check(name, State.DOUBTFUL, found, f"have {amount(_LITTLE)} for all but the smallest galleries")


def free_port(port: int) -> Check:
    """`penumbra serve` could listen."""
    with socket.socket() as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind(("127.0.0.1", port))
        except OSError as error:
            return Check("port", State.DOUBTFUL, f"{port}: {error.strerror}", "serve on another one with --port")
    return Check("port", State.WELL, f"{port} is free")


def artifact(folder: Path) -> Check:
    """A gallery or a model of one's own can be used."""
    try:
        found = _gallery(folder) if (folder / MANIFEST).is_file() else _model(folder)
    except PenumbraError as error:
        return Check(str(folder), State.FAILED, str(error), "penumbra index verify tells more of a gallery")
    return Check(str(folder), State.WELL, found)


def _gallery(folder: Path) -> str:
    loaded = checkpoint.load(folder / read_manifest(folder).model)
    with closing(open_gallery(folder, model=loaded.fingerprint)) as opened:
        gallery = opened.gallery
        counts = " and ".join(f"{gallery.count(modality):,} {modality}s" for modality in Modality)
    return f"a gallery of {counts} with its model; penumbra index verify reads every byte"


def _model(folder: Path) -> str:
    loaded = checkpoint.load(folder)
    calibrated = "calibrated" if loaded.encoder.calibration else "not calibrated (penumbra calibrate)"
    return f"a model of {loaded.encoder.config.embed_dim} dimensions, {calibrated}"
