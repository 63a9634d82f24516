"""`penumbra keys`: make an API key."""

from __future__ import annotations

from typing import Annotated

import typer

from service.keys import Scope, new_key, to_store

app = typer.Typer(help="Make an API key.", no_args_is_help=True)


@app.callback()
def keys() -> None:
    """Make an API key."""


@app.command("new")
def new_command(
    name: Annotated[str, typer.Option(help="Whose it is: letters, digits, dots, dashes.")],
    scope: Annotated[list[Scope], typer.Option(help="What it opens; may be given again.")],
    rate: Annotated[float, typer.Option(help="Requests a second that it may send for long.")] = 20,
    burst: Annotated[int, typer.Option(help="Requests that it may send at once after a pause.")] = 40,
) -> None:
    """Show a new key once, on stderr, and on stdout the lines for the file of keys (>> keys.toml)."""
    key = new_key()
    lines = to_store(key, name, scope, rate, burst)
    typer.echo(f"The key of {name}, which is shown only now: {key}", err=True)
    typer.echo(lines)
