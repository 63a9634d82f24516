"""`penumbra model`: bring in a model that others trained, export one for a faster runtime."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console
from rich.table import Table

from cli.show import CONSOLE, print_json, say
from models import checkpoint
from models.artifact import sha256
from models.errors import ConfigError
from models.official import read_checkpoint
from models.runtimes.export import export
from models.runtimes.record import ExportRecord, folder
from models.runtimes.runtime import Network, Runtime


def import_command(source: Path, out: Path, as_json: bool) -> None:
    """Read a checkpoint, write a model, and say what it is."""
    if out.exists():
        raise ConfigError(f"{out} is there already: name another --out")
    encoder = read_checkpoint(source)
    origin = {"imported_from": source.name, "sha256": sha256(source), "format": "PCME, PyTorch state dict"}
    checkpoint.save(encoder, out, origin)
    backbone, dim = encoder.config.backbone, encoder.config.embed_dim
    if as_json:
        fingerprint = checkpoint.fingerprint(out)
        print_json({"directory": str(out), "fingerprint": fingerprint, "backbone": backbone, "dim": dim, **origin})
    else:
        say(f"The model is in {out}: {backbone}, {dim} dimensions.")


def export_command(model: Path, runtime: str, threads: int | None, as_json: bool) -> None:
    """Export, measure and show."""
    wanted = Runtime(runtime)
    loaded = checkpoint.load(model, with_calibration=False)
    with Console(stderr=True).status("exporting and measuring"):
        record = export(loaded, wanted, threads or len(os.sched_getaffinity(0)))
    if as_json:
        print_json(record.to_dict())
        return
    CONSOLE.print(_measured_table(record))
    say(f"The export is in {folder(model, wanted)}; `penumbra serve` takes the fastest that agrees.")


def _measured_table(record: ExportRecord) -> Table:
    """Each runtime's agreement with float32 torch, its time and its speed, network by network."""
    table = Table(title=f"One input at a time, beside float32 torch ({record.threads} threads)")
    for heading in ("network", "runtime", "cosine", "log-variance ±", "ms", "×", "agrees"):
        table.add_column(heading, justify="left" if heading in ("network", "runtime") else "right", no_wrap=True)
    for network in Network:
        for runtime, each in record.measured[network].items():
            found = each.agreement
            near = (f"{found.cosine:.6f}", f"{found.log_variance:.2g}")
            fast = (f"{each.milliseconds:.2f}", f"{each.speedup:.1f}")
            table.add_row(network, runtime, *near, *fast, "yes" if found.holds else "no")
    return table
