"""A corpus as additions to a gallery, encoded as a build encodes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from corpus.manifest import Corpus, Entry
from index.building.assembly import items_of
from index.building.embedding import Embedding, Progress
from index.changes.change import Addition
from index.files.manifest import LeftOut, Parameters
from index.files.shards import Shard, Workspace
from index.items import Modality
from models.checkpoint import LoadedModel


def encode_corpus(
    model: LoadedModel,
    corpus: Corpus,
    parameters: Parameters,
    *,
    skip_bad: bool = False,
    progress: Callable[[Progress], None] = lambda _: None,
) -> tuple[tuple[Addition, ...], tuple[LeftOut, ...]]:
    """The images of a corpus and their captions, to be added or to replace items; and what is left out.

    Args:
        model: the gallery's; used on the device where its encoder is.
        corpus: what is encoded.
        parameters: the gallery's: how many are encoded at once, and the size of stored pictures.
        skip_bad: leave out images that cannot be read, with their captions.
        progress: called after every batch.

    Raises:
        CorpusError: an image cannot be read.
        ArtifactError: the model gives numbers that are not finite.
    """
    with TemporaryDirectory() as folder:
        embedding = Embedding(model, Workspace(Path(folder)), parameters, progress)
        entries, left_out = embedding.images(corpus, skip_bad)
        embedding.captions(entries)
        shards = [shard for modality in Modality for shard in embedding.shards(modality)]
    return tuple(additions(entries, shards)), tuple(left_out)


def additions(entries: Sequence[Entry], shards: Sequence[Shard]) -> Iterator[Addition]:
    """Entries as additions: the images, then the captions.

    Args:
        entries: those whose image was encoded.
        shards: of their images, in order, then of their captions.
    """
    encoded = ((shard.gaussians[place], picture) for shard in shards for place, picture in _kept(shard))
    for (_, item), (gaussian, picture) in zip(items_of(entries), encoded, strict=True):
        yield Addition(item, gaussian, picture)


def _kept(shard: Shard) -> Iterator[tuple[int, bytes | None]]:
    """The places of what a shard holds, each with its picture."""
    yield from enumerate(shard.pictures or [None] * len(shard.places))
