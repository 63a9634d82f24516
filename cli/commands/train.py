"""`penumbra train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.commands.parameters import Json, ProcessThreads


def train(
    config: Annotated[Path, typer.Argument(help="A TOML file; see configs/.")],
    out: Annotated[Path, typer.Option(help="Where the model goes; must not be there yet.")],
    data: Annotated[Path | None, typer.Option(help="A collection; not needed where the config makes Scenes.")] = None,
    seed: Annotated[int | None, typer.Option(help="In place of the config's seed.")] = None,
    threads: ProcessThreads = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto: a GPU where there is one.")] = "auto",
    skip_bad: Annotated[bool, typer.Option(help="Leave out bad lines of the collection, and list them.")] = False,
    as_json: Json = False,
) -> None:
    """Train a model. Interrupted at any moment, the same command goes on to the same result.

    Started by torchrun, several processes share each batch; see docs/distributed.md.
    """
    from cli.train import command

    command(config, out, data=data, seed=seed, threads=threads, device=device, skip_bad=skip_bad, as_json=as_json)
