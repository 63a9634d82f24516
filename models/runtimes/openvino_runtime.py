"""OpenVINO: the one module that knows it."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from models.gaussian import Gaussian
from models.runtimes.runtime import Compute


def write(network: nn.Module, inputs: dict[str, Tensor], dynamic: dict[str, dict[int, str]], path: Path) -> None:
    """Trace a network that returns (mean, log_variance) into OpenVINO's format, weights in float32.

    Args:
        network: in evaluation mode.
        inputs: examples, by name.
        dynamic: the axes of each input that may differ from the example's, by name.
        path: of the .xml file; the weights go into a .bin file beside it.
    """
    openvino = _openvino()
    model = openvino.convert_model(network, example_input=tuple(inputs.values()))
    shapes = {}
    for port, (name, example) in zip(model.inputs, inputs.items(), strict=True):
        shapes[port] = [-1 if axis in dynamic[name] else size for axis, size in enumerate(example.shape)]
    model.reshape(shapes)
    openvino.save_model(model, str(path), compress_to_fp16=False)


def read(path: Path, threads: int, *, bf16: bool) -> Compute:
    """The network of an .xml file as a function, on `threads` threads of the processor; any thread may call it.

    Raises:
        RuntimeError: OpenVINO cannot read the file.
    """
    options = {
        "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        # Several servers on one machine would be pinned to the same cores.
        "ENABLE_CPU_PINNING": False,
    }
    compiled: Any = _core().compile_model(str(path), "CPU", options)

    def compute(*inputs: Tensor) -> Gaussian:
        # A request of its own, because one request serves one thread at a time.
        found = compiled.create_infer_request().infer([each.cpu().numpy() for each in inputs])
        mean, log_variance = (torch.from_numpy(found[place]) for place in range(2))
        return Gaussian(mean, log_variance)

    return compute


def version() -> str:
    """Name and version of the library."""
    return f"openvino {_openvino().get_version()}"


@cache
def _core() -> Any:
    """OpenVINO's engine, one for the process and never given up.

    Each one gives its thread a signal stack, and takes it away when it goes. Of two that do not go in the reverse of
    the order in which they came, the thread is left with the stack of one that is gone, and the next signal for which
    Python has a handler ends the process without a word (seen with OpenVINO 2026.4).
    """
    return _openvino().Core()


def _openvino() -> ModuleType:
    """The package without its companion openvino_telemetry, which reports the import itself to its maker: with None in
    its place it counts as not installed, and OpenVINO uses an empty one.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino  # type: ignore[no-any-return]
