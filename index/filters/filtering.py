"""Which items of a gallery with its changes a filter lets through, as `Filter.matches` says it of each."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from index.allowed import Mask
from index.changes.catalogue import Catalogue
from index.fields import ID
from index.filters.conditions import Condition, Filter
from index.filters.field_index import FieldIndex
from index.items import Modality
from index.ranking import Rows


class Filtering:
    """Evaluates filters, from any thread: of what was built by its fields, of what was added one by one.

    Args:
        catalogue: the items.
        fields: of those that were built.
    """

    def __init__(self, catalogue: Catalogue, fields: FieldIndex) -> None:
        self._catalogue = catalogue
        self._fields = fields

    def mask(self, modality: Modality, wanted: Filter) -> Mask:
        """Bool [n + m]: whether a filter lets each item through, built and added; of a row without one, either."""
        rows = self._catalogue.counts[modality] + len(self._catalogue.added[modality])
        mask = np.ones(rows, np.bool_)
        for condition in wanted.conditions:
            mask &= self._holding(modality, condition)
        return mask

    def _holding(self, modality: Modality, condition: Condition) -> Mask:
        """Where a condition holds; for a caption, but for its id, it is its image of which it has to."""
        own = self._own(modality, condition)
        if modality is Modality.IMAGE or condition.field == ID:
            return own
        of_images = np.append(self._own(Modality.IMAGE, condition), False)
        return np.where(self.images >= 0, of_images[self.images], own)

    def _own(self, modality: Modality, condition: Condition) -> Mask:
        """Where a condition holds by what items say of themselves."""
        alone = Filter((condition,))
        came = [alone.matches(each.item, each.item) for each in self._catalogue.added[modality]]
        return np.append(self._fields.holding(modality, condition), np.array(came, np.bool_))

    @cached_property
    def images(self) -> Rows:
        """The row of each caption's image, −1 where there is none."""
        came = [self._image(each.item.image_id) for each in self._catalogue.added[Modality.TEXT]]
        return np.append(self._moved[self._fields.images], np.array(came, np.int64))

    @property
    def _moved(self) -> Rows:
        """The row that each image built has now: another one where it was replaced; the last is that of no image."""
        rows = np.append(np.arange(self._catalogue.counts[Modality.IMAGE]), -1)
        for identifier in self._catalogue.gone & self._catalogue.places.keys():
            before, row = self._catalogue.built(identifier)
            if before is Modality.IMAGE:
                rows[row] = self._image(identifier)
        return rows

    def _image(self, identifier: str | None) -> int:
        """The row of an image, −1 where there is none of this id."""
        modality, row = (identifier and self._catalogue.find(identifier)) or (None, -1)
        return row if modality is Modality.IMAGE else -1
