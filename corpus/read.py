"""The one place that reads a collection: chooses the reader by what lies in the folder, and gathers the entries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from corpus.manifest import Corpus, Entry, Problem
from corpus.readers import bare, coco, cub, flickr, jsonl
from corpus.readers.checks import BadEntryError, KnownFlawError, require
from corpus.readers.reader import Draft
from models.errors import CorpusError

DATASETS: Final = (cub.READER, coco.READER, flickr.FLICKR8K, flickr.FLICKR30K)


def read(directory: Path, *, skip_bad: bool = False) -> Corpus:
    """The collection in a folder.

    What its `captions.jsonl` lists; or else the published data set that is recognised by its files (CUB Captions,
    MS-COCO captions, Flickr8k, Flickr30k; their modules in `corpus.readers` say what is read); or else every image
    below the folder. With `skip_bad`, entries that are bad are listed in `Corpus.skipped`. Known flaws of the published
    files are listed there always.

    Raises:
        CorpusError: there is no such folder, a part of the data set is missing, nothing can be used, or, without
            `skip_bad`, an entry is bad. The message names the file, the line and what is wrong.
    """
    if not directory.is_dir():
        raise CorpusError(f"{directory} is not a folder; name the folder that holds {jsonl.MANIFEST} or images.")
    entries: dict[str, Entry] = {}
    skipped: list[Problem] = []
    for draft in _choose(directory)(directory):
        try:
            entry = draft.make()
            require(entry.id not in entries, f"the id {entry.id!r} occurs twice")
            entries[entry.id] = entry
        except BadEntryError as bad:
            skipped.append(Problem(draft.where, str(bad)))
            if not skip_bad and not isinstance(bad, KnownFlawError):
                raise _refusal(skipped[-1]) from None
    if not entries:
        raise _nothing(directory, skipped)
    return Corpus(directory, tuple(entries.values()), tuple(skipped))


def _choose(directory: Path) -> Callable[[Path], Iterator[Draft]]:
    """Own captions come first: a person who wrote them into a published folder means them."""
    if jsonl.recognise(directory):
        return jsonl.read
    found = [reader for reader in DATASETS if reader.recognise(directory)]
    # The captions of COCO, Flickr8k and Flickr30k come in one archive, so the images say which of them is meant.
    found = [reader for reader in found if reader.has_images(directory)] or found
    if len(found) > 1:
        names = " and ".join(reader.name for reader in found)
        raise CorpusError(f"{directory} holds parts of {names}; keep the files of one of them there.")
    return found[0].read if found else bare.read


def _refusal(problem: Problem) -> CorpusError:
    return CorpusError(f"{problem.where}: {problem.what}; correct it, or leave out what is bad with --skip-bad.")


def _nothing(directory: Path, skipped: list[Problem]) -> CorpusError:
    if skipped:
        reason = f"the first of {len(skipped):,} that were left out is {skipped[0].where}: {skipped[0].what}"
    else:
        reason = f"put images or a {jsonl.MANIFEST} that lists them there"
    return CorpusError(f"{directory} holds no usable image; {reason}.")
