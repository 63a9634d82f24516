"""`python -m benchmarks.http`: queries over HTTP against what the encoder and the search could do without it.

Each round measures, one after the other, the encoder alone at every batch size (one batch on all processors, and one on
each), encode and search in this process, and the server under 1, 8 and 64 clients; figures are medians of the rounds,
ratios are taken within a round. The server is a process of its own, idle while this one measures. The clients are a
third process; they share the machine, so the processor time that they and the server take is told beside.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.untrained import resnet50
from cli.demo import SHIPPED_MODEL
from corpus.manifest import Corpus
from corpus.read import read
from corpus.scenes.generate import write
from evaluation.machine import machine, save
from index.building.build import build
from index.local.gallery import Gallery
from index.searching.retriever import Retriever, SearchOptions
from index.threads import available, pin
from models import checkpoint
from models.calibration import Direction
from models.image import decode, frame, normalise
from models.runtimes.timing import milliseconds
from models.text import batch

CLIENTS: Final = (1, 8, 64)
BATCHES: Final = (1, 2, 4, 8, 16, 32, 64)
ROUNDS: Final = 3
_BOUNDARY: Final = "penumbra"


@dataclass(frozen=True)
class Load:
    """The server under so many clients; medians of the rounds.

    Args:
        clients: each with one request on its way.
        per_second: answers.
        of_limit: the same, as a share of what the encoder alone does at its best batch size.
        p50, p95, p99: latency in milliseconds.
        server_ms: processor time of the server for one answer.
        client_ms: processor time of the clients for one answer.
        stages: medians of what the header Server-Timing tells.
    """

    clients: int
    per_second: float
    of_limit: float
    p50: float
    p95: float
    p99: float
    server_ms: float
    client_ms: float
    stages: Mapping[str, float]


@dataclass(frozen=True)
class HttpTimes:
    """One kind of query.

    Args:
        model: what encodes.
        kind: text or image.
        limit_per_second: inputs a second of the encoder alone at its best.
        limit_batch: the size of its batches then.
        limit_side_by_side: how many of them are encoded at once, then.
        direct_ms: p50 of one query decoded, encoded and searched for in this process.
        overhead_ms: p50 of one client's latency beyond that.
        loads: one for each number of clients.
    """

    model: str
    kind: str
    limit_per_second: float
    limit_batch: int
    limit_side_by_side: int
    direct_ms: float
    overhead_ms: float
    loads: Sequence[Load]


@dataclass(frozen=True)
class Subject:
    """What is asked of one model: requests in full, inputs as the encoder takes them, one query without HTTP."""

    model: str
    kind: str
    requests: Sequence[bytes]
    inputs: Sequence[Any]
    encode: Callable[[Sequence[Any]], object]
    direct: Callable[[int], object]
    count: int


def measure(subject: Subject, port: int, server: int, folder: Path) -> HttpTimes:
    """Measure one kind of query on a running server."""
    path = folder / f"{subject.kind}.json"
    path.write_text(json.dumps([base64.b64encode(each).decode() for each in subject.requests]))
    rounds = [_round(subject, port, server, path) for _ in range(ROUNDS)]
    limit, (size, callers) = max((_median(each["limits"][way] for each in rounds), way) for way in rounds[0]["limits"])
    direct = _median(each["direct"] for each in rounds)
    overhead = _median(np.median(each["loads"][1]["latency"]) - each["direct"] for each in rounds)
    loads = [
        _summary(clients, [(each["loads"][clients], max(each["limits"].values())) for each in rounds])
        for clients in CLIENTS
    ]
    return HttpTimes(subject.model, subject.kind, limit, size, callers, direct, overhead, loads)


def _round(subject: Subject, port: int, server: int, path: Path) -> dict[str, Any]:
    limits = {(size, callers): _rate(subject, size, callers) for callers in {1, available()} for size in BATCHES}
    direct = _median(milliseconds(partial(subject.direct, n)) for n in range(min(subject.count, 100)))
    return {"limits": limits, "direct": direct, "loads": {n: _load(subject, port, server, path, n) for n in CLIENTS}}


def _rate(subject: Subject, size: int, callers: int) -> float:
    """Inputs a second in batches of a size, so many of them at once, which share the processors."""
    given = [subject.inputs[n % len(subject.inputs)] for n in range(size)]
    times = max(2, min(40, subject.count // (2 * size * callers)))

    def encode() -> float:
        torch.set_num_threads(available() // callers)
        return _median(milliseconds(lambda: subject.encode(given)) / 1_000 for _ in range(times))

    with ThreadPoolExecutor(callers) as pool:
        list(pool.map(lambda _: subject.encode(given), range(callers)))
        return sum(size / each.result() for each in [pool.submit(encode) for _ in range(callers)])


def _load(subject: Subject, port: int, server: int, path: Path, clients: int) -> dict[str, Any]:
    count = subject.count if clients > 1 else subject.count // 2
    command = [sys.executable, "-m", "benchmarks.load", str(port), str(clients), str(count), str(path)]
    before = _processor_seconds(server)
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise RuntimeError(f"{clients} clients were not all answered: {done.stderr.strip().splitlines()[-1]}")
    result: dict[str, Any] = json.loads(done.stdout)
    result["server_seconds"] = _processor_seconds(server) - before
    return result


def _summary(clients: int, rounds: Sequence[tuple[Mapping[str, Any], float]]) -> Load:
    def median(figure: Callable[[Mapping[str, Any]], float]) -> float:
        return _median(figure(run) for run, _ in rounds)

    def percentile(share: float) -> float:
        return median(lambda run: float(np.percentile(run["latency"], share)))

    def stage(name: str) -> float:
        return median(lambda run: _median(each[name] for each in run["stages"]))

    counts = len(rounds[0][0]["latency"])
    return Load(
        clients=clients,
        per_second=median(lambda run: counts / run["seconds"]),
        of_limit=_median(counts / run["seconds"] / limit for run, limit in rounds),
        p50=percentile(50),
        p95=percentile(95),
        p99=percentile(99),
        server_ms=median(lambda run: 1_000 * run["server_seconds"] / counts),
        client_ms=median(lambda run: 1_000 * run["client_seconds"] / counts),
        stages={name: stage(name) for name in rounds[0][0]["stages"][0]},
    )


def _median(values: Any) -> float:
    return float(np.median(list(values)))


def _processor_seconds(process: int) -> float:
    """User and system time of a process so far (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(gallery: Path) -> Iterator[tuple[int, int]]:
    """A server's port and process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    program = "from cli.main import main; main()"
    command = [sys.executable, "-c", program, "serve", str(gallery), "--port", str(port)]
    # 64 clients that never pause are what is measured, not an overload.
    queues = {"PENUMBRA_LIMITS__QUEUE": "128", "PENUMBRA_LIMITS__FIRST_QUEUE": "128"}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **queues}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(process, port)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(1200):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz"):
                return
        except urllib.error.URLError:
            if process.poll() is not None:
                raise RuntimeError("the server ended before it was ready") from None
            time.sleep(0.1)
    raise TimeoutError("the server did not become ready")


def subjects(
    name: str, model: checkpoint.LoadedModel, gallery: Gallery, corpus: Corpus, counts: tuple[int, int]
) -> list[Subject]:
    """Texts and pictures of a corpus, for a model."""
    encoder = model.encoder
    retriever = Retriever(gallery, encoder.match, encoder.calibration, encoder.familiarity)
    texts = [entry.captions[0] for entry in corpus.entries[:200]]
    files = [entry.image.read_bytes() for entry in corpus.entries[:200]]

    def pixels(data: bytes) -> Tensor:
        return normalise(frame(decode(data, at_least=256), encoder.config.framing)[None])

    def search(row: int) -> object:
        query = encoder.encode_texts([texts[row % len(texts)]])[0]
        return retriever.search(query, Direction.TEXT_TO_IMAGE, SearchOptions())

    def search_picture(row: int) -> object:
        query = encoder.encode_pixels(pixels(files[row % len(files)]))[0]
        return retriever.search(query, Direction.IMAGE_TO_TEXT, SearchOptions())

    ids = [encoder.vocabulary.encode(text) for text in texts]
    loaded = [pixels(data) for data in files[:64]]
    return [
        Subject(
            name,
            "text",
            [*map(_text_request, texts)],
            ids,
            lambda g: encoder.encode_tokens(*batch(g)),
            search,
            counts[0],
        ),
        Subject(
            name,
            "image",
            [*map(_image_request, files)],
            loaded,
            lambda g: encoder.encode_pixels(torch.cat(tuple(g))),
            search_picture,
            counts[1],
        ),
    ]


def _text_request(text: str) -> bytes:
    return _request("/search/text-to-image", "application/json", json.dumps({"text": text}).encode())


def _image_request(data: bytes) -> bytes:
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'.encode()
    body = head + data + f"\r\n--{_BOUNDARY}--\r\n".encode()
    return _request("/search/image-to-text", f"multipart/form-data; boundary={_BOUNDARY}", body)


def _request(path: str, kind: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def http_times(folder: Path) -> list[HttpTimes]:
    """The shipped model over 2,000 Scenes, and a ResNet-50 at 224 over 64."""
    pin(available())
    checkpoint.save(resnet50(checkpoint.load(SHIPPED_MODEL).encoder), folder / "resnet50", {})
    plans = [
        ("shipped, ResNet-18 at 72", SHIPPED_MODEL, 2_000, (600, 300)),
        ("ResNet-50 at 224", folder / "resnet50", 64, (400, 256)),
    ]
    return [times for number, plan in enumerate(plans) for times in _measured(folder / str(number), *plan)]


def _measured(folder: Path, name: str, path: Path, items: int, counts: tuple[int, int]) -> list[HttpTimes]:
    write(folder / "scenes", items, seed=5, side=72, per_image=1)
    model, corpus = checkpoint.load(path), read(folder / "scenes")
    build(model, corpus, folder / "gallery")
    with Gallery.open(folder / "gallery", model=model.fingerprint) as gallery, serving(folder / "gallery") as server:
        return [measure(subject, *server, folder) for subject in subjects(name, model, gallery, corpus, counts)]


def show(times: Sequence[HttpTimes], console: Console) -> None:
    """A table for each kind of query."""
    for each in times:
        limit = f"{each.limit_per_second:.0f} a second at batch {each.limit_batch} ({each.limit_side_by_side} at once)"
        query = f"One query: {each.direct_ms:.2f} ms, over HTTP {each.overhead_ms:.2f} ms more"
        table = Table(title=f"{each.model}, {each.kind}. The encoder alone: {limit}. {query}")
        for heading in ("clients", "a second", "of the limit", "p50 ms", "p95", "p99", "server ms", "client ms"):
            table.add_column(heading, justify="right")
        for load in each.loads:
            milliseconds = (load.p50, load.p95, load.p99, load.server_ms, load.client_ms)
            shown = (f"{load.per_second:.0f}", f"{load.of_limit:.0%}", *(f"{each:.2f}" for each in milliseconds))
            table.add_row(str(load.clients), *shown)
        console.print(table)


def main(out: Path) -> None:
    """Measure, print, and write the figures as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        times = http_times(Path(folder))
    console = Console(width=140)
    console.print(machine(), highlight=False)
    show(times, console)
    save(out, {"http": {"rounds": ROUNDS, "runs": [asdict(each) for each in times]}})


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "artifacts/bench/http.json"))
