"""`penumbra bench`: what a query to a gallery of yours costs on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from cli.show import CONSOLE, print_json, progress, say
from evaluation.latency import QueryTimes, query_times
from evaluation.machine import machine, resident, save
from index.files.manifest import read_manifest
from index.items import Modality
from index.local.gallery import Gallery
from index.searching.rerank import Rerank
from index.searching.retriever import Retriever
from index.threads import available, pin
from models import checkpoint
from models.errors import ConfigError

RERANKS = (Rerank.SAMPLED, Rerank.CLOSED_FORM, Rerank.NONE, Rerank.EXHAUSTIVE)
# Of all items: enough for a median, and minutes only where there are tens of millions.
EXHAUSTIVE_QUERIES = 20


def command(
    gallery: Path,
    *,
    texts: Path | None,
    model: Path | None,
    queries: int,
    threads: int | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Measure, show and keep."""
    pin(threads or available())
    before = resident()["own"]
    loaded = checkpoint.load(model or gallery / read_manifest(gallery).model)
    with Gallery.open(gallery, model=loaded.fingerprint) as opened:
        encoder = loaded.encoder
        retriever = Retriever(opened, encoder.match, encoder.calibration, encoder.familiarity)
        asked = _captions(opened, queries) if texts is None else _lines(texts)
        measured = []
        with progress("measuring") as report:
            for done, rerank in enumerate(RERANKS):
                report(done, len(RERANKS))
                count = min(queries, EXHAUSTIVE_QUERIES) if rerank is Rerank.EXHAUSTIVE else queries
                measured.append(query_times(encoder, retriever, asked, count, rerank))
        images, own = opened.count(Modality.IMAGE), resident()["own"] - before
    figures = {"images": images, "own_bytes": own, "runs": [asdict(each) for each in measured]}
    if as_json:
        print_json({"machine": machine(), **figures})
    else:
        CONSOLE.print(_table(measured, f"A text query to {images:,} images, ms"))
        say(f"Model and gallery take {own / 1e6:,.0f} MB of memory beside the mapped files; {machine()['processor']}.")
    if out is not None:
        save(out, {"bench": figures})


def _captions(gallery: Gallery, count: int) -> list[str]:
    captions = min(count, gallery.count(Modality.TEXT))
    if not captions:
        raise ConfigError("the gallery has no captions to ask with: name a file of queries with --texts")
    return [item.text or "" for item in gallery.items(Modality.TEXT, range(captions))]


def _lines(path: Path) -> list[str]:
    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read ({error}): name a text file with a query a line") from error
    if not lines:
        raise ConfigError(f"{path} holds no query: write one a line")
    return lines


def _table(measured: Sequence[QueryTimes], title: str) -> Table:
    """The median of each stage, and the 95th percentile beside that of the whole search."""
    table = Table(title=title)
    stages = list(measured[0].stages)
    for heading in ("rerank", *stages, "p95"):
        table.add_column(heading, justify="left" if heading == "rerank" else "right")
    for each in measured:
        medians = (f"{each.stages[name]['p50']:.2f}" if name in each.stages else "–" for name in stages)
        table.add_row(each.rerank.value, *medians, f"{each.stages[stages[-1]]['p95']:.2f}")
    return table
