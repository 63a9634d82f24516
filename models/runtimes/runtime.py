"""Which runtimes there are, what each one needs, and an encoder whose networks they compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from importlib.util import find_spec
from typing import Final, TypeAlias

import torch
from torch import Tensor

from models.encoders import Encoder
from models.errors import ConfigError
from models.gaussian import Gaussian


class Network(StrEnum):
    """One of a model's two networks."""

    IMAGE = "image"
    TEXT = "text"


class Runtime(StrEnum):
    """What computes a network. `TORCH` is float32 and the reference; of two equally fast the earlier one is taken."""

    TORCH = "torch"
    TORCH_BF16 = "torch-bf16"
    ONNX = "onnx"
    OPENVINO = "openvino"
    OPENVINO_BF16 = "openvino-bf16"

    @property
    def float32(self) -> Runtime:
        """The same runtime without bfloat16."""
        return _FLOAT32.get(self, self)

    def computes(self, network: Network) -> Runtime:
        """What this runtime means for a network: bfloat16 is for images; a GRU's few products gain nothing from it."""
        return self if network is Network.IMAGE else self.float32


_FLOAT32: Final[Mapping[Runtime, Runtime]] = {
    Runtime.TORCH_BF16: Runtime.TORCH,
    Runtime.OPENVINO_BF16: Runtime.OPENVINO,
}
EXPORTED: Final = (Runtime.ONNX, Runtime.OPENVINO)
"""The runtimes that need an export; each is the name of its extra, too."""

_PACKAGES: Final[Mapping[Runtime, tuple[str, ...]]] = {
    Runtime.ONNX: ("onnx", "onnxruntime"),
    Runtime.OPENVINO: ("openvino",),
}

Compute: TypeAlias = Callable[..., Gaussian]
"""A network as a function: of pixels [n, 3, side, side], or of word ids [n, length] and lengths [n]."""


class RuntimeEncoder(Encoder):
    """A model whose networks are computed elsewhere: Gaussians come out, and no attention maps.

    Its own networks hold no weights, so it can be neither trained nor saved.

    Args:
        encoder: whose configuration, vocabulary, match head, calibration and familiarity these are.
        compute: what computes each network.
    """

    def __init__(self, encoder: Encoder, compute: Mapping[Network, Compute]) -> None:
        with torch.device("meta"):
            super().__init__(
                encoder.config, encoder.vocabulary, encoder.match, encoder.calibration, encoder.familiarity
            )
        self._compute = dict(compute)

    @property
    def device(self) -> torch.device:
        """Where Gaussians come out."""
        return torch.device("cpu")

    def encode_pixels(self, pixels: Tensor) -> Gaussian:
        """Gaussians [n, dim] of normalised pixels [n, 3, side, side]."""
        return self._compute[Network.IMAGE](pixels)

    def encode_tokens(self, ids: Tensor, lengths: Tensor) -> Gaussian:
        """Gaussians [n, dim] of word ids [n, length] of which the first `lengths` [n] are real."""
        return self._compute[Network.TEXT](ids, lengths)


def missing_package(runtime: Runtime) -> str | None:
    """The package that a runtime needs and that is not installed, or None."""
    return next((name for name in _PACKAGES.get(runtime.float32, ()) if find_spec(name) is None), None)


def require(runtime: Runtime) -> None:
    """Make sure that a runtime can be used here.

    Raises:
        ConfigError: its package is not installed (the message has the command that brings it), or this processor does
            not compute in bfloat16.
    """
    if (package := missing_package(runtime)) is not None:
        raise ConfigError(
            f"The runtime {runtime} needs the package {package}, which is not installed: "
            f"pip install 'penumbra[{runtime.float32}]'"
        )
    if runtime is not runtime.float32 and not has_bfloat16():
        raise ConfigError(
            f"The runtime {runtime} needs a processor that computes in bfloat16, and this one does not: "
            f"choose {runtime.float32}"
        )


def has_bfloat16() -> bool:
    """Whether this processor computes in bfloat16 itself (AVX-512 BF16 or AMX on x86)."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def usable(runtime: Runtime) -> bool:
    """Whether `require` accepts a runtime."""
    return missing_package(runtime) is None and (runtime is runtime.float32 or has_bfloat16())
