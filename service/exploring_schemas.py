"""What questions about the model and the gallery look like, beside searches."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from index.items import Modality
from service.oddities import OddityKind
from service.schemas import Strict


class AttentionQuestion(Strict):
    """One of two: the attention over a text, or over an item of the gallery."""

    text: str | None = Field(None, description="A text, from 1 character to the limit in /info.")
    id: str | None = Field(
        None,
        description="The id of an item of the gallery, of either modality; of an image the stored picture is looked "
        "at, not the file that it was made from.",
    )

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if (self.text is None) == (self.id is None):
            raise ValueError("Give exactly one of text and id.")
        return self


class WordsQuestion(Strict):
    """A text whose words are weighed."""

    text: str = Field(
        description="A text, from 1 character and 1 word to the limits `characters` and `words` in /info."
    )


class HistogramQuestion(Strict):
    """Whose sigma, in how many bins."""

    modality: Modality = Field(description="The gallery's images or texts.")
    bins: int = Field(40, ge=1, le=1000, description="Bins of equal width, from 1 to 1000.")


class OdditiesQuestion(Strict):
    """Which of the odd ones."""

    kind: OddityKind = Field(
        description="mismatched: images with a caption of their own that hardly matches them, or such captions. hubs: "
        "items among the first answers of many queries."
    )
    modality: Modality = Field(Modality.IMAGE, description="The gallery's images or texts.")
    limit: int = Field(10, ge=1, description="Items on a page, from 1 to the limit top_k in /info.")
    offset: int = Field(0, ge=0, lt=2**63, description="Items left out before the page, 0 or more.")
