"""The command `penumbra`."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from cli import bench, compare, demo, evaluate, index, keys, model, publish, search, serve, train
from cli.show import CONSOLE
from index.processes import LostProcessError, SaidElsewhereError
from models.errors import PenumbraError
from training.loop import InterruptedTrainingError

BAD_INPUT = 2
INTERRUPTED = 130

app = typer.Typer(
    name="penumbra",
    help="Image-text retrieval whose score means something.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
COMMANDS = {
    "train": train,
    "evaluate": evaluate,
    "compare": compare,
    "search": search,
    "serve": serve,
    "demo": demo,
    "bench": bench,
}
for name, part in COMMANDS.items():
    app.command(name)(part.command)
app.command("scenes")(demo.scenes)
app.command("calibrate")(evaluate.calibrate_command)
index.app.command("publish")(publish.command)
app.add_typer(index.app, name="index")
app.add_typer(keys.app, name="keys")
app.add_typer(model.app, name="model")


def main() -> None:
    """Run the command; what a person can mend is one sentence on stderr and exit code 2."""
    errors = Console(stderr=True)
    try:
        app()
    except InterruptedTrainingError as error:
        # All processes of a training stop together, and one says so.
        if not CONSOLE.quiet:
            errors.print(f"[yellow]{error}[/yellow]", soft_wrap=True)
        sys.exit(INTERRUPTED)
    except LostProcessError as error:
        errors.print(str(error), style="yellow", soft_wrap=True, markup=False, highlight=False)
        sys.exit(INTERRUPTED)
    except SaidElsewhereError:
        sys.exit(BAD_INPUT)
    except PenumbraError as error:
        errors.print(str(error), style="red", soft_wrap=True, markup=False, highlight=False)
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        errors.print("interrupted", style="yellow")
        sys.exit(INTERRUPTED)
