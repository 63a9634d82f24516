"""How many threads one computation may use: the one place that tells torch, faiss, OpenMP and BLAS."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from threadpoolctl import threadpool_info, threadpool_limits  # type: ignore[import-untyped]

from index.shortlists.kinds import set_threads


def available() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pin(count: int | None = None) -> None:
    """Let torch, faiss, OpenMP and BLAS use `count` threads for what the calling thread computes; all by default.

    OpenMP keeps this number for each thread that calls it, so every thread that computes has to say it.
    """
    count = count or available()
    # These reach the libraries; torch and faiss come after them, because they keep numbers of their own.
    threadpool_limits(count)
    torch.set_num_threads(count)
    set_threads(count)


def pools() -> Mapping[str, int]:
    """The threads that each library uses for what the calling thread computes, by the library's name."""
    libraries = {Path(each["filepath"]).name: int(each["num_threads"]) for each in threadpool_info()}
    return {"torch": torch.get_num_threads(), **libraries}
