"""`python -m fuzz`: requests made from the OpenAPI document, pictures and texts of all sorts. Only to 127.0.0.1.

Figures are printed; the exit code is 1 when something failed, hung, or the server grew.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Annotated

import httpx2
import schemathesis
import typer
from rich.console import Console
from rich.table import Table

from fuzz.asking import PATIENCE, Borne, send_pictures, send_texts
from fuzz.contract import send_requests
from fuzz.pictures import pictures
from fuzz.texts import bodies
from load.server import Server, Taken, scenes, serving

CONSOLE = Console(width=120)
GROWTH = 0.10
"""The share by which memory may exceed what it was after the first of three rounds."""


def main(
    cases: Annotated[
        int, typer.Option(min=10, max=100_000, help="Pictures, and texts, and requests an operation.")
    ] = 500,
    seed: Annotated[int, typer.Option(help="The same seed makes the same inputs.")] = 0,
    images: Annotated[int, typer.Option(min=10, help="Pictures of the gallery that is asked.")] = 100,
) -> None:
    """Send all sorts of bad input to a server, in three rounds of which the first warms it up."""
    with tempfile.TemporaryDirectory() as folder, serving(scenes(Path(folder), images), Path(folder) / "log") as server:
        rounds = [(_round(server, max(cases // 3, 1), seed + number), server.taken()) for number in range(3)]
        alive = server.alive
        _show(rounds, alive)
        if not _good(rounds, alive):
            CONSOLE.print((Path(folder) / "log").read_text()[-3000:], markup=False)
            raise typer.Exit(1)


def _round(server: Server, cases: int, seed: int) -> dict[str, Borne]:
    address = f"http://127.0.0.1:{server.port}"
    with httpx2.Client(base_url=address, timeout=PATIENCE, trust_env=False) as client:
        return {
            "OpenAPI": send_requests(schemathesis.openapi.from_url(f"{address}/openapi.json"), cases, seed),
            "pictures": send_pictures(client, islice(pictures(seed), cases + 60)),
            "texts": send_texts(client, islice(bodies(seed), cases)),
        }


def _good(rounds: Iterable[tuple[dict[str, Borne], Taken]], alive: bool) -> bool:
    taken = [each for _, each in rounds]
    failed = [name for found, _ in rounds for borne in found.values() for name in borne.failed]
    return alive and not failed and taken[-1].resident <= (1 + GROWTH) * taken[0].resident


def _show(rounds: list[tuple[dict[str, Borne], Taken]], alive: bool) -> None:
    table = Table(title="Bad input")
    for heading in ("round", "what", "inputs", "statuses", "slowest ms", "failed", "memory MB", "threads"):
        table.add_column(heading)
    for number, (found, taken) in enumerate(rounds, start=1):
        for name, borne in found.items():
            statuses = ", ".join(f"{status}: {count}" for status, count in sorted(borne.statuses.items()))
            slowest = f"{borne.slowest[0]:.0f} ({borne.slowest[1]})"
            memory = (f"{taken.resident:.0f}", str(taken.threads))
            table.add_row(str(number), name, f"{borne.tried:,}", statuses, slowest, str(len(borne.failed)), *memory)
    CONSOLE.print(table)
    for found, _ in rounds:
        for borne in found.values():
            for name in borne.failed[:10]:
                CONSOLE.print(name, style="red", markup=False)
    CONSOLE.print("The server lives." if alive else "The server has ended.")


if __name__ == "__main__":
    typer.run(main)
