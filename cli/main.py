"""The command `penumbra`."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from cli import audit, bench, compare, demo, doctor, evaluate, index, keys, model, publish, search, serve, train
from cli.show import CONSOLE
from index.processes import LostProcessError, SaidElsewhereError
from models.errors import PenumbraError
from penumbra_client import ClientError
from training.loop import InterruptedTrainingError

BAD_INPUT = 2
INTERRUPTED = 130
EXIT_CODES = (
    "Exit codes: 0, it is done; 1, `index verify` found damage, `doctor` something that fails, or this is a bug (with "
    "its traceback); 2, what was given cannot be used, and one sentence on stderr says why; 130, interrupted."
)

app = typer.Typer(
    name="penumbra",
    help="Image-text retrieval whose score means something.",
    epilog=EXIT_CODES,
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
    "doctor": doctor,
}
for name, part in COMMANDS.items():
    app.command(name)(part.command)
app.command("scenes")(demo.scenes)
app.command("calibrate")(evaluate.calibrate_command)
index.app.command("audit")(audit.command)
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
    except (PenumbraError, ClientError) as error:
        errors.print(str(error), style="red", soft_wrap=True, markup=False, highlight=False)
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        errors.print("interrupted", style="yellow")
        sys.exit(INTERRUPTED)
