"""`python -m load`: ten times what the server can do, and a soak of many requests. Only to 127.0.0.1.

Figures are printed; the exit code is 1 when one of them is not what it should be.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from load.client import PATIENCE, Seen
from load.measures import Overload, Soak
from load.requests import mixed, searches
from load.server import Server, scenes, serving

CONSOLE = Console(width=110)
app = typer.Typer(help=__doc__, add_completion=False, pretty_exceptions_enable=False)
Images = Annotated[int, typer.Option(min=10, help="Pictures of the gallery that is asked.")]


@app.callback(invoke_without_command=True)
def main(context: typer.Context) -> None:
    """Without a command: both, the soak with 10,000 requests."""
    if context.invoked_subcommand is None:
        good = [each() for each in (_overload, _soak)]
        raise typer.Exit(not all(good))


@app.command()
def overload(
    seconds: Annotated[float, typer.Option(min=1, max=600, help="Of the overload.")] = 60,
    times: Annotated[float, typer.Option(min=1, max=50, help="Of the sustainable rate.")] = 10,
    images: Images = 300,
) -> None:
    """Find the rate that the server sustains, ask for ten times of it, and see how it does and how it recovers."""
    raise typer.Exit(not _overload(seconds, times, images))


@app.command()
def soak(
    requests: Annotated[int, typer.Option(min=100, max=1_000_000, help="Of all kinds.")] = 10_000,
    images: Images = 300,
) -> None:
    """Send very many requests of all kinds, and see whether memory, descriptors or threads grow."""
    raise typer.Exit(not _soak(requests, images))


def _overload(seconds: float = 60, times: float = 10, images: int = 300) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        gallery = scenes(Path(folder), images)
        asked = searches(Path(folder) / "scenes")
        with serving(gallery, Path(folder) / "log", THREADS="1") as server:
            found = Overload.measure(server, asker(server, asked, Path(folder)), seconds, times)
    _show("Overload", found.rows())
    return found.good


def _soak(requests: int = 10_000, images: int = 300) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        gallery = scenes(Path(folder), images)
        asked = mixed(Path(folder) / "scenes")
        with serving(gallery, Path(folder) / "log", THREADS="1") as server:
            found = Soak.measure(server, asker(server, asked, Path(folder)), requests)
    _show("Soak", found.rows())
    return found.good


def asker(server: Server, requests: Sequence[bytes], folder: Path) -> Callable[[str, float, float], Seen]:
    """Asks a server in a process of its own: `("rate", a second, seconds)` or `("turn", clients, count)`."""
    path = folder / "requests.json"
    path.write_text(json.dumps([base64.b64encode(each).decode() for each in requests]))

    def ask(how: str, one: float, two: float) -> Seen:
        command = [sys.executable, "-m", "load.client", str(server.port), str(path), how, str(one), str(two)]
        patience = PATIENCE * 10 + (two if how == "rate" else 0)
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=patience)
        seen: dict[str, Any] = json.loads(done.stdout)
        return Seen(**{**seen, "statuses": {int(status): count for status, count in seen["statuses"].items()}})

    return ask


def _show(title: str, rows: Sequence[tuple[str, str, bool | None]]) -> None:
    table = Table(title=title)
    for heading in ("what", "figure", ""):
        table.add_column(heading)
    for name, figure, good in rows:
        table.add_row(name, figure, {True: "✓", False: "✗", None: ""}[good])
    CONSOLE.print(table)


if __name__ == "__main__":
    app()
