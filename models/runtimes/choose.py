"""Which runtime computes each network of a model: the one asked for, or the fastest that agrees with float32 torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from models.checkpoint import LoadedModel
from models.errors import ArtifactError, ConfigError
from models.runtimes.agreement import COSINE, LOG_VARIANCE, Agreement, agreement, probes
from models.runtimes.networks import open_network
from models.runtimes.record import Measured, folder, read_record
from models.runtimes.runtime import EXPORTED, Compute, Network, Runtime, RuntimeEncoder, require, usable

FEW: Final = 4
"""Probes of each network that show, as a model is loaded, that a runtime computes here what it computed then."""


@dataclass(frozen=True)
class Choice:
    """What computes a network, and why."""

    runtime: Runtime
    why: str


@dataclass(frozen=True, eq=False)
class Equipped:
    """A model whose networks are computed by the runtimes that were chosen."""

    model: LoadedModel
    choices: Mapping[Network, Choice]


def equip(model: LoadedModel, wanted: Runtime | None, threads: int) -> Equipped:
    """Give a model the runtime that was asked for, or each of its networks the fastest that agrees.

    The choice follows from what was measured when the exports were made, so every start makes the same one; what is
    chosen is checked again on a few inputs. Where nothing else is faster, float32 torch stays.

    Args:
        model: as `checkpoint.load` gives it.
        wanted: a runtime, or None for the fastest.
        threads: of one computation; torch's are those of the thread that calls.

    Raises:
        ConfigError: the runtime asked for cannot be used here, or does not agree with float32 torch.
        ArtifactError: there is no export for the runtime asked for, or an export is damaged or of another model.
    """
    if wanted is not None:
        require(wanted)
        found = {network: _asked(model, network, wanted.computes(network), threads) for network in Network}
    else:
        found = {network: _fastest(model, network, threads) for network in Network}
    choices = {network: choice for network, (choice, _) in found.items()}
    if all(choice.runtime is Runtime.TORCH for choice in choices.values()):
        return Equipped(model, choices)
    encoder = RuntimeEncoder(model.encoder, {network: compute for network, (_, compute) in found.items()})
    return Equipped(LoadedModel(encoder.eval(), model.fingerprint, model.directory), choices)


def _asked(model: LoadedModel, network: Network, runtime: Runtime, threads: int) -> tuple[Choice, Compute]:
    if runtime.float32 in EXPORTED and read_record(model.directory, model.fingerprint, runtime) is None:
        raise ArtifactError(
            f"{model.directory} has no export for the runtime {runtime}: "
            f"make it with `penumbra model export {model.directory} --runtime {runtime.float32}`"
        )
    compute = _opened(model, network, runtime, threads)
    if runtime is Runtime.TORCH:
        return Choice(runtime, "it was asked for"), compute
    now = _checked(model, network, compute, threads)
    if not now.holds:
        raise ConfigError(
            f"The runtime {runtime} gives other Gaussians than float32 torch for the {network} network ({now}, where "
            f"cosine {COSINE} and ± {LOG_VARIANCE} are asked for): choose another"
        )
    return Choice(runtime, f"it was asked for, and agrees with float32 torch ({now})"), compute


def _fastest(model: LoadedModel, network: Network, threads: int) -> tuple[Choice, Compute]:
    candidates = _candidates(model, network)
    against: list[str] = []
    for runtime, measured in candidates:
        reason = _objection(runtime, measured)
        if reason is None:
            compute = _opened(model, network, runtime, threads)
            now = _checked(model, network, compute, threads)
            if now.holds:
                return Choice(runtime, _why(measured, now, against)), compute
            reason = f"{runtime} does not agree here ({now})"
        against.append(reason)
    why = "nothing faster agrees with it" if candidates else "no export of this model is faster"
    return Choice(Runtime.TORCH, "; ".join((why, *against))), _opened(model, network, Runtime.TORCH, threads)


def _candidates(model: LoadedModel, network: Network) -> list[tuple[Runtime, Measured]]:
    """What was faster than float32 torch in any of the model's exports, the fastest first."""
    records = [read_record(model.directory, model.fingerprint, runtime) for runtime in EXPORTED]
    measured = [each for record in records if record is not None for each in record.measured[network].items()]
    faster = [(runtime, each) for runtime, each in measured if each.speedup > 1 and runtime is not Runtime.TORCH]
    return sorted(faster, key=lambda pair: -pair[1].speedup)


def _objection(runtime: Runtime, measured: Measured) -> str | None:
    if not measured.agreement.holds:
        return f"{runtime} did not agree ({measured.agreement})"
    return None if usable(runtime) else f"{runtime} cannot be used here"


def _why(measured: Measured, now: Agreement, against: list[str]) -> str:
    fast = f"{measured.speedup:.1f} × as fast as float32 torch when it was exported, and agrees with it ({now})"
    return "; ".join((fast, *against))


def _checked(model: LoadedModel, network: Network, compute: Compute, threads: int) -> Agreement:
    reference = _opened(model, network, Runtime.TORCH, threads)
    return agreement(reference, compute, probes(model.encoder, network, FEW))


def _opened(model: LoadedModel, network: Network, runtime: Runtime, threads: int) -> Compute:
    directory = folder(model.directory, runtime)
    try:
        return open_network(model.encoder, network, runtime, directory, threads)
    except Exception as error:  # Each runtime has its own classes for a file that it cannot read.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise ArtifactError(
            f"{directory} cannot be read by the {runtime} that is installed ({reason}): make it anew with "
            f"`penumbra model export {model.directory} --runtime {runtime.float32}`, or delete it"
        ) from error
