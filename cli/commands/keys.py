"""`penumbra keys`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.commands.choices import Scope

app = typer.Typer(help="Make an API key.", no_args_is_help=True)


@app.callback()
def keys() -> None:
    """Make an API key."""


@app.command()
def new(
    name: Annotated[str, typer.Option(help="Whose it is: letters, digits, dots, dashes.")],
    scope: Annotated[list[Scope], typer.Option(help="What it opens; may be given again.")],
    rate: Annotated[float, typer.Option(help="Requests a second that it may send for long.")] = 20,
    burst: Annotated[int, typer.Option(help="Requests that it may send at once after a pause.")] = 40,
    as_json: Annotated[bool, typer.Option("--json", help="What would be in the file of keys, as JSON.")] = False,
) -> None:
    """Show a new key once, on stderr, and on stdout the lines for the file of keys (>> keys.toml)."""
    from cli.keys import command

    command(name, scope, rate, burst, as_json)
