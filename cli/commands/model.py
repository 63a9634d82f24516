"""`penumbra model`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.commands.choices import Runtime
from cli.commands.parameters import Json

app = typer.Typer(help="Bring in a model that others trained, export one for a faster runtime.", no_args_is_help=True)


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A .pth file of the PCME authors' code.")],
    out: Annotated[Path, typer.Option(help="Where the model goes; must not be there yet.")],
    as_json: Json = False,
) -> None:
    """Turn a published PCME checkpoint into a model of ours. Nothing in the file is run."""
    from cli.model import import_command

    import_command(source, out, as_json)


@app.command()
def export(
    model: Annotated[Path, typer.Argument(help="A model's folder; the export goes into it.")],
    runtime: Annotated[Runtime, typer.Option(help="Whose format: onnx or openvino.")],
    threads: Annotated[int | None, typer.Option(min=1, help="Threads as it is timed. [default: all]")] = None,
    as_json: Json = False,
) -> None:
    """Write a model's networks for a faster runtime, and measure them beside torch. The model's fingerprint stays."""
    from cli.model import export_command

    export_command(model, runtime, threads, as_json)
