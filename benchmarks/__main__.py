"""`python -m benchmarks`: the rerank, a query's stages, growing galleries, and pure cosine search beside them.

Figures are printed, and written as JSON where `--json` names a file. Nothing here is a test: what is measured is shown
with the machine that it was measured on.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks import cosine, scale
from benchmarks.query import ITEMS, stage_times
from benchmarks.rerank import rerank_times
from benchmarks.synthetic import Collection
from evaluation.machine import machine, save

CONSOLE = Console()
app = typer.Typer(help=__doc__, add_completion=False, pretty_exceptions_enable=False)
Json = Annotated[Path | None, typer.Option("--json", help="A file for the figures; those of other benchmarks stay.")]
Scratch = Annotated[Path | None, typer.Option(help="A folder for galleries, some gigabytes; removed again.")]
Threads = Annotated[int, typer.Option(min=1)]


@app.callback(invoke_without_command=True)
def main(context: typer.Context) -> None:
    """Without a command: the rerank and a query's stages, which take a few minutes."""
    here = machine()
    versions = ", ".join(f"{name} {found}" for name, found in here["packages"].items() if found)
    CONSOLE.print(f"{here['processor']}, {here['cores']} cores; {versions}", highlight=False)
    if context.invoked_subcommand is None:
        rerank()
        query()


@app.command()
def rerank(json: Json = None) -> None:
    """1,000 items by matrix products, and by the broadcast formula, with one thread and with two."""
    found = [rerank_times(threads) for threads in (1, 2)]
    table = Table(title=f"Rerank of {found[0].items:,} items (D = {found[0].dim}, J = {found[0].samples}), ms")
    for heading in ("threads", "products", "broadcast", "ratio", "closed form", "largest difference"):
        table.add_column(heading, justify="right")
    for each in found:
        ours = (f"{each.products_ms:.2f}", f"{each.broadcast_ms:.1f}", f"{each.ratio:.0f} ×")
        table.add_row(str(each.threads), *ours, f"{each.closed_form_ms:.2f}", f"{each.difference:.1e}")
    CONSOLE.print(table)
    _save(json, {"rerank": {"runs": [asdict(each) for each in found]}})


@app.command()
def query(json: Json = None, scratch: Scratch = None) -> None:
    """A text query against a Scenes gallery with the model that ships, stage by stage."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        times = stage_times(Path(folder))
    table = Table(title=f"A text query against {ITEMS:,} images, {times.queries} queries, ms")
    for heading in ("stage", "p50", "p95"):
        table.add_column(heading, justify="left" if heading == "stage" else "right")
    for stage, taken in times.stages.items():
        table.add_row(stage, f"{taken['p50']:.2f}", f"{taken['p95']:.2f}")
    CONSOLE.print(table)
    _save(json, {"query": asdict(times)})


@app.command("scale")
def scale_command(
    sizes: Annotated[list[int] | None, typer.Option("--size", help="Items; may be given again.")] = None,
    kinds: Annotated[list[str] | None, typer.Option("--kind", help="Of shortlist; all without it.")] = None,
    dim: Annotated[int, typer.Option(min=2)] = 512,
    storage: Annotated[str, typer.Option(help="auto, float32, float16 or compact.")] = "auto",
    threads: Threads = 2,
    json: Json = None,
    scratch: Scratch = None,
) -> None:
    """Synthetic galleries of growing size: build, memory, time of a search, share of the exhaustive top ten.

    The memory is the process's own, without mapped pages, and its share that of means and log-variances in float32; the
    times are those of the sampled, the closed-form and the exhaustive rerank, all with their shortlist.
    """
    table = Table(title=f"Clustered Gaussians (D = {dim}, {storage}, {threads} threads)")
    for heading in ("items", "kind", "build s", "own MB", "share", "p50 ms", "p95 ms", "closed", "all", "top 10"):
        table.add_column(heading, justify="left" if heading == "kind" else "right")
    rows = []
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        for case in scale.cases(tuple(sizes or scale.SIZES), dim, storage, threads, tuple(kinds or ())):
            CONSOLE.print(f"{case.count:,} items, {case.kind} …", highlight=False)
            rows.append(scale.measure(case, Path(folder)))
            table.add_row(*_scale_cells(rows[-1]))
            # A run of hours that is interrupted has given what it found until then.
            _save(json, {f"scale-{dim}": {"runs": rows}})
    CONSOLE.print(table)


def _scale_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    found = row["search"]
    own = (found["resident"]["own"] - found["resident_before"]["own"]) / 1e6
    times = (found["sampled_ms"]["p50"], found["sampled_ms"]["p95"], found["closed_form_ms"]["p50"])
    return (
        f"{row['count']:,}",
        row["kind"],
        f"{row['build']['seconds']:.0f}",
        f"{own:,.0f}",
        f"{100 * row['share_of_float32']:.0f} %",
        *(f"{each:.2f}" for each in times),
        f"{found['exhaustive_ms']['p50']:.0f}",
        f"{100 * found['share_of_exhaustive_top_10']:.1f} %",
    )


@app.command("cosine")
def cosine_command(
    count: Annotated[int, typer.Option("--size", min=100)] = 1_000_000,
    dim: Annotated[int, typer.Option(min=2)] = 512,
    threads: Threads = 2,
    json: Json = None,
) -> None:
    """The same means in faiss HNSW, hnswlib and usearch, by cosine alone, at 0.99 of their exact ten nearest."""
    found = cosine.compare(Collection(count, dim, queries=220), threads)
    table = Table(title=f"Cosine search of {found['count']:,} means (D = {dim})")
    for heading in ("library", "build s", "effort", "recall", "p50 ms", "p95 ms"):
        table.add_column(heading, justify="left" if heading == "library" else "right")
    for name, row in found["libraries"].items():
        figures = (f"{row['build_seconds']:.0f}", str(row["effort"]), f"{row['recall']:.3f}")
        table.add_row(name, *figures, f"{row['ms']['p50']:.2f}", f"{row['ms']['p95']:.2f}")
    CONSOLE.print(table)
    for name in found["missing"]:
        CONSOLE.print(f"{name} is not installed, and was left out: pip install {name}")
    _save(json, {f"cosine-{dim}": found})


def _save(path: Path | None, figures: Mapping[str, Any]) -> None:
    if path is not None:
        save(path, figures)


if __name__ == "__main__":
    app()
