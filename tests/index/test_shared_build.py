"""Two real processes build the gallery that one builds, and a killed one costs no finished shard."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from test_index_build import leftovers, same
from together import together

from corpus.manifest import Corpus
from index.building.build import build
from index.files.shards import workspace
from index.items import Modality
from index.processes import Processes
from models.checkpoint import LoadedModel
from models.errors import ArtifactError

BUILD = """
import json, os, signal, sys
from pathlib import Path
from corpus.read import read
from index.building.build import build
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
    build(model, corpus, out, batch=2)
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


def test_a_killed_process_costs_its_unfinished_shard(
    model: LoadedModel, corpus: Corpus, alone: Path, tmp_path: Path
) -> None:
    """The other one says so and has finished its own shards; started again, more of them encode no finished shard anew
    and end with the same bytes.
    """
    out, folder = tmp_path / "gallery", tmp_path / ".gallery.building"
    survivor, killed = together(BUILD, [model.directory, corpus.root, out, "image", 2, 1])
    assert killed[0] == -signal.SIGKILL
    assert "LostProcessError: another process of this work has ended too early" in survivor[2]
    assert not out.exists()
    assert sorted(path.name for path in folder.glob("*.npz")) == [f"image-0000000{n}.npz" for n in (0, 1, 2, 4)]
    ended = together(BUILD, [model.directory, corpus.root, out, *NOBODY], size=3)
    assert [code for code, _, _ in ended] == [0, 0, 0], ended
    # Batches 0 and 3, 1 and 4, 2 and 5: of the first two processes one is left each, of the third one, too.
    assert [json.loads(seen)[0] for _, seen, _ in ended] == [["image", 2], ["image", 4], ["image", 2]]
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
