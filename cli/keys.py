"""`penumbra keys`: make an API key."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence

import typer

from cli.show import print_json
from service.keys import Scope, new_key, to_store


def command(name: str, scopes: Sequence[str], rate: float, burst: int, as_json: bool) -> None:
    """Make a key and show it on stderr alone; what stands for it in the file of keys goes to stdout."""
    key = new_key()
    lines = to_store(key, name, [Scope(scope) for scope in scopes], rate, burst)
    typer.echo(f"The key of {name}, which is shown only now: {key}", err=True)
    if as_json:
        print_json(tomllib.loads(lines)["key"][0])
    else:
        typer.echo(lines)
