"""The tree of errors that a person can do something about.

PenumbraError
├── ArtifactError      a model or a gallery on disk is missing, damaged or of another make
├── CorpusError        a collection of captions and images cannot be read
├── ConfigError        a configuration says something impossible
├── WeightsError       published weights were asked for and cannot be had
├── LockedError        another process changes the same gallery
├── UnavailableError   the store that a gallery lies in does not answer
└── InputError         a query or an item is not acceptable
    ├── ChangeError    a change of a gallery that cannot be made
    │   └── UnknownIdError    it names an item that is not there
    ├── FilterError    a filter that cannot be read
    ├── UnsupportedError  what the store of a gallery cannot do
    ├── ImageError     bytes that are no acceptable picture
    └── TextError      a text that is empty or too long

Each message is one sentence that names the thing and says what to change.
"""

from __future__ import annotations


class PenumbraError(Exception):
    """Something outside the program is wrong, and its message says what to change."""


class ArtifactError(PenumbraError):
    """A model or a gallery on disk is missing, damaged, or made by something else."""


class CorpusError(PenumbraError):
    """A captioned collection cannot be read as it stands."""


class ConfigError(PenumbraError):
    """A configuration names something unknown or asks for something impossible."""


class WeightsError(PenumbraError):
    """Published weights were asked for and are not to be had from here."""


class LockedError(PenumbraError):
    """Another process changes the same gallery; the message names it."""


class UnavailableError(PenumbraError):
    """The store that a gallery lies in does not answer; asked again later, it may."""


class InputError(PenumbraError):
    """A query or an item is not acceptable as it is."""


class ChangeError(InputError):
    """A gallery cannot be changed in this way, and was not changed at all."""


class UnknownIdError(ChangeError):
    """A change names an item that the gallery does not have."""


class FilterError(InputError):
    """This is no filter, or one beyond the limits."""


class UnsupportedError(InputError):
    """The store that a gallery lies in cannot do this; the message says what it can."""


class ImageError(InputError):
    """These bytes are not a picture within the limits."""


class TextError(InputError):
    """This text is empty or too long."""
