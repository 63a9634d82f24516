"""ONNX Runtime: the one module that knows onnxruntime, and torch's exporter to ONNX."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import torch
from torch import Tensor, nn

from models.gaussian import Gaussian
from models.runtimes.runtime import Compute

_OPSET: Final = 20
_ERRORS_ONLY: Final = 3


def write(network: nn.Module, inputs: dict[str, Tensor], dynamic: dict[str, dict[int, str]], path: Path) -> None:
    """Trace a network that returns (mean, log_variance) into an ONNX file.

    By tracing, because the exporter by `torch.export` fixes the number of words that a GRU reads (torch 2.15).

    Args:
        network: in evaluation mode.
        inputs: examples, by name.
        dynamic: the axes of each input that may differ from the example's, by name.
        path: of the file.
    """
    names = ("mean", "log_variance")
    torch.onnx.export(
        network,
        tuple(inputs.values()),
        str(path),
        dynamo=False,
        opset_version=_OPSET,
        input_names=list(inputs),
        output_names=list(names),
        dynamic_axes={**dynamic, **{name: {0: "n"} for name in names}},
    )


def read(path: Path, threads: int) -> Compute:
    """The network of an ONNX file as a function, on `threads` threads of the processor; any thread may call it.

    Raises:
        Exception: of whatever class onnxruntime has for a file that it cannot read.
    """
    runtime = _onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = _ERRORS_ONLY
    session: Any = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]

    def compute(*inputs: Tensor) -> Gaussian:
        arrays = [each.cpu().numpy() for each in inputs]
        mean, log_variance = session.run(None, dict(zip(names, arrays, strict=True)))
        return Gaussian(torch.from_numpy(mean), torch.from_numpy(log_variance))

    return compute


def version() -> str:
    """Name and version of the library."""
    return f"onnxruntime {_onnxruntime().__version__}"


def _onnxruntime() -> ModuleType:
    """The package, told to keep quiet: since 1.29 its official builds report sessions to their maker, unless this
    variable is set before the first import.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    return onnxruntime  # type: ignore[no-any-return]
