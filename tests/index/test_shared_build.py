"""Two real processes build the gallery that one builds, and a killed one costs no finished shard."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from test_index_build import leftovers, same
from together import together

from corpus.manifest import Corpus
from index.items import Modality
from index.processes import Processes
from index.shards import workspace
from models.checkpoint import LoadedModel
from models.errors import ArtifactError

BUILD = """
import json, os, signal, sys
from pathlib import Path
from corpus.read import read
from index.build import build
from index.processes import joined
from index.threads import pin
from models.checkpoint import load

model, corpus, out, modality, done, rank = sys.argv[1:]
seen = []
pin(1)
with joined() as processes:
    def progress(now):
        seen.append((now.modality, now.done))
        if (now.modality, now.done, processes.rank) == (modality, int(done), int(rank)):
            os.kill(os.getpid(), signal.SIGKILL)

    build(load(Path(model)), read(Path(corpus)), Path(out), batch=2, processes=processes, progress=progress)
print(json.dumps(seen))
"""
NOBODY = ["image", -1, 0]


@pytest.fixture(scope="module")
def alone(model: LoadedModel, corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gallery that one process builds, in batches of 2."""
    out = tmp_path_factory.mktemp("alone") / "gallery"
    [(code, _, errors)] = together(BUILD, [model.directory, corpus.root, out, *NOBODY], size=1)
    assert code == 0, errors
    return out


def test_two_processes_build_the_same_gallery(model: LoadedModel, corpus: Corpus, alone: Path, tmp_path: Path) -> None:
    """To the byte; each has encoded its own batches, of 6 and 5 images and 12 and 10 captions."""
    out = tmp_path / "gallery"
    ended = together(BUILD, [model.directory, corpus.root, out, *NOBODY])
    assert [code for code, _, _ in ended] == [0, 0], ended
    first, second = (json.loads(seen) for _, seen, _ in ended)
    assert [now for now in first if now[0] == Modality.IMAGE][-1] == ["image", 6]
    assert [now for now in second if now[0] == Modality.IMAGE][-1] == ["image", 5]
    assert (first[-1], second[-1]) == (["text", 12], ["text", 10])
    assert same(alone, out)
    assert leftovers(out) == []


@pytest.mark.parametrize(("modality", "done", "rank"), [("image", 4, 1), ("text", 4, 0)])
def test_a_killed_process_costs_its_unfinished_shard(
    model: LoadedModel, corpus: Corpus, alone: Path, tmp_path: Path, modality: str, done: int, rank: int
) -> None:
    """The other one says so and has finished its own shards; started again, as few or as many as wanted, they encode no
    finished shard anew and end with the same bytes.
    """
    out, folder = tmp_path / "gallery", tmp_path / ".gallery.building"
    ended = together(BUILD, [model.directory, corpus.root, out, modality, done, rank])
    assert ended[rank][0] == -signal.SIGKILL
    assert "LostProcessError: another process of this work has ended too early" in ended[1 - rank][2]
    assert not out.exists()
    numbers = [int(path.stem.rsplit("-", 1)[1]) for path in folder.glob(f"{modality}-*.npz")]
    whole = range(6) if modality == "image" else range(11)
    assert sorted(numbers) == [number for number in whole if number % 2 != rank or number < done]
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.npz")}
    interrupted = together(BUILD, [model.directory, corpus.root, out, "text", 6, 0], size=3)
    assert interrupted[0][0] == -signal.SIGKILL
    after = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.npz")}
    assert before.items() <= after.items()
    assert len(after) > len(before)
    [(code, _, errors)] = together(BUILD, [model.directory, corpus.root, out, *NOBODY], size=1)
    assert code == 0, errors
    assert same(alone, out)
    assert leftovers(out) == []


def test_an_image_that_cannot_be_read_ends_all(model: LoadedModel, own_corpus: Path, tmp_path: Path) -> None:
    """Whoever meets it names it, and the other one ends, too."""
    (own_corpus / "3.png").write_bytes(b"no picture")
    first, second = together(BUILD, [model.directory, own_corpus, tmp_path / "gallery", *NOBODY])
    assert "LostProcessError" in first[2]
    assert "3.png: This is not a picture" in second[2]
    assert not (tmp_path / "gallery").exists()


def test_who_builds_together_keeps_others_out(tmp_path: Path) -> None:
    """They share a folder, and as long as one of them is there nobody begins anew in it."""
    out = tmp_path / "gallery"
    with workspace(out, {}, Processes(0, 2)):
        with workspace(out, {}, Processes(1, 2)) as space:
            assert space.directory.is_dir()
        with pytest.raises(ArtifactError, match="is being built by another process"), workspace(out, {}):
            pass
