"""What the page costs and how long a reader waits: bytes, requests, first paint, first result, in Chromium.

    python -m benchmarks.page artifacts/demo/gallery

Starts the service over a gallery on this machine, opens the page anew for every run, and searches as a reader does.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path
from statistics import median
from tempfile import NamedTemporaryFile
from typing import Final

from playwright.sync_api import Browser, Page, sync_playwright

from evaluation.machine import machine
from load.server import serving

QUERY: Final = "a large red star at night"
VITALS: Final = """() => new Promise(resolve => {
    const told = { largest: 0, shift: 0 };
    new PerformanceObserver(list => list.getEntries().forEach(each => told.largest = each.startTime))
        .observe({ type: "largest-contentful-paint", buffered: true });
    new PerformanceObserver(list => list.getEntries().forEach(each => told.shift += each.value))
        .observe({ type: "layout-shift", buffered: true });
    const [paint] = performance.getEntriesByName("first-contentful-paint");
    setTimeout(() => resolve({ ...told, first: paint.startTime }), 100);
})"""
SIZES: Final = """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
    .map(each => [new URL(each.name).pathname, each.encodedBodySize])"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gallery", type=Path)
    parser.add_argument("--runs", type=int, default=15)
    given = parser.parse_args()
    with NamedTemporaryFile() as log, serving(given.gallery, Path(log.name)) as server, sync_playwright() as playwright:
        address = f"http://127.0.0.1:{server.port}"
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        runs = [_run(browser, address) for _ in range(given.runs + 1)][1:]
        browser.close()
    print(machine())
    for name in runs[0]:
        values = sorted(run[name] for run in runs)
        print(f"{name:48} {median(values):10.4g}   ({values[0]:.4g} to {values[-1]:.4g}, {len(values)} runs)")


def _run(browser: Browser, address: str) -> dict[str, float]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector(".chip")
    vitals, sizes = page.evaluate(VITALS), page.evaluate(SIZES)
    own = [size for path, size in sizes if path == "/" or path.startswith("/static/")]
    told = {
        "requests of the page itself": float(len(own)),
        "kB of the page itself, compressed": sum(own) / 1000,
        "first contentful paint, ms": vitals["first"],
        "largest contentful paint, ms": vitals["largest"],
        "cumulative layout shift": vitals["shift"],
    }
    told |= _search(page)
    context.close()
    return told


def _search(page: Page) -> dict[str, float]:
    page.get_by_role("searchbox").fill(QUERY)
    began = time.perf_counter()
    # Asked at every frame; a selector is looked for at growing intervals.
    page.wait_for_function("() => document.querySelector('.card .shot img')")
    listed = time.perf_counter()
    page.wait_for_function("() => document.querySelector('.card img')?.complete")
    return {
        "last letter to first result, ms (300 of them waiting)": 1000 * (listed - began),
        "last letter to first picture, ms": 1000 * (time.perf_counter() - began),
    }


if __name__ == "__main__":
    main()
