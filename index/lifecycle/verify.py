"""Whether a gallery on disk is what was written: every hash and count, and what can be rebuilt where it is not.

The hashes find what changed since the gallery was written; the checks of contents find what was written wrong. A file
with another hash is named once, and its contents are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from index.changes.journal import JOURNAL, Recorded, is_cut_short, read_journal
from index.files import manifest as layout
from index.files.manifest import MANIFEST, FileRecord, Manifest, manifest_is_whole, read_manifest
from index.items import Modality
from index.lifecycle.opening import open_gallery
from index.lifecycle.verify_contents import content_damages
from index.local.gallery import Gallery
from models.artifact import sha256
from models.errors import ArtifactError

_LOST: Final = "nothing else in the gallery holds this: copy the file from a backup, or build the gallery again"
_FOLLOWING: Final = {
    file(modality): modality
    for modality in Modality
    for file in (layout.sigmas_file, layout.heights_file, layout.shortlist_file)
}
"""The files that are made of a modality's Gaussians alone."""


@dataclass(frozen=True)
class Damage:
    """One thing that is wrong with a gallery.

    Args:
        file: its name in the gallery's folder.
        what: what is wrong, to follow the name in a sentence.
        remedy: what it can be rebuilt from, or that it cannot.
    """

    file: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file} {self.what}: {self.remedy}."


@dataclass(frozen=True)
class Verification:
    """What was found.

    Args:
        directory: the gallery's.
        files: how many were checked.
        bytes: how many these have by the manifest.
        changes: recorded since the gallery was built.
        torn: bytes at the end of the journal of a change that was never acknowledged; they do no harm.
        damages: what is wrong; none when the gallery is sound.
    """

    directory: Path
    files: int
    bytes: int
    changes: int
    torn: int
    damages: Sequence[Damage]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.damages


def verify(directory: Path, tell: Callable[[int, int], None] = lambda _read, _of: None) -> Verification:
    """Check a gallery, reading all of it and changing nothing.

    Args:
        directory: the gallery's.
        tell: told how many bytes are read, of how many.

    Raises:
        ArtifactError: its manifest is missing or cannot be read, so that nothing can be checked.
        UnavailableError: its items lie in a store that does not answer.
    """
    manifest = read_manifest(directory)
    damages = _damages(directory, manifest, tell)
    size = sum(record.bytes for record in manifest.files.values())
    recorded, found = _journal(directory / JOURNAL)
    damages += found
    changes, torn = (len(recorded.entries), recorded.torn) if recorded else (0, 0)
    if not damages:
        damages = tuple(_refused(directory) if manifest.store is None else _refused_by_store(directory))
    return Verification(directory, len(manifest.files), size, changes, torn, damages)


def _damages(directory: Path, manifest: Manifest, tell: Callable[[int, int], None]) -> tuple[Damage, ...]:
    """What is wrong with the manifest and the files it names."""
    if not manifest_is_whole(directory):
        # The others would be measured against what it wrongly says.
        return (Damage(MANIFEST, "does not say what was written, so that the other files cannot be checked", _LOST),)
    wrong = dict(_changed_files(directory, manifest.files, tell))
    if manifest.store is None:
        wrong |= dict(content_damages(directory, manifest, wrong))
    return tuple(Damage(name, what, _remedy(name, manifest, wrong)) for name, what in wrong.items())


def _changed_files(
    directory: Path, records: Mapping[str, FileRecord], tell: Callable[[int, int], None]
) -> Iterator[tuple[str, str]]:
    """The files that are not as they were written, and what is wrong with each."""
    done, size = 0, sum(record.bytes for record in records.values())
    for name, record in records.items():
        before = done

        def read(count: int, before: int = before) -> None:
            nonlocal done
            done += count
            tell(done, size)

        what = _changed(directory / name, record, read)
        if what is not None:
            yield name, what
        done = before + record.bytes
        tell(done, size)


def _changed(path: Path, record: FileRecord, read: Callable[[int], None]) -> str | None:
    try:
        if path.stat().st_size != record.bytes:
            return f"has {path.stat().st_size:,} bytes instead of {record.bytes:,}"
        return None if sha256(path, tell=read) == record.sha256 else "has other content than was written"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _journal(path: Path) -> tuple[Recorded | None, tuple[Damage, ...]]:
    """What the journal holds, and what is wrong with it."""
    try:
        recorded = read_journal(path)
    except ArtifactError as error:
        return None, (Damage(JOURNAL, f"does not hold the changes that were recorded ({error})", _LOST),)
    if recorded is None or is_cut_short(path.read_bytes()[recorded.end :]):
        return recorded, ()
    what = f"ends in {recorded.torn:,} bytes that are no change, nor one that was being written when a process ended"
    return recorded, (Damage(JOURNAL, what, _LOST),)


def _refused(directory: Path) -> Iterator[Damage]:
    """What opening the gallery with its changes finds that no other check did."""
    try:
        Gallery.built(directory).close()
    except ArtifactError as error:
        yield Damage(MANIFEST, f"is of a gallery that cannot be opened ({error})", _LOST)
        return
    try:
        Gallery.open(directory).close()
    except ArtifactError as error:
        yield Damage(JOURNAL, f"holds changes of another gallery ({error})", _LOST)


def _refused_by_store(directory: Path) -> Iterator[Damage]:
    """What is wrong with the store of a gallery: what it holds is Milvus's own to check."""
    try:
        open_gallery(directory).close()
    except ArtifactError as error:
        yield Damage(MANIFEST, f"names a store that is not its own ({error})", _LOST)


def _remedy(name: str, manifest: Manifest, wrong: Mapping[str, str]) -> str:
    """What a file can be rebuilt from, if that is itself sound."""
    sources = _sources(name, manifest)
    if not sources or wrong.keys() & set(sources):
        return _LOST
    return f"it can be rebuilt from {', '.join(sources)}, or copied from a backup"


def _sources(name: str, manifest: Manifest) -> tuple[str, ...]:
    """The files that a file follows from; none where it is the only one that holds what it holds."""
    if name not in _FOLLOWING:
        return ()
    modality = _FOLLOWING[name]
    gaussians = (layout.means_file(modality), layout.log_variances_file(modality), layout.coding_file(modality))
    return tuple(file for file in gaussians if file in manifest.files)
