"""A running service, asked with the key that the environment has."""

from __future__ import annotations

import os
from typing import Final

from penumbra_client import Client

KEY: Final = "PENUMBRA_API_KEY"


def connect(server: str, timeout: float = 60) -> Client:
    """A client of the service at an address, which may go on with /galleries/NAME."""
    return Client(server, key=os.environ.get(KEY), timeout=timeout)
