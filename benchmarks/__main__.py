"""`python -m benchmarks`: what a query costs, stage by stage, and the rerank beside the broadcast formula."""

from __future__ import annotations

import platform
import tempfile
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.query import stage_times
from benchmarks.rerank import rerank_times

CONSOLE = Console()


def main() -> None:
    """Measure and print, with the machine's name."""
    CONSOLE.print(f"{platform.machine()}, {_processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    _show_rerank()
    with tempfile.TemporaryDirectory() as folder:
        _show_query(Path(folder))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown processor")


def _show_rerank() -> None:
    times = rerank_times()
    CONSOLE.print(
        f"\nRerank of {times.items:,} items (D = {times.dim}, J = {times.samples}), median of paired runs: "
        f"matrix products {times.products_ms:.2f} ms, broadcast [n, J, J, D] {times.broadcast_ms:.1f} ms: "
        f"{times.broadcast_ms / times.products_ms:.0f} × faster; largest difference {times.difference:.1e}.",
        highlight=False,
    )


def _show_query(folder: Path) -> None:
    times = stage_times(folder)
    table = Table(title=f"A text query against {times.items:,} images (D = {times.dim}), {times.queries} queries, ms")
    for heading in ("stage", "p50", "p95"):
        table.add_column(heading, justify="left" if heading == "stage" else "right")
    for stage, (median, tail) in times.stages.items():
        table.add_row(stage, f"{median:.2f}", f"{tail:.2f}")
    CONSOLE.print(table)


if __name__ == "__main__":
    main()
