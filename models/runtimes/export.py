"""Writes a model's networks for another runtime, and measures what they come to beside float32 torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

import torch

from models.artifact import sha256, staged
from models.checkpoint import LoadedModel
from models.errors import ConfigError
from models.runtimes.agreement import agreement, probes
from models.runtimes.networks import LIBRARIES, open_network, write_network
from models.runtimes.record import ExportRecord, Measured, folder, write_record
from models.runtimes.runtime import EXPORTED, Network, Runtime, require, usable
from models.runtimes.timing import RUNS, in_turns, processor, speedup

PROBES: Final = 16
# A picture of three by three tiles, a sentence of eleven words.
_TIMED: Final = {Network.IMAGE: 1, Network.TEXT: 5}


def export(model: LoadedModel, runtime: Runtime, threads: int, runs: int = RUNS) -> ExportRecord:
    """Write a model's networks for a runtime into its folder, replacing an earlier export; its fingerprint stays.

    Args:
        model: on the processor.
        runtime: one that needs an export.
        threads: of each runtime as it is timed.
        runs: how many times each of them is timed, in turns.

    Raises:
        ConfigError: the runtime's package is not installed, or it needs no export.
    """
    if runtime not in EXPORTED:
        raise ConfigError(f"The runtime {runtime} needs no export: choose one of {', '.join(EXPORTED)}")
    require(runtime)
    with staged(folder(model.directory, runtime)) as directory:
        for network in Network:
            write_network(model.encoder, network, runtime, directory)
        files = {path.name: sha256(path) for path in sorted(directory.iterdir())}
        with _torch_threads(threads):
            measured = {network: _measured(model, network, runtime, directory, threads, runs) for network in Network}
        libraries = f"torch {torch.__version__}, {LIBRARIES[runtime].version()}"
        record = ExportRecord(runtime, model.fingerprint, libraries, processor(), threads, files, measured)
        write_record(directory, record)
    return record


def _measured(
    model: LoadedModel, network: Network, runtime: Runtime, directory: Path, threads: int, runs: int
) -> dict[Runtime, Measured]:
    """Of the exported runtime, and of those in bfloat16: agreement on all probes, time of one input alone."""
    compared = [each for each in Runtime if _compared(each, runtime, network)]
    computes = {each: open_network(model.encoder, network, each, directory, threads) for each in compared}
    batches = probes(model.encoder, network, PROBES)
    timed = batches[_TIMED[network]]
    times = in_turns({name: partial(compute, *timed) for name, compute in computes.items()}, runs)
    return {
        name: Measured(
            agreement(computes[Runtime.TORCH], compute, batches),
            median(times[name]),
            speedup(times, Runtime.TORCH, name),
        )
        for name, compute in computes.items()
    }


def _compared(each: Runtime, exported: Runtime, network: Network) -> bool:
    known = each.float32 in (Runtime.TORCH, exported)
    return known and each.computes(network) is each and usable(each)


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
