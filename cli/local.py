"""A gallery on disk that is asked like a server: `LocalGallery` answers as `penumbra_client.Client` does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self, Unpack

from index.files.manifest import read_manifest
from index.filters.form import parse
from index.items import Modality
from index.lifecycle.opening import open_gallery
from index.searching import retriever
from index.searching.contract import Searched
from index.searching.rerank import Rerank
from index.searching.retriever import Retriever, SearchResult
from models import checkpoint
from models.calibration import Direction
from models.checkpoint import LoadedModel
from models.errors import ConfigError
from models.gaussian import Gaussian
from models.text import check
from penumbra_client import (
    Fingerprints,
    Hit,
    NoMatch,
    Projection,
    Query,
    SearchAnswer,
    SearchOptions,
    Spot,
    Uncertainty,
)


class LocalGallery:
    """A gallery and its model, without a server.

    Args:
        gallery: open for as long as it is asked.
        model: that made it.
    """

    def __init__(self, gallery: Searched, model: LoadedModel) -> None:
        self._gallery, self._model = gallery, model

    @classmethod
    @contextmanager
    def open(cls, gallery: Path, model: Path | None) -> Iterator[Self]:
        """The gallery of a folder, until the block ends; the model is the one that it names unless another is given.

        Raises:
            ArtifactError: one of them cannot be used, or they do not belong together.
        """
        loaded = checkpoint.load(model or gallery / read_manifest(gallery).model)
        with closing(open_gallery(gallery, model=loaded.fingerprint)) as opened:
            yield cls(opened, loaded)

    def search_text(self, text: str, **options: Unpack[SearchOptions]) -> SearchAnswer:
        """Find the pictures that a text describes."""
        gaussian = self._model.encoder.encode_texts([check(text)])
        unknown = self._model.encoder.vocabulary.unknown(text)
        query = self._query(Modality.TEXT, gaussian, text, unknown)
        return self._answer(query, gaussian, Direction.TEXT_TO_IMAGE, options)

    def search_image(self, image: bytes, **options: Unpack[SearchOptions]) -> SearchAnswer:
        """Find the texts that describe a picture."""
        gaussian = self._model.encoder.encode_images([image])
        query = self._query(Modality.IMAGE, gaussian, None, ())
        return self._answer(query, gaussian, Direction.IMAGE_TO_TEXT, options)

    def picture(self, id: str) -> bytes:
        """The picture of an image as the gallery keeps it.

        Raises:
            ConfigError: it has none of this id.
        """
        jpeg = self._gallery.gallery.picture(id)
        if jpeg is None:
            raise ConfigError(f"the gallery has no picture of {id!r}: name an image of it")
        return jpeg

    def _query(self, modality: Modality, gaussian: Gaussian, text: str | None, unknown: Sequence[str]) -> Query:
        [uncertainty] = self._gallery.gallery.uncertainties(modality, gaussian)
        return Query(modality.value, text, None, tuple(unknown), Uncertainty(**asdict(uncertainty)))

    def _answer(self, query: Query, gaussian: Gaussian, direction: Direction, options: SearchOptions) -> SearchAnswer:
        encoder = self._model.encoder
        asked = Retriever(self._gallery, encoder.match, encoder.calibration, encoder.familiarity)
        result = asked.search(gaussian[0], direction, _as_index_has_them(options))
        return SearchAnswer(
            query=query,
            direction=direction.value,
            results=tuple(map(_hit, result.hits)),
            expected_matches=result.expected_matches,
            ranked=result.ranked,
            familiarity=result.familiarity,
            no_match=_no_match(result),
            calibrated=result.calibrated,
            fingerprints=Fingerprints(self._model.fingerprint, result.gallery),
            projection=_projection(result),
        )


def _as_index_has_them(options: SearchOptions) -> retriever.SearchOptions:
    given: dict[str, Any] = dict(options)
    if "rerank" in options:
        given["rerank"] = Rerank(options["rerank"])
    if "filter" in options:
        given["filter"] = parse(options["filter"])
    return retriever.SearchOptions(**given)


def _hit(hit: retriever.Hit) -> Hit:
    return Hit(
        rank=hit.rank,
        id=hit.item.id,
        modality=hit.item.modality.value,
        text=hit.item.text,
        image_url=None,
        mean_distance=hit.mean_distance,
        match_probability=hit.match_probability,
        standard_error=hit.standard_error,
        raw_match_probability=hit.raw_match_probability,
        uncertainty=Uncertainty(**asdict(hit.uncertainty)),
    )


def _no_match(result: SearchResult) -> NoMatch | None:
    return None if result.no_match is None else NoMatch(result.no_match.reason.value, result.no_match.detail)


def _projection(result: SearchResult) -> Projection | None:
    found = result.projection
    if found is None:
        return None
    return Projection(found.explained, Spot(**asdict(found.query)), tuple(Spot(**asdict(each)) for each in found.items))
