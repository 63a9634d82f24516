"""What a network costs in each runtime, beside eager float32 torch: `python -m benchmarks.encoders [--gallery DIR]`."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.kinds import processor_milliseconds
from benchmarks.untrained import resnet50
from cli.demo import SHIPPED_MODEL
from evaluation.machine import save
from index.items import Modality
from index.local.gallery import Gallery
from index.searching.rerank import Rerank
from index.searching.retriever import Retriever, SearchOptions, SearchResult
from models import checkpoint
from models.calibration import Direction
from models.encoders import Encoder
from models.gaussian import Gaussian
from models.image import decode
from models.runtimes.agreement import agreement, probes
from models.runtimes.networks import open_network, write_network
from models.runtimes.runtime import EXPORTED, Compute, Network, Runtime, usable
from models.runtimes.timing import in_turns, processor

CONSOLE = Console(width=130)
QUERIES = 300


@dataclass(frozen=True)
class EncoderTime:
    """One runtime of one network: medians over rounds taken in turns, and whether its bits depend on anything.

    Args:
        milliseconds: by the clock, of the whole batch.
        processor_milliseconds: of the processor's time, which other work on the machine disturbs less.
        cosine, log_variance: agreement with eager float32.
        repeats: whether every repetition gave the same bits.
        rows: whether the rows of a batch have the bits that they have alone.
    """

    model: str
    network: Network
    runtime: Runtime
    threads: int
    batch: int
    milliseconds: float
    processor_milliseconds: float
    cosine: float
    log_variance: float
    repeats: bool
    rows: bool


@dataclass(frozen=True)
class Overlap:
    """Answers to queries encoded by a runtime beside those by float32 torch, against one gallery.

    Args:
        top_10: the mean share of the ten most probable answers that are the same.
        probability: the largest difference of a match probability, of answers that both have.
    """

    network: Network
    runtime: Runtime
    queries: int
    top_10: float
    probability: float


def main() -> None:
    """Measure, print, and write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--models", nargs="+", choices=["scenes", "resnet50"], default=["scenes", "resnet50"])
    parser.add_argument(
        "--gallery", type=Path, help="A gallery of the shipped model: how far its answers are the same."
    )
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    scenes = checkpoint.load(SHIPPED_MODEL).encoder
    encoders = {"scenes": scenes, "resnet50": resnet50(scenes)}
    times = [
        time
        for name in asked.models
        for network in Network
        for time in encoder_times(name, encoders[name], network, asked.threads, asked.batches, asked.rounds)
    ]
    overlaps = [] if asked.gallery is None else overlap(asked.gallery, asked.threads)
    _show(times, overlaps)
    if asked.json is not None:
        found = {"times": [asdict(each) for each in times], "overlap": [asdict(each) for each in overlaps]}
        save(asked.json, {"encoders": found})


def encoder_times(
    name: str, encoder: Encoder, network: Network, threads: int, batches: list[int], rounds: int
) -> list[EncoderTime]:
    """Every runtime of a network, in turns, for each size of batch."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        computes = computed(encoder, network, Path(folder), threads)
        for size in batches:
            inputs = tuple(each[:1].repeat(size, *[1] * (each.ndim - 1)) for each in probes(encoder, network, 6)[5])
            alone = probes(encoder, network, size)
            clock = in_turns({each: partial(compute, *inputs) for each, compute in computes.items()}, rounds)
            used = {
                each: median(processor_milliseconds(partial(compute, *inputs)) for _ in range(rounds))
                for each, compute in computes.items()
            }
            for each, compute in computes.items():
                near = agreement(computes[Runtime.TORCH], compute, alone)
                bits = (_repeats(compute, alone), _rows(compute, alone))
                medians = (median(clock[each]), used[each])
                found.append(
                    EncoderTime(name, network, each, threads, size, *medians, near.cosine, near.log_variance, *bits)
                )
    return found


def computed(encoder: Encoder, network: Network, folder: Path, threads: int) -> dict[Runtime, Compute]:
    """The network in every runtime that can be used here."""
    for runtime in filter(usable, EXPORTED):
        (folder / runtime).mkdir()
        write_network(encoder, network, runtime, folder / runtime)
    runtimes = [each for each in Runtime if usable(each) and each.computes(network) is each]
    return {each: open_network(encoder, network, each, folder / each.float32, threads) for each in runtimes}


def overlap(gallery: Path, threads: int, queries: int = QUERIES) -> list[Overlap]:
    """Search a gallery with its own texts and pictures, encoded by each runtime."""
    model = checkpoint.load(SHIPPED_MODEL)
    with Gallery.open(gallery, model=model.fingerprint) as opened, tempfile.TemporaryDirectory() as folder:
        retriever = Retriever(opened, model.encoder.match, model.encoder.calibration, model.encoder.familiarity)
        return [
            each
            for network in Network
            for each in _overlaps(retriever, opened, model.encoder, network, Path(folder) / network, threads, queries)
        ]


def _overlaps(
    retriever: Retriever, gallery: Gallery, encoder: Encoder, network: Network, folder: Path, threads: int, queries: int
) -> list[Overlap]:
    folder.mkdir()
    inputs = _queries(gallery, encoder, network, queries)
    direction = Direction.IMAGE_TO_TEXT if network is Network.IMAGE else Direction.TEXT_TO_IMAGE
    answers = {
        runtime: [_answers(retriever, compute(*each), direction) for each in inputs]
        for runtime, compute in computed(encoder, network, folder, threads).items()
    }
    return [
        _compared(network, runtime, answers[Runtime.TORCH], found)
        for runtime, found in answers.items()
        if runtime is not Runtime.TORCH
    ]


def _queries(gallery: Gallery, encoder: Encoder, network: Network, count: int) -> list[tuple[torch.Tensor, ...]]:
    modality = Modality(network.value)
    rows = [int(row) for row in torch.linspace(0, gallery.manifest.counts[modality] - 1, count)]
    items = gallery.items(modality, rows)
    if network is Network.TEXT:
        encoded = [encoder.vocabulary.encode(item.text or "") for item in items]
        return [(torch.tensor([ids]), torch.tensor([len(ids)])) for ids in encoded]
    return [(encoder.pixels([decode(gallery.picture(item.id) or b"")]),) for item in items]


def _answers(retriever: Retriever, query: Gaussian, direction: Direction) -> SearchResult:
    return retriever.search(query[0], direction, SearchOptions(rerank=Rerank.CLOSED_FORM))


def _compared(network: Network, runtime: Runtime, ours: list[SearchResult], theirs: list[SearchResult]) -> Overlap:
    shares, differences = [], [0.0]
    for one, other in zip(ours, theirs, strict=True):
        first, second = ({hit.row: hit.match_probability for hit in each.hits} for each in (one, other))
        same = first.keys() & second.keys()
        shares.append(len(same) / len(first))
        differences += [abs(first[row] - second[row]) for row in same]
    return Overlap(network, runtime, len(ours), sum(shares) / len(shares), max(differences))


def _repeats(compute: Compute, inputs: list[tuple[torch.Tensor, ...]]) -> bool:
    return all(_same(compute(*inputs[-1]), compute(*inputs[-1])) for _ in range(2))


def _rows(compute: Compute, inputs: list[tuple[torch.Tensor, ...]]) -> bool:
    together = compute(*inputs[-1])
    return all(_same(compute(*each)[0], together[row]) for row, each in enumerate(inputs[:-1]))


def _same(one: Gaussian, other: Gaussian) -> bool:
    return torch.equal(one.mean, other.mean) and torch.equal(one.log_variance, other.log_variance)


def _show(times: list[EncoderTime], overlaps: list[Overlap]) -> None:
    CONSOLE.print(f"{processor()}, torch {torch.__version__}")
    slow: dict[tuple[str, Network, int], EncoderTime] = {}
    table = Table(title="Each runtime in turns; medians")
    for heading in (
        "model",
        "network",
        "batch",
        "runtime",
        "ms",
        "×",
        "CPU ms",
        "×",
        "cosine",
        "log-var. ±",
        "repeats",
        "rows",
    ):
        table.add_column(heading, justify="right" if heading not in ("model", "network", "runtime") else "left")
    for each in times:
        first = slow.setdefault((each.model, each.network, each.batch), each)
        clock, used = each.milliseconds, each.processor_milliseconds
        ratios = (
            f"{clock:.1f}",
            f"{first.milliseconds / clock:.2f}",
            f"{used:.1f}",
            f"{first.processor_milliseconds / used:.2f}",
        )
        near = (f"{each.cosine:.6f}", f"{each.log_variance:.1g}", _yes(each.repeats), _yes(each.rows))
        table.add_row(each.model, each.network, str(each.batch), each.runtime, *ratios, *near)
    CONSOLE.print(table)
    for one in overlaps:
        same = f"{one.top_10:.4f} of the ten most probable the same, probability ± {one.probability:.1e}"
        CONSOLE.print(f"{one.queries} {one.network} queries by {one.runtime}: {same}", highlight=False)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


if __name__ == "__main__":
    main()
