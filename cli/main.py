"""The command `penumbra`."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer
from rich.console import Console

from cli.commands import bench, compare, demo, doctor, evaluate, index, keys, model, search, serve, train
from cli.exit_codes import BAD_INPUT, EXIT_CODES, INTERRUPTED
from models.errors import PenumbraError
from penumbra_client.errors import ClientError

app = typer.Typer(
    name="penumbra",
    help="Image-text retrieval whose score means something.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (
    train.train,
    evaluate.evaluate,
    compare.compare,
    search.search,
    serve.serve,
    demo.demo,
    bench.bench,
    doctor.doctor,
    demo.scenes,
    evaluate.calibrate,
):
    app.command()(command)
app.add_typer(index.app, name="index")
app.add_typer(keys.app, name="keys")
app.add_typer(model.app, name="model")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("penumbra"))
        raise typer.Exit


@app.callback()
def penumbra(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version, and end.")
    ] = False,
) -> None:
    """Image-text retrieval whose score means something."""


def main() -> None:
    """Run the command; what a person can mend is one sentence on stderr and exit code 2."""
    errors = Console(stderr=True)
    try:
        app()
    except (PenumbraError, ClientError) as error:
        errors.print(str(error), style="red", soft_wrap=True, markup=False, highlight=False)
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        errors.print("interrupted", style="yellow")
        sys.exit(INTERRUPTED)
