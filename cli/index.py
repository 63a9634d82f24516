"""`penumbra index`: build a gallery, change it, check it, and say what is in one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final

import typer

from cli import changes
from cli.show import print_json, progress, say, together
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

app = typer.Typer(help="Build a gallery, change it, check it, and say what is in one.", no_args_is_help=True)
for name, command in changes.COMMANDS.items():
    app.command(name)(command)

UNITS: Final = {"": 1, "K": 2**10, "M": 2**20, "G": GIB, "T": 2**40}


@app.command("build")
def build_command(
    model: Annotated[Path, typer.Argument(help="A model's folder.")],
    data: Annotated[Path, typer.Option(help="A folder with captions.jsonl, of a known data set, or of images.")],
    out: Annotated[Path, typer.Option(help="Where the gallery goes; one that is there is replaced when all is done.")],
    split: Annotated[str | None, typer.Option(help="One split of the collection.")] = None,
    skip_bad: Annotated[bool, typer.Option(help="Leave out bad lines and unreadable images, and list them.")] = False,
    batch: Annotated[int, typer.Option(min=1, help="Items encoded at once.")] = 64,
    kind: Annotated[str, typer.Option(help="Of shortlist: auto, flat, sq8, hnsw or ivf_rabitq.")] = "auto",
    over: Annotated[str, typer.Option(help="What it is over: auto (as measured), mean or lifted.")] = "auto",
    recall: Annotated[float, typer.Option(help="Share of the ten most probable items that it is to hold.")] = 0.99,
    memory: Annotated[str, typer.Option(help="What both shortlists may take, as in 512MiB or 4GiB.")] = "4GiB",
    storage: Annotated[
        Storage | None,
        typer.Option(help="How Gaussians are stored; without it the smallest that keeps match probabilities to 0.001."),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(help="Where the items go, as milvus://HOST:19530/COLLECTION; without it into the folder."),
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Processor threads of a process; all by default.")] = None,
) -> None:
    """Embed a collection into a gallery. Interrupted at any moment, the same command goes on where it was.

    Started by torchrun, several processes share it; see docs/distributed.md.
    """
    with together() as processes:
        address = None if store is None else StoreAddress.parse(store)
        pin(threads or max(1, available() // processes.local_size))
        with processes.first_ahead():
            wanted = Wanted(kind, over, recall, memory_bytes(memory))
            corpus = read(data, skip_bad=skip_bad)
            part = corpus if split is None else corpus.split(split)
        show_build(build_gallery(model, part, out, skip_bad, batch, wanted, storage, processes, address), out)


@app.command("info")
def info_command(
    gallery: changes.GalleryFolder,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Describe a gallery."""
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
            tell=say,
        )


def memory_bytes(text: str) -> int:
    """A number of bytes as people write it."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:iB|B)?", text.strip())
    if found is None:
        raise ConfigError(f"{text!r} is no amount of memory: write it as 512MiB or 4GiB")
    return int(float(found[1]) * UNITS[found[2]])


def show_build(manifest: Manifest, out: Path) -> None:
    """What a build found out about itself."""
    for each in manifest.left_out:
        say(f"left out: {each}")
    for modality, found in manifest.self_retrieval.items():
        say(f"{modality}: {found.verdict}")
        say(f"{modality}: {manifest.variances[modality].verdict}")
        say(f"{modality}: {manifest.storage[modality].verdict}")
        record = manifest.shortlists[modality]
        say(f"{modality}: shortlist {record.kind}. {record.why} {record.verdict}")
    where = out if manifest.store is None else f"{manifest.store.address}, and what serves it in {out}"
    say(f"The gallery is in {where}: {', '.join(f'{n:,} {m}s' for m, n in manifest.counts.items())}.")
