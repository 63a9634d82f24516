"""A network as a function, whichever runtime computes it, and its way into the files that runtimes read."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Final

from torch import Tensor, nn

from models.encoders import Encoder
from models.runtimes import onnx_runtime, openvino_runtime, torch_runtime
from models.runtimes.agreement import probes
from models.runtimes.runtime import Compute, Network, Runtime

LIBRARIES: Final[Mapping[Runtime, ModuleType]] = {Runtime.ONNX: onnx_runtime, Runtime.OPENVINO: openvino_runtime}
"""The modules that write and read exports."""

_SUFFIX: Final[Mapping[Runtime, str]] = {Runtime.ONNX: ".onnx", Runtime.OPENVINO: ".xml"}
# The inputs of each network, and their axes that vary.
_DYNAMIC: Final[Mapping[Network, dict[str, dict[int, str]]]] = {
    Network.IMAGE: {"pixels": {0: "n"}},
    Network.TEXT: {"ids": {0: "n", 1: "length"}, "lengths": {0: "n"}},
}


def open_network(encoder: Encoder, network: Network, runtime: Runtime, directory: Path, threads: int) -> Compute:
    """A network as a runtime computes it.

    Args:
        encoder: whose network it is; torch's runtimes compute it where it is.
        network: which one.
        runtime: one that is installed.
        directory: of its export, for a runtime that needs one.
        threads: of one computation; torch's are those of the thread that calls.
    """
    path = directory / (network + _SUFFIX.get(runtime.float32, ""))
    match runtime:
        case Runtime.TORCH:
            return encoder.encode_pixels if network is Network.IMAGE else encoder.encode_tokens
        case Runtime.TORCH_BF16:
            return torch_runtime.in_bfloat16(_module(encoder, network))
        case Runtime.ONNX:
            return onnx_runtime.read(path, threads)
        case Runtime.OPENVINO | Runtime.OPENVINO_BF16:
            return openvino_runtime.read(path, threads, bf16=runtime is Runtime.OPENVINO_BF16)


def write_network(encoder: Encoder, network: Network, runtime: Runtime, directory: Path) -> None:
    """Write a network for a runtime that needs an export."""
    # Two inputs, so that no exporter takes their number for a constant.
    inputs = dict(zip(_DYNAMIC[network], probes(encoder, network, 2)[-1], strict=True))
    path = directory / (network + _SUFFIX[runtime])
    with warnings.catch_warnings():
        # Both exporters trace, which torch means to replace, and both warn of the checks that a Gaussian makes.
        warnings.simplefilter("ignore")
        LIBRARIES[runtime].write(_Pair(_module(encoder, network)).eval(), inputs, _DYNAMIC[network], path)


class _Pair(nn.Module):
    """A network that returns a plain pair, as exporters want it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        gaussian = self.network(*inputs).gaussian
        return gaussian.mean, gaussian.log_variance


def _module(encoder: Encoder, network: Network) -> nn.Module:
    return encoder.image if network is Network.IMAGE else encoder.text
