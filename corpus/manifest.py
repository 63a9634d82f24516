"""A captioned collection on disk: a folder with `captions.jsonl`, or a bare folder of images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Entry:
    """One image with the captions written for it; a line of `captions.jsonl`."""

    id: str
    image: Path
    captions: tuple[str, ...] = ()
    label: str | None = None
    split: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
