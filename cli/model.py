"""`penumbra model`: bring in a model that others trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.show import say
from models import checkpoint
from models.artifact import sha256
from models.errors import ConfigError
from models.official import read_checkpoint

app = typer.Typer(help="Bring in a model that others trained.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Bring in a model that others trained."""


@app.command("import")
def import_command(
    source: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A .pth file of the PCME authors' code.")],
    out: Annotated[Path, typer.Option(help="Where the model goes; must not be there yet.")],
) -> None:
    """Turn a published PCME checkpoint into a model of ours. Nothing in the file is run."""
    if out.exists():
        raise ConfigError(f"{out} is there already: name another --out")
    encoder = read_checkpoint(source)
    origin = {"imported_from": source.name, "sha256": sha256(source), "format": "PCME, PyTorch state dict"}
    checkpoint.save(encoder, out, origin)
    say(f"The model is in {out}: {encoder.config.backbone}, {encoder.config.embed_dim} dimensions.")
