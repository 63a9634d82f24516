"""`python -m benchmarks.capacity [out.json]`: what galleries of any size need, from what one was measured to need.

It measures items and queries in a folder and in Milvus Lite, checks the simulated server (`benchmarks.queueing`)
against a real one, and scales up. docs/scaling.md has what it printed, and says what is measured and what assumed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from time import perf_counter, sleep
from typing import Any, Final

import numpy as np

from benchmarks.queueing import Times, arrivals, measure, simulate, sustained
from benchmarks.synthetic import HEAD, Collection, write_gallery
from evaluation.machine import save
from index.items import Modality
from index.local.gallery import Gallery
from index.milvus.address import StoreAddress
from index.milvus.connection import Collection as Stored
from index.milvus.gallery import MilvusGallery
from index.milvus.upload import upload
from index.searching.contract import Searched
from index.searching.retriever import Retriever, SearchOptions
from index.threads import pin
from models.calibration import Direction
from models.errors import UnavailableError
from models.gaussian import Gaussian

ITEMS, DIM, QUERIES = 10_000, 256, 150
LOADS: Final = (0.3, 0.6, 0.8)
"""Shares of what one searcher can do, at which the simulation is checked."""
WITHIN: Final = 0.1
"""Seconds in which 95 % of searches are to be answered."""
PORT: Final = 19_531
GIB: Final = 2**30
SIZES: Final = (10**6, 10**8, 10**10)

MEMORY_BYTES: Final = 4 * (DIM + 1) + 4 * 2 * 16
"""Of one item in an HNSW index of Milvus, its point in float32 and its links: computed, for Lite is another program."""
PICTURE_BYTES: Final = 15_000
"""Of a JPEG of 256 pixels: assumed."""
NODE_GIB, NODE_FILL = 256, 0.7
"""Memory of a machine that holds a part of the index, and how much of it may be full."""
NODE_PRICE, DISK_PRICE, SERVER_PRICE = 1_100.0, 0.08, 70.0
"""Assumed US dollars a month: such a machine, a GB of disk, and a machine of two cores for a server."""


@dataclass(frozen=True)
class Figures:
    """What was measured of one way to hold a gallery.

    Args:
        item_bytes: on disk, of one item without its picture.
        item_memory: own memory of one item.
        filling: seconds that it took to put one item there.
        service: seconds of each search, one after the other.
    """

    item_bytes: float
    item_memory: float
    filling: float
    service: list[float]


@dataclass(frozen=True)
class Need:
    """What a gallery needs where its index is in the memory of Milvus's machines.

    Args:
        items: how many.
        memory: GiB of index and fields.
        disk: GiB, with pictures.
        nodes: machines that hold it, each part once.
        monthly: US dollars of these and of the disk.
    """

    items: int
    memory: float
    disk: float
    nodes: int
    monthly: float


def need(items: int, field_bytes: float) -> Need:
    """What so many items need.

    Args:
        items: how many.
        field_bytes: of one item beside its point and its picture.
    """
    memory = items * (MEMORY_BYTES + field_bytes) / GIB
    disk = items * (4 * (DIM + 1) + field_bytes + PICTURE_BYTES) / GIB
    nodes = ceil(memory / (NODE_GIB * NODE_FILL))
    return Need(items, memory, disk, nodes, nodes * NODE_PRICE + disk * DISK_PRICE)


def search_times(searched: Searched, queries: Gaussian) -> tuple[Callable[[int], object], list[float]]:
    """Something that asks a query, and the seconds that each took alone, after some that warm up."""
    retriever, options = Retriever(searched, HEAD), SearchOptions()

    def ask(place: int) -> object:
        return retriever.search(queries[place % len(queries)], Direction.TEXT_TO_IMAGE, options)

    for place in range(20):
        ask(place)
    return ask, [_seconds(ask, place) for place in range(QUERIES)]


def check(ask: Callable[[int], object], service: list[float]) -> list[dict[str, float]]:
    """The simulated server beside the real one, at each of `LOADS`, in milliseconds.

    It is simulated twice: from the times that queries took alone, before, and from those that they took in the run, in
    which other work on the machine had the same part.
    """
    found = []
    for load in LOADS:
        rng = np.random.default_rng(0)
        coming = arrivals(load / float(np.mean(service)), 2 * QUERIES, rng)
        real, served = measure(coming, ask, 1)
        found.append(
            {
                "load": load,
                **_percentiles("from_alone", simulate(coming, service, 1, rng)),
                **_percentiles("from_run", simulate(coming, served, 1, rng)),
                **_percentiles("measured", real),
            }
        )
    return found


def main() -> None:
    """Measure, check, scale up, print, and write JSON where a file is named."""
    pin(1)
    with tempfile.TemporaryDirectory() as folder:
        figures = _measured(Path(folder))
    print(_shown(figures))
    if len(sys.argv) > 1:
        save(Path(sys.argv[1]), {"capacity": figures})


def _measured(folder: Path) -> dict[str, Any]:
    start = perf_counter()
    write_gallery(folder / "disk", Collection(ITEMS, DIM, 500), "auto", None)
    filling = (perf_counter() - start) / ITEMS
    with Gallery.open(folder / "disk") as gallery:
        queries = gallery.gaussians(Modality.TEXT, range(gallery.count(Modality.TEXT)))
        ask, service = search_times(gallery, queries)
        own = 4 * (DIM + 1)
        disk = Figures(_bytes(folder / "disk") / ITEMS, own, filling, service)
        checked = check(ask, service)
    with _milvus(folder / "milvus") as process:
        stored = _stored(folder, queries, process)
    fields = stored.item_bytes - 4 * (DIM + 1)
    return {
        "disk": asdict(disk),
        "milvus_lite": asdict(stored),
        "checked": checked,
        "sustained": {
            name: sustained(each.service, searchers, WITHIN)
            for name, each, searchers in (("disk", disk, 1), ("milvus_lite", stored, 2))
        },
        "needs": [asdict(need(items, fields)) for items in SIZES],
    }


def _stored(folder: Path, queries: Gaussian, process: int) -> Figures:
    """The same gallery in Milvus Lite."""
    address, before = StoreAddress("127.0.0.1", PORT, "capacity"), _resident(process)
    (folder / "there").mkdir()
    start = perf_counter()
    upload(folder / "disk", address, folder / "there")
    filling = (perf_counter() - start) / ITEMS
    opened = MilvusGallery.open(folder / "there", address)
    service = search_times(opened, queries)[1]
    # Written out, so that the files hold it all once.
    opened.collection._call("flush")
    found = Figures(_bytes(folder / "milvus") / ITEMS, (_resident(process) - before) / ITEMS, filling, service)
    opened.close()
    return found


@contextmanager
def _milvus(folder: Path) -> Iterator[int]:
    """A Milvus Lite server until the block ends; its process."""
    command = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(folder), "--host", "127.0.0.1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([*command, "--port", str(PORT)], env=environment, stdout=subprocess.DEVNULL)
    try:
        _wait(Stored(StoreAddress("127.0.0.1", PORT, "capacity")))
        yield process.pid
    finally:
        process.kill()
        process.wait()


def _wait(stored: Stored) -> None:
    for _ in range(60):
        try:
            stored.exists()
            return
        except UnavailableError:
            sleep(0.5)
    raise TimeoutError("Milvus Lite did not start")


def _seconds(ask: Callable[[int], object], place: int) -> float:
    start = perf_counter()
    ask(place)
    return perf_counter() - start


def _percentiles(name: str, seconds: Times) -> dict[str, float]:
    p50, p95 = 1000 * np.percentile(seconds, [50, 95])
    return {f"{name}_p50_ms": float(p50), f"{name}_p95_ms": float(p95)}


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _resident(process: int) -> int:
    """Bytes of memory that a process has (Linux)."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _shown(figures: dict[str, Any]) -> str:
    lines = []
    for name in ("disk", "milvus_lite"):
        each, (p50, p95) = figures[name], 1000 * np.percentile(figures[name]["service"], [50, 95])
        lines.append(
            f"{name}: {each['item_bytes']:,.0f} B on disk and {each['item_memory']:,.0f} B of memory an item, "
            f"{1000 * each['filling']:.2f} ms to put it there; search {p50:.1f} / {p95:.1f} ms; "
            f"{figures['sustained'][name]:.0f} a second with 95 % within {1000 * WITHIN:.0f} ms"
        )
    for each in figures["checked"]:
        lines.append(" ".join(f"{name} {value:.3g}" for name, value in each.items()))
    for each in figures["needs"]:
        lines.append(" ".join(f"{name} {value:,.0f}" for name, value in each.items()))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
