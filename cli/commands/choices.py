"""The values that options offer. The packages below have them as enumerations, in modules that take time to load."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, TypeAlias

Relevance: TypeAlias = Literal["instance", "label", "truth"]
"""As `evaluation.relevance` knows them."""
Rerank: TypeAlias = Literal["sampled", "closed_form", "exhaustive", "none"]
"""As `index.searching.rerank` knows them."""
Runtime: TypeAlias = Literal["torch", "torch-bf16", "onnx", "openvino", "openvino-bf16"]
"""As `models.runtimes.runtime` knows them."""
Storage: TypeAlias = Literal["float32", "float16", "compact"]
"""As `index.gaussians.storage` knows them."""


class Scope(StrEnum):
    """As `service.keys` knows them; typer takes no list of literals."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"
