"""What questions about the model and the gallery look like, beside searches."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from index.items import Modality
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
