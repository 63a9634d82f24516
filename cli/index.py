"""`penumbra index build` and `info`: make a gallery, and say what is in one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from cli.show import Tell, print_json, progress, say, teller
from cli.together import together
from corpus.manifest import Corpus
from corpus.read import read
from index.building.build import build
from index.building.embedding import Progress
from index.files.manifest import Manifest
from index.gaussians.storage import Storage
from index.lifecycle.describe import describe
from index.milvus.address import StoreAddress
from index.processes import ALONE, Processes
from index.room import GIB
from index.shortlists.choice import MEASURED, Wanted
from index.threads import available, pin
from models import checkpoint
from models.errors import ConfigError

UNITS: Final = {"": 1, "K": 2**10, "M": 2**20, "G": GIB, "T": 2**40}


def build_command(
    model: Path,
    data: Path,
    out: Path,
    *,
    split: str | None,
    skip_bad: bool,
    batch: int,
    kind: str,
    over: str,
    recall: float,
    memory: str,
    storage: str | None,
    store: str | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Build a gallery with all processes, and show what the build found out about itself."""
    tell = teller(as_json)
    with together() as processes:
        address = None if store is None else StoreAddress.parse(store)
        pin(threads or max(1, available() // processes.local_size))
        with processes.first_ahead():
            wanted = Wanted(kind, over, recall, memory_bytes(memory))
            corpus = read(data, skip_bad=skip_bad)
            part = corpus if split is None else corpus.split(split)
        stored = None if storage is None else Storage(storage)
        manifest = build_gallery(model, part, out, skip_bad, batch, wanted, stored, processes, address, tell=tell)
        if not as_json:
            say_build(manifest, out, tell)
        elif processes.first:
            print_json(describe(out))


def info_command(gallery: Path, as_json: bool) -> None:
    """Show what a gallery is."""
    facts = describe(gallery)
    if as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        _say(name, value)


def _say(name: str, value: object, indent: str = "") -> None:
    """One fact a line; those of a table below its name, but for a row of numbers."""
    if not isinstance(value, dict):
        say(f"{indent}{name}: {value}")
        return
    if value and all(isinstance(fact, int | float) for fact in value.values()):
        say(f"{indent}{name}: {', '.join(f'{inner}: {fact:.4g}' for inner, fact in value.items())}")
        return
    say(f"{indent}{name}:")
    for inner, fact in value.items():
        _say(inner, fact, indent + "  ")


def build_gallery(
    model: Path,
    corpus: Corpus,
    out: Path,
    skip_bad: bool = False,
    batch: int = 64,
    shortlist: Wanted = MEASURED,
    storage: Storage | None = None,
    processes: Processes = ALONE,
    store: StoreAddress | None = None,
    tell: Tell = say,
) -> Manifest:
    """Build with a progress bar for each modality."""
    loaded = checkpoint.load(model)
    with progress("embedding") as bar:

        def report(now: Progress) -> None:
            bar(now.done, now.total)

        return build(
            loaded,
            corpus,
            out,
            skip_bad=skip_bad,
            batch=batch,
            shortlist=shortlist,
            storage=storage,
            processes=processes,
            store=store,
            progress=report,
            tell=tell,
        )


def memory_bytes(text: str) -> int:
    """A number of bytes as people write it."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:iB|B)?", text.strip())
    if found is None:
        raise ConfigError(f"{text!r} is no amount of memory: write it as 512MiB or 4GiB")
    return int(float(found[1]) * UNITS[found[2]])


def say_build(manifest: Manifest, out: Path, tell: Tell) -> None:
    """What a build found out about itself."""
    for each in manifest.left_out:
        tell(f"left out: {each}")
    for modality, found in manifest.self_retrieval.items():
        tell(f"{modality}: {found.verdict}")
        tell(f"{modality}: {manifest.variances[modality].verdict}")
        tell(f"{modality}: {manifest.storage[modality].verdict}")
        record = manifest.shortlists[modality]
        tell(f"{modality}: shortlist {record.kind}. {record.why} {record.verdict}")
    where = out if manifest.store is None else f"{manifest.store.address}, and what serves it in {out}"
    tell(f"The gallery is in {where}: {', '.join(f'{n:,} {m}s' for m, n in manifest.counts.items())}.")
