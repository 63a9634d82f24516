"""The state of a run on disk: enough to go on after any interruption and reach the same weights."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from models.artifact import sync
from models.errors import ArtifactError

STATE = "state.pt"


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Write the state aside, force it to the disk, and rename it into place."""
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f".{STATE}.{os.getpid()}"
    torch.save(state, aside)
    sync(aside)
    aside.replace(folder / STATE)
    sync(folder)


def load_state(folder: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """The state of an unfinished run, or none.

    Args:
        folder: of the run.
        identity: what the run must have been started with (configuration, data).

    Raises:
        ArtifactError: it is damaged, or belongs to a run with another configuration or other data.
    """
    path = folder / STATE
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise ArtifactError(f"{path} is damaged: delete {folder} to start the training anew") from error
    if state["identity"] != identity:
        raise ArtifactError(
            f"{folder} holds an unfinished run with another configuration or other data: "
            "finish that one, name another --out, or delete the folder"
        )
    return state
