"""Two real processes train as one does: the same gradients, the same curve, one writer, and an end together."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from shared_runs import PCME, curve, difference, gradients
from test_training_loop import METHODS
from together import together

from corpus.manifest import Corpus
from corpus.read import read
from corpus.scenes.generate import write
from index.processes import ALONE, Processes
from models import checkpoint
from models.errors import ConfigError
from models.image import Framing
from models.text import Vocabulary
from training.config import DataConfig
from training.data import PairSource


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Thirty-two small Scenes to train on, eight to watch."""
    folder = tmp_path_factory.mktemp("scenes") / "corpus"
    write(folder, 40, 1, side=32, per_image=2, splits={"train": 32, "val": 8})
    return read(folder)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As each of the processes has, so that they and this one do not wait for each other's threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


MEASURE = """
import json, sys, torch
from pathlib import Path
from corpus.read import read
from index.processes import joined
from shared_runs import curve, gradients
folder, methods = Path(sys.argv[2]), sys.argv[3:]
with joined() as processes:
    entries = read(Path(sys.argv[1])).split("train").entries
    found = {method: gradients(method, entries, processes) for method in methods}
    losses = curve(entries, folder / "state", processes)
torch.save([found, losses], folder / f"{processes.rank}.pt")
"""


@pytest.fixture(scope="module")
def measured(scenes: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes found, each of them in a file of its own."""
    folder = tmp_path_factory.mktemp("measured")
    for code, _, errors in together(MEASURE, [scenes.root, folder, PCME, *METHODS]):
        assert code == 0, errors
    return folder


@pytest.mark.parametrize("rank", [0, 1])
def test_the_gradients_are_those_of_one_process(scenes: Corpus, measured: Path, rank: int) -> None:
    """In each process, for every method: of 7 pictures with 2 captions each, unevenly shared, and so are the running
    statistics of batch normalisation; to 1e-5 of the largest number of each tensor.
    """
    shared, _ = torch.load(measured / f"{rank}.pt", weights_only=True)
    for method, found in shared.items():
        alone = gradients(method, scenes.split("train").entries, ALONE)
        assert difference(alone, found) < 1e-5, method


@pytest.fixture(scope="module")
def alone(scenes: Corpus, tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """The loss curve of one process."""
    return curve(scenes.split("train").entries, tmp_path_factory.mktemp("alone"), ALONE)


def test_the_loss_curve_is_that_of_one_process(measured: Path, alone: list[float]) -> None:
    """Within 1e-4 of it over 50 steps, and in both processes the same."""
    curves = [torch.load(measured / f"{rank}.pt", weights_only=True)[1] for rank in (0, 1)]
    assert curves[0] == curves[1]
    assert len(alone) == 50
    assert curves[0] == pytest.approx(alone, rel=1e-4)


UNTIL = """
import json, sys
from pathlib import Path
from corpus.read import read
from index.processes import joined
from shared_runs import curve
with joined() as processes:
    entries = read(Path(sys.argv[1])).split("train").entries
    print(json.dumps(curve(entries, Path(sys.argv[2]) / "_01"[CHOICE], processes, int(sys.argv[3]))))
"""
SHARED = UNTIL.replace("CHOICE", "0")


def test_another_number_of_processes_goes_on(scenes: Corpus, alone: list[float], tmp_path: Path) -> None:
    """One is interrupted, two go on, are interrupted by a signal to one of them, and one goes on: all on one curve."""
    entries = scenes.split("train").entries
    before = curve(entries, tmp_path / "_", ALONE, 18)
    ended = together(SHARED, [scenes.root, tmp_path, 35])
    assert [code for code, _, _ in ended] == [0, 0], ended
    between = [json.loads(losses) for _, losses, _ in ended]
    after = curve(entries, tmp_path / "_", ALONE)
    assert [len(before), *map(len, between), len(after)] == [18, 17, 17, 15]
    assert before + between[1] + after == pytest.approx(alone, rel=1e-4)


TRAIN = """
import sys
from pathlib import Path
from index.processes import joined
from shared_runs import train_until
with joined() as processes:
    print(train_until(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:]), processes))
"""
NEVER = [0, 0, 0]


def test_a_killed_process_ends_the_others(scenes: Corpus, tmp_path: Path) -> None:
    """They say so, what is on disk is the state of the end of an epoch, and the same command finishes from there."""
    out = tmp_path / "model"
    [survivor, killed] = together(TRAIN, [scenes.root, out, 6, 1, int(signal.SIGKILL)])
    assert killed[0] == -signal.SIGKILL
    assert survivor[0] == 1
    assert "LostProcessError: another process of this work has ended too early" in survivor[2]
    assert not out.exists()
    finished = together(TRAIN, [scenes.root, out, *NEVER])
    assert [code for code, _, _ in finished] == [0, 0], finished
    assert [json.loads(steps) for _, steps, _ in finished] == [list(range(5, 13))] * 2
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    history = json.loads((out / "training.json").read_text())["history"]
    assert [record["epoch"] for record in history] == [1, 2, 3]
    assert all("ranking" in record for record in history)


def test_one_who_cannot_start_starts_nobody(scenes: Corpus, tmp_path: Path) -> None:
    """Where there is a finished model the first says so, and the other ends with nothing to add."""
    (tmp_path / checkpoint.CONFIG).touch()
    first, other = together(TRAIN, [scenes.root, tmp_path, *NEVER])
    assert "holds a finished model already" in first[2]
    assert "SaidElsewhereError" in other[2]


def test_folders_that_are_not_shared_are_noticed(scenes: Corpus, tmp_path: Path) -> None:
    """Processes that find different states, as on machines without a common folder, do not train."""
    assert len(curve(scenes.split("train").entries, tmp_path / "1", ALONE, 1)) == 1
    for code, _, errors in together(UNTIL.replace("CHOICE", "1 + processes.rank"), [scenes.root, tmp_path, 2]):
        assert code == 1, errors
        assert "with a folder that they share" in errors


THREADS = """
import os, time, torch
from index.processes import joined
def threads():
    return len(os.listdir("/proc/self/task"))
before = threads()
with joined() as processes:
    weight = torch.zeros(1, requires_grad=True)
    torch.optim.AdamW([weight])
    processes.wait()
    print(threads() - before, end=" ")
# The system lists a thread for a moment after it has ended.
for _ in range(100):
    if threads() > before:
        time.sleep(0.05)
print(threads() - before)
"""


def test_no_thread_of_the_connections_outlives_them() -> None:
    """Where the process ends by itself while one of them lives, torch may abort it, whatever its exit code would be."""
    for code, output, errors in together(THREADS, []):
        assert code == 0, errors
        within, after = map(int, output.split())
        assert within > 0
        assert after == 0


@given(count=st.integers(0, 500), size=st.integers(1, 16))
def test_parts_are_a_partition(count: int, size: int) -> None:
    """Every row is in one part, in order, and no part is larger than another by more than one."""
    parts = [range(count)[Processes(rank, size).part(count)] for rank in range(size)]
    assert [row for part in parts for row in part] == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_parts_of_a_batch_are_the_batch(scenes: Corpus) -> None:
    """Three processes make, of one batch, the pictures and words that one makes; all know which caption matches."""
    entries = scenes.split("train").entries
    vocabulary = Vocabulary.from_captions([caption for entry in entries for caption in entry.captions], 1)
    config = DataConfig(captions=2)
    made = [PairSource(entries, vocabulary, Framing(32, 0.9), config, 0, Processes(r, 3)) for r in range(3)]
    parts = [source.make(range(8), 0) for source in made]
    whole = PairSource(entries, vocabulary, Framing(32, 0.9), config, 0).make(range(8), 0)
    assert [part.first for part in parts] == [0, 2, 5]
    assert b"".join(part.pixels.tobytes() for part in parts) == whole.pixels.tobytes()
    assert torch.equal(torch.cat([part.lengths for part in parts]), whole.lengths)
    words = [row[row != 0].tolist() for part in parts for row in part.ids]
    assert words == [row[row != 0].tolist() for row in whole.ids]
    assert all(torch.equal(part.matches, whole.matches) for part in parts)
    with pytest.raises(ConfigError, match="too small for 3 processes"):
        made[0].plan(0, 2)
